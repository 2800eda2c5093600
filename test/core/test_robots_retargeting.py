"""From hands to robots' joints: each engine does what its file says, and files that cannot be used are told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES
from minimal_hand_core.pose import ANATOMICAL_LIMITS, ANGLE_NAMES
from minimal_hand_core.robots import (
    AnglesToObservation,
    CommandGuard,
    HandObservation,
    Kinematics,
    RetargetConfig,
    RetargetConfigError,
    RetargetError,
    UrdfError,
    create_retargeter,
    read_retarget_config,
)
from minimal_hand_core.robots.config import METHODS
from minimal_hand_core.robots.observation import hand_to_robot
from minimal_hand_core.robots.retargeters import target_vectors

ROOT = Path(__file__).resolve().parents[2]
GRIPPER = ROOT / 'config' / 'retarget' / 'two_finger_gripper.yaml'
FOUR_FINGERS = ROOT / 'config' / 'retarget' / 'four_finger_hand.yaml'
EXAMPLES = sorted((ROOT / 'config' / 'retarget').glob('*.yaml'))
REST, FIST = (
    np.zeros(20),
    np.array([0.6 if 'thumb' in name else 1.2 if 'flex' in name else 0.0 for name in ANGLE_NAMES]),
)


@pytest.fixture(scope='module', params=['right', 'left'])
def observe(request: pytest.FixtureRequest) -> AnglesToObservation:
    return AnglesToObservation(load_hand_model('open', request.param))


@pytest.fixture(scope='module')
def right() -> AnglesToObservation:
    return AnglesToObservation(load_hand_model())


def movement(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames, 20) angles on the way between two ordinary poses."""
    low, high = ANATOMICAL_LIMITS.T
    start, end = low + (high - low) * rng.uniform(0.1, 0.9, (2, 20))
    return start + (end - start) * np.linspace(0, 1, frames)[:, None]


def robot_vectors(config: RetargetConfig, positions: np.ndarray) -> np.ndarray:
    assert config.vectors is not None
    at = dict(zip(config.robot.links, Kinematics(config.robot).link_frames(positions)[:, :3, 3]))
    return np.array([at[end] - at[start] for start, end in config.vectors.links])


def with_pinch(right: AnglesToObservation, distance: float) -> HandObservation:
    hand = right(0.0, REST)
    keypoints = hand.keypoints.copy()
    keypoints[KEYPOINT_NAMES.index('thumb_tip')] = keypoints[KEYPOINT_NAMES.index('index_tip')] + [0, -distance, 0]
    return replace(hand, keypoints=keypoints)


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_every_example_drives_its_robot(path: Path, observe: AnglesToObservation) -> None:
    config = read_retarget_config(path)
    guard = CommandGuard(config.robot, config.max_speed, config.rest)
    assert guard.position.shape == (len(config.robot.names),)
    positions = [create_retargeter(config).retarget(observe(0.0, angles)) for angles in (REST, FIST)]
    assert np.isfinite(positions).all() and np.abs(positions[0] - positions[1]).max() > 0.01


@pytest.mark.parametrize(('distance', 'finger'), [(0.0, 0.0), (0.02, 0.0), (0.055, 0.02), (0.09, 0.04), (0.2, 0.04)])
def test_a_gripper_closes_with_the_pinch(right: AnglesToObservation, distance: float, finger: float) -> None:
    engine = create_retargeter(read_retarget_config(GRIPPER))
    assert engine.retarget(with_pinch(right, distance)) == pytest.approx([finger], abs=1e-12)


def test_direct_joints_follow_their_angles(right: AnglesToObservation, rng: np.random.Generator) -> None:
    config = read_retarget_config(FOUR_FINGERS, method='direct')
    angles = movement(rng, 1)[0]
    found = dict(zip(config.robot.names, create_retargeter(config).retarget(right(0.0, angles))))
    given = dict(zip(ANGLE_NAMES, angles))
    assert found['index_joint_1'] == pytest.approx(given['index_mcp_flexion'])
    assert found['ring_joint_0'] == pytest.approx(-given['ring_mcp_abduction'])
    assert found['thumb_joint_0'] == pytest.approx(given['thumb_cmc_abduction'] + 0.6)
    assert found['thumb_joint_3'] == pytest.approx(0.8 * given['thumb_ip_flexion'] + 0.2 * given['thumb_mcp_flexion'])


