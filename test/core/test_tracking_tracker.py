"""The whole tracker on a fake hand (three dots, an engine that sees them) with the real hand model."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from fake_engine import DotEngine, paint, placed

from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.tracking import CameraError, CameraModel, HandTracker, HandTrackerConfig, PictureError
from minimal_hand_core.tracking.config import RANGES
from minimal_hand_core.tracking.state import UNKNOWN_VARIANCE

CAMERA = CameraModel(640, 480, [600, 0, 319.5, 0, 600, 239.5, 0, 0, 1], [])
STAGES = {'crop', 'network', 'decode', 'shape', 'pose', 'total'}


def tracker(**settings):
    return HandTracker(
        HandTrackerConfig(**{'hand_length': 0.09, 'keypoint_scale': 1.0, **settings}), engine=DotEngine()
    )


def first_state(tracking, picture, camera=CAMERA, start=0.0):
    for i in range(60):
        state = tracking.track(picture, start + i / 30, camera)
        if state is not None:
            return state
    raise AssertionError('not found')


def test_a_hand_becomes_a_metric_state():
    tracking = tracker()
    uv = placed((380, 200), 110)
    state = first_state(tracking, paint(uv))
    assert state.metric and state.side == 'right' and state.score == pytest.approx(0.9)
    assert np.abs(state.uv - uv).max() < 2
    # 110 pixels per hand length of 0.09 m at a focal length of 600 pixels.
    assert state.wrist_position[2] == pytest.approx(600 * 0.09 / 110, rel=0.05)
    seen = CAMERA.project(state.keypoints_m)
    assert np.abs(seen[[WRIST, MIDDLE_MCP]] - uv[[WRIST, MIDDLE_MCP]]).max() < 15
    assert np.linalg.norm(state.keypoints_m[MIDDLE_MCP] - state.keypoints_m[WRIST]) == pytest.approx(0.09)
    assert np.array_equal(state.keypoints_m[WRIST], state.wrist_position)
    assert np.allclose(np.linalg.det(state.rotations), 1) and np.array_equal(state.wrist_rotation, state.rotations[0])
    assert np.linalg.eigvalsh(state.wrist_covariance).min() > 0
    assert state.angles.shape == (20,) and state.betas.shape == (10,)
    assert set(state.timings) == STAGES and state.timings == tracking.timings
    assert 0 < state.timings['pose'] < state.timings['total']
    assert not tracking.lost


def test_mesh_and_keypoints_are_one_hand():
    for side in ('right', 'left'):
        tracking = tracker(side=side)
        state = first_state(tracking, paint(placed((300, 250), 120, 0.4, side)))
        vertices = tracking.mesh(state)
        assert vertices.shape == (tracking.pose.model.num_vertices, 3)
        model = tracking.pose.model
        with torch.no_grad():
            posed = model(torch.tensor(state.rotations[None]).float(), torch.tensor(state.betas[None]).float())
            rest = model.rest_keypoints(torch.tensor(state.betas[None]).float())[0].numpy()
        scale = 0.09 / np.linalg.norm(rest[MIDDLE_MCP] - rest[WRIST])
        keypoints = posed.keypoints[0].numpy()
        keypoints = (keypoints - keypoints[WRIST]) * scale + state.wrist_position
        tips = [4, 8, 12, 16, 20]
        joints = np.setdiff1d(np.arange(21), tips)
        assert np.allclose(keypoints[joints], state.keypoints_m[joints], atol=1e-5)
        # A tip is a vertex, which is skinned; the keypoint moves rigidly with the last joint.
        assert np.abs(keypoints[tips] - state.keypoints_m[tips]).max() < 0.01
        assert np.linalg.norm(vertices - vertices.mean(axis=0), axis=1).max() < 0.2


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    uv = placed((380, 200), 110, 0.3)
    right = first_state(tracker(side='right'), paint(uv))
    mirrored = uv * (-1, 1) + (639, 0)
    left = first_state(tracker(side='left'), np.ascontiguousarray(paint(uv)[:, ::-1]))
    assert np.abs(left.uv - mirrored).max() < 2
    assert np.allclose(left.keypoints_m, right.keypoints_m * (-1, 1, 1), atol=3e-3)
    flip = np.diag([-1.0, 1, 1])
    assert np.allclose(left.rotations, flip @ right.rotations @ flip, atol=0.05)
    assert np.allclose(left.angles, right.angles, atol=0.05)


def test_without_intrinsics_the_hand_is_relative_to_its_wrist():
    state = first_state(tracker(), paint(placed((380, 200), 110)), camera=None)
    assert not state.metric and (state.wrist_position == 0).all()
    assert state.wrist_covariance[0, 0] == UNKNOWN_VARIANCE


def test_no_hand_gives_none_and_a_low_score():
    tracking = tracker()
    assert tracking.lost
    for i in range(20):
        assert tracking.track(paint(None), i / 30, CAMERA) is None
        assert tracking.score < 0.1 and tracking.lost
        assert set(tracking.timings) == STAGES


def test_lost_after_the_timeout_and_found_again():
    tracking = tracker(lost_timeout=0.2)
    picture = paint(placed((380, 200), 110))
    stamp = first_state(tracking, picture).stamp
    lost = []
    for i in range(1, 10):
        assert tracking.track(paint(None), stamp + i / 30, CAMERA) is None
        lost.append(tracking.lost)
    assert lost == [i / 30 > 0.2 for i in range(1, 10)]
    near = first_state(tracking, paint(placed((200, 300), 160)), start=stamp + 0.4)
    assert near.wrist_position[2] == pytest.approx(600 * 0.09 / 160, rel=0.05)
    assert not tracking.lost


def test_grey_pictures_are_taken():
    tracking = tracker()
    assert tracking.track(np.zeros((480, 640), np.uint8), 0.0, CAMERA) is None


def test_bad_input_is_named_and_does_no_harm():
    tracking = tracker()
    picture = paint(placed((380, 200), 110))
    stamp = first_state(tracking, picture).stamp
    for bad, said in (
        (np.zeros((0, 0, 3), np.uint8), 'empty'),
        (picture.astype(np.uint16), '16 bits'),
        (np.zeros((480, 640, 4), np.uint8), '4 channels'),
    ):
        with pytest.raises(PictureError, match=said):
            tracking.track(bad, stamp + 0.03, CAMERA)
    with pytest.raises(CameraError, match='320×240'):
        tracking.track(picture[::2, ::2], stamp + 0.03, CAMERA)
    assert tracking.track(picture, stamp + 0.06, CAMERA) is not None


def test_reset_forgets_everything():
    tracking = tracker()
    first_state(tracking, paint(placed((380, 200), 110)))
    tracking.reset()
    assert tracking.lost and not tracking.detector.following and tracking.score == 0


def test_settings_are_validated_in_one_place():
    with pytest.raises(ValueError, match='lost_timeout'):
        HandTrackerConfig(lost_timeout=-1)
    with pytest.raises(ValueError, match='keep_threshold'):
        HandTrackerConfig(keep_threshold=0.9)


def test_settings_change_while_running():
    tracking = tracker()
    picture = paint(placed((380, 200), 110))
    state = first_state(tracking, picture)
    settings = {'hand_length': 0.09, 'keypoint_scale': 1.0}
    tracking.reconfigure(HandTrackerConfig(**settings, filter='kalman', keep_threshold=0.2, lost_timeout=0.1))
    later = tracking.track(picture, state.stamp + 0.03, CAMERA)
    assert later is not None and np.abs(later.wrist_position - state.wrist_position).max() < 0.005
    for changed, said in (({'hand_length': 0.08}, 'hand_length'), ({'shape_method': 'pso'}, 'shape_method')):
        with pytest.raises(ValueError, match=f'{said} cannot change'):
            tracking.reconfigure(HandTrackerConfig(**{**settings, **changed}))
    assert tracking.config.lost_timeout == 0.1 == tracking.pose.config.lost_timeout


def test_every_number_that_can_be_set_has_one_range():
    numbers = {field.name for field in fields(HandTrackerConfig) if type(field.default) in (int, float)}
    assert numbers == set(RANGES)
    for name, (least, most) in RANGES.items():
        for value in (least, most):
            if name != 'keep_threshold':
                more = {'keep_threshold': 0.0} if name == 'enter_threshold' else {}
                assert getattr(HandTrackerConfig(**{name: value, **more}), name) == value
        for value in (least - 1e-6, 1.001 * most, float('nan')):
            if value or name != 'hand_length':
                with pytest.raises(ValueError, match=f'^{name} is {value}; give '):
                    HandTrackerConfig(**{name: value})
