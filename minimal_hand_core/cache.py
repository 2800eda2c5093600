"""The user's cache folder: what was worked out once on this machine and can be worked out again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = 'MINIMAL_HAND_CACHE'
"""Environment variable that names another folder."""


def cache_folder(part: str) -> Path:
    """Folder `part` of $MINIMAL_HAND_CACHE, or of `minimal_hand_ros` in $XDG_CACHE_HOME or ~/.cache; not created."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE]).expanduser() / part
    home = os.environ.get('XDG_CACHE_HOME')
    return (Path(home) if home else Path.home() / '.cache') / 'minimal_hand_ros' / part
