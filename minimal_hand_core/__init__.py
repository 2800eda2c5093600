"""Hand tracking from single colour pictures: keypoints, shape, pose. Pure Python, no ROS."""

from pathlib import Path

from minimal_hand_core.stale_kernels import drop_stale_kernels

__version__ = '0.1.0'

drop_stale_kernels(Path(__file__).parent)
