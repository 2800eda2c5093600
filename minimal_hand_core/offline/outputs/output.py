"""What every output has: it makes parts, and joins them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from minimal_hand_core.offline.tracking import TrackedFrame


class Output(ABC):
    """One kind of result. A part is on the disk, whole, when `end` returns; nothing is kept from part to part."""

    @abstractmethod
    def begin(self, part: Path) -> None:
        """Begin a part; `part` is its path without the end of its name. What an earlier try left there is replaced."""

    @abstractmethod
    def add(self, tracked: TrackedFrame) -> None:
        """Take one picture."""

    @abstractmethod
    def end(self) -> None:
        """Finish the part.

        Raises:
            OSError: it cannot be written: no space, no permission.
        """

    def drop(self) -> None:  # noqa: B027
        """Let go of an unfinished part."""

    @abstractmethod
    def join(self, parts: Sequence[Path], folder: Path) -> list[Path]:
        """Make the result of its parts, in their order, in a folder; what is there is replaced whole.

        Returns:
            the files; none where no picture had anything for them.

        Raises:
            OSError: they cannot be written.
        """
