"""Reading URDFs: what they say, and one clear sentence for each that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from minimal_hand_core.robots import Kinematics, Robot, UrdfError, parse_urdf, read_urdf

ROOT = Path(__file__).resolve().parents[2]
OWN = sorted(path for path in (ROOT / 'urdf').glob('*.urdf'))

ARM = """
<robot name="arm">
  <link name="hand"/><link name="base"/><link name="upper"/><link name="slide"/><link name="finger"/>
  <joint name="grip" type="revolute">
    <parent link="hand"/><child link="finger"/><origin xyz="0 0 0.1" rpy="0.1 -0.2 0.3"/><axis xyz="0 0 -2"/>
    <limit lower="-1" upper="1" velocity="4" effort="1"/><mimic joint="turn" multiplier="-0.5" offset="0.2"/></joint>
  <joint name="turn" type="revolute">
    <parent link="base"/><child link="upper"/><origin xyz="0.1 0.2 0.3" rpy="0 0 1.57"/><axis xyz="0 1 0"/>
    <limit lower="-2" upper="3" velocity="3" effort="1"/></joint>
  <joint name="push" type="prismatic">
    <parent link="upper"/><child link="slide"/><origin rpy="0 1.2 0"/><axis xyz="1 0 0"/>
    <limit lower="-0.1" upper="0.2" effort="1"/></joint>
  <joint name="weld" type="fixed"><parent link="slide"/><child link="hand"/><origin xyz="0 0 0.05"/></joint>
