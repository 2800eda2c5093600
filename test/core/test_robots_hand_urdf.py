"""The hand's URDF is the hand model: same places at the same angles, closed pieces, files that others can read."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.hand.skeleton import JOINT_NAMES, KEYPOINT_NAMES
from minimal_hand_core.pose import (
    ANATOMICAL_LIMITS,
    ANGLE_NAMES,
    JointAxes,
    PoseSolver,
    joint_angles,
    rotations_from_angles,
)
from minimal_hand_core.robots import Kinematics, hand_urdf, parse_urdf, read_urdf, rest_hand
from minimal_hand_core.robots.hand_pieces import Mesh, boundary_loops, cut
from minimal_hand_core.robots.hand_urdf import joint_names, keypoint_links
from minimal_hand_core.robots.make_urdf import main as make_urdf
from minimal_hand_core.robots.mesh_files import glb_bytes, obj_bytes, stl_bytes, write_mesh
from minimal_hand_core.tracking.kinematics import articulate

ROOT = Path(__file__).resolve().parents[2]
SIDES = ('right', 'left')
PACKAGE = 'package://minimal_hand_ros/'
TENTH_OF_A_MILLIMETRE = 1e-4


@pytest.fixture(scope='module', params=SIDES)
def model(request: pytest.FixtureRequest) -> HandModel:
    return load_hand_model('open', request.param, dtype=torch.float64)


def random_angles(rng: np.random.Generator, count: int) -> np.ndarray:
    low, high = ANATOMICAL_LIMITS.T
    return low + (high - low) * rng.random((count, len(ANGLE_NAMES)))


def model_keypoints(model: HandModel, angles: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(B, 21, 3) relative to the wrist."""
    rotations = rotations_from_angles(angles, JointAxes.from_model(model, betas))
    keypoints = model.keypoints(torch.tensor(rotations), torch.tensor(betas)[None]).numpy()
    return keypoints - keypoints[:, :1]


def urdf_keypoints(text: str, side: str, angles: np.ndarray) -> np.ndarray:
    robot = parse_urdf(text)
    kinematics = Kinematics(robot)
    columns = [robot.names.index(name) for name in joint_names(side)]
    links = [robot.links.index(name) for name in keypoint_links(side)]
    positions = np.empty_like(angles)
    positions[:, columns] = angles
    return np.array([kinematics.link_frames(row)[links, :3, 3] for row in positions])


@pytest.mark.parametrize('length', [None, 0.11])
def test_forward_kinematics_is_that_of_the_hand_model(
    model: HandModel, length: float | None, rng: np.random.Generator
) -> None:
    for betas in (np.zeros(10), rng.normal(size=10)):
        angles = random_angles(rng, 20)
        hand = rest_hand(model, betas, length)
        wanted = model_keypoints(model, angles, betas)
        if length is not None:
            wanted *= length / np.linalg.norm(wanted[0, 9])
        found = urdf_keypoints(hand_urdf(hand), model.side, angles)
        assert np.abs(found - wanted).max() < TENTH_OF_A_MILLIMETRE / 1000


def test_forward_kinematics_by_pinocchio(model: HandModel, rng: np.random.Generator, tmp_path: Path) -> None:
    """The same once more with a parser and kinematics that are not ours: urdfdom and Pinocchio."""
    pinocchio = pytest.importorskip('pinocchio')
    path = tmp_path / 'hand.urdf'
    path.write_text(hand_urdf(rest_hand(model)))
    robot = pinocchio.buildModelFromUrdf(str(path))
    data = robot.createData()
    assert robot.nq == len(ANGLE_NAMES)
    columns = [robot.idx_qs[robot.getJointId(name)] for name in joint_names(model.side)]
    np.testing.assert_allclose(robot.lowerPositionLimit[columns], ANATOMICAL_LIMITS[:, 0], atol=1e-6)
    np.testing.assert_allclose(robot.upperPositionLimit[columns], ANATOMICAL_LIMITS[:, 1], atol=1e-6)
    angles = random_angles(rng, 20)
    wanted = model_keypoints(model, angles, np.zeros(10))
    frames = [robot.getFrameId(name) for name in keypoint_links(model.side)]
    for row, points in zip(angles, wanted):
        positions = np.empty(robot.nq)
        positions[columns] = row
        pinocchio.framesForwardKinematics(robot, data, positions)
        found = np.array([data.oMf[frame].translation for frame in frames])
        assert np.abs(found - points).max() < TENTH_OF_A_MILLIMETRE / 1000


