"""The demo: the tracker's nodes on a rendered, filmed or live hand, watched from outside and written to a folder."""

from minimal_hand_ros.demo.main import main

__all__ = ['main']
