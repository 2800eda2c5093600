"""Colours of the skin: whose confidence they show, and their shading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minimal_hand_core.hand import FINGER_KEYPOINTS, SIDES, TIP_KEYPOINTS, load_hand_model
from minimal_hand_core.viewing.skin_colors import CONFIDENCE_COLORS, SkinColors, confidence_colors


@pytest.fixture(scope='module', params=SIDES)
def hand(request: pytest.FixtureRequest) -> tuple[SkinColors, np.ndarray, np.ndarray]:
    """Colours, vertices and keypoints of a flat hand, its back to the camera."""
    model = load_hand_model(side=request.param)
    # the model's palm looks towards −y: turned about x, away from the camera
    turn = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    rotations = model.pose_space.flat()
    rotations[:, 0] = turn
    posed = model(rotations, torch.zeros(1, 10), torch.tensor([[0, 0, 0.5]]))
    return SkinColors(model), posed.vertices[0].double().numpy(), posed.keypoints[0].double().numpy()


def test_colours_run_through_their_table() -> None:
    values = np.array([value for value, _ in CONFIDENCE_COLORS])
    np.testing.assert_allclose(confidence_colors(values), [color for _, color in CONFIDENCE_COLORS])
    between = confidence_colors(np.array([0.2]))[0]
    np.testing.assert_allclose(between, np.mean([CONFIDENCE_COLORS[0][1], CONFIDENCE_COLORS[1][1]], axis=0))
    np.testing.assert_allclose(confidence_colors(np.array([-1.0, 7.0])), confidence_colors(np.array([0.0, 1.0])))


def test_shares_add_up_and_belong_to_the_own_finger(hand) -> None:
    colors, vertices, keypoints = hand
    np.testing.assert_allclose(colors.shares.sum(axis=1), 1.0)
    for finger, tip in zip(FINGER_KEYPOINTS.values(), TIP_KEYPOINTS):
        nearest = np.linalg.norm(vertices - keypoints[tip], axis=1).argmin()
        assert colors.shares[nearest, list(finger)].sum() > 0.95
        assert colors.shares[nearest, tip] > 0.9


def test_one_unsure_tip_colours_that_tip_alone(hand) -> None:
    colors, vertices, keypoints = hand
    sure, unsure = np.ones(21), np.ones(21)
    unsure[TIP_KEYPOINTS[1]] = 0.0
    change = np.abs(colors(vertices, unsure) - colors(vertices, sure)).max(axis=1)
    away = np.linalg.norm(vertices - keypoints[TIP_KEYPOINTS[1]], axis=1)
    assert change[away < 0.008].min() > 0.15
    assert change[away > 0.05].max() < 0.02


def test_the_side_towards_the_lamp_is_the_lighter_one(hand) -> None:
    colors, vertices, _ = hand
    brightness = colors(vertices, np.ones(21)).sum(axis=1)
    near, far = vertices[:, 2] < np.quantile(vertices[:, 2], 0.2), vertices[:, 2] > np.quantile(vertices[:, 2], 0.8)
    assert brightness[near].mean() > 1.2 * brightness[far].mean()
    assert brightness.min() > 0


def test_shapes_are_checked(hand) -> None:
    colors, vertices, _ = hand
    with pytest.raises(ValueError, match=r'vertices: expected shape \(1609, 3\), found \(7, 3\)'):
        colors(vertices[:7], np.ones(21))
    with pytest.raises(ValueError, match=r'confidence: expected shape \(21,\), found \(20,\)'):
        colors(vertices, np.ones(20))