def test_at_the_tracked_angles_it_lies_where_the_tracked_hand_lies(model: HandModel, rng: np.random.Generator) -> None:
    """What robot_state_publisher makes of hand/joint_states is the hand on /tf, also of keypoints that fit no hand."""
    hand = rest_hand(model)
    axes, text = JointAxes.from_keypoints(hand.keypoints, model.side), hand_urdf(hand)
    solve = PoseSolver('aik', side=model.side, limits=True, weights='default')
    for angles in random_angles(rng, 10):
        seen = articulate(hand.keypoints, rotations_from_angles(angles, axes)) + 0.004 * rng.normal(size=(21, 3))
        rotations = np.asarray(solve(hand.keypoints, seen, axes))
        wanted = articulate(hand.keypoints, rotations)
        found = urdf_keypoints(text, model.side, np.asarray(joint_angles(rotations, axes))[None])[0]
        assert np.abs(found @ rotations[0].T - wanted).max() < TENTH_OF_A_MILLIMETRE / 1000


def test_joints_links_and_limits_are_as_documented(model: HandModel) -> None:
    robot = parse_urdf(hand_urdf(rest_hand(model)))
    assert robot.names == tuple(f'{model.side}_{name}' for name in ANGLE_NAMES)
    # The root is the TF frame that the tracker publishes; no other link is called like one of its frames.
    published = {f'{model.side}_hand/{name}' for name in KEYPOINT_NAMES}
    assert robot.links[0] == f'{model.side}_hand/wrist'
    assert published & set(robot.links) == {robot.links[0]}
    assert len(robot.links) == 1 + 20 + 5
    np.testing.assert_allclose(np.stack([robot.lower, robot.upper], 1), ANATOMICAL_LIMITS, atol=1e-6)
    assert (robot.velocity > 0).all()
    frames = Kinematics(robot).link_frames(np.zeros(20))
    np.testing.assert_allclose(frames[:, :3, :3], np.broadcast_to(np.eye(3), (26, 3, 3)), atol=1e-15)