</robot>"""


def joint(body: str = '', kind: str = 'fixed', name: str = 'j') -> str:
    """A robot of two links with one joint."""
    return (
        f'<robot name="r"><link name="first"/><link name="second"/><joint name="{name}" type="{kind}">'
        f'<parent link="first"/><child link="second"/>{body}</joint></robot>'
    )


def limits(lower: object = -1, upper: object = 1, velocity: object = 1) -> str:
    return f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="1"/>'


def numerical_jacobian(kinematics: Kinematics, positions: np.ndarray, links: np.ndarray) -> np.ndarray:
    step = 1e-6
    columns = []
    for i in range(len(positions)):
        shift = step * np.eye(len(positions))[i]
        ends = [kinematics.link_frames(positions + sign * shift)[links, :3, 3] for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, axis=-1)


def test_joints_come_root_first_whatever_the_file_says() -> None:
    robot = parse_urdf(ARM)
    assert robot.links == ('base', 'upper', 'slide', 'hand', 'finger')
    assert robot.names == ('turn', 'push')


def test_a_joint_that_is_followed_stays_where_both_can_be() -> None:
    robot = parse_urdf(ARM)
    # grip = 0.2 − turn / 2 must lie in ±1, so turn in −1.6 … 2.4; and grip's 4 rad/s allow turn 8.
    np.testing.assert_allclose(robot.lower, [-1.6, -0.1])
    np.testing.assert_allclose(robot.upper, [2.4, 0.2])
    np.testing.assert_allclose(robot.velocity, [3.0, 0.0])
    slow = parse_urdf(ARM.replace('velocity="4"', 'velocity="1"'))
    np.testing.assert_allclose(slow.velocity, [2.0, 0.0])


def test_a_continuous_joint_has_no_limits() -> None:
    robot = parse_urdf(joint(kind='continuous'))
    assert robot.lower == -math.inf and robot.upper == math.inf


@pytest.mark.parametrize('path', OWN, ids=lambda path: path.stem)
def test_our_urdfs_are_read_alike_by_pinocchio(path: Path, rng: np.random.Generator) -> None:
    pinocchio = pytest.importorskip('pinocchio')
    compare_with_pinocchio(pinocchio, read_urdf(path), pinocchio.buildModelFromUrdf(str(path)), rng)


def test_turns_shifts_and_followers_are_as_in_pinocchio(rng: np.random.Generator) -> None:
    pinocchio = pytest.importorskip('pinocchio')
    text = ARM.replace('upper="0.2"', 'upper="0.2" velocity="1"')  # urdfdom insists on a velocity
    compare_with_pinocchio(pinocchio, parse_urdf(text), pinocchio.buildModelFromXML(text), rng)


def compare_with_pinocchio(pinocchio, robot: Robot, theirs, rng: np.random.Generator) -> None:
    kinematics = Kinematics(robot)
    data = theirs.createData()
    for _ in range(5):
        positions = robot.lower + (robot.upper - robot.lower) * rng.random(len(robot.names))
        found = dict(zip(robot.names, positions))
        for joint in robot.joints:
            if joint.mimic:
                found[joint.name] = joint.mimic.multiplier * found[joint.mimic.joint] + joint.mimic.offset
        # Pinocchio moves joints that follow others by themselves.
        values = np.empty(theirs.nq)
        for name, value in found.items():
            values[theirs.idx_qs[theirs.getJointId(name)]] = value
        pinocchio.framesForwardKinematics(theirs, data, values)
        for frame, link in zip(kinematics.link_frames(positions), robot.links):
            np.testing.assert_allclose(frame, data.oMf[theirs.getFrameId(link)].homogeneous, atol=1e-12)


@pytest.mark.parametrize('text', [ARM, *(path.read_text() for path in OWN[:2])])
def test_the_jacobian_is_the_slope(text: str, rng: np.random.Generator) -> None:
    robot = parse_urdf(text)
    kinematics = Kinematics(robot)
    positions = rng.uniform(robot.lower, robot.upper)
    links = np.arange(len(robot.links))
    found = kinematics.jacobian(kinematics.link_frames(positions), links)
    np.testing.assert_allclose(found, numerical_jacobian(kinematics, positions, links), atol=1e-8)


@pytest.mark.parametrize('bad', [np.zeros(3), np.array([math.nan, 0.0])])
def test_positions_are_checked(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match='positions: expected'):
        Kinematics(parse_urdf(ARM)).link_frames(bad)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('<robot>', 'not well-formed XML'),
        ('', 'not well-formed XML'),
        ('<sdf/>', 'expected <robot>, found <sdf>'),
        ('<robot name="r"/>', 'no <link>'),
        (
            '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:macro name="m"/><link name="a"/></robot>',
            'this is a xacro file; run it through xacro first',
        ),
        ('<robot><link/></robot>', '<link>: no name'),
        ('<robot><link name="a"/><link name="a"/></robot>', "two links are called 'a'"),
        ('<robot><link name="a"/><link name="b"/></robot>', "one root; roots found: 'a', 'b'"),
        (joint(kind='floating'), "joint 'j': type is 'floating'; only revolute, continuous, prismatic, fixed"),
        (joint().replace('type="fixed"', ''), "joint 'j': no type"),
        (joint().replace('<parent link="first"/>', ''), "joint 'j': no <parent"),
        (joint().replace('child link="second"', 'child link="secnd"'), "'secnd' is not a link; did you mean 'second'"),
        (joint().replace('child link="second"', 'child link="first"'), "link 'first' does not hang on the root"),
        (
            '<robot><link name="a"/><link name="b"/>'
            '<joint name="1" type="fixed"><parent link="a"/><child link="b"/></joint>'
            '<joint name="2" type="fixed"><parent link="a"/><child link="b"/></joint></robot>',
            "link 'b' has two parents, by joints '1', '2'",
        ),
        (
            '<robot><link name="a"/><link name="b"/><link name="c"/><joint name="1" type="fixed"><parent link="b"/>'
            '<child link="c"/></joint><joint name="2" type="fixed"><parent link="c"/><child link="b"/></joint></robot>',
            "link 'b' does not hang on the root",
        ),
        (joint(kind='revolute'), "a revolute joint needs <limit lower"),
        (joint(limits(1, -1), 'revolute'), 'limit lower 1 must be less than upper -1'),
        (joint(limits(0, 0), 'prismatic'), 'limit lower 0 must be less than upper 0'),
        (joint(limits(velocity=-1), 'revolute'), 'limit velocity is -1; it must not be negative'),
        (joint(limits('low'), 'revolute'), "limit lower: expected 1 finite number, found 'low'"),
        (joint(limits('nan'), 'revolute'), "limit lower: expected 1 finite number, found 'nan'"),
        (joint(limits() + '<axis xyz="0 0 0"/>', 'revolute'), 'axis must not be zero'),
        (joint(limits() + '<axis xyz="0 1"/>', 'revolute'), "axis: expected 3 finite numbers, found '0 1'"),
        (joint('<origin xyz="0 0 inf"/>'), 'origin xyz: expected 3 finite numbers'),
        (joint(limits() + '<mimic joint="k"/>', 'revolute'), "joint 'j' follows 'k', which is not a joint"),
        (joint(limits() + '<mimic joint="j"/>', 'revolute'), "joint 'j' follows 'j', which follows another itself"),
        (ARM.replace('mimic joint="turn"', 'mimic joint="weld"'), "follows 'weld', which is fixed"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(text: str, said: str) -> None:
    with pytest.raises(UrdfError, match=said.replace('(', r'\(')):
        parse_urdf(text)


def test_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UrdfError, match=r'URDF .*nothing\.urdf cannot be read: No such file'):
        read_urdf(tmp_path / 'nothing.urdf')
    (tmp_path / 'bytes.urdf').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(UrdfError, match=r'bytes\.urdf cannot be read: not a text file'):
        read_urdf(tmp_path / 'bytes.urdf')
    (tmp_path / 'bad.urdf').write_text('<robot')
    with pytest.raises(UrdfError, match=r'URDF .*bad\.urdf: not well-formed XML'):
        read_urdf(tmp_path / 'bad.urdf')


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('trun', "here: robot 'arm' has no joint 'trun'; did you mean 'turn'"),
        ('zzz', "no joint 'zzz'; it has turn, push"),
        ('grip', "joint 'grip' of robot 'arm' follows 'turn'; command that one"),
        ('weld', "joint 'weld' of robot 'arm' is fixed"),
    ],
)
def test_joints_that_cannot_be_commanded_are_told(name: str, said: str) -> None:
    with pytest.raises(UrdfError, match=said):
        parse_urdf(ARM).index_of(name, 'here')


def test_links_that_are_not_there_are_told() -> None:
    assert parse_urdf(ARM).link_index('slide', 'here') == 2
    with pytest.raises(UrdfError, match="here: robot 'arm' has no link 'slid'; did you mean 'slide'"):
        parse_urdf(ARM).link_index('slid', 'here')


def test_limits_that_a_follower_leaves_nothing_of_are_named():
    joint = '<joint name="{}" type="revolute"><parent link="base"/><child link="{}"/><axis xyz="0 0 1"/>{}</joint>'
    limit = '<limit lower="0" upper="1" effort="1" velocity="1"/>'
    text = (
        '<robot name="r"><link name="base"/><link name="a"/><link name="b"/>'
        + joint.format('x', 'a', limit)
        + joint.format('y', 'b', limit + '<mimic joint="x" multiplier="-1" offset="-0.2"/>')
        + '</robot>'
    )
    with pytest.raises(
        UrdfError, match="joint 'x': its limits and those of the joints that follow it leave no position"
    ):
        parse_urdf(text)
