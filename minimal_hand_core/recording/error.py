"""What can go wrong with a recording."""

from __future__ import annotations

from pathlib import Path


class RecordingError(ValueError):
    """A recording that cannot be written or read; the message names the file and what would be right."""


class RecordingExistsError(RecordingError):
    """A recording that would have to overwrite a file."""


class DamagedRecordingError(RecordingError):
    """A recording that ends in the middle or is damaged; what is whole has been given before this is raised.

    Args:
        path: of the file.
        count: messages that were read before.
        stamp: of the last one, nanoseconds; None where there was none.
        reason: what was found there.

    Attributes:
        path, count, stamp: as given.
    """

    def __init__(self, path: Path, count: int, stamp: int | None, reason: str) -> None:
        self.path, self.count, self.stamp = path, count, stamp
        last = '' if stamp is None else f', the last one recorded at {stamp / 1e9:.3f} s'
        super().__init__(
            f'recording {path} is cut off or damaged ({reason}): {count} messages could be read{last}; '
            'what comes after them is lost'
        )
