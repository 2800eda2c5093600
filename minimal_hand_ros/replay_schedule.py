"""When each message of a recording is due: rounds of a loop, the rate, pauses, and times moved to now; no ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from minimal_hand_core.recording import DamagedRecordingError, RawMessage, Recording
from minimal_hand_core.recording.pictures import COMPRESSED, RAW


@dataclass(frozen=True)
class Span:
    """The part of a recording that is replayed; nanoseconds, both ends included."""

    start: int
    end: int


class Schedule:
    """Gives the messages of a recording when they are due, by a clock that is handed in; no ROS.

    Args:
        recording: open.
        topics: names of those to replay.
        span: stamps from and to which.
        rate: how many times as fast as it was recorded.

    Attributes:
        rounds: begun so far.
        damage: what was said of the end of a recording that is cut off; '' for a whole one.
        position: stamp of the message that was given last.
    """

    def __init__(self, recording: Recording, topics: Collection[str], span: Span, rate: float) -> None:
        self._recording, self._topics, self._span, self._rate = recording, set(topics), span, rate
        self._period = _period(recording, self._topics)
        self._messages: Iterator[RawMessage] = iter(())
        self._next: RawMessage | None = None
        self._anchor: tuple[int, int] | None = None
        self.rounds = 0
        self.damage = ''
        self.position = span.start

    def begin(self) -> bool:
        """Start a round; false when there is nothing to replay."""
        self.rounds += 1
        self._messages = self._recording.raw_messages(self._topics, self._span.start)
        self._advance()
        return self._next is not None

    def due(self, now: int) -> RawMessage | None:
        """The next message, when its time has come; `now` in nanoseconds of a clock that only goes up."""
        message = self._next
        if message is None or self.wait(now) > 0:
            return None
        self.position = message.stamp
        self._advance()
        return message

    def wait(self, now: int) -> int:
        """Nanoseconds until the next message is due; 0 or less when it is, or when there is none in this round."""
        if self._next is None:
            return 0
        if self._anchor is None:
            self._anchor = now, self._place(self._next.stamp)
        return self.when(self._next.stamp) - now

    def when(self, stamp: int) -> int:
        """When the time of a stamp is or was there in this round, by the clock of `wait`.

        Only once the first message was waited for.
        """
        assert self._anchor is not None
        since, place = self._anchor
        return since + round((self._place(stamp) - place) / self._rate)

    @property
    def at_end(self) -> bool:
        """Whether this round has no more messages."""
        return self._next is None

    def hold(self, now: int, rate: float | None = None) -> None:
        """Keep the place in the recording from here on, at another rate if one is given: call `go` to go on."""
        if self._anchor is not None:
            since, place = self._anchor
            self._anchor = now, place + round((now - since) * self._rate)
        if rate is not None:
            self._rate = rate

    def go(self, now: int) -> None:
        """Go on from the place that was held."""
        if self._anchor is not None:
            self._anchor = now, self._anchor[1]

    def shift_of_round(self) -> int:
        """Nanoseconds by which this round lies behind the first one."""
        return (self.rounds - 1) * (self._span.end - self._span.start + self._period)

    def _place(self, stamp: int) -> int:
        return stamp + self.shift_of_round()

    def _advance(self) -> None:
        try:
            self._next = next(self._messages, None)
        except DamagedRecordingError as error:
            self.damage, self._next = str(error), None
        if self._next is not None and self._next.stamp > self._span.end:
            self._next = None


def span_of(recording: Recording, start: float, end: float) -> Span:
    """From `start` to `end` seconds of a recording; end 0 = to its end."""
    last = recording.start + round(end * 1e9) if end else recording.end
    return Span(recording.start + round(start * 1e9), min(last, recording.end))


def _period(recording: Recording, topics: Collection[str]) -> int:
    """Nanoseconds from one picture to the next, or, without pictures, of the topic with the most messages."""
    counts = [topic.count or 0 for name, topic in recording.topics.items() if name in topics]
    pictures = [
        topic.count or 0
        for name, topic in recording.topics.items()
        if name in topics and topic.type_name in (RAW, COMPRESSED)
    ]
    count = max(pictures or counts, default=0)
    return (recording.end - recording.start) // (count - 1) if count > 1 else 0
