"""The demo's browser view: a viewer that the demo can do without."""

from __future__ import annotations

import os
import re
import sys
import webbrowser

from minimal_hand_ros.demo.processes import NodeProcess

_ADDRESS = re.compile(r'ready: open (http://\S+)')
_DISPLAYS = ('DISPLAY', 'WAYLAND_DISPLAY')


class View:
    """What there is to say of a viewer. When it cannot start or ends, that is one line, and the demo goes on.

    Args:
        node: the viewer.

    Attributes:
        address: of the page; None until it is known, and once it is gone.
    """

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._said = False
        self._ended = False
        self.address: str | None = None

    def news(self) -> str | None:
        """A line to print, once: the address as soon as it is known, or why there is no view (any more)."""
        if self._ended:
            return None
        if self._node.ended:
            self._ended, self.address = True, None
            last = self._node.lines[-1] if self._node.lines else 'it ended without a word'
            return f'no view    {last.removeprefix("error: viewer: ")}'
        if self._said:
            return None
        found = (_ADDRESS.search(line) for line in list(self._node.lines))
        self.address = next((match[1] for match in found if match), None)
        if self.address is None:
            return None
        self._said = True
        _open_browser(self.address)
        return f'view       {self.address}'


def _open_browser(address: str) -> None:
    """Show the page where somebody sits before a screen; text browsers would take over the terminal."""
    if sys.stdout.isatty() and any(os.environ.get(name) for name in _DISPLAYS):
        webbrowser.open(address)
