"""IKNet: conversions exact, network and files as stated, shipped weights as good as their card says."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation
from test_tracking_pose import PLAIN, a_pose, seen
from toy_hand import ToyHand, pose_keypoints

from minimal_hand_core.evaluation.pose_methods import NOISES, score_poses
from minimal_hand_core.hand import KEYPOINT_PARENTS, mirror_points, mirror_rotations
from minimal_hand_core.pose import (
    ANATOMICAL_LIMITS,
    IKNet,
    IKNetError,
    JointAxes,
    PoseSolver,
    absolute_from_local,
    check_pose_method,
    joint_angles,
    keypoints_from_absolute,
    load_iknet,
    local_from_absolute,
    rotations_from_angles,
    save_iknet,
    solve_pose,
)
from minimal_hand_core.pose.iknet import NUM_FEATURES, iknet_features
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import PoseConfig, PoseEstimator
from minimal_hand_core.training.posed_hands import PoseSampler
from minimal_hand_core.weights import ASSETS, WEIGHTS_INDEX

HAND = ToyHand()
REST = HAND.rest(np.zeros((1, 10)))[0]
RIGID = [0, 1, 5, 9, 13, 17]


@pytest.fixture(scope='module')
def network():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_iknet()
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def hands():
    sampler = PoseSampler(5, 300)
    return {name: sampler.batch(0, 300, noise) for name, noise in NOISES.items()}


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_absolute_and_local_rotations_are_each_others_inverse(seed):
    rng = np.random.default_rng(seed)
    local = Rotation.from_quat(rng.normal(size=(48, 4))).as_matrix().reshape(3, 16, 3, 3)
    absolute = absolute_from_local(local)
    for k in RIGID:
        np.testing.assert_array_equal(absolute[:, k], local[:, 0])
    np.testing.assert_allclose(local_from_absolute(absolute), local, atol=1e-12)
    np.testing.assert_allclose(absolute_from_local(local_from_absolute(absolute)), absolute, atol=1e-12)
    # Absolute rotation k turns the bone that ends at k.
    template = HAND.rest(rng.normal(size=(3, 10)))
    posed, parents = pose_keypoints(template, local), list(KEYPOINT_PARENTS)
    bones = (absolute @ (template - template[:, parents])[..., None])[..., 0]
    np.testing.assert_allclose(bones, posed - posed[:, parents], atol=1e-12)
    found = keypoints_from_absolute(torch.from_numpy(template), torch.from_numpy(absolute)).numpy()
    np.testing.assert_allclose(found, posed - posed[:, :1], atol=1e-12)


def test_keypoints_have_gradients():
    template = torch.from_numpy(REST[None]).requires_grad_()
    absolute = torch.from_numpy(Rotation.random(21, random_state=0).as_matrix()[None]).requires_grad_()
    assert torch.autograd.gradcheck(keypoints_from_absolute, (template, absolute))


def test_conversions_keep_kind_and_name_what_is_wrong():
    tensor = absolute_from_local(torch.eye(3).expand(16, 3, 3))
    assert tensor.shape == (21, 3, 3) and tensor.dtype == torch.float32
    with pytest.raises(ValueError, match=r'rotations: expected shape \(…, 16, 3, 3\), found \(21, 3, 3\)'):
        absolute_from_local(tensor)
    with pytest.raises(ValueError, match=r'absolute: expected shape \(…, 21, 3, 3\), found \(0, 21, 3, 3\)'):
        local_from_absolute(np.zeros((0, 21, 3, 3)))
    with pytest.raises(ValueError, match='absolute: expected finite'):
        local_from_absolute(np.full((21, 3, 3), np.nan))


def test_the_originals_size():
    """Fact sheet 5.2: six layers of 1,024 with batch norms, 5,605,460 trainable numbers."""
    assert sum(p.numel() for p in IKNet().parameters() if p.requires_grad) == 5_605_460


@pytest.mark.parametrize('activation', ['sigmoid', 'relu', 'silu'])
def test_untrained_networks_answer_with_rotations_near_the_identity(activation):
    torch.manual_seed(0)
    found = IKNet(16, 2, activation).eval()(torch.randn(5, NUM_FEATURES))
    assert found.shape == (5, 21, 4)
    np.testing.assert_allclose(found.norm(dim=-1).detach(), 1, atol=1e-6)
    assert (found[..., 3] > 0.5).all()
    assert (found[:, RIGID] == found[:, :1]).all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'width': 0}, 'width: expected 1 or more, found 0'),
        ({'depth': 0}, 'depth: expected 1 or more, found 0'),
        ({'activation': 'tanh'}, "activation: expected one of sigmoid, relu, silu, found 'tanh'"),
    ],
)
def test_bad_layers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        IKNet(**arguments)


def test_features(rng):
    """Target keypoints, target bones, template keypoints, template bones: fact sheet 5.2, in this order."""
    rest = HAND.rest(rng.normal(size=(2, 10)))
    wrists = Rotation.random(2, random_state=1).as_matrix()
    target = 7 * np.einsum('bij,bkj->bki', wrists, rest) + 3
    features, turned = iknet_features(rest, target)
    np.testing.assert_allclose(turned, wrists, atol=1e-12)
    parts = features.reshape(2, 4, 21, 3)
    # An unbent hand is its template, however it is turned, scaled and moved.
    np.testing.assert_allclose(parts[:, 0], parts[:, 2], atol=1e-12)
    np.testing.assert_allclose(parts[:, 1], parts[:, 3], atol=1e-12)
    assert np.abs(parts[:, :, 9][:, [0, 2]]).max() == 0
    np.testing.assert_allclose(np.linalg.norm(parts[:, 2, 0], axis=-1), 1)
    assert (parts[:, [1, 3], 0] == 0).all()
    np.testing.assert_allclose(parts[:, 3, 7], parts[:, 2, 7] - parts[:, 2, 6], atol=1e-15)


def test_the_answer_turns_with_the_hand_and_is_mirrored_with_it(network, hands, rng):
    template, target = hands['5mm'].template[:20], hands['5mm'].target[:20]
    rotations = network.solve(template, target)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-6)
    wrists = Rotation.random(20, random_state=2).as_matrix()
    moved = 3 * np.einsum('bij,bkj->bki', wrists, target) + rng.normal(size=(20, 1, 3))
    turned = network.solve(template, moved)
    # The network itself computes in float32.
    np.testing.assert_allclose(turned[:, 0], wrists @ rotations[:, 0], atol=1e-4)
    np.testing.assert_allclose(turned[:, 1:], rotations[:, 1:], atol=1e-4)
    left = network.solve(mirror_points(template), mirror_points(target), side='left')
    np.testing.assert_allclose(left, mirror_rotations(rotations), atol=1e-4)


def test_batches_kinds_and_shapes(network, hands):
    template, target = hands['5mm'].template[:4], hands['5mm'].target[:4]
    together = network.solve(template, target)
    assert together.dtype == np.float64 and together.shape == (4, 16, 3, 3)
    for i in range(4):
        np.testing.assert_allclose(network.solve(template[i], target[i]), together[i], atol=1e-5)
    assert network.solve(template[0], target).shape == (4, 16, 3, 3)
    tensor = network.solve(torch.from_numpy(template), torch.from_numpy(target).float())
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32


def test_the_answer_is_an_ordinary_tensor(network, hands):
    found = network.solve(*(torch.from_numpy(part[:4]) for part in (hands['5mm'].template, hands['5mm'].target)))
    (found * torch.ones(1, dtype=found.dtype, requires_grad=True)).sum().backward()
    found.mul_(1)


def test_degenerate_hands_give_finite_rotations(network):
    collapsed = REST.copy()
    collapsed[14:17] = collapsed[13]
    on_a_line = REST * [1, 0, 0]
    far = REST.copy()
    far[8] = 1e6
    for target in (collapsed, on_a_line, far, REST * [-1, 1, 1], -REST):
        rotations = network.solve(REST, target)
        np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)


def test_bad_input(network):
    with pytest.raises(ValueError, match='target: expected wrist and middle_mcp apart.*hand 1'):
        network.solve(REST, np.stack([REST, 0 * REST]))
    with pytest.raises(ValueError, match='template: expected wrist and middle_mcp apart.*hand 0'):
        network.solve(0 * REST, REST)
    with pytest.raises(ValueError, match=r'target: expected shape \(B, 21, 3\), found \(0, 21, 3\)'):
        network.solve(REST, np.zeros((0, 21, 3)))
    with pytest.raises(ValueError, match='target: expected finite'):
        network.solve(REST, REST * np.nan)
    with pytest.raises(ValueError, match="side: expected one of right, left, found 'up'"):
        network.solve(REST, REST, 'up')
    with pytest.raises(ValueError, match='training mode'):
        IKNet(8, 1).solve(REST, REST)


def test_weights_come_back(tmp_path):
    torch.manual_seed(0)
    network = IKNet(24, 2, 'silu').eval()
    path = tmp_path / 'iknet.safetensors'
    save_iknet(network, path, {'step': '3'})
    again = load_iknet(path)
    assert (again.width, again.depth, again.activation, again.training) == (24, 2, 'silu', False)
    features = torch.randn(4, NUM_FEATURES)
    torch.testing.assert_close(again(features), network(features), atol=2e-3, rtol=0)  # half precision
    with pytest.raises(ValueError, match="metadata 'width' is '7'"):
        save_iknet(network, path, {'width': '7'})
    assert [p.name for p in tmp_path.iterdir()] == ['iknet.safetensors']


def test_files_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / 'iknet.safetensors'
    with pytest.raises(IKNetError, match=r'iknet\.safetensors: no such file'):
        load_iknet(path)
    path.write_bytes(b'nothing')
    with pytest.raises(IKNetError, match='not a whole safetensors file'):
        load_iknet(path)
    save_file({'a': torch.zeros(2)}, path)
    with pytest.raises(IKNetError, match="no IKNet, its metadata do not tell the layers: 'width'"):
        load_iknet(path)
    save_file({'a': torch.zeros(2)}, path, {'width': '8', 'depth': '1', 'activation': 'relu'})
    with pytest.raises(IKNetError, match='does not fit the 8×1 network; keys .* missing: hidden.0.weight'):
        load_iknet(path)


def test_shipped_weights_are_small_and_checked():
    path = ASSETS / 'iknet.safetensors'
    assert path.stat().st_size < 3_000_000
    assert set(json.loads((ASSETS / WEIGHTS_INDEX).read_text())) >= {'iknet.safetensors'}
    assert (ASSETS / 'IKNET.md').is_file()


def test_shipped_weights_are_as_good_as_their_card_says(network, hands):
    """Held-out poses and shapes: better than analytic inverse kinematics under noise, worse without."""
    scores = {name: score_poses(network.solve, batch) for name, batch in hands.items()}
    plain = {name: score_poses(solve_pose, batch) for name, batch in hands.items()}
    assert scores['exact'].keypoint_mm < 4 and plain['exact'].keypoint_mm < 1e-6
    for name in ('5mm', '10mm', 'correlated'):
        assert scores[name].keypoint_mm < 0.8 * plain[name].keypoint_mm
        assert scores[name].angle_deg < plain[name].angle_deg
        assert scores[name].rotation_deg < plain[name].rotation_deg


def test_another_hand_than_it_was_trained_on(network, rng):
    """The template is an input: a hand of other proportions and another rest pose, as MANO's would be, serves too."""
    batch = PoseSampler(5, 300).batch(0, 200, NOISES['5mm'])
    rest = HAND.rest(rng.normal(size=(200, 10)))
    rest = (rest - rest[:, :1]) / np.linalg.norm(rest[:, 9] - rest[:, 0], axis=-1)[:, None, None]
    absolute = absolute_from_local(rotations_from_angles(batch.angles, JointAxes.from_keypoints(rest)))
    truth = keypoints_from_absolute(torch.from_numpy(rest), torch.from_numpy(absolute)).numpy()
    other = batch._replace(template=rest, truth=truth, target=truth + batch.target - batch.truth, absolute=absolute)
    learned, plain = score_poses(network.solve, other), score_poses(solve_pose, other)
    assert learned.keypoint_mm < plain.keypoint_mm
    assert learned.angle_deg < 0.6 * plain.angle_deg


