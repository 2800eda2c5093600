"""Writes docs/reference/ from the code's own tables, or with --check says which pages are not what the code says."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.reference.pages import ROOT, make_pages


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 1 where pages are stale."""
    parser = argparse.ArgumentParser('python -m tools.reference', description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing; say what differs')
    options = parser.parse_args(arguments)
    pages = {ROOT / name: text for name, text in make_pages().items()}
    stale = {path: text for path, text in pages.items() if _content(path) != text}
    left = [path for folder in {path.parent for path in pages} for path in folder.glob('*.md') if path not in pages]
    left = [path for path in left if path.parent.name == 'reference']
    for path, text in stale.items():
        print(path.relative_to(ROOT), 'is stale' if options.check else 'written')
        if options.check:
            lines = difflib.unified_diff(
                _content(path).splitlines(), text.splitlines(), 'there', 'code', n=0, lineterm=''
            )
            print('\n'.join(f'  {line[:200]}' for line in list(lines)[:20]))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
    for path in left:
        print(path.relative_to(ROOT), 'is made by nothing: remove it')
    if options.check and (stale or left):
        print('mend with: python -m tools.reference')
        return 1
    return 0


def _content(path: Path) -> str:
    return path.read_text(encoding='utf-8') if path.exists() else ''


if __name__ == '__main__':
    sys.exit(main())