def reachable_hand(config: RetargetConfig, right: AnglesToObservation, positions: np.ndarray) -> HandObservation:
    """A hand whose vectors are exactly those of the robot at these positions."""
    vectors = config.vectors
    wanted = robot_vectors(config, positions)
    turn = hand_to_robot('right', vectors.fingers, vectors.palm)
    keypoints = right(0.0, REST).keypoints.copy()
    for vector, pair, scale in zip(wanted, vectors.keypoints, vectors.scales):
        if pair[0] == 0:
            keypoints[pair[1]] = vector @ turn / scale
    return replace(right(0.0, REST), keypoints=keypoints)


def test_the_vector_engine_finds_what_the_robot_can_do(right: AnglesToObservation, rng: np.random.Generator) -> None:
    """Joints → links → a hand like that → joints that put the links where they were."""
    config = read_retarget_config(FOUR_FINGERS)
    engine = create_retargeter(config)
    robot = config.robot
    for _ in range(5):
        engine.reset()
        wanted = rng.uniform(*(robot.lower + (robot.upper - robot.lower) * share for share in (0.2, 0.8)))
        hand = reachable_hand(config, right, wanted)
        for _ in range(20):
            found = engine.retarget(hand)
        miss = np.linalg.norm(robot_vectors(config, found) - robot_vectors(config, wanted), axis=1)
        assert miss.max() < 0.002
        assert (found >= robot.lower).all() and (found <= robot.upper).all()


def test_the_vector_engine_is_smooth_and_starts_afresh(right: AnglesToObservation, rng: np.random.Generator) -> None:
    config = read_retarget_config(FOUR_FINGERS)
    engine = create_retargeter(config)
    hands = [right(0.0, angles) for angles in movement(rng, 60)]
    positions = np.array([engine.retarget(hand) for hand in hands])
    assert np.abs(np.diff(positions, axis=0)).max() < 0.35, 'two seconds of movement, no leaps'
    engine.reset()
    np.testing.assert_array_equal(engine.retarget(hands[0]), positions[0])


def test_no_hand_is_too_strange_for_the_vector_engine(right: AnglesToObservation, rng: np.random.Generator) -> None:
    config = read_retarget_config(FOUR_FINGERS)
    engine = create_retargeter(config)
    for size in (0.0, 0.01, 0.2, 0.49):
        for _ in range(5):
            found = engine.retarget(replace(right(0.0, REST), keypoints=rng.uniform(-size, size, (21, 3))))
            assert (found >= config.robot.lower).all() and (found <= config.robot.upper).all()


def test_dex_retargeting_and_our_own_engine_agree(observe: AnglesToObservation, rng: np.random.Generator) -> None:
    pytest.importorskip('dex_retargeting')
    misses = {}
    hands = [observe(0.0, angles) for angles in movement(rng, 15)]
    for method in ('vector', 'dex'):
        config = read_retarget_config(FOUR_FINGERS, method=method)
        engine = create_retargeter(config)
        found = [np.clip(engine.retarget(hand), config.robot.lower, config.robot.upper) for hand in hands]
        wanted = [target_vectors(config.vectors, hand) for hand in hands]
        misses[method] = np.mean([np.abs(robot_vectors(config, q) - v) for q, v in zip(found, wanted)])
    assert misses['vector'] < 1.1 * misses['dex']
    assert misses['dex'] < 0.03, 'of a hand that is built otherwise'


def test_dex_by_position_brings_the_tips_where_they_belong(right: AnglesToObservation, tmp_path: Path) -> None:
    pytest.importorskip('dex_retargeting')
    tree = yaml.safe_load(FOUR_FINGERS.read_text())
    tree['dex'] = {'type': 'position'}
    tree['vectors']['links'] = [row for row in tree['vectors']['links'] if row['from'] == 'palm']
    config = read_retarget_config(written(tmp_path, tree), method='dex')
    rest, lowest = config.rest, config.robot.lower
    wanted = lowest + (config.robot.upper - lowest) * 0.4
    engine = create_retargeter(config)
    hand = reachable_hand(config, right, wanted)
    for _ in range(30):
        found = engine.retarget(hand)
    errors = [
        np.linalg.norm(robot_vectors(config, q) - robot_vectors(config, wanted), axis=1).mean() for q in (found, rest)
    ]
    assert errors[0] < 0.005 < errors[1]


