"""Messages and services as their files in msg/ and srv/ tell them: comments above a field belong to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_FIELD = re.compile(r'(?P<type>[\w/]+(?:\[[<=\d]*\])?)\s+(?P<name>\w+)(?:\s*=\s*(?P<value>\S+))?$')


class Field(NamedTuple):
    """One field, or one constant where value is not ''."""

    name: str
    type: str
    value: str
    text: str


class InterfaceFile(NamedTuple):
    """One file; parts holds one list of fields for a message, two (request, response) for a service."""

    name: str
    text: str
    parts: list[list[Field]]


def read_interface(path: Path) -> InterfaceFile:
    """Read a .msg or .srv file.

    Raises:
        ValueError: a line that is none of field, comment and `---`, or a field without a comment above it.
    """
    parts: list[list[Field]] = [[]]
    head: list[str] = []
    comments: list[str] = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        line = line.strip()
        if line.startswith('#'):
            comments.append(line[1:].strip())
        elif not line:
            if not head and not parts[0]:
                head = comments
            comments = []
        elif line == '---':
            parts.append([])
            comments = []
        else:
            found = _FIELD.match(line)
            if not found:
                raise ValueError(f'{path.name}, line {number}: {line!r} is no field')
            if not comments:
                raise ValueError(f'{path.name}, line {number}: {found["name"]} has no comment above it')
            parts[-1].append(Field(found['name'], found['type'], found['value'] or '', ' '.join(comments)))
            comments = []
    # an empty comment line parts paragraphs
    return InterfaceFile(path.stem, '\n'.join(head), parts)
