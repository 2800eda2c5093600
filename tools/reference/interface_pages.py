"""The pages of messages and services, of frames and joints, and of launch arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minimal_hand_core.hand.skeleton import JOINT_NAMES, KEYPOINT_NAMES, KEYPOINT_PARENTS
from minimal_hand_core.pose import ANATOMICAL_LIMITS, ANGLE_NAMES
from minimal_hand_core.robots.hand_urdf import joint_names
from minimal_hand_ros.messages import frame_names
from minimal_hand_ros.settings import DEFAULT_FRAME
from tools.reference.interface_files import Field, InterfaceFile, read_interface
from tools.reference.markdown import code, prose, table

ROOT = Path(__file__).resolve().parents[2]

_FRAMES_HEAD = """# Frames, keypoints and joints

Positions are metres, angles radians, all frames right-handed. The camera's frame is that of the pictures (`frame_id` of
`camera_node`, or `camera_frame`), an optical frame: x right, y down, z forward (REP-103). The wrist's frame on a flat
right hand: fingers along −x, palm towards −y, thumb towards +z; on a left hand the mirror image in x. The frames of a
flat hand are all parallel to the wrist's; each turns with its joint, a finger tip with the bone that ends there. Frames
are sent with the stamp of the picture, while a hand is followed and the camera is calibrated.
"""
_JOINTS_HEAD = """## Joint angles

`hand/joint_states` and `angles` of `HandPose`, in this order. The ranges are those of `pose.limits` and of the hand's
URDF; what is positive is in [driving robots](../teleoperation.md#the-20-joints).
"""


def messages_page() -> str:
    """Markdown of messages and services."""
    parts = [
        '# Messages and services\n\n'
        'Every field of every type of this package, as the files in `msg/` and `srv/` describe it.\n'
    ]
    for path in sorted((ROOT / 'msg').glob('*.msg')):
        parts += _interface(read_interface(path), f'minimal_hand_ros/msg/{path.stem}', ['Field'])
    for path in sorted((ROOT / 'srv').glob('*.srv')):
        parts += _interface(read_interface(path), f'minimal_hand_ros/srv/{path.stem}', ['Request', 'Response'])
    return '\n'.join(parts)


def frames_page() -> str:
    """Markdown of TF frames, keypoint order, joint order and joint angles."""
    frames = frame_names('right')
    rows = []
    for k, name in enumerate(frames):
        parent = frames[KEYPOINT_PARENTS[k]] if k else f'the camera, `{DEFAULT_FRAME}` unless set'
        joint = KEYPOINT_NAMES[k]
        number = str(JOINT_NAMES.index(joint)) if joint in JOINT_NAMES else ''
        rows.append([str(k), code(joint), code(name), code(parent) if k else parent, number])
    degrees = np.degrees(ANATOMICAL_LIMITS)
    joints = [
        [str(i), code(name), f'{low:.0f} … {high:.0f}'.replace('-', '−')]
        for i, (name, (low, high)) in enumerate(zip(joint_names('right'), degrees, strict=True))
    ]
    assert len(joints) == len(ANGLE_NAMES)
    return '\n'.join(
        [
            _FRAMES_HEAD,
            table(['Keypoint', 'Name', 'TF frame', 'Parent', 'Number in `rotations`'], rows),
            "A left hand has `left_hand/…`. `rotations` of `HandPose` are in MANO's order, as the last column says.\n",
            _JOINTS_HEAD,
            table(['Number', 'Name', 'Range, degrees'], joints),
        ]
    )


def launch_page() -> str:
    """Markdown of the arguments of every launch file that has a table of them."""
    parts = ['# Launch arguments\n']
    for path in sorted((ROOT / 'launch').glob('*.launch.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        parts.append(f'## {path.name}\n')
        parts.append((ast.get_docstring(tree) or '').partition('\n')[0] + '\n')
        parts.append(
            table(
                ['Argument', 'Default', 'Description'],
                [[code(f'{name}:='), code(default or "''"), prose(text)] for name, default, text in _arguments(tree)],
            )
        )
    return '\n'.join(parts)


def _arguments(tree: ast.Module) -> list[tuple[str, str, str]]:
    """The literal ARGUMENTS of a launch file, which imports what is not installed everywhere."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ['ARGUMENTS']:
            return list(ast.literal_eval(node.value))
    return []


def _interface(file: InterfaceFile, name: str, headings: list[str]) -> Iterator[str]:
    yield f'## {file.name}\n'
    yield f'`{name}`\n'
    for paragraph in file.text.split('\n\n'):
        if paragraph:
            yield prose(paragraph) + '\n'
    for heading, fields in zip(headings, file.parts, strict=True):
        yield table([heading, 'Type', 'Description'], [_field(one) for one in fields])


def _field(one: Field) -> list[str]:
    return [code(one.name + (f' = {one.value}' if one.value else '')), code(one.type), prose(one.text)]
