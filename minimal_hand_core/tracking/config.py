"""Everything that can be set, in one frozen dataclass per stage; HandTrackerConfig is all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.pose.methods import check_pose_method
from minimal_hand_core.shape.estimator import HAND_LENGTHS
from minimal_hand_core.shape.methods import check_shape_method
from minimal_hand_core.tracking.filters import FILTERS

RANGES: Mapping[str, tuple[float, float]] = {
    'hand_length': HAND_LENGTHS,
    'threads': (0, 64),
    'enter_threshold': (0.0, 1.0),
    'keep_threshold': (0.0, 1.0),
    'max_inconsistency': (0.0, 10.0),
    'search_windows': (1, 64),
    'min_crop_side': (8.0, 4096.0),
    'max_crop_ratio': (0.1, 10.0),
    'hand_length_sigma': (0.0, 1.0),
    'keypoint_sigma': (1e-4, 1.0),
    'keypoint_scale': (0.5, 2.0),
    'xyz_sigma': (1e-4, 10.0),
    'wrist_min_cutoff': (1e-3, 1000.0),
    'wrist_beta': (0.0, 10000.0),
    'wrist_rest_speed': (0.0, 100.0),
    'pose_min_cutoff': (1e-3, 1000.0),
    'pose_beta': (0.0, 10000.0),
    'pose_rest_speed': (0.0, 1000.0),
    'derivative_cutoff': (1e-3, 1000.0),
    'wrist_noise': (1e-6, 1.0),
    'wrist_acceleration': (1e-6, 1000.0),
    'pose_noise': (1e-6, 10.0),
    'pose_acceleration': (1e-6, 1000.0),
    'kalman_agility': (0.0, 10.0),
    'lost_timeout': (0.0, 60.0),
}
"""Least and largest value of every number that can be set; who offers settings takes them from here. hand_length may
be 0, too, and keep_threshold may not be above enter_threshold."""


@dataclass(frozen=True)
class DetectorConfig:
    """Settings of the KeypointDetector.

    Attributes:
        side: 'right' or 'left', the hand that is looked for.
        weights: 'default', the path of a checkpoint, or of a `.onnx` file of `export_onnx`.
        backend: 'auto', which takes the fastest of this machine, or another of `inference.BACKENDS`.
        threads: threads of the engine on the CPU; 0 = one per core.
        enter_threshold: score at which a hand is found, 0…1.
        keep_threshold: score below which a followed hand is lost, 0…1, not above enter_threshold.
        max_inconsistency: how far the picture keypoints may be from what xyz looks like (weak perspective), RMS over
            the longer side of their box; a network that sees no hand does not manage to say the same thing twice. Hands
            that the default network sees well have 0.03, at most 0.07; one put together of two hands 0.08 to 0.15.
        search_windows: network runs per picture while searching, besides two to refine; bounds the cost.
        check_side: look now and then at the mirror image of the hand too, which scores lower when the side is right;
            without it a right hand is followed as a left one when no left one is there.
        mirrored: pictures are flipped left to right, as selfie cameras do; see tracking.mirrored.
        min_crop_side: smallest crop, pixels of the picture.
        max_crop_ratio: largest crop, in longer sides of the picture.

    Raises:
        ValueError: a value out of its range, named.
    """

    side: str = 'right'
    weights: str = 'default'
    backend: str = 'auto'
    threads: int = 1
    enter_threshold: float = 0.7
    keep_threshold: float = 0.4
    max_inconsistency: float = 0.1
    search_windows: int = 3
    check_side: bool = True
    mirrored: bool = False
    min_crop_side: float = 32.0
    max_crop_ratio: float = 1.5

    def __post_init__(self) -> None:
        _check_choice('side', self.side, SIDES)
        _check_text('weights', self.weights)
        _check_text('backend', self.backend)
        _check_range('threads', self.threads)
        _check_range('enter_threshold', self.enter_threshold)
        _check_range('keep_threshold', self.keep_threshold, high=('enter_threshold', self.enter_threshold))
        _check_range('max_inconsistency', self.max_inconsistency)
        _check_range('search_windows', self.search_windows)
        _check_range('min_crop_side', self.min_crop_side)
        _check_range('max_crop_ratio', self.max_crop_ratio)


@dataclass(frozen=True)
class PoseConfig:
    """Settings of the PoseEstimator.

    Attributes:
        side: 'right' or 'left'.
        model: 'open' or the path of a hand model.
        hand_length: |wrist − middle MCP| in metres; 0 = that of the hand model's mean shape.
        hand_length_sigma: relative standard deviation of hand_length.
        keypoint_sigma: standard deviation of a keypoint in the picture, share of the longer side of the hand's box, at
            a confidence of 0.986; hand_fit.ray_spread tells more.
        keypoint_scale: how large the hand is that the network draws in the picture, beside the true one. Networks draw
            keypoints a little towards the middle, which puts the hand too far away by the same share; `evaluate_wrist`
            measures it. The default is that of the default weights.
        pose_method: how rotations are found from keypoints: 'aik', which follows them exactly, or 'iknet', which has
            learned ordinary poses and heeds noise less; assets/IKNET.md tells which is better when.
        pose_limits: bend no joint further than minimal_hand_core.pose.ANATOMICAL_LIMITS. On what the default network
            makes of rendered hands, joint angles come 5 to 18 % nearer to the truth and keypoints stay within 1 %. A
            hand that bends further, or whose model rests otherwise than the open hand, may need it off.
        pose_weights: of 'iknet': 'default' or a file of train_iknet.
        xyz_sigma: standard deviation of a coordinate of xyz, in hand lengths; what the wrist's range and rotation owe
            most of their uncertainty to.
        filter: 'one_euro', 'kalman' or 'none'; steadies the wrist's position, and the keypoints before the inverse
            kinematics.
        wrist_min_cutoff, wrist_beta, wrist_rest_speed: of the wrist position's One-Euro filter, Hz, Hz per m/s, m/s.
        pose_min_cutoff, pose_beta, pose_rest_speed: of the keypoints' One-Euro filter, Hz, Hz per hand length/s, hand
            lengths/s.
        derivative_cutoff: of both One-Euro filters' speed estimate, Hz.
        wrist_noise, wrist_acceleration: of the wrist position's Kalman filter, m and m/s^1.5; see filters.Kalman.
        pose_noise, pose_acceleration: of the keypoints' Kalman filter, hand lengths and hand lengths/s^1.5.
        kalman_agility: of both Kalman filters.
        lost_timeout: seconds without a hand, or without a picture of it, after which it counts as lost and the filters
            forget: more than between two pictures, or nothing is filtered.
        mirrored: as in DetectorConfig.

    Raises:
        ValueError: a value out of its range, named.
    """

    side: str = 'right'
    model: str = 'open'
    hand_length: float = 0.0
    hand_length_sigma: float = 0.05
    keypoint_sigma: float = 0.0185
    keypoint_scale: float = 0.988
    xyz_sigma: float = 0.092
    pose_method: str = 'aik'
    pose_limits: bool = True
    pose_weights: str = 'default'
    filter: str = 'one_euro'
    wrist_min_cutoff: float = 0.1
    wrist_beta: float = 100.0
    wrist_rest_speed: float = 0.06
    pose_min_cutoff: float = 0.05
    pose_beta: float = 6.0
    pose_rest_speed: float = 0.3
    derivative_cutoff: float = 1.0
    wrist_noise: float = 0.0015
    wrist_acceleration: float = 0.0002
    pose_noise: float = 0.02
    pose_acceleration: float = 0.002
    kalman_agility: float = 4.0
    lost_timeout: float = 0.3
    mirrored: bool = False

    def __post_init__(self) -> None:
        _check_choice('side', self.side, SIDES)
        _check_text('model', self.model)
        if self.hand_length != 0:
            _check_range('hand_length', self.hand_length, unit=' m (0 = of the hand model)')
        _check_range('hand_length_sigma', self.hand_length_sigma)
        _check_range('keypoint_sigma', self.keypoint_sigma)
        _check_range('keypoint_scale', self.keypoint_scale)
        _check_range('xyz_sigma', self.xyz_sigma)
        check_pose_method(self.pose_method, 'pose_method')
        _check_text('pose_weights', self.pose_weights)
        _check_range('wrist_min_cutoff', self.wrist_min_cutoff, unit=' Hz')
        _check_range('wrist_beta', self.wrist_beta)
        _check_range('wrist_rest_speed', self.wrist_rest_speed, unit=' m/s')
        _check_range('pose_min_cutoff', self.pose_min_cutoff, unit=' Hz')
        _check_range('pose_beta', self.pose_beta)
        _check_range('pose_rest_speed', self.pose_rest_speed, unit=' hand lengths/s')
        _check_range('derivative_cutoff', self.derivative_cutoff, unit=' Hz')
        _check_choice('filter', self.filter, FILTERS)
        _check_range('wrist_noise', self.wrist_noise, unit=' m')
        _check_range('wrist_acceleration', self.wrist_acceleration)
        _check_range('pose_noise', self.pose_noise, unit=' hand lengths')
        _check_range('pose_acceleration', self.pose_acceleration)
        _check_range('kalman_agility', self.kalman_agility)
        _check_range('lost_timeout', self.lost_timeout, unit=' s')


@dataclass(frozen=True)
class HandTrackerConfig(DetectorConfig, PoseConfig):
    """Settings of the HandTracker: those of the detector and those of the pose, flat, and of the shape.

    Attributes:
        shape_method: how β is found from bone ratios: 'lm', 'pso' or 'network', see minimal_hand_core.shape.fit_shape.
        shape_weights: of 'network': 'default' (for the open hand) or a file of train_shape.

    Raises:
        ValueError: a value out of its range, named.
    """

    shape_method: str = 'lm'
    shape_weights: str = 'default'

    def __post_init__(self) -> None:
        DetectorConfig.__post_init__(self)
        PoseConfig.__post_init__(self)
        check_shape_method(self.shape_method, 'shape_method')
        _check_text('shape_weights', self.shape_weights)


def check_changes(now: object, wanted: object, fixed: tuple[str, ...]) -> None:
    """Raise ValueError, naming it, when a setting differs that cannot change while something runs.

    Args:
        now, wanted: settings of one kind.
        fixed: names of the settings that may not differ.
    """
    for name in fixed:
        if getattr(now, name) != getattr(wanted, name):
            raise ValueError(
                f'{name} cannot change from {getattr(now, name)!r} to {getattr(wanted, name)!r} while running; '
                'make a new one with it'
            )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f'{name} is {value!r}; give one of {", ".join(choices)}')


def _check_text(name: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f'{name} is {value!r}; give a text that is not empty')


def _check_range(name: str, value: float, *, high: tuple[str, float] | None = None, unit: str = '') -> None:
    """Against RANGES; `high` names a setting that must not be exceeded, and its value, which count instead."""
    least, most = RANGES[name]
    called, most = high or ('', most)
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f'{name} is {value}; give {least:g}…{most:g}{f" ({called})" if called else ""}{unit}')
