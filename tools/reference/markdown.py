"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

# an underscore inside a word, as in joint_states, means nothing
_ESCAPED = re.compile(r'[\\`*{}\[\]<>~]|(?<!\w)_|_(?!\w)')


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, and `|` and line breaks are taken care of."""
    lines = [_row(head), _row(['---'] * len(head))]
    return '\n'.join(lines + [_row(row) for row in rows]) + '\n'


def code(text: str) -> str:
    """Text as code; nothing for nothing."""
    return f'`{text}`' if text else ''


def prose(text: str) -> str:
    """Text of which nothing but `code` between backticks means something to Markdown."""
    parts = text.split('`')
    if len(parts) % 2 == 0:
        return _ESCAPED.sub(r'\\\g<0>', text)
    return '`'.join(part if i % 2 else _ESCAPED.sub(r'\\\g<0>', part) for i, part in enumerate(parts))


def block(text: str, language: str = 'text') -> str:
    """Lines as they are."""
    return f'```{language}\n{text.rstrip()}\n```\n'


def anchor(heading: str) -> str:
    """The name that a heading has in links."""
    kept = re.sub(r'[^\w\s-]', '', heading).strip().lower()
    return re.sub(r'[-\s]+', '-', kept)


def _row(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(' '.join(cell.split()).replace('|', '\\|') for cell in cells) + ' |'
