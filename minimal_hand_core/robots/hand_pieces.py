"""The hand's skin cut into one rigid piece per joint, so that a tree of links can wear it.

Each triangle goes to the joint that moves it most. Where a finger is cut, the outer piece is closed with a dome about
the joint: as the joint bends, the dome turns within the inner piece and no gap opens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import FINGER_JOINTS, JOINT_PARENTS, MIDDLE_MCP, NUM_BETAS, NUM_JOINTS, WRIST
from minimal_hand_core.shape.estimator import check_hand_length

DOME_RINGS = 2
"""Rings of triangles from a cut to the top of its dome, the top's own included."""
BEHIND = 0.004
"""Metres; triangles that lie so far on the inner side of a joint are not moved by it."""


@dataclass(frozen=True, eq=False)
class RestHand:
    """A hand model at rest, of one shape and size.

    Attributes:
        side: 'right' or 'left'.
        vertices: (V, 3) float64 metres, origin at the wrist, axes of the hand model.
        faces: (F, 3) int64.
        weights: (V, 16) float64 skinning weights.
        joints: (16, 3) float64 metres.
        keypoints: (21, 3) float64 metres.
    """

    side: str
    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    keypoints: np.ndarray


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles: vertices (V, 3) float64 metres, faces (F, 3) int64, normals outwards by the right-hand rule."""

    vertices: np.ndarray
    faces: np.ndarray


def rest_hand(model: HandModel, betas: np.ndarray | None = None, hand_length: float | None = None) -> RestHand:
    """A model's rest pose, in the shape of betas and scaled to a hand length.

    Args:
        model: the hand.
        betas: (10,); the mean shape when None.
        hand_length: |wrist − middle MCP|, metres; that of the shape when None.

    Raises:
        ValueError: betas of another shape or not finite, or a hand length that no human hand has.
    """
    given = np.zeros(NUM_BETAS) if betas is None else np.asarray(betas, np.float64)
    if given.shape != (NUM_BETAS,):
        raise ValueError(f'betas: expected shape ({NUM_BETAS},), found {given.shape}')
    if hand_length is not None:
        check_hand_length(hand_length)
    with torch.no_grad():
        output = model(model.pose_space.flat(), torch.as_tensor(given[None], dtype=model.dtype))
        vertices, joints, keypoints, weights = (
            part.numpy().astype(np.float64) for part in (*(part[0] for part in output), model.skinning_weights)
        )
    wrist = keypoints[WRIST]
    own = float(np.linalg.norm(keypoints[MIDDLE_MCP] - wrist))
    scale = 1.0 if hand_length is None else hand_length / own
    return RestHand(
        side=model.side,
        vertices=(vertices - wrist) * scale,
        faces=model.faces.numpy(),
        weights=weights,
        joints=(joints - wrist) * scale,
        keypoints=(keypoints - wrist) * scale,
    )


def cut(hand: RestHand) -> list[Mesh]:
    """One piece per joint, MANO's order, each relative to its joint; some may be empty.

    Returns:
        16 meshes.
    """
    owner = _owners(hand)
    pieces = []
    for joint in range(NUM_JOINTS):
        faces = hand.faces[owner == joint]
        used, inverse = np.unique(faces, return_inverse=True)
        vertices, faces = hand.vertices[used] - hand.joints[joint], inverse.reshape(-1, 3)
        inwards = hand.joints[JOINT_PARENTS[joint]] - hand.joints[joint]
        pieces.append(_close(vertices, faces, inwards / np.linalg.norm(inwards) if joint else None))
    return pieces


def strongest_fingers(weights: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) what moves each triangle most: 0 the wrist, 1…5 the fingers, thumb first.

    Args:
        weights: (V, 16) skinning weights.
        faces: (F, 3).
    """
    means = weights[faces].mean(axis=1)
    shares = [means[:, 0], *(means[:, list(joints)].sum(axis=1) for joints in FINGER_JOINTS)]
    return np.asarray(np.stack(shares, axis=1).argmax(axis=1))


