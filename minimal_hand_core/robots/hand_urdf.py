"""The hand as a URDF: 20 hinges in the order of ANGLE_NAMES, each link with its piece of the skin.

Names (right hand):
    * The root link is right_hand/wrist, the TF frame that the tracker publishes; what robot_state_publisher publishes
      for the other links hangs on it. The tracker has frames right_hand/index_mcp and so on as well, and a frame must
      have one publisher, so the links are called right_hand/index_mcp_link, … right_hand/index_tip_link.
    * Joints are called as in hand/joint_states: right_index_mcp_flexion, …
    * A base joint has two angles: its flexion moves a bare link, right_hand/index_mcp_flexion_link, on which abduction
      moves right_hand/index_mcp_link (pose/angles.py, Convention).

At zero all frames are parallel to the wrist's. Where the tracker's frames may twist about their bones, hinges cannot:
places of joints and tips agree, turns about a bone may not.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from xml.sax.saxutils import quoteattr

import numpy as np

from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS, JOINT_NAMES, KEYPOINT_NAMES
from minimal_hand_core.pose import ANATOMICAL_LIMITS, ANGLE_NAMES, JointAxes
from minimal_hand_core.robots.hand_pieces import RestHand

MAX_SPEED = 15.0
"""rad/s, of every joint; fast finger movements of adults reach about this. Our own choice."""
MAX_TORQUE = 2.0
"""N·m, of every joint; a strong adult's finger base. Our own choice."""
SKIN_COLOUR = (0.87, 0.68, 0.57, 1.0)


def joint_names(side: str) -> tuple[str, ...]:
    """The 20 joints, as hand/joint_states calls them: right_thumb_cmc_flexion, …"""
    return tuple(f'{side}_{name}' for name in ANGLE_NAMES)


def keypoint_links(side: str) -> tuple[str, ...]:
    """The link at each of the 21 keypoints; [0] is the root."""
    return (f'{side}_hand/wrist', *(f'{side}_hand/{name}_link' for name in KEYPOINT_NAMES[1:]))


def hand_urdf(hand: RestHand, mesh: Callable[[str], str | None] = lambda name: None) -> str:
    """URDF of a hand.

    Args:
        hand: its shape and size.
        mesh: from a joint's name ('wrist', 'index_mcp', …) to the address of its piece; None for a bare link.

    Returns:
        XML text.
    """
    axes = JointAxes.from_keypoints(hand.keypoints, hand.side)
    limits = dict(zip(ANGLE_NAMES, ANATOMICAL_LIMITS))
    links = keypoint_links(hand.side)
    names = [f'{hand.side}_hand/{name}' for name in KEYPOINT_NAMES]
    parts = [_link(links[0], mesh('wrist'))]
    # Keypoints to nine digits: nanometres, so that nothing is lost against float32.
    for f, finger in enumerate(FINGERS):
        chain = FINGER_KEYPOINTS[finger]
        parent, start = links[0], hand.keypoints[0]
        for step, keypoint in enumerate(chain):
            name, place = KEYPOINT_NAMES[keypoint], hand.keypoints[keypoint]
            if step == 3:
                parts += [
                    _link(links[keypoint], None),
                    _fixed(f'{hand.side}_{name}', parent, links[keypoint], place - start),
                ]
                continue
            angle = f'{name}_flexion'
            if step == 0:
                bare = f'{names[keypoint]}_flexion_link'
                parts += [_link(bare, None)]
                parts += [_hinge(hand.side, angle, parent, bare, place - start, axes.flexion[f, 0], limits[angle])]
                parent, start, angle = bare, place, f'{name}_abduction'
            axis = axes.abduction[f] if step == 0 else axes.flexion[f, step]
            assert name in JOINT_NAMES
            parts += [_link(links[keypoint], mesh(name))]
            parts += [_hinge(hand.side, angle, parent, links[keypoint], place - start, axis, limits[angle])]
            parent, start = links[keypoint], place
    colour = ' '.join(f'{part:g}' for part in SKIN_COLOUR)
    head = (
        '<?xml version="1.0"?>\n'
        '<!-- Written by make_urdf from the hand model. Metres, radians; at zero all frames are parallel. -->\n'
        f'<robot name="{hand.side}_hand">\n'
        f'  <material name="skin">\n    <color rgba="{colour}"/>\n  </material>\n'
    )
    return head + ''.join(parts) + '</robot>\n'


def _link(name: str, mesh: str | None) -> str:
    if mesh is None:
        return f'  <link name="{name}"/>\n'
    return (
        f'  <link name="{name}">\n    <visual>\n'
        f'      <geometry>\n        <mesh filename={quoteattr(mesh)}/>\n      </geometry>\n'
        '      <material name="skin"/>\n    </visual>\n  </link>\n'
    )


def _hinge(
    side: str, angle: str, parent: str, child: str, shift: np.ndarray, axis: np.ndarray, limits: np.ndarray
) -> str:
    # Rounded outwards: what the tracker may publish must not be beyond them.
    lower, upper = floor(limits[0] * 1e6) / 1e6, ceil(limits[1] * 1e6) / 1e6
    return (
        f'  <joint name="{side}_{angle}" type="revolute">\n{_ends(parent, child, shift)}'
        f'    <axis xyz="{_text(axis)}"/>\n'
        f'    <limit lower="{lower:.6f}" upper="{upper:.6f}" effort="{MAX_TORQUE:g}" velocity="{MAX_SPEED:g}"/>\n'
        '  </joint>\n'
    )


def _fixed(name: str, parent: str, child: str, shift: np.ndarray) -> str:
    return f'  <joint name="{name}" type="fixed">\n{_ends(parent, child, shift)}  </joint>\n'


def _ends(parent: str, child: str, shift: np.ndarray) -> str:
    return (
        f'    <parent link="{parent}"/>\n    <child link="{child}"/>\n    <origin xyz="{_text(shift)}" rpy="0 0 0"/>\n'
    )


def _text(values: np.ndarray) -> str:
    return ' '.join(f'{round(float(value), 9) + 0.0:.9g}' for value in values)