def test_one_interface(network, hands):
    template, target = hands['5mm'].template[:10], hands['5mm'].target[:10]
    axes = JointAxes.from_keypoints(template)
    np.testing.assert_array_equal(PoseSolver(limits=False)(template, target), solve_pose(template, target))
    within = solve_pose(template, target, limits=ANATOMICAL_LIMITS, axes=axes)
    np.testing.assert_array_equal(PoseSolver()(template, target), within)
    np.testing.assert_array_equal(PoseSolver()(template, target, axes), within)
    np.testing.assert_allclose(
        PoseSolver('iknet', limits=False)(template, target), network.solve(template, target), atol=1e-6
    )
    angles = joint_angles(PoseSolver('iknet')(template, target), axes)
    assert (angles >= ANATOMICAL_LIMITS[:, 0] - 1e-9).all() and (angles <= ANATOMICAL_LIMITS[:, 1] + 1e-9).all()
    mirrored = PoseSolver('iknet', side='left')(mirror_points(template), mirror_points(target))
    np.testing.assert_allclose(
        joint_angles(mirrored, JointAxes.from_keypoints(mirror_points(template), 'left')), angles, atol=1e-3
    )


def test_limits_hold_what_the_network_says_unless_they_are_off(hands):
    template = hands['5mm'].template[:4]
    axes = JointAxes.from_keypoints(template)
    bent = rotations_from_angles(np.tile(ANATOMICAL_LIMITS[:, 1] + 0.3, (4, 1)), axes)

    class Wild:
        def solve(self, template, target, side):
            return bent

    for limits, beyond in ((True, 0.0), (False, 0.3)):
        solver = PoseSolver('iknet', limits=limits)
        solver._network = Wild()
        for known in (axes, None):
            angles = joint_angles(solver(template, template, known), axes)
            np.testing.assert_allclose(angles - ANATOMICAL_LIMITS[:, 1], beyond, atol=1e-6)


