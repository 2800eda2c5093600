"""Thumb and index finger open and close a gripper: hand → joint positions of a robot, kept within its limits.

    python examples/retarget_gripper.py                               # a rendered hand, the gripper of config/
    python examples/retarget_gripper.py 0 --config my_robot.yaml      # a webcam and a robot of yours

Prints what it would send. A robot is driven by the ROS node `retarget`, or by sending `command.positions` yourself.
"""

import argparse
import sys
from pathlib import Path

from minimal_hand_core.data.stream import pictures
from minimal_hand_core.robots import (
    CommandGuard,
    HandObservation,
    SafetySettings,
    create_retargeter,
    read_retarget_config,
)
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig

GRIPPER = Path(__file__).resolve().parents[1] / 'config' / 'retarget' / 'two_finger_gripper.yaml'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A hand drives a gripper.')
    parser.add_argument('source', nargs='?', default='rendered', help='webcam index, video, folder or picture')
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('--pictures', type=int, default=60, help='end after so many; 0 = at the end of the source')
    parser.add_argument('--config', type=Path, default=GRIPPER, help='retargeting file of a robot')
    options = parser.parse_args(arguments)

    robot = read_retarget_config(options.config)
    retargeter = create_retargeter(robot)
    # limits and speeds, and what happens without a hand; here nobody holds a dead-man's switch
    guard = CommandGuard(robot.robot, robot.max_speed, robot.rest, SafetySettings(deadman_timeout=0))
    guard.enable(True, now=0.0)
    tracker = HandTracker(HandTrackerConfig(side=options.side))
    for picture in pictures(options.source, options.pictures, side=options.side):
        now = picture.stamp
        hand = tracker.track(picture.image, now, picture.camera)
        if hand is not None:
            seen = HandObservation.from_pose(hand.side, now, hand.angles, hand.keypoints_m, hand.wrist_rotation)
            guard.offer(retargeter.retarget(seen), now, 0.0, now)
        command = guard.command(now)
        sent = command.positions if command.positions is not None else []
        joints = ', '.join(f'{name} {value:.4f}' for name, value in zip(robot.robot.names, sent))
        print(f'{now:7.3f} s  {command.state.value:18}  {joints}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
