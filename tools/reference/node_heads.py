"""The tables in the docstring at the head of a node's module: what it subscribes, publishes and serves.

A table begins with one of HEADINGS and a colon. Each line is `name  package/Type (latched)  description`; the type may
be left out, and lines that are indented further go on with the description. What is said there is held against the
node itself: `check` names every topic and service that only one of the two knows, and every type that differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

SUBSCRIBES, PUBLISHES, SERVES = 'Subscribes', 'Publishes', 'Services'
HEADINGS = (SUBSCRIBES, PUBLISHES, SERVES)

_ENTRY = re.compile(r'(?P<name>[~/\w]+)(?:\s+(?P<type>\w+/\w+))?(?:\s+\(latched\))?(?:\s+(?P<text>.*))?$')


class HeadError(ValueError):
    """A head that cannot be read, or that does not agree with its node."""


class Entry(NamedTuple):
    """One line of a table: type is '' where none is named."""

    type: str
    text: str


def read_head(docstring: str) -> dict[str, dict[str, Entry]]:
    """The tables of a module's docstring: heading → name → Entry.

    Raises:
        HeadError: a line of a table that is not as it should be.
    """
    tables: dict[str, dict[str, Entry]] = {heading: {} for heading in HEADINGS}
    current: dict[str, Entry] | None = None
    last, indent = '', 0
    for line in docstring.splitlines():
        depth = len(line) - len(line.lstrip())
        if not line.strip() or depth == 0:
            current = tables.get(line.strip().rstrip(':'))
            last, indent = '', 0
            continue
        if current is None:
            continue
        if last and depth > indent:
            current[last] = current[last]._replace(text=f'{current[last].text} {line.strip()}'.strip())
            continue
        found = _ENTRY.match(line.strip())
        if not found:
            raise HeadError(f'{line.strip()!r}: give name, package/Type, description')
        last, indent = found['name'], depth
        current[last] = Entry(found['type'] or '', found['text'] or '')
    return tables


def first_sentence(docstring: str) -> str:
    """What the first line says behind the node's name and its colon."""
    return docstring.strip().splitlines()[0].partition(':')[2].strip()


def check(node: str, heading: str, said: Mapping[str, Entry], found: Mapping[str, str]) -> None:
    """Hold one table against the node.

    Args:
        node: its name, for the error.
        heading: one of the three.
        said: the table.
        found: name → type of what the node really has.

    Raises:
        HeadError: they differ; the message says in what and where to mend it.
    """
    wrong = [f'{name} is not there' for name in said if name not in found]
    wrong += [f'{name} ({kind}) is missing in it' for name, kind in found.items() if name not in said]
    wrong += [f'{name} has no description' for name, entry in said.items() if not entry.text]
    wrong += [
        f'{name} is {found[name]}, not {entry.type}'
        for name, entry in said.items()
        if name in found and entry.type not in ('', found[name])
    ]
    if wrong:
        raise HeadError(f'{node}: {heading} in the head of its module is not what the node has: {"; ".join(wrong)}')
