"""What the biomechanical loss looks at: bone lengths, the palm's form and joint angles, from keypoints alone.

Convention: right hands; lengths over the length of wrist → middle MCP, angles in radians. The palmar normal of two
neighbouring root bones (wrist → finger base, thumb first) is their cross product, towards the thumb's bone first. Of a
joint with two angles, flexion is that of the bone's projection onto the plane of flexion, positive towards the palm,
and abduction is the bone's angle with that plane, positive towards the thumb: a universal joint as in
pose/angles.py, but measured from the bone before it instead of from a rest pose.

Everything is differentiable, and everything degenerate has a value and a finite gradient: a bone without length has
the angles 0.

Source: fact sheet 5.3; Spurr et al. 2020, "Weakly Supervised 3D Hand Pose Estimation via Biomechanical Constraints",
from which it differs in the frames of the later joints. There the smallest rotation carries a frame along, which
twists it whenever a joint bends in two directions; here a bent hinge stays a hinge.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS, KEYPOINT_PARENTS, NUM_KEYPOINTS, WRIST

CHAINS = tuple((WRIST, *FINGER_KEYPOINTS[finger]) for finger in FINGERS)
"""(5, 5) keypoints from the wrist to each tip; between them four bones and three joints that bend."""
BONE_ENDS = tuple(range(1, NUM_KEYPOINTS))
"""The 20 bones, named by the keypoint at their far end."""
NUM_BENDS = 15
"""Joints that bend: three of each finger, base to tip, thumb first."""
SHORT = 0.01
"""Length below which a vector has hardly a direction: 1 % of the hand's length, a tenth of the shortest bone."""
_NARROW = 0.1
"""Knuckles nearer than this, which is nearer than in any hand, do not let the curvature grow without bound."""


class HandMeasures(NamedTuple):
    """Measures of B hands.

    Attributes:
        lengths: (B, 20) of the bones of BONE_ENDS.
        curvature: (B, 4) of the palm from each finger base to the next, (n' − n)·(r' − r) / |r' − r|², r the root bones
            and n their palmar normals; below 0 for a hollow palm.
        spread: (B, 4) angles between neighbouring root bones, 0 … π.
        angles: (B, 15, 2) flexion (−π … π) and abduction (−π/2 … π/2) of each joint that bends.
    """

    lengths: Tensor
    curvature: Tensor
    spread: Tensor
    angles: Tensor


def measure_hands(xyz: Tensor) -> HandMeasures:
    """Measures of xyz (B, 21, 3), floating point, in units of the hand's length."""
    lengths = torch.linalg.vector_norm(xyz[:, BONE_ENDS] - xyz[:, KEYPOINT_PARENTS[1:]], dim=-1)

    chains = xyz[:, torch.tensor(CHAINS, device=xyz.device)]
    bones = chains[:, :, 1:] - chains[:, :, :-1]  # (B, 5, 4, 3)
    roots = bones[:, :, 0]
    crosses = torch.linalg.cross(roots[:, :-1], roots[:, 1:])
    normals = _palm_normals(_unit(crosses))

    step = roots[:, 1:] - roots[:, :-1]
    rise = ((normals[:, 1:] - normals[:, :-1]) * step).sum(-1)
    curvature = rise / step.square().sum(-1).clamp_min(_NARROW**2)
    spread = torch.atan2(_length(crosses), (roots[:, :-1] * roots[:, 1:]).sum(-1))
    return HandMeasures(lengths, curvature, spread, _bend(_unit(bones), normals))


def _palm_normals(between: Tensor) -> Tensor:
    """Palmar normal (B, 5, 3) at each root bone: of the one or two planes (B, 4, 3) it bounds."""
    inner = _unit(between[:, 1:] + between[:, :-1])
    return torch.cat((between[:, :1], inner, between[:, -1:]), dim=1)


def _bend(bones: Tensor, normals: Tensor) -> Tensor:
    """Angles (B, 15, 2) of unit bones (B, 5, 4, 3), from the palmar normals (B, 5, 3) at their root bones.

    A frame is (forward along the bone, palmar across it, radial across both). Flexion turns about the radial axis,
    abduction about the palmar one that flexion has turned; the frame of the next joint has gone through both.
    """
    palmar = normals  # at right angles to the root bones, being made of cross products with them
    angles = []
    for joint in range(3):
        forward, bone = bones[:, :, joint], bones[:, :, joint + 1]
        radial = torch.linalg.cross(forward, palmar)
        along, towards, aside = ((bone * axis).sum(-1) for axis in (forward, palmar, radial))
        flat = (along.square() + towards.square()).detach() < SHORT**2
        # Sideways or without length, a bone has no flexion; away from (0, 0) the gradient is finite.
        flexion = torch.atan2(torch.where(flat, 0.0, towards), torch.where(flat, 1.0, along))
        length = (along.square() + towards.square() + SHORT**2).sqrt()
        angles.append(torch.stack((flexion, torch.atan2(aside, length)), dim=-1))
        palmar = (along.unsqueeze(-1) * palmar - towards.unsqueeze(-1) * forward) / length.unsqueeze(-1)
    return torch.stack(angles, dim=2).flatten(1, 2)


def _length(vectors: Tensor) -> Tensor:
    """Length, never quite 0, so that it has a gradient everywhere."""
    return (vectors.square().sum(-1) + SHORT**2).sqrt()


def _unit(vectors: Tensor) -> Tensor:
    """Direction; of a vector much shorter than SHORT, a shorter one, down to zero."""
    return vectors / _length(vectors).unsqueeze(-1)
