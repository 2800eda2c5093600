"""Hooks of mkdocs.yml: the cards of minimal_hand_core/assets become pages, and links that leave docs/ find them.

On the disk, and where the repository is shown, pages link to files by their places in it; here to the pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / 'minimal_hand_core' / 'assets'
_LINK = re.compile(r'(?<=\]\()(?P<target>[^)\s#]+)')


def on_files(files: Files, config: Any) -> Files:
    """Add the cards."""
    for path in sorted(CARDS.glob('*.md')):
        files.append(File.generated(config, f'cards/{path.name}', abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links between docs/ and the cards."""
    source = CARDS if page.file.src_uri.startswith('cards/') else (ROOT / 'docs' / page.file.src_uri).parent
    up = '../' * page.file.src_uri.count('/')

    def turned(match: re.Match[str]) -> str:
        target = match['target']
        if '://' in target or target.startswith(('/', 'mailto:')):
            return target
        place = (source / target).resolve()
        if CARDS in place.parents:
            return f'{up}cards/{place.relative_to(CARDS)}'
        if source == CARDS and ROOT / 'docs' in place.parents:
            return f'{up}{place.relative_to(ROOT / "docs")}'
        return target

    return _LINK.sub(turned, markdown)
