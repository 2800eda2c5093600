"""The controls beside the picture: figures, switches, buttons and sliders.

What somebody does there is kept as events until it is taken; nothing here talks to the tracker. viser calls from
threads of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from minimal_hand_core.viewing.events import Calibrate, Enable, Event, Record, SetParameter
from minimal_hand_core.viewing.knobs import KNOBS, Knob
from minimal_hand_core.viewing.status import HandStatus, message_html, status_html

if TYPE_CHECKING:
    import viser

_LONGEST_HAND = 150.0
"""Millimetres."""


class Panel:
    """The panel.

    Args:
        gui: where it is made.
        sides: the hands there are, 'right' and 'left'.
        changed: called when something else is to be seen, or the view is to turn to the hand.
    """

    def __init__(self, gui: viser.GuiApi, sides: Sequence[str], changed: Callable[[], None], look: Callable[[], None]):
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._inputs: dict[str, Any] = {}
        self._filter = ''
        # typed as Any: viser's properties are read-only to mypy
        self._enabled: Any
        self._record: Any
        self._status = gui.add_html(status_html([HandStatus(side) for side in sides]))
        self._message = gui.add_html(message_html('', True))
        self._enabled = gui.add_checkbox('Tracking', True, hint='off: the tracker looks at no picture (service enable)')
        self._on_input(self._enabled, Enable)
        with gui.add_folder('Calibrate'):
            self._length = gui.add_number(
                'Palm (mm)',
                0.0,
                min=0.0,
                max=_LONGEST_HAND,
                step=0.5,
                hint="measured from the wrist to the middle finger's base; 0: not measured",
            )
            for side in sides:
                button = gui.add_button(
                    f'Calibrate the {side} hand', hint='hold the open hand still, in full view (service calibrate)'
                )
                button.on_click(self._calibrate(side))
        self._recording = False
        self._record = gui.add_button('Record', hint='pictures and results to a file (service record)')
        self._record.on_click(lambda _: self._put(Record(not self._recording)))
        with gui.add_folder('Filter'):
            for knob in KNOBS:
                if knob.stage == 'pose':
                    self._add(gui, knob)
        with gui.add_folder('Finding', expand_by_default=False):
            for knob in KNOBS:
                if knob.stage == 'detection':
                    self._add(gui, knob)
        with gui.add_folder('Show', expand_by_default=False):
            self.skin = gui.add_checkbox('Skin', True)
            self.frames = gui.add_checkbox('Joint frames', True)
            self.picture = gui.add_checkbox('Camera', True)
            gui.add_button('Look at the hand').on_click(lambda _: look())
        for box in (self.skin, self.frames, self.picture):
            box.on_update(lambda _: changed())

    def take(self) -> list[Event]:
        """What was done since the last call, in order; of a knob that was moved several times, only the last."""
        events: list[Event] = []
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return events
            if isinstance(event, SetParameter):
                events = [e for e in events if not (isinstance(e, SetParameter) and e.name == event.name)]
            events.append(event)

    def show_status(self, hands: Sequence[HandStatus]) -> None:
        """The figures."""
        self._status.content = status_html(hands)

    def say(self, text: str, good: bool = True) -> None:
        """An answer, or why there is none."""
        self._message.content = message_html(text, good)

    def show_enabled(self, on: bool) -> None:
        """Whether pictures are looked at."""
        self._enabled.value = bool(on)

    def show_recording(self, on: bool) -> None:
        """Whether a recording is under way."""
        self._recording = on
        self._record.label = 'Stop recording' if on else 'Record'
        self._record.color = 'red' if on else None

    def show_value(self, name: str, value: Any) -> None:
        """The value that a parameter has; a slider that ends before it is made longer."""
        element = self._inputs.get(name)
        if element is None:
            return
        if name == 'filter':
            self._filter = str(value)
            self._hide_others()
        if hasattr(element, 'max'):
            value = float(value)
            element.min, element.max = min(element.min, value), max(element.max, value)
        element.value = value
        element.disabled = False

    def disable(self, names: Sequence[str]) -> None:
        """Nobody has these parameters now."""
        for name in names:
            self._inputs[name].disabled = True

    def _calibrate(self, side: str) -> Callable[[Any], None]:
        return lambda _: self._put(Calibrate(side, self._length.value / 1000))

    def _add(self, gui: viser.GuiApi, knob: Knob) -> None:
        element: Any
        if knob.choices == (False, True):
            element = gui.add_checkbox(knob.label, True, disabled=True, hint=knob.name)
        elif knob.choices:
            element = gui.add_dropdown(knob.label, [str(c) for c in knob.choices], disabled=True, hint=knob.name)
        else:
            element = gui.add_slider(
                knob.label, knob.low, knob.high, knob.step, knob.low, disabled=True, hint=knob.name
            )
        element.visible = knob.only_with is None
        self._inputs[knob.name] = element
        self._on_input(element, lambda value: SetParameter(knob.name, value))

    def _hide_others(self) -> None:
        for knob in KNOBS:
            self._inputs[knob.name].visible = knob.only_with in (None, self._filter)

    def _on_input(self, element: Any, event: Callable[[Any], Event]) -> None:
        def take(update: Any) -> None:
            if update.client_id is not None:  # else we have set it ourselves
                self._put(event(element.value))

        element.on_update(take)

    def _put(self, event: Event) -> None:
        self._events.put(event)