def test_dex_takes_a_robot_with_followers(right: AnglesToObservation, tmp_path: Path) -> None:
    pytest.importorskip('dex_retargeting')
    config = read_retarget_config(written(tmp_path, gripper_by_vectors()), method='dex')
    found = [create_retargeter(config).retarget(with_pinch(right, distance)) for distance in (0.02, 0.06)]
    assert found[0].shape == (1,) and found[0] < found[1]


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith('dex_retargeting')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'dex_retargeting', None)
    with pytest.raises(RetargetError, match="pip install dex-retargeting six, or use method 'vector'"):
        create_retargeter(read_retarget_config(FOUR_FINGERS, method='dex'))


def test_an_observation_does_not_depend_on_the_camera(right: AnglesToObservation, rng: np.random.Generator) -> None:
    hand = right(0.0, movement(rng, 1)[0])
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    seen = HandObservation.from_pose('right', 0.0, hand.angles, hand.keypoints @ turn.T + [0.1, 0.2, 0.7], turn)
    np.testing.assert_allclose(seen.keypoints, hand.keypoints, atol=1e-12)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_hands_are_turned_as_the_robot_is_built(side: str) -> None:
    hand = AnglesToObservation(load_hand_model('open', side))(0.0, FIST * 0.5)
    turned = hand.keypoints @ hand_to_robot(side, 'z', 'x').T
    middle = [KEYPOINT_NAMES.index(f'middle_{part}') for part in ('mcp', 'tip')]
    assert turned[middle[0], 2] > 0.08, 'fingers along z'
    assert turned[middle[1], 0] > turned[middle[0], 0] + 0.02, 'they close towards x'
    thumb = turned[KEYPOINT_NAMES.index('thumb_mcp'), 1]
    assert thumb > 0.02 if side == 'right' else thumb < -0.02
    assert np.linalg.det(hand_to_robot(side, '-y', 'z')) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'keypoints': np.full((21, 3), 1e30) * np.arange(21)[:, None]}, 'a hand is no longer than 0.5 m'),
        ({'angles': np.zeros(19)}, r'angles: expected shape \(20,\)'),
        ({'keypoints': np.full((21, 3), np.nan)}, 'keypoints: expected finite numbers'),
        ({'wrist_rotation': np.eye(4)}, r'wrist: expected shape \(3, 3\)'),
        ({'side': 'both'}, 'side: expected one of right, left'),
    ],
)
def test_observations_that_cannot_be(values: dict, said: str) -> None:
    fine = {
        'side': 'right',
        'stamp': 0.0,
        'angles': np.zeros(20),
        'keypoints': np.zeros((21, 3)),
        'wrist_rotation': np.eye(3),
    }
    with pytest.raises(ValueError, match=said):
        HandObservation.from_pose(**{**fine, **values})


@pytest.mark.parametrize('length', [97.0, 0.0, float('nan')])
def test_a_hand_length_that_no_hand_has_is_refused(length: float) -> None:
    with pytest.raises(ValueError, match=f'hand_length: expected metres .*0.03 to 0.15, found {length}'):
        AnglesToObservation(load_hand_model(), hand_length=length)


def written(folder: Path, tree: dict) -> Path:
    """The settings as a file; their URDF is one of ours."""
    named = tree.get('urdf')
    if isinstance(named, str) and named.startswith('../../'):
        tree = {**tree, 'urdf': str(ROOT / named.removeprefix('../../'))}
    path = folder / 'robot.yaml'
    path.write_text(yaml.safe_dump(tree))
    return path


def gripper_by_vectors() -> dict:
    link = {'from': 'right_finger', 'to': 'left_finger', 'hand': ['thumb_tip', 'index_tip']}
    return {
        'urdf': '../../urdf/two_finger_gripper.urdf',
        'method': 'vector',
        'vectors': {'fingers': 'z', 'palm': '-y', 'links': [link]},
    }


def test_the_vector_engine_takes_a_robot_with_followers(right: AnglesToObservation, tmp_path: Path) -> None:
    config = read_retarget_config(written(tmp_path, gripper_by_vectors()))
    engine = create_retargeter(config)
    for distance in (0.02, 0.06):
        found = engine.retarget(with_pinch(right, distance))
        for _ in range(20):
            found = engine.retarget(with_pinch(right, distance))
        assert found == pytest.approx([distance / 2], abs=1e-4)


