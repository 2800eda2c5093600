"""What a data folder must hold, and the error that says what is missing and what was expected."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.hand.safe_pickle import BrokenPickleError, RefusedPickleError, load_restricted


class DatasetError(ValueError):
    """A data folder is missing, incomplete or malformed; the message names the file and what was expected."""


class OptionError(DatasetError):
    """An option that a reader does not have, or a value that it cannot take; the message lists what there is."""


class Tree:
    """The expected folder tree of one data set.

    Args:
        name: of the data set, for messages.
        text: the tree as a reader would draw it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text.strip('\n')

    def missing(self, path: Path, why: str = '') -> DatasetError:
        """The error for a file or folder that is not there, with the tree; `why` is added to the first line."""
        return DatasetError(f'{path} is missing{"; " + why if why else ""}. {self.name} is expected as\n{self.text}')

    def folder(self, path: Path, why: str = '') -> Path:
        """`path`, which must be a folder."""
        if not path.is_dir():
            raise self.missing(path, why)
        return path

    def file(self, path: Path, why: str = '') -> Path:
        """`path`, which must be a file."""
        if not path.is_file():
            raise self.missing(path, why)
        return path

    def read_text(self, path: Path) -> str:
        """The UTF-8 text of a file that must be there."""
        try:
            return self.file(path).read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'{path} cannot be read: {getattr(error, "strerror", None) or error}') from None

    def read_json(self, path: Path) -> Any:
        """The content of a JSON file that must be there."""
        try:
            return json.loads(self.read_text(path))
        except json.JSONDecodeError as error:
            raise DatasetError(f'{path} is not valid JSON: {error}; unpack it again') from None

    def read_pickle(self, path: Path) -> Any:
        """The content of a pickle that must be there and may hold NumPy arrays and plain Python values only."""
        try:
            return load_restricted(self.file(path).read_bytes())
        except OSError as error:
            raise DatasetError(f'{path} cannot be read: {error.strerror}') from None
        except RefusedPickleError as error:
            raise DatasetError(
                f'{path} is refused: it names {error}, which no label file of {self.name} does'
            ) from None
        except BrokenPickleError as error:
            raise DatasetError(f'{path} is not a pickle that can be read: {error}; unpack it again') from None


def numbers(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """`value` as float64 of `shape`, −1 for a size that may be anything.

    Raises:
        DatasetError: another shape or no numbers; NaN is left to `Index.check`.
    """
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DatasetError(f'{where} does not hold {_times(shape)} numbers') from None
    if array.ndim != len(shape) or any(want not in (-1, got) for want, got in zip(shape, array.shape)):
        raise DatasetError(f'{where} is {_times(array.shape)}; expected {_times(shape)}')
    return array


def unlabelled(pictures: set[str], labels: set[str], where: Path, partial: bool) -> list[str]:
    """Pictures without labels: none (empty list), or, in a partial data set, the line for the report.

    Args:
        pictures, labels: names without their endings.
        where: the folder, for the message.
        partial: leave them out instead of raising.

    Raises:
        DatasetError: there are some; the message names the first and their number.
    """
    alone = sorted(pictures - labels)
    if not alone:
        return []
    text = f'{where}: {len(alone)} of {len(pictures)} pictures have no labels, the first is {alone[0]}'
    if partial:
        return [f'{text}; left out']
    raise DatasetError(f'{text}; unpack the labels again, or give partial=True to go on without these pictures')


def present(root: Path, files: Iterable[str]) -> np.ndarray:
    """(N,) bool: which files (relative to root) are there. Each folder is listed once instead of N look-ups."""
    listed: dict[str, set[str]] = {}
    found = []
    for file in files:
        folder, _, name = file.rpartition('/')
        if folder not in listed:
            try:
                listed[folder] = set(os.listdir(root / folder))
            except OSError:
                listed[folder] = set()
        found.append(name in listed[folder])
    return np.array(found, bool)


def _times(shape: tuple[int, ...]) -> str:
    return '×'.join('n' if size == -1 else str(size) for size in shape) if shape else 'one number'
