"""Bone ratios: values, kinds, gradients, errors."""

import numpy as np
import pytest
import torch
from toy_hand import ToyHand

from minimal_hand_core.hand.skeleton import BONE_KEYPOINTS, KEYPOINT_PARENTS, REFERENCE_BONE
from minimal_hand_core.shape import bone_ratios


@pytest.fixture
def keypoints():
    return ToyHand().rest(np.random.default_rng(0).normal(size=(4, 10)))


def test_values_by_the_definition(keypoints):
    ratios = bone_ratios(keypoints)
    assert ratios.shape == (4, 15)
    for bone, end in enumerate(BONE_KEYPOINTS):
        lengths = np.linalg.norm(keypoints[:, end] - keypoints[:, KEYPOINT_PARENTS[end]], axis=-1)
        reference = np.linalg.norm(keypoints[:, 9] - keypoints[:, 0], axis=-1)
        np.testing.assert_allclose(ratios[:, bone], lengths / reference, rtol=1e-12)
    assert (ratios[:, REFERENCE_BONE] == 1).all()


def test_unit_place_and_batch_do_not_matter(keypoints):
    np.testing.assert_allclose(bone_ratios(1000 * keypoints[2] + 7), bone_ratios(keypoints)[2], rtol=1e-9)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_kind_and_dtype_are_kept(keypoints, dtype):
    array = keypoints.astype(dtype)
    assert bone_ratios(array).dtype == array.dtype
    tensor = bone_ratios(torch.from_numpy(array))
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == getattr(torch, dtype)
    np.testing.assert_allclose(tensor.numpy(), bone_ratios(array), rtol=1e-5)


def test_gradient(keypoints):
    points = torch.from_numpy(keypoints[:2]).requires_grad_()
    assert torch.autograd.gradcheck(bone_ratios, (points,))


def test_gradient_of_a_bone_without_length_is_finite(keypoints):
    keypoints[:, 6] = keypoints[:, 5]
    points = torch.from_numpy(keypoints).requires_grad_()
    bone_ratios(points).sum().backward()
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda p: p[:, :20], r'keypoints: expected shape \(B, 21, 3\), found \(4, 20, 3\)'),
        (lambda p: p[:0], r'keypoints: expected shape \(B, 21, 3\), found \(0, 21, 3\)'),
        (lambda p: np.where(np.arange(21)[:, None] == 3, np.nan, p), 'keypoints: .*NaN or infinity in 12 of 252'),
        (lambda p: np.zeros_like(p), 'wrist to middle_mcp'),
    ],
)
def test_bad_input(keypoints, change, message):
    with pytest.raises(ValueError, match=message):
        bone_ratios(change(keypoints))
