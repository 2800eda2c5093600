"""The arm behind the hand: the open edge at the wrist drawn out backwards, and a sleeve round it.

Convention: hand-local frame = the wrist joint's own (fingers −x, thumb +z, palm −y, so the arm runs towards +x), metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RINGS = 9
SPACING = np.array([0.0, 0.006, 0.016, 0.03, 0.05, 0.075, 0.105, 0.14, 0.18, 0.24], np.float32)
"""Metres from the wrist's edge to ring 0 (the edge itself) … RINGS."""


@dataclass(frozen=True)
class ArmPose:
    """How one arm looks.

    Attributes:
        flexion: wrist bent towards the palm, radians (about the z axis).
        deviation: wrist bent towards the little finger, radians (about the y axis).
        widening: radius at the far end over the radius at the wrist.
        sleeve: metres from the wrist's edge to the start of the sleeve; None for a bare arm.
        sleeve_gap: sleeve radius over arm radius.
    """

    flexion: float = 0.0
    deviation: float = 0.0
    widening: float = 1.35
    sleeve: float | None = None
    sleeve_gap: float = 1.2


@dataclass(frozen=True)
class Forearm:
    """Topology of arm and sleeve for one mesh; rings have n vertices, those of the wrist's open edge in order.

    Attributes:
        edge: (n,) int32, hand vertices round the open edge; empty for a closed mesh (then there is no arm).
        faces: (F, 3) int32 into hand vertices followed by the RINGS·n arm vertices and the arm's end point.
        sleeve_faces: (G, 3) int32 into the RINGS·n sleeve vertices.
    """

    edge: np.ndarray
    faces: np.ndarray
    sleeve_faces: np.ndarray

    @classmethod
    def build(cls, vertices: np.ndarray, faces: np.ndarray) -> Forearm:
        """From rest vertices (V, 3) and faces (F, 3) of a hand."""
        edge = _open_edge(vertices, faces)
        n, v = len(edge), len(vertices)
        if n == 0:
            empty = np.zeros((0, 3), np.int32)
            return cls(edge, empty, empty)
        ring = np.concatenate([edge[None], v + np.arange(RINGS * n).reshape(RINGS, n)])
        end = np.full(n, v + RINGS * n)
        cap = np.stack([ring[-1], np.roll(ring[-1], -1), end], axis=-1)
        arm = np.concatenate([_tube(ring), cap]).astype(np.int32)
        sleeve = _tube(np.arange(RINGS * n).reshape(RINGS, n)).astype(np.int32)
        return cls(edge, arm, sleeve)

    def rings(self, edge: np.ndarray, pose: ArmPose) -> np.ndarray:
        """Arm vertices (RINGS·n + 1, 3) float32 for the edge's positions (n, 3), hand-local frame."""
        centre = edge.mean(axis=0)
        offsets = edge - centre
        # The edge is jagged along the arm; let that fade over the first two centimetres.
        jag, flat = offsets[:, 0], offsets * np.array([0, 1, 1], np.float32)
        share = np.minimum(SPACING / 0.05, 1)
        share = share * share * (3 - 2 * share)
        out = np.empty((RINGS, len(edge), 3), np.float32)
        middle = centre.copy()
        for r in range(1, RINGS + 1):
            turn = _bend(-pose.flexion * share[r], pose.deviation * share[r])
            middle = middle + turn[:, 0] * (SPACING[r] - SPACING[r - 1])
            scale = 1 + (pose.widening - 1) * (SPACING[r] / SPACING[-1]) ** 0.8
            ring = flat * scale
            ring[:, 0] = jag * max(0.0, 1 - SPACING[r] / 0.02)
            out[r - 1] = ring @ turn.T + middle
        return np.concatenate([out.reshape(-1, 3), middle[None]])

    def straight(self, edge: np.ndarray) -> np.ndarray:
        """Arm vertices of an unbent arm, as `rings`; carries skin texture."""
        return self.rings(edge, ArmPose(widening=1.0))

    def sleeve(self, arm: np.ndarray, pose: ArmPose) -> np.ndarray:
        """Sleeve vertices (RINGS·n, 3) round arm vertices from `rings`; rings before the cuff are drawn up to it."""
        n = len(self.edge)
        rings = arm[:-1].reshape(RINGS, n, 3)
        centres = rings.mean(axis=1)
        at = SPACING[1:]
        cuff = float(np.clip(pose.sleeve if pose.sleeve is not None else at[-2], at[0], at[-2]))
        # RINGS rings shared out between the cuff and the end of the arm.
        wanted = np.linspace(cuff, at[-1], RINGS)
        index = np.clip(np.searchsorted(at, wanted, side='right') - 1, 0, RINGS - 2)
        t = ((wanted - at[index]) / (at[index + 1] - at[index])).astype(np.float32)[:, None]
        middle = centres[index] * (1 - t) + centres[index + 1] * t
        body = rings[index] * (1 - t[..., None]) + rings[index + 1] * t[..., None]
        return (middle[:, None] + (body - middle[:, None]) * pose.sleeve_gap).reshape(-1, 3).astype(np.float32)


def _bend(flexion: float, deviation: float) -> np.ndarray:
    """Rotation about z by `flexion` after rotation about y by `deviation`, (3, 3) float32."""
    c, s = np.cos(flexion), np.sin(flexion)
    d, e = np.cos(deviation), np.sin(deviation)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_y = np.array([[d, 0, e], [0, 1, 0], [-e, 0, d]])
    return (about_z @ about_y).astype(np.float32)


def _open_edge(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertices round the rearmost (largest mean x) open edge, so ordered that a tube onwards keeps normals outwards."""
    directed = {}
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in sides}
    for a, b in known:
        if (b, a) not in known:
            directed[b] = a  # the missing neighbour would run the other way
    loops = []
    while directed:
        start, nxt = directed.popitem()
        loop = [start]
        while nxt != start and nxt in directed:
            loop.append(nxt)
            nxt = directed.pop(nxt)
        if nxt == start and len(loop) >= 8:
            loops.append(loop)
    if not loops:
        return np.zeros(0, np.int32)
    return np.array(max(loops, key=lambda loop: vertices[loop, 0].mean()), np.int32)


def _tube(ring: np.ndarray) -> np.ndarray:
    """Faces (2·(R−1)·n, 3) between consecutive rings of vertex indices (R, n)."""
    a, b = ring[:-1], np.roll(ring[:-1], -1, axis=1)
    c, d = ring[1:], np.roll(ring[1:], -1, axis=1)
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
