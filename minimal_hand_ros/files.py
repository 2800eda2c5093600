"""Files that come with the package: configuration and launch files."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = 'minimal_hand_ros'


def shared_file(name: str) -> Path:
    """Where a file such as 'config/tracker.yaml' lies: in the source tree, in a ROS workspace or in a pip environment.

    Raises:
        FileNotFoundError: nowhere; the message names the file.
    """
    candidates = [Path(__file__).resolve().parents[1] / name]
    try:
        from ament_index_python.packages import get_package_share_directory

        candidates.append(Path(get_package_share_directory(PACKAGE)) / name)
    except (ImportError, LookupError, OSError):  # no ament index, the package is not in it, or no ROS is sourced
        pass
    candidates.append(Path(sys.prefix) / 'share' / PACKAGE / name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f'{name} of {PACKAGE} is missing; install the package again')