def test_a_number_holds_for_all_speeds_but_never_more_than_the_urdf_says(tmp_path: Path) -> None:
    tree = yaml.safe_load(FOUR_FINGERS.read_text())
    for given, index, others in (
        (2.0, 2.0, 2.0),
        (50.0, 6.0, 6.0),
        ({'index_joint_0': 1.0}, 1.0, 6.0),
        (None, 6.0, 6.0),
    ):
        config = read_retarget_config(written(tmp_path, {**tree, 'max_speed': given}))
        i = config.robot.names.index('index_joint_0')
        assert config.max_speed[i] == index and config.max_speed[i + 1] == others


def test_arguments_take_the_place_of_the_files(tmp_path: Path) -> None:
    config = read_retarget_config(FOUR_FINGERS, method='direct')
    assert config.method == 'direct'
    other = tmp_path / 'other.urdf'
    other.write_text((ROOT / 'urdf' / 'two_finger_gripper.urdf').read_text().replace('0.04', '0.03'))
    tree = yaml.safe_load(GRIPPER.read_text())
    del tree['rest']
    assert read_retarget_config(written(tmp_path, tree), urdf=other).robot.upper == pytest.approx([0.03])


def changed(tree: dict, path: str, value: object) -> dict:
    """The settings with one of them set, by dotted name; None takes it away."""
    *parents, leaf = path.split('.')
    copy = yaml.safe_load(yaml.safe_dump(tree))
    place = copy
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    if value is None:
        del place[leaf]
    else:
        place[leaf] = value
    return copy


