"""Shared memory large enough for raw pictures, for a process that publishes them; no ROS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
"""Where Fast DDS 3 looks for a file of profiles."""
OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
"""Where Fast DDS 2 does; 3 takes it too, with a warning."""
OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')
"""Those that come with Fast DDS 2."""


def large_pictures(profile: Path | str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that a process of Fast DDS needs, besides those it has, to take a file of profiles.

    Args:
        profile: config/fastdds_large_images.xml, which says why.
        environment: what the process has. A profile of the user's own there stays, and nothing is added.
    """
    if VARIABLE in environment or OLD_VARIABLE in environment:
        return {}
    old = environment.get('ROS_DISTRO', '') in OLD_DISTRIBUTIONS
    return {OLD_VARIABLE if old else VARIABLE: str(profile)}