def test_pieces_are_closed_and_make_up_the_whole_skin(model: HandModel) -> None:
    hand = rest_hand(model)
    pieces = cut(hand)
    assert len(pieces) == len(JOINT_NAMES)
    skin = {tuple(sorted(map(tuple, np.round(corners, 7).tolist()))) for corners in hand.vertices[hand.faces]}
    worn = set()
    for joint, piece in enumerate(pieces):
        assert not boundary_loops(piece.faces), JOINT_NAMES[joint]
        corners = piece.vertices[piece.faces]
        # Outwards: the volume under the triangles is positive, a few cm³ for a finger bone, more for the palm.
        volume = np.einsum('fx,fx->', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        assert 1e-6 < volume < 5e-4, JOINT_NAMES[joint]
        worn |= {tuple(sorted(map(tuple, np.round(t + hand.joints[joint], 7).tolist()))) for t in corners}
    assert skin <= worn


def test_a_joint_that_moves_no_skin_most_has_an_empty_piece(model: HandModel) -> None:
    hand, joint = rest_hand(model), JOINT_NAMES.index('index_dip')
    weights = hand.weights.copy()
    weights[:, joint - 1] += weights[:, joint]
    weights[:, joint] = 0
    pieces = cut(replace(hand, weights=weights))
    assert pieces[joint].vertices.shape == pieces[joint].faces.shape == (0, 3)
    assert all(len(piece.faces) and not boundary_loops(piece.faces) for piece in pieces if piece is not pieces[joint])


def test_boundary_loops_of_a_strip_without_caps() -> None:
    # Four walls of a box: a ring of eight triangles with two holes.
    faces = []
    for i in range(4):
        a, b = i, (i + 1) % 4
        faces += [[a, b, b + 4], [a, b + 4, a + 4]]
    loops = boundary_loops(np.array(faces))
    assert sorted(sorted(loop.tolist()) for loop in loops) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    closed = [*faces, *([loop[0], loop[i], loop[i + 1]] for loop in loops for i in (1, 2))]
    assert not boundary_loops(np.array(closed))


def test_no_pose_within_the_limits_of_hands_is_beyond_the_files() -> None:
    robot = read_urdf(ROOT / 'urdf' / 'right_hand.urdf')
    assert (robot.lower <= ANATOMICAL_LIMITS[:, 0]).all() and (robot.upper >= ANATOMICAL_LIMITS[:, 1]).all()


@pytest.mark.parametrize('side', SIDES)
def test_shipped_files_are_what_the_command_makes(side: str, tmp_path: Path) -> None:
    assert make_urdf([str(tmp_path), '--side', side, '--mesh-prefix', f'{PACKAGE}urdf']) == 0
    made, shipped = tmp_path / f'{side}_hand.urdf', ROOT / 'urdf' / f'{side}_hand.urdf'
    assert made.read_text() == shipped.read_text(), 'run: make_urdf urdf --side both --mesh-prefix ' + f'{PACKAGE}urdf'
    meshes = {path.name for path in (tmp_path / 'meshes' / side).iterdir()}
    assert meshes == {path.name for path in (ROOT / 'urdf' / 'meshes' / side).iterdir()}
    for name in meshes:
        pair = [(folder / 'meshes' / side / name).read_bytes() for folder in (tmp_path, ROOT / 'urdf')]
        assert pair[0] == pair[1], name


def test_shipped_files_are_complete_and_small() -> None:
    assert (ROOT / 'urdf' / 'hand.urdf').read_text() == (ROOT / 'urdf' / 'right_hand.urdf').read_text()
    for side in SIDES:
        tree = ElementTree.parse(ROOT / 'urdf' / f'{side}_hand.urdf')
        named = [mesh.get('filename') for mesh in tree.iter('mesh')]
        assert len(set(named)) == len(JOINT_NAMES)
        for name in named:
            assert name.startswith(PACKAGE)
            assert (ROOT / name.removeprefix(PACKAGE)).is_file()
    assert sum(path.stat().st_size for path in (ROOT / 'urdf' / 'meshes').rglob('*.obj')) < 300_000


def test_the_command_writes_where_the_meshes_are(tmp_path: Path) -> None:
    betas = [str(x) for x in (1, -1, 0.5, 0, 0, 0, 0, 0, 0, 0)]
    arguments = ['--side', 'both', '--mesh-format', 'stl', '--hand-length', '0.1', '--betas', *betas]
    assert make_urdf([str(tmp_path), *arguments]) == 0
    for side in SIDES:
        tree = ElementTree.parse(tmp_path / f'{side}_hand.urdf')
        for mesh in tree.iter('mesh'):
            address = mesh.get('filename')
            assert address.startswith('file:///') and Path(address.removeprefix('file://')).is_file()
        robot = read_urdf(tmp_path / f'{side}_hand.urdf')
        frames = Kinematics(robot).link_frames(np.zeros(20))
        assert np.linalg.norm(frames[robot.links.index(f'{side}_hand/middle_mcp_link'), :3, 3]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--model', '/no/such/hand.npz'], 'does not exist'),
        (['--hand-length', '0'], 'hand_length: expected metres from wrist to middle knuckle, 0.03 to 0.15, found 0.0'),
        (['--hand-length', '97'], 'found 97.0'),
        (['--hand-length', 'nan'], 'hand_length'),
        (['--betas', *['nan'] * 10], 'betas'),
    ],
)
def test_what_the_command_cannot_do_it_says(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_urdf([str(tmp_path / 'out'), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'file').write_text('')
    assert make_urdf([str(tmp_path / 'file')]) == 2
    assert 'make_urdf:' in capsys.readouterr().err


TETRAHEDRON = Mesh(
    np.array([[0.0, 0, 0], [0.01, 0, 0], [0, 0.02, 0], [0, 0, 0.03]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def test_obj_holds_the_mesh() -> None:
    lines = obj_bytes(TETRAHEDRON).decode().splitlines()
    vertices = [[float(x) for x in line.split()[1:]] for line in lines if line.startswith('v ')]
    faces = [[int(x) - 1 for x in line.split()[1:]] for line in lines if line.startswith('f ')]
    np.testing.assert_allclose(vertices, TETRAHEDRON.vertices)
    assert faces == TETRAHEDRON.faces.tolist() and len(lines) == 8


def test_stl_holds_the_mesh() -> None:
    data = stl_bytes(TETRAHEDRON)
    assert struct.unpack('<I', data[80:84]) == (4,) and len(data) == 84 + 4 * 50
    first = np.frombuffer(data[84 : 84 + 48], '<f4').reshape(4, 3)
    np.testing.assert_allclose(first[0], [0, 0, -1])
    np.testing.assert_allclose(first[1:], TETRAHEDRON.vertices[[0, 2, 1]])


def test_glb_holds_the_mesh() -> None:
    data = glb_bytes(TETRAHEDRON)
    magic, version, size = struct.unpack('<4sII', data[:12])
    assert (magic, version, size) == (b'glTF', 2, len(data))
    length, kind = struct.unpack('<I4s', data[12:20])
    assert kind == b'JSON' and length % 4 == 0
    head = json.loads(data[20 : 20 + length])
    body_length, kind = struct.unpack('<I4s', data[20 + length : 28 + length])
    body = data[28 + length :]
    assert kind == b'BIN\0' and body_length == len(body) == head['buffers'][0]['byteLength']
    points, indices = head['bufferViews']
    np.testing.assert_allclose(
        np.frombuffer(body[: points['byteLength']], '<f4').reshape(-1, 3), TETRAHEDRON.vertices, atol=1e-9
    )
    end = indices['byteOffset'] + indices['byteLength']
    found = np.frombuffer(body[indices['byteOffset'] : end], '<u2').reshape(-1, 3)
    assert found.tolist() == TETRAHEDRON.faces.tolist()
    assert head['accessors'][1]['componentType'] == 5123


def test_an_unknown_mesh_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mesh format: expected one of obj, stl, glb, found '.dae'"):
        write_mesh(tmp_path / 'piece.dae', TETRAHEDRON)