def _owners(hand: RestHand) -> np.ndarray:
    """(F,) the joint whose piece each triangle is.

    The finger that moves it most, or the wrist; then the joint of that finger that moves it most, but none whose joint
    lies still further out: the base of a thumb may move little of its own skin, and would be left bare.
    """
    weights = hand.weights[hand.faces].mean(axis=1)
    centres = hand.vertices[hand.faces].mean(axis=1)
    fingers = [list(joints) for joints in FINGER_JOINTS]
    finger = strongest_fingers(hand.weights, hand.faces)
    owner = np.zeros(len(weights), np.int64)
    for f, joints in enumerate(fingers):
        mine = finger == f + 1
        strongest = weights[:, joints].argmax(axis=1)
        for step in (2, 1):
            along = hand.joints[joints[step]] - hand.joints[joints[step - 1]]
            behind = (centres - hand.joints[joints[step]]) @ (along / np.linalg.norm(along)) < -BEHIND
            strongest[behind & (strongest >= step)] = step - 1
        owner[mine] = np.array(joints)[strongest[mine]]
    return owner


def _close(vertices: np.ndarray, faces: np.ndarray, inwards: np.ndarray | None) -> Mesh:
    """A piece without holes: a dome over the cut at its joint (the origin), lids on all others.

    Args:
        vertices: (V, 3), relative to the joint.
        faces: (F, 3).
        inwards: (3,) unit vector towards the joint before; None for the wrist, which has lids only.
    """
    loops = boundary_loops(faces)
    # The cut at this joint lies around it. The one at the next joint is hidden by the next piece's dome.
    own = -1
    if inwards is not None and loops:
        own = int(np.argmin([np.linalg.norm(vertices[loop].mean(axis=0)) for loop in loops]))
    for i, loop in enumerate(loops):
        rim = vertices[loop]
        centre = rim.mean(axis=0)
        rings: list[np.ndarray] = []
        top = centre
        if i == own and inwards is not None:
            radii = np.linalg.norm(rim, axis=1, keepdims=True)
            if np.linalg.norm(centre) < np.linalg.norm(rim - centre, axis=1).mean():
                rings = [_dome(rim / radii, radii, inwards, ring / DOME_RINGS) for ring in range(1, DOME_RINGS)]
                top = radii.mean() * inwards
            else:
                # A cut away from the joint, as at the base of the thumb: a cone that turns about its tip, the joint.
                top = np.zeros(3)
        below, closing = loop, []
        for ring in range(len(rings)):
            above = len(vertices) + ring * len(loop) + np.arange(len(loop))
            closing.append(_band(below, above))
            below = above
        apex = np.full(len(loop), len(vertices) + len(rings) * len(loop))
        closing.append(np.stack([below, np.roll(below, -1), apex], axis=1))
        vertices = np.vstack([vertices, *rings, top[None]])
        faces = np.vstack([faces, *closing])
    return Mesh(vertices, faces)


def _dome(directions: np.ndarray, radii: np.ndarray, inwards: np.ndarray, t: float) -> np.ndarray:
    """One ring of a dome, from its rim (t = 0) to its top (1)."""
    bent = (1 - t) * directions + t * inwards
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    return np.asarray(bent * ((1 - t) * radii + t * radii.mean()))


def _band(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Triangles between two rings of as many vertices."""
    next_below, next_above = np.roll(below, -1), np.roll(above, -1)
    return np.vstack([np.stack([below, next_below, next_above], 1), np.stack([below, next_above, above], 1)])


def boundary_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Closed rings of vertices around the holes of a mesh.

    Args:
        faces: (F, 3) integers.

    Returns:
        Rings of vertex indices. Triangles that run along a ring in its own direction close the hole with the winding of
        the others.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = set(map(tuple, edges.tolist()))
    # A hole's edge has a face on one side only; to fill it is to go along it the other way round.
    onward: dict[int, list[int]] = {}
    for a, b in sorted(directed):
        if (b, a) not in directed:
            onward.setdefault(b, []).append(a)
    loops = []
    while onward:
        start = min(onward)
        loop = [start]
        while True:
            follow = onward[loop[-1]]
            following = follow.pop()
            if not follow:
                del onward[loop[-1]]
            if following == start:
                break
            loop.append(following)
        loops.append(np.array(loop))
    return loops
