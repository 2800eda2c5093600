"""What a perfect network would say of the rendered hand, so that tests of the later stages can be tight."""

from __future__ import annotations

import numpy as np
from minimal_hand_ros.msg import HandKeypoints
from std_msgs.msg import Header

from minimal_hand_core.data.synthetic import HandTruth, RenderedScene
from minimal_hand_core.hand.skeleton import MIDDLE_MCP
from minimal_hand_core.tracking import CameraModel, Keypoints
from minimal_hand_ros.messages import keypoints_message
from minimal_hand_ros.stamps import from_nanoseconds

START = 1_700_000_000_123_456_789
"""Nanoseconds; stamps with digits in every place show whether they are passed on unchanged."""
PERIOD = 33_333_333
FRAME = 'eye_optical'


def header(number: int) -> Header:
    """Of picture `number` at 30 Hz."""
    return Header(stamp=from_nanoseconds(START + number * PERIOD), frame_id=FRAME)


def truth(scene: RenderedScene, number: int) -> HandTruth:
    """The hand in picture `number`."""
    found = scene.truth(number * PERIOD * 1e-9)
    assert found is not None
    return found


def keypoints(scene: RenderedScene, number: int, calibrated: bool = True) -> HandKeypoints:
    """HandKeypoints of picture `number`, exact."""
    hand = truth(scene, number)
    height, width = scene.size
    points = hand.keypoints_m
    camera = CameraModel(width, height, hand.intrinsics, np.zeros(0)) if calibrated else None
    found = Keypoints(
        side=hand.side,
        stamp=0.0,  # the message takes the header's
        score=0.9,
        uv=hand.keypoints_px,
        xyz=(points - points[MIDDLE_MCP]) / hand.hand_length,
        confidence=np.ones(21),
    )
    return keypoints_message(header(number), found, hand.side, (width, height), camera, 0.01)


def no_hand(number: int) -> HandKeypoints:
    """HandKeypoints of picture `number` without a hand."""
    return HandKeypoints(header=header(number), side='right', valid=False, score=0.1, width=640, height=480)
