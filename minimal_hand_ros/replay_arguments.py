"""The command line of replay, `replay hand.mcap --loop`, as ROS parameters."""

from __future__ import annotations

import argparse

from minimal_hand_ros.parameters import yaml_value
from minimal_hand_ros.settings.recording import STAMPS


def as_ros_arguments(args: list[str]) -> list[str]:
    """Options and path as `--ros-args -p …`, in front of what stands there already.

    Args:
        args: with the program's name in front, as sys.argv.

    Raises:
        SystemExit: an option that does not exist; with code 2, after one line on what would be right.
    """
    place = args.index('--ros-args') if '--ros-args' in args else len(args)
    own, ros = args[1:place], args[place:]
    parser = argparse.ArgumentParser(prog='replay', description='Publish a recording again, at its own pace.')
    parser.add_argument('path', nargs='?', help='an .mcap file or a rosbag2 folder')
    parser.add_argument('--rate', type=float, help='how many times as fast as it was recorded')
    parser.add_argument('--loop', action='store_true', default=None, help='start over at the end')
    parser.add_argument('--pictures-only', action='store_true', default=None, help='for a tracker')
    parser.add_argument('--stamps', choices=STAMPS, help='as recorded, going on in a loop, or those of now')
    parser.add_argument('--start', type=float, metavar='S', help='seconds from the beginning')
    parser.add_argument('--end', type=float, metavar='S', help='seconds from the beginning')
    parser.add_argument('--paused', action='store_true', default=None, help='start paused')
    parser.add_argument(
        '--wait', dest='wait_for_subscribers', action='store_true', default=None, help='until somebody listens'
    )
    parser.epilog = 'Everything behind --ros-args is for ROS, such as -r /image_raw:=/camera/image_raw.'
    given = {name: value for name, value in vars(parser.parse_args(own)).items() if value is not None}
    if not given:
        return args
    parameters = [part for name, value in given.items() for part in ('-p', f'{name}:={yaml_value(value)}')]
    return [args[0], '--ros-args', *parameters, *ros]
