"""Pictures that could not be read during a run: listed by name, counted, and too many of them stop the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minimal_hand_core.training.ranks import Ranks
from minimal_hand_core.training.run import tell

LIMIT = 0.01
"""Share of all pictures; a data set with more of them broken was not unpacked well."""


class Unreadable:
    """Names of unreadable pictures of one sitting; the file in the run's folder keeps those of all sittings.

    Args:
        folder: of the run; `unreadable.txt`, or for other ranks than the first `unreadable_rank1.txt` and so on.
        ranks: this process.
        samples: number of pictures that may be drawn.
    """

    def __init__(self, folder: Path, ranks: Ranks, samples: int) -> None:
        self.path = folder / ('unreadable.txt' if ranks.first else f'unreadable_rank{ranks.rank}.txt')
        self.names: set[str] = set()
        self._limit = max(1, int(LIMIT * samples))
        self._samples = samples
        self._listed = set(self.path.read_text().splitlines()) if self.path.exists() else set()

    def note(self, names: Iterable[str], *, limited: bool = True) -> None:
        """Write down what is new.

        Raises:
            ValueError: there are more than one in a hundred, unless not `limited`.
            OSError: the file cannot be written.
        """
        for name in names:
            if name in self.names:
                continue
            self.names.add(name)
            tell(f'not readable, and another picture drawn instead: {name}' if limited else f'not readable: {name}')
            if name not in self._listed:
                self._listed.add(name)
                with self.path.open('a') as file:
                    file.write(f'{name}\n')
            if limited and len(self.names) > self._limit:
                raise ValueError(
                    f'{len(self.names)} of {self._samples} pictures cannot be read, more than one in a hundred; '
                    f'{self.path} lists them. Unpack the data set again'
                )
