"""Shapes and poses of stored predictions: exact where keypoints are, and wrong where something is wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_hand import made_up_parameters
from perfect_predictions import TIPS
from pipeline_hands import bare_hands, exact, hand_model, network_units

from minimal_hand_core.data import open_dataset
from minimal_hand_core.evaluation.array_file import ArrayFileError
from minimal_hand_core.evaluation.pipeline import (
    FRAME_WEIGHT,
    SHARED_WEIGHT,
    fit_shapes,
    lay_on,
    looks_mirrored,
    pose_hands,
)
from minimal_hand_core.evaluation.pipeline_files import (
    PipelineError,
    Shapes,
    load_poses,
    load_shapes,
    save_poses,
    save_shapes,
)
from minimal_hand_core.evaluation.pipeline_stages import PoseStage, ShapeStage, stored_poses, stored_shapes
from minimal_hand_core.evaluation.pipeline_truth import true_hands, truth_errors
from minimal_hand_core.evaluation.scores import score
from minimal_hand_core.hand import HandModel, load_hand_model, mirror_points
from minimal_hand_core.pose import PoseSolver
from minimal_hand_core.shape import SHAPE_METHODS, ShapeRegressorError, bone_ratios
from minimal_hand_core.shape.fit import model_ratios

COUNT = 20


def true_shapes(predictions):
    betas = bare_hands(len(predictions))[0]
    return Shapes(tuple(predictions.keys), betas, np.zeros(len(betas)), {})


# mean error over all keypoints, and angles and mesh where they are known, at keypoints without any error
TOLERANCES = [
    ('true', 'aik', False, 0.001, 0.001, 0.5),  # a bone's twist moves no keypoint, but skin
    ('true', 'aik', True, 0.02, 0.2, 0.05),
    ('true', 'iknet', False, 4.0, 8.0, 4.0),
    ('lm', 'aik', False, 2.0, 2.0, 3.5),  # the weight is that of a network's noise, and draws towards the mean hand
    ('pso', 'aik', False, 2.0, 2.0, 3.5),
    ('network', 'aik', False, 0.4, 1.0, 1.5),
]


@pytest.mark.parametrize(('shape', 'pose', 'limits', 'keypoints_mm', 'angles_deg', 'mesh_mm'), TOLERANCES)
def test_exact_keypoints_give_the_hand_back(shape, pose, limits, keypoints_mm, angles_deg, mesh_mm):
    hands, model = exact(COUNT), hand_model()
    shapes = true_shapes(hands) if shape == 'true' else ShapeStage(shape).run(hands, model)
    poses = PoseStage(pose, limits).run(hands, shapes, model)
    for protocol in ('reference', 'root-scale'):
        figures = score(poses.predictions(hands), protocol)
        assert figures.mean_mm < keypoints_mm
        assert figures.points == 21 * COUNT and figures.left_out == 0
    errors = truth_errors(poses, true_hands(hands, model), model)
    assert errors.angle_deg.mean() < angles_deg
    assert errors.mesh_mm.mean() < mesh_mm and errors.mesh_pa_mm.mean() < 1.1 * errors.mesh_mm.mean()
    np.testing.assert_allclose(np.linalg.det(poses.rotations), 1, atol=1e-5)


def test_a_light_weight_finds_exact_shapes():
    hands, model = exact(COUNT), hand_model()
    poses = PoseStage().run(hands, ShapeStage(weight=1e-8).run(hands, model), model)
    assert score(poses.predictions(hands), 'root-scale').mean_mm < 0.01


def test_a_wrong_shape_is_noticed():
    hands, model = exact(COUNT), hand_model()
    right = true_shapes(hands)
    wrong = Shapes(right.keys, np.roll(right.betas, 1, axis=0), right.residual, {})
    scores, misfits, meshes = [], [], []
    for shapes in (right, wrong):
        poses = PoseStage().run(hands, shapes, model)
        scores.append(score(poses.predictions(hands), 'root-scale').mean_mm)
        misfits.append(poses.misfit.mean())
        meshes.append(truth_errors(poses, true_hands(hands, model), model).mesh_mm.mean())
    assert scores[1] > 1 > 100 * scores[0] and misfits[1] > 0.01 > 1000 * misfits[0] and meshes[1] > 2 > meshes[0]


def test_left_hands_are_posed_as_mirror_images():
    right, left = exact(COUNT), exact(COUNT, left=True)
    model = hand_model()
    poses = [PoseStage().run(hands, true_shapes(hands), model) for hands in (right, left)]
    np.testing.assert_allclose(poses[1].keypoints_m, mirror_points(poses[0].keypoints_m), atol=1e-7)
    np.testing.assert_allclose(poses[1].angles, poses[0].angles, atol=1e-6)
    assert score(poses[1].predictions(left), 'root-scale').mean_mm < 0.001
    # The rotations are those of a left hand model.
    twin = load_hand_model(side='left', dtype=torch.float64)
    posed = twin.keypoints(torch.tensor(poses[1].rotations, dtype=torch.float64), torch.tensor(poses[1].betas)).numpy()
    np.testing.assert_allclose(network_units(posed), left.xyz, atol=1e-5)


def test_left_hands_taken_for_right_are_noticed():
    hands, model = exact(COUNT, noise=0.03), hand_model()
    assert not looks_mirrored(hands.xyz, model)
    mirrored = mirror_points(hands.xyz)
    assert looks_mirrored(mirrored, model)
    right, wrong = (pose_hands(xyz, bare_hands(COUNT)[0], model, PoseSolver()) for xyz in (hands.xyz, mirrored))
    assert wrong.misfit.mean() > 2 * right.misfit.mean()


def test_posed_hands_lie_on_those_of_the_network(rng):
    network = exact(COUNT).xyz.astype(np.float64)
    np.testing.assert_allclose(lay_on(0.09 * network + (1, 2, 3), network), network, atol=1e-12)
    # No other scale or place is nearer.
    other = network + 0.1 * rng.normal(size=network.shape)
    laid = lay_on(network, other)
    near = ((laid - other) ** 2).sum(axis=(1, 2))
    for _ in range(20):
        nudged = laid * rng.normal(1, 0.01) + rng.normal(0, 0.01, 3)
        assert (((nudged - other) ** 2).sum(axis=(1, 2)) > near).all()
    against = lay_on(network, -network)
    np.testing.assert_allclose(np.linalg.norm(against[:, 9] - against[:, 0], axis=1), 0.1)


def test_a_flatter_network_hand_does_not_move_the_posed_one_away():
    """The network sees all hands too flat, as it does where it is unsure; their size across the view is right."""
    hands, model = exact(COUNT), hand_model()
    hands = hands.with_xyz(hands.xyz * (1.0, 1.0, 0.6))
    poses = PoseStage().run(hands, true_shapes(hands), model)
    scaled = hands.with_xyz(network_units(poses.keypoints_m))
    alone, laid, apart = (score(each, 'absolute').mean_mm for each in (hands, poses.predictions(hands), scaled))
    assert laid < 1.5 * alone and apart > 1.5 * laid


@pytest.mark.parametrize('dataset', ['dexter_object', 'ego_dexter'])
def test_hands_of_which_tips_alone_are_labelled(dataset):
    hands, model = exact(COUNT, dataset=dataset), hand_model()
    truth = np.full_like(hands.true_m, np.nan)
    truth[:, TIPS] = hands.true_m[:, TIPS]
    hands = replace(hands, true_m=truth, visible=np.isfinite(truth).all(axis=2))
    poses = PoseStage().run(hands, true_shapes(hands), model)
    figures = score(poses.predictions(hands), 'root-scale')
    assert figures.mean_mm < 0.01 and figures.points == 5 * COUNT
    # There the truth is turned into the frame of the depth camera, some two degrees away.
    assert score(poses.predictions(hands), 'reference').mean_mm < 5


def test_truth_is_that_of_the_samples():
    hands = open_dataset('rendered', None, 'test', size=64)
    sample, bare = hands[3], hands.hand(3)
    assert sample.key == hands.key(3) and sample.family == bare.family
    for name in ('betas', 'rotations', 'angles'):
        np.testing.assert_array_equal(getattr(sample, name), getattr(bare, name))
    betas, rotations, keys = bare_hands(4)
    truth = true_hands(exact(4), hand_model())
    np.testing.assert_array_equal(truth.betas, betas)
    np.testing.assert_array_equal(truth.rotations, rotations)
    assert keys[3] == sample.key


def test_truth_that_is_not_there_is_not_made_up():
    assert true_hands(exact(3, dataset='rhd'), hand_model()) is None
    assert true_hands(exact(3), HandModel(made_up_parameters())) is None, 'β of another hand mean something else'
    with pytest.raises(PipelineError, match='synthetic-5-0000000'):
        true_hands(exact(2, keys=('a', 'b')), hand_model())
    swapped = exact(2, keys=bare_hands(2)[2][::-1])
    with pytest.raises(PipelineError, match='predict again'):
        true_hands(swapped, hand_model())
    poses = PoseStage().run(exact(3), true_shapes(exact(3)), hand_model())
    with pytest.raises(PipelineError, match='3 hands, the truth of 2'):
        truth_errors(poses, true_hands(exact(2), hand_model()), hand_model())


def test_hands_of_one_person_can_share_a_shape(rng):
    people = rng.normal(size=(2, 10))
    model = hand_model()
    parts = [exact(40, noise=0.05, betas=betas).xyz for betas in people]
    points = np.concatenate(parts)
    groups = np.repeat(['anna', 'ben'], 40)
    alone, shared = fit_shapes(points, model), fit_shapes(points, model, groups=groups, weight=1e-3)
    true = np.repeat(model_ratios(model, people), 40, axis=0)
    errors = [np.abs(model_ratios(model, fit.betas) - true).mean() for fit in (alone, shared)]
    assert errors[1] < 0.75 * errors[0]
    assert (shared.betas[:40] == shared.betas[0]).all() and (shared.betas[40:] == shared.betas[40]).all()
    # The order of the hands is nobody's business.
    order = rng.permutation(80)
    mixed = fit_shapes(points[order], model, groups=groups[order], weight=1e-3)
    np.testing.assert_allclose(mixed.betas, shared.betas[order], atol=1e-9)


def test_sequences_are_told_by_folders():
    keys = [f'images/B1{what}/SK_color_{i}.png' for what in ('Counting', 'Random') for i in range(10)]
    hands = exact(COUNT, noise=0.05, keys=keys)
    shapes = {per: ShapeStage(per=per).run(hands, hand_model()).betas for per in ('frame', 'folder', 'set')}
    assert [len(np.unique(betas, axis=0)) for betas in shapes.values()] == [COUNT, 2, 1]


def test_a_shape_from_many_hands_is_drawn_less_to_the_mean_one():
    hands, model = exact(COUNT), hand_model()
    first = np.zeros(COUNT)
    for per, weight, groups in (('frame', FRAME_WEIGHT, None), ('set', SHARED_WEIGHT, first)):
        by_default = ShapeStage(per=per).run(hands, model)
        told = fit_shapes(hands.xyz, model, groups=groups, weight=weight)
        np.testing.assert_allclose(by_default.betas, told.betas, atol=1e-12)
        assert by_default.recipe['weight'] == weight
    assert SHARED_WEIGHT < FRAME_WEIGHT


@pytest.mark.parametrize('method', SHAPE_METHODS)
def test_a_hand_without_a_palm_is_counted(method):
    hands, model = exact(5), hand_model()
    broken = hands.xyz.copy()
    broken[2, 0] = broken[2, 9]
    hands = hands.with_xyz(broken)
    shapes = ShapeStage(method).run(hands, model)
    assert np.isinf(shapes.residual).tolist() == [False, False, True, False, False] and (shapes.betas[2] == 0).all()
    poses = PoseStage().run(hands, shapes, model)
    assert np.isinf(poses.misfit).tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(poses.rotations[2], np.broadcast_to(np.eye(3), (16, 3, 3)), atol=1e-6)
    figures = score(poses.predictions(hands), 'root-scale')
    assert figures.frames == 5 and figures.mean_mm > 10
    nobody = fit_shapes(np.zeros((2, 21, 3)), model, method)
    assert (nobody.betas == 0).all() and np.isinf(nobody.residual).all()
    together = fit_shapes(broken, model, method, groups=np.zeros(5))
    assert np.isfinite(together.residual).all(), 'its group knows'


def test_unusable_input_is_named():
    hands, model = exact(3), hand_model()
    shapes = true_shapes(hands)
    solver = PoseSolver(limits=False)
    bad = hands.xyz.copy()
    bad[1, 5, 2] = np.nan
    for call in (lambda: fit_shapes(bad, model), lambda: pose_hands(bad, shapes.betas, model, solver)):
        with pytest.raises(ValueError, match='points: .*NaN'):
            call()
    with pytest.raises(ValueError, match=r'points: expected shape \(N, 21, 3\)'):
        fit_shapes(np.zeros((0, 21, 3)), model)
    with pytest.raises(ValueError, match='betas: expected shape'):
        pose_hands(hands.xyz, shapes.betas[:2], model, solver)
    with pytest.raises(ValueError, match='groups'):
        fit_shapes(hands.xyz, model, groups=np.zeros(2))
    with pytest.raises(ValueError, match='model: .*left'):
        pose_hands(hands.xyz, shapes.betas, load_hand_model(side='left'), solver)
    for settings, message in (
        ({'method': 'nelder'}, 'lm, pso, network'),
        ({'per': 'person'}, 'frame, folder, set'),
        ({'weight': -1.0}, 'weight'),
    ):
        with pytest.raises(ValueError, match=message):
            ShapeStage(**settings)
    with pytest.raises(ValueError, match='aik, iknet'):
        PoseStage('fabrik')


def test_stages_of_other_hands_do_not_mix():
    hands, model = exact(3), hand_model()
    other = HandModel(made_up_parameters())
    shapes = ShapeStage().run(hands, model)
    with pytest.raises(PipelineError, match='of 3 hands, predictions of 5'):
        PoseStage().run(exact(5), shapes, model)
    with pytest.raises(PipelineError, match='hand 0 is synthetic-5-0000000, in the predictions x'):
        PoseStage().run(exact(3, keys=('x', 'y', 'z')), shapes, model)
    with pytest.raises(PipelineError, match='hand model open_hand'):
        PoseStage().run(hands, shapes, other)
    with pytest.raises(ShapeRegressorError, match='train_shape'):
        ShapeStage('network').run(hands, other)


def test_files_give_back_what_was_written(tmp_path):
    hands, model = exact(4, noise=0.02), hand_model()
    shapes = ShapeStage().run(hands, model)
    poses = PoseStage(limits=True).run(hands, shapes, model)
    save_shapes(shapes, tmp_path / 'new' / 'lm.npz')
    save_poses(poses, tmp_path / 'aik.npz')
    found, posed = load_shapes(tmp_path / 'new' / 'lm.npz'), load_poses(tmp_path / 'aik.npz')
    assert found.keys == shapes.keys and found.recipe == shapes.recipe and posed.recipe == poses.recipe
    np.testing.assert_array_equal(found.betas, shapes.betas)
    for name in ('sides', 'rotations', 'betas', 'angles', 'keypoints_m', 'misfit'):
        np.testing.assert_array_equal(getattr(posed, name), getattr(poses, name))
    assert score(posed.predictions(hands), 'reference').auc == score(poses.predictions(hands), 'reference').auc
    np.save(tmp_path / 'rhd_shapes.npy', shapes.betas.astype(np.float32))
    theirs = load_shapes(tmp_path / 'rhd_shapes.npy')
    theirs.check(hands, model)
    np.testing.assert_allclose(theirs.betas, shapes.betas, atol=1e-6)


def test_broken_files_are_named(tmp_path):
    hands, model = exact(3), hand_model()
    shapes = ShapeStage().run(hands, model)
    save_shapes(shapes, tmp_path / 'lm.npz')
    whole = (tmp_path / 'lm.npz').read_bytes()
    (tmp_path / 'cut.npz').write_bytes(whole[: len(whole) // 2])
    for name, message in (('none.npz', 'no such file'), ('cut.npz', 'damaged'), ('none.npy', 'no such file')):
        with pytest.raises(ArrayFileError, match=message):
            load_shapes(tmp_path / name)
    with pytest.raises(ArrayFileError, match='no file of poses'):
        load_poses(tmp_path / 'lm.npz')
    for betas, message in (
        (np.zeros((3, 9)), r'\(N, 10\)'),
        (np.full((3, 10), np.nan), 'NaN'),
        (np.zeros(()), 'N, 10'),
    ):
        np.save(tmp_path / 'b.npy', betas)
        with pytest.raises(PipelineError, match=message):
            load_shapes(tmp_path / 'b.npy')
    with pytest.raises(ArrayFileError, match='.npz'):
        save_shapes(shapes, tmp_path / 'lm.txt')


def test_what_is_stored_is_kept_only_if_it_would_be_made_again(tmp_path):
    hands, model = exact(4, noise=0.02), hand_model()
    path = tmp_path / 'lm.npz'
    stage = ShapeStage()
    shapes, kept = stored_shapes(stage, hands, model, path)
    assert not kept and stored_shapes(stage, hands, model, path)[1]
    others = (
        (ShapeStage(weight=1e-5), hands),
        (ShapeStage('pso'), hands),
        (ShapeStage('pso', seed=1), hands),
        (ShapeStage('network'), hands),
        (ShapeStage(per='set'), hands),
        (stage, exact(4, noise=0.03)),
        (stage, exact(3, noise=0.02)),
    )
    for other, predictions in others:
        assert not stored_shapes(other, predictions, model, path)[1]
    path.write_bytes(b'half a file')
    assert not stored_shapes(stage, hands, model, path)[1] and stored_shapes(stage, hands, model, path)[1]

    pose_path = tmp_path / 'aik.npz'
    aik = PoseStage()
    assert not stored_poses(aik, hands, shapes, model, pose_path)[1]
    assert stored_poses(aik, hands, shapes, model, pose_path)[1]
    moved = Shapes(shapes.keys, shapes.betas + 0.1, shapes.residual, shapes.recipe)
    for other, given in ((PoseStage(limits=True), shapes), (PoseStage('iknet'), shapes), (aik, moved)):
        assert not stored_poses(other, hands, given, model, pose_path)[1]


def test_bone_ratios_of_the_fit_are_those_given():
    hands, model = exact(3), hand_model()
    shapes = ShapeStage(weight=1e-9).run(hands, model)
    np.testing.assert_allclose(model_ratios(model, shapes.betas), bone_ratios(hands.xyz), atol=1e-3)