@pytest.mark.parametrize(
    ('example', 'path', 'value', 'said'),
    [
        (GRIPPER, 'urdf', None, "'urdf' is missing"),
        (GRIPPER, 'urdf', 3, "'urdf' is missing"),
        (GRIPPER, 'method', 'magic', "'method' is 'magic'; give one of direct, vector, dex"),
        (GRIPPER, 'method', 'vector', "method 'vector' needs 'vectors', which is missing"),
        (GRIPPER, 'direct', {}, "method 'direct' needs 'direct', which is missing"),
        (GRIPPER, 'maxspeed', 1, "'maxspeed' is not a setting; did you mean 'max_speed'"),
        (GRIPPER, 'max_speed', 0, "'max_speed' is 0; give a number above 0"),
        (GRIPPER, 'max_speed', True, "'max_speed' is True; give a number above 0"),
        (GRIPPER, 'max_speed', {'finger_join': 1}, "no joint 'finger_join'; did you mean 'finger_joint'"),
        (GRIPPER, 'rest', {'finger_joint': 0.05}, "'rest.finger_joint' is 0.05; the joint's limits are 0 … 0.04"),
        (GRIPPER, 'rest', [1], r"'rest' is \[1\]; expected names with values"),
        (GRIPPER, 'rest', {'finger_joint': float('nan')}, "'rest.finger_joint' is nan; give a number"),
        (GRIPPER, 'direct', {'fingerjoint': {'angle': 'thumb_ip_flexion'}}, "did you mean 'finger_joint'"),
        (
            GRIPPER,
            'direct',
            {'mirrored_finger_joint': {'angle': 'thumb_ip_flexion'}},
            "joint 'mirrored_finger_joint' of robot 'two_finger_gripper' follows 'finger_joint'; command that one",
        ),
        (GRIPPER, 'direct.finger_joint', 3, "'direct.finger_joint' is 3; expected names with values"),
        (GRIPPER, 'direct.finger_joint.angle', 'thumb_ip_flexion', 'needs one of .*; it has angle, distance'),
        (GRIPPER, 'direct.finger_joint.distance', None, 'needs one of angle, angles, distance; it has none'),
        (GRIPPER, 'direct.finger_joint.distance', ['thumb_tip', 'indx_tip'], "'indx_tip' is no keypoint; did you mean"),
        (GRIPPER, 'direct.finger_joint.distance', ['thumb_tip'], 'give two different keypoints'),
        (GRIPPER, 'direct.finger_joint.to', None, 'give both from and to, or scale and offset'),
        (GRIPPER, 'direct.finger_joint.scale', 2.0, 'give both from and to, or scale and offset'),
        (GRIPPER, 'direct.finger_joint.from', [1, 1], 'give two different numbers'),
        (GRIPPER, 'direct.finger_joint.from', [1], r"'direct.finger_joint.from' is \[1\]; give two numbers"),
        (GRIPPER, 'direct.finger_joint.form', [1, 2], "'direct.finger_joint.form' is not a .*; did you mean 'from'"),
        (GRIPPER, 'dex', {'type': 'pilot'}, "'dex.type' is 'pilot'; give one of vector, position"),
        (FOUR_FINGERS, 'direct.index_joint_1', {'angle': 'index_flexion'}, "is no angle; did you mean"),
        (FOUR_FINGERS, 'direct.index_joint_1', {'angle': ['index_pip_flexion']}, r"'\] is no angle; did you mean"),
        (FOUR_FINGERS, 'vectors.palm', 'z', "fingers is 'z' and palm 'z'; they must be at right angles"),
        (FOUR_FINGERS, 'vectors.palm', 'up', "palm is 'up'; give one of x, y, z, -x, -y, -z"),
        (FOUR_FINGERS, 'vectors.fingers', None, "fingers is 'None'; give one of x, y, z"),
        (FOUR_FINGERS, 'vectors.links', [], "'vectors.links' must be a list"),
        (FOUR_FINGERS, 'vectors.links.0.to', 'thumbtip', "no link 'thumbtip'; did you mean 'thumb_tip'"),
        (FOUR_FINGERS, 'vectors.links.0.to', 3, r"'vectors.links\[0\].to' is 3; give a name"),
        (
            FOUR_FINGERS,
            'vectors.links',
            [{'from': None, 'to': 'thumb_tip', 'hand': ['wrist', 'thumb_tip']}],
            r"'vectors.links\[0\].from' is None; give a name",
        ),
        (FOUR_FINGERS, 'vectors.links.0.hand', None, r"'vectors.links\[0\].hand' is missing"),
        (FOUR_FINGERS, 'vectors.links.0.weight', -1, r"'vectors.links\[0\].weight' is -1; give a number above 0"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_told(example: Path, path: str, value: object, said: str, tmp_path: Path) -> None:
    tree = changed(yaml.safe_load(example.read_text()), path, value)
    with pytest.raises(RetargetConfigError, match=rf'retargeting file .*robot\.yaml: .*{said}'):
        read_retarget_config(written(tmp_path, tree))


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(RetargetConfigError, match='cannot be read: No such file'):
        read_retarget_config(tmp_path / 'nothing.yaml')
    path = tmp_path / 'bad.yaml'
    path.write_text('a: [')
    with pytest.raises(RetargetConfigError, match='is not YAML'):
        read_retarget_config(path)
    path.write_text('- a')
    with pytest.raises(RetargetConfigError, match='expected names with values'):
        read_retarget_config(path)
    path.write_text('urdf: nothing.urdf')
    with pytest.raises(UrdfError, match=r'nothing\.urdf cannot be read: No such file'):
        read_retarget_config(path)


def test_a_joint_without_a_speed_needs_one(tmp_path: Path) -> None:
    urdf = tmp_path / 'slow.urdf'
    urdf.write_text((ROOT / 'urdf' / 'two_finger_gripper.urdf').read_text().replace('velocity="0.15"', 'velocity="0"'))
    tree = yaml.safe_load(GRIPPER.read_text())
    assert read_retarget_config(written(tmp_path, tree), urdf=urdf).max_speed == pytest.approx([0.1])
    del tree['max_speed']
    with pytest.raises(RetargetConfigError, match="gives joint 'finger_joint' no velocity limit; add 'max_speed'"):
        read_retarget_config(written(tmp_path, tree), urdf=urdf)


def test_the_wheel_robot_is_too_much_for_dex(tmp_path: Path) -> None:
    urdf = tmp_path / 'wheel.urdf'
    urdf.write_text((ROOT / 'urdf' / 'two_finger_gripper.urdf').read_text().replace('"prismatic"', '"continuous"'))
    tree = {**gripper_by_vectors(), 'max_speed': 1.0}
    with pytest.raises(RetargetError, match="cannot move continuous joint 'finger_joint'; use method 'vector'"):
        create_retargeter(read_retarget_config(written(tmp_path, tree), urdf=urdf, method='dex'))


def test_all_methods_are_tried_here() -> None:
    assert METHODS == ('direct', 'vector', 'dex')


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    with pytest.raises(RetargetConfigError, match=f'{tmp_path}/none.yaml cannot be read'):
        read_retarget_config('~/none.yaml')


def arm_with(hand: str, mount: str = 'rpy="0.3 -0.7 1.1" xyz="0.05 0 0.1"') -> str:
    """A robot: rail and five joints of an arm, one of them endless, one that another follows, then one of our hands."""
    kinds = ('prismatic', 'continuous', 'revolute', 'revolute', 'revolute', 'revolute')
    text = '<robot name="arm"><link name="floor"/>'
    for i, kind in enumerate(kinds):
        parent = 'floor' if i == 0 else f'arm_{i - 1}'
        follows = '<mimic joint="arm_joint_4" multiplier="-1"/>' if i == 5 else ''
        text += (
            f'<link name="arm_{i}"/><joint name="arm_joint_{i}" type="{kind}"><parent link="{parent}"/>'
            f'<child link="arm_{i}"/><origin xyz="0 0 0.2"/><axis xyz="{i % 2} {(i + 1) % 2} 0"/>'
            f'<limit lower="-1" upper="1" effort="1" velocity="1"/>{follows}</joint>'
        )
    robot = (ROOT / 'urdf' / hand).read_text().partition('<robot name=')[2].partition('>')[2]
    root = 'palm' if 'four' in hand else 'base'
    flange = f'<joint name="mount" type="fixed"><parent link="arm_5"/><child link="{root}"/><origin {mount}/></joint>'
    return text + flange + robot


@pytest.fixture
def on_arm(tmp_path: Path) -> Path:
    urdf = tmp_path / 'arm.urdf'
    urdf.write_text(arm_with('four_finger_hand.urdf'))
    return urdf


@pytest.mark.parametrize('method', METHODS)
def test_a_hand_on_an_arm_is_driven_as_without_and_the_arm_is_not(
    method: str, on_arm: Path, right: AnglesToObservation, rng: np.random.Generator
) -> None:
    if method == 'dex':
        pytest.importorskip('dex_retargeting')
    alone = read_retarget_config(FOUR_FINGERS, method=method)
    mounted = read_retarget_config(FOUR_FINGERS, method=method, urdf=on_arm)
    assert mounted.robot.names == alone.robot.names and not any('arm' in name for name in mounted.robot.names)
    for field in ('rest', 'max_speed'):
        np.testing.assert_array_equal(getattr(mounted, field), getattr(alone, field))
    engines = [create_retargeter(config) for config in (alone, mounted)]
    for angles in movement(rng, 5):
        one, other = (engine.retarget(right(0.0, angles)) for engine in engines)
        np.testing.assert_allclose(other, one, atol=1e-9 if method != 'dex' else 1e-4)


def test_a_part_that_stands_still_stands_at_its_rest(on_arm: Path, tmp_path: Path) -> None:
    tree = yaml.safe_load(FOUR_FINGERS.read_text())
    tree |= {'joints': ['index_joint_0', 'index_joint_1', 'index_joint_2', 'index_joint_3']}
    tree['rest'] = {'thumb_joint_0': 0.8, 'thumb_joint_2': 0.4}
    part = read_retarget_config(written(tmp_path, tree), urdf=on_arm)
    assert part.robot.names == tuple(tree['joints']) and part.robot.links[0] == 'palm'
    whole = read_retarget_config(written(tmp_path, {**tree, 'joints': None}))
    found, expected = (
        dict(zip(config.robot.links, Kinematics(config.robot).link_frames(config.rest))) for config in (part, whole)
    )
    assert set(found) == set(expected)
    for link, frame in expected.items():
        np.testing.assert_allclose(found[link], frame, atol=1e-12, err_msg=link)


def test_the_arm_may_be_commanded_on_request(on_arm: Path, tmp_path: Path, right: AnglesToObservation) -> None:
    tree = yaml.safe_load(FOUR_FINGERS.read_text())
    tree['vectors']['base'] = 'arm_1'
    config = read_retarget_config(written(tmp_path, tree), urdf=on_arm)
    assert config.robot.names[:3] == ('arm_joint_2', 'arm_joint_3', 'arm_joint_4'), 'the fifth follows the fourth'
    assert np.isfinite(create_retargeter(config).retarget(right(0.0, FIST))).all()
    tree = yaml.safe_load(FOUR_FINGERS.read_text()) | {'method': 'direct', 'joints': ['arm_joint_1', 'index_joint_1']}
    tree['direct'] = {'index_joint_1': {'angle': 'index_mcp_flexion'}}
    config = read_retarget_config(written(tmp_path, tree), urdf=on_arm)
    assert config.robot.names == ('arm_joint_1', 'index_joint_1')
    assert create_retargeter(config).retarget(right(0.0, FIST)) == pytest.approx([0.0, 1.2])


@pytest.mark.parametrize(
    ('path', 'value', 'said'),
    [
        ('joints', [], r"'joints' is \[\]; give a list of joints, or leave it out"),
        ('joints', 'index_joint_0', "'joints' is 'index_joint_0'; give a list"),
        ('joints', [3], "'joints' is 3; give a name"),
        ('joints', ['index_joint'], "joints: robot 'arm' has no joint 'index_joint'; did you mean 'index_joint_"),
        ('joints', ['arm_joint_5'], "joint 'arm_joint_5' of robot 'arm' follows 'arm_joint_4'; command that one"),
        ('joints', ['arm_joint_1'], "'joints': 'arm_joint_1' does not hang on 'palm', in whose frame"),
        ('vectors.base', 'plam', "vectors.base: robot 'arm' has no link 'plam'; did you mean 'palm'"),
        ('vectors.base', 'index_link_0', "'vectors.base' is 'index_link_0', which does not carry 'palm'"),
        (
            'vectors.links',
            [{'from': 'palm', 'to': 'palm', 'hand': ['wrist', 'thumb_tip']}],
            "'vectors.links': no commanded joint moves any of these links against another",
        ),
    ],
)
def test_parts_that_cannot_be_are_told(path: str, value: object, said: str, on_arm: Path, tmp_path: Path) -> None:
    tree = changed(yaml.safe_load(FOUR_FINGERS.read_text()), path, value)
    with pytest.raises(RetargetConfigError, match=said):
        read_retarget_config(written(tmp_path, tree), urdf=on_arm)


def test_a_joint_that_follows_something_must_be_commanded(tmp_path: Path) -> None:
    tree = yaml.safe_load(FOUR_FINGERS.read_text()) | {'method': 'direct', 'joints': ['index_joint_0']}
    with pytest.raises(RetargetConfigError, match="'direct.index_joint_1' follows something, but 'joints' does not"):
        read_retarget_config(written(tmp_path, tree))


def test_a_joint_that_is_not_commanded_needs_no_speed(on_arm: Path, tmp_path: Path) -> None:
    on_arm.write_text(on_arm.read_text().replace('effort="1" velocity="1"', 'effort="1"'))
    tree = yaml.safe_load(FOUR_FINGERS.read_text())
    del tree['max_speed']
    assert (read_retarget_config(written(tmp_path, tree), urdf=on_arm).max_speed == 6.0).all()
    tree['vectors']['base'] = 'floor'
    with pytest.raises(RetargetConfigError, match="gives joint 'arm_joint_0' no velocity limit; add 'max_speed'"):
        read_retarget_config(written(tmp_path, tree), urdf=on_arm)


def test_limits_of_followers_elsewhere_still_hold(tmp_path: Path) -> None:
    urdf = tmp_path / 'arm.urdf'
    text = arm_with('four_finger_hand.urdf').replace('<mimic joint="arm_joint_4" multiplier="-1"/>', '')
    follower = '<mimic joint="index_joint_1" multiplier="2" offset="0.2"/>'
    urdf.write_text(text.replace('</joint><joint name="mount"', f'{follower}</joint><joint name="mount"'))
    robot = read_retarget_config(FOUR_FINGERS, urdf=urdf).robot
    i = robot.names.index('index_joint_1')
    assert (robot.lower[i], robot.upper[i]) == pytest.approx((-0.2, 0.4)), 'twice that and 0.2 are within ∓1'
    assert robot.velocity[i] == 0.5
    assert robot.links[0] == 'palm'
