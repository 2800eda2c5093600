"""Hand tracking from single colour pictures: keypoints, shape, pose. Pure Python, no ROS."""

__version__ = '0.1.0'
