"""A frame at each keypoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minimal_hand_core.hand import KEYPOINT_PARENTS, axis_angle_to_matrix, load_hand_model
from minimal_hand_core.hand.frames import keypoint_frames


@pytest.mark.parametrize('side', ['right', 'left'])
def test_frames_lead_to_the_keypoints_of_the_hand_model(rng: np.random.Generator, side: str) -> None:
    model = load_hand_model(side=side)
    rotations = axis_angle_to_matrix(torch.from_numpy(rng.normal(0, 0.5, (1, 16, 3))).float())
    keypoints = model(rotations, torch.zeros(1, 10)).keypoints[0].numpy()
    translations, turns = keypoint_frames(keypoints, rotations[0].numpy())
    rest = model.rest_keypoints(torch.zeros(1, 10))[0].numpy()
    origins, axes = [keypoints[0]], [turns[0]]
    for k in range(1, 21):
        parent = KEYPOINT_PARENTS[k]
        origins.append(origins[parent] + axes[parent] @ translations[k])
        axes.append(axes[parent] @ turns[k])
        # in the parent's frame a bone never moves: it is the bone of the flat hand
        np.testing.assert_allclose(translations[k], rest[k] - rest[parent], atol=1e-5)
    np.testing.assert_allclose(origins, keypoints, atol=1e-6)


def test_frames_of_a_flat_hand_are_parallel(rng: np.random.Generator) -> None:
    flat = np.tile(np.eye(3), (16, 1, 1))
    points = rng.normal(size=(21, 3))
    translations, turns = keypoint_frames(points, flat)
    np.testing.assert_array_equal(turns, np.tile(np.eye(3), (21, 1, 1)))
    np.testing.assert_allclose(translations[1:], points[1:] - points[list(KEYPOINT_PARENTS[1:])])


@pytest.mark.parametrize(('keypoints', 'rotations'), [((20, 3), (16, 3, 3)), ((21, 3), (15, 3, 3))])
def test_wrong_shapes_are_named(keypoints: tuple, rotations: tuple) -> None:
    with pytest.raises(ValueError, match=r'expected shape'):
        keypoint_frames(np.zeros(keypoints), np.zeros(rotations))