def test_unknown_choices_are_named(tmp_path):
    with pytest.raises(ValueError, match="pose method is 'magic'; give one of aik, iknet"):
        check_pose_method('magic')
    with pytest.raises(ValueError, match="side: expected one of right, left, found 'up'"):
        PoseSolver(side='up')
    with pytest.raises(IKNetError, match='no such file'):
        PoseSolver('iknet', weights=tmp_path / 'none.safetensors')
    with pytest.raises(ValueError, match="pose_method is 'magic'; give one of aik, iknet"):
        PoseConfig(pose_method='magic')
    with pytest.raises(ValueError, match="pose_weights is ''"):
        PoseConfig(pose_weights='')


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('method', ['aik', 'iknet'])
def test_a_tracked_hand_is_posed_by_either_method(side, method):
    rng = np.random.default_rng(3)
    model, betas, _, points = a_pose(rng, side)
    estimator = PoseEstimator(PoseConfig(side=side, pose_method=method, keypoint_scale=1.0), model)
    state = estimator.update(seen(points, (0, 0, 0.5), PLAIN, side=side), HandShape(betas, 0.095), PLAIN)
    # Angles anywhere in their ranges, which the network was not trained on: near, not exact.
    error = np.linalg.norm(state.keypoints_m - state.wrist_position - points, axis=1)
    assert error.mean() < (1e-6 if method == 'aik' else 0.02)


def test_angles_round_trip_through_the_network_interface():
    """Rotations of any solver on the chain's manifold are those of their angles."""
    axes = JointAxes.from_keypoints(REST)
    target = pose_keypoints(REST[None], rotations_from_angles(np.full(20, 0.2), axes)[None])[0]
    found = PoseSolver('iknet')(REST, target)
    np.testing.assert_allclose(rotations_from_angles(joint_angles(found, axes), axes, found[0]), found, atol=1e-9)
