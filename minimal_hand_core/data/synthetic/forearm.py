"""The arm behind the hand: the open edge at the wrist drawn out backwards, and a sleeve round it.

Convention: hand-local frame = the wrist joint's own (fingers −x, thumb +z, palm −y; the arm runs towards +x), metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

RINGS = 10
SPACING = np.array([0.0, 0.006, 0.016, 0.03, 0.05, 0.075, 0.105, 0.14, 0.18, 0.24, 0.5], np.float32)
"""Metres from the wrist's edge to ring 0 (the edge itself) … RINGS. The last but one is the elbow; what follows goes
straight on, so that an arm leaves the picture instead of ending in it."""


@dataclass(frozen=True)
class ArmPose:
    """How one arm looks.

    Attributes:
        flexion: wrist bent towards the palm, radians (about the z axis).
        deviation: wrist bent towards the little finger, radians (about the y axis).
        widening: radius at the elbow, and from there on, over the radius at the wrist.
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
        faces: (F, 3) int32 into hand vertices followed by the RINGS·n arm vertices and the arm's end point. The last
            n − 2 close the arm at the elbow from within: where what follows reaches behind the camera and is left
            out, they are what is seen instead of a hollow arm.
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
        arm = np.concatenate([_tube(ring), cap, _wall(ring[-2])]).astype(np.int32)
        sleeve = _tube(np.arange(RINGS * n).reshape(RINGS, n)).astype(np.int32)
        return cls(edge, arm, sleeve)

    def rings(self, edge: np.ndarray, pose: ArmPose) -> np.ndarray:
        """Arm vertices (RINGS·n + 1, 3) float32 for the edge's positions (n, 3), hand-local frame."""
        return _sweep(np.ascontiguousarray(edge, np.float32), SPACING, pose.flexion, pose.deviation, pose.widening)

    def straight(self, edge: np.ndarray) -> np.ndarray:
        """Arm vertices of an unbent arm, as `rings`; carries skin texture."""
        return self.rings(edge, ArmPose(widening=1.0))

    def draw_out(self, vertices: np.ndarray, wrist: np.ndarray, pose: ArmPose) -> tuple[np.ndarray, np.ndarray]:
        """The hand's vertices (V, 3) with the arm's appended, and the sleeve's (RINGS·n or 0, 3), float32.

        Args:
            vertices: (V, 3) float32 metres, camera frame, as the result.
            wrist: (3, 3) float32, from the hand-local frame to the camera's.
            pose: what arm and sleeve look like.
        """
        bend = (pose.flexion, pose.deviation, pose.widening)
        skin, rings, middle = _append_arm(vertices, self.edge, wrist, SPACING, *bend)
        if pose.sleeve is None:
            return skin, np.zeros((0, 3), np.float32)
        return skin, _sleeve(rings, len(self.edge), SPACING, pose.sleeve, pose.sleeve_gap, wrist, middle)


@njit(cache=True, nogil=True, error_model='numpy')
def _append_arm(
    vertices: np.ndarray,
    edge: np.ndarray,
    wrist: np.ndarray,
    spacing: np.ndarray,
    flexion: float,
    deviation: float,
    widening: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices with the arm's, the arm's alone in the hand-local frame, and where that frame's origin is (3,)."""
    n = len(edge)
    middle = np.zeros(3, np.float32)
    for i in range(n):
        for axis in range(3):
            middle[axis] += vertices[edge[i], axis]
    middle /= np.float32(n)
    local = np.empty((n, 3), np.float32)
    for i in range(n):
        v = vertices[edge[i]]
        x, y, z = v[0] - middle[0], v[1] - middle[1], v[2] - middle[2]
        for axis in range(3):
            local[i, axis] = x * wrist[0, axis] + y * wrist[1, axis] + z * wrist[2, axis]
    rings = _sweep(local, spacing, flexion, deviation, widening)
    out = np.empty((len(vertices) + len(rings), 3), np.float32)
    out[: len(vertices)] = vertices
    _to_camera(rings, wrist, middle, out[len(vertices) :])
    return out, rings, middle


@njit(cache=True, nogil=True, error_model='numpy')
def _to_camera(points: np.ndarray, wrist: np.ndarray, middle: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for axis in range(3):
            out[i, axis] = wrist[axis, 0] * x + wrist[axis, 1] * y + wrist[axis, 2] * z + middle[axis]


@njit(cache=True, nogil=True, error_model='numpy')
def _sleeve(
    arm: np.ndarray, n: int, spacing: np.ndarray, cuff: float, gap: float, wrist: np.ndarray, middle: np.ndarray
) -> np.ndarray:
    """Sleeve vertices (RINGS·n, 3) round arm vertices (hand-local), all behind the cuff."""
    rings = len(spacing) - 1
    elbow = spacing[rings - 1]
    cuff = min(max(cuff, spacing[1]), spacing[rings - 2])
    local = np.empty((rings * n, 3), np.float32)
    nearest = 0
    for r in range(rings):  # shared out between cuff and elbow, and one at the end
        wanted = cuff + (elbow - cuff) * r / (rings - 2) if r < rings - 1 else spacing[rings]
        while nearest < rings - 2 and spacing[nearest + 2] <= wanted:
            nearest += 1
        t = (wanted - spacing[nearest + 1]) / (spacing[nearest + 2] - spacing[nearest + 1])
        for axis in range(3):
            centre = 0.0
            for i in range(n):
                body = arm[nearest * n + i, axis] * (1 - t) + arm[(nearest + 1) * n + i, axis] * t
                local[r * n + i, axis] = body
                centre += body / n
            for i in range(n):
                local[r * n + i, axis] = centre + (local[r * n + i, axis] - centre) * gap
    out = np.empty_like(local)
    _to_camera(local, wrist, middle, out)
    return out


@njit(cache=True, nogil=True, error_model='numpy')
def wrist_turn(vertices: np.ndarray, edge: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(3, 3) float32, how the wrist's edge, rows `edge` of vertices (V, 3), is turned from its frame `rest` (3, 3)."""
    loop = np.empty((len(edge), 3))
    for i in range(len(edge)):
        for axis in range(3):
            loop[i, axis] = vertices[edge[i], axis]
    frame = loop_frame(loop)
    out = np.empty((3, 3), np.float32)
    for i in range(3):
        for j in range(3):
            out[i, j] = frame[i, 0] * rest[j, 0] + frame[i, 1] * rest[j, 1] + frame[i, 2] * rest[j, 2]
    return out


@njit(cache=True, nogil=True)
def _sweep(edge: np.ndarray, spacing: np.ndarray, flexion: float, deviation: float, widening: float) -> np.ndarray:
    """Rings of `Forearm.rings`: the edge carried backwards along a line that bends over the first five centimetres."""
    n, rings = len(edge), len(spacing) - 1
    out = np.empty((rings * n + 1, 3), np.float32)
    middle = np.zeros(3)
    for i in range(n):
        for axis in range(3):
            middle[axis] += edge[i, axis] / n
    start = middle.copy()
    for r in range(1, rings + 1):
        share = min(spacing[r] / 0.05, 1.0)
        share = share * share * (3 - 2 * share)
        # Rotation about z by −flexion after rotation about y by deviation.
        c, s = np.cos(flexion * share), -np.sin(flexion * share)
        d, e = np.cos(deviation * share), np.sin(deviation * share)
        step = spacing[r] - spacing[r - 1]
        middle[0] += c * d * step
        middle[1] += s * d * step
        middle[2] -= e * step
        scale = 1 + (widening - 1) * min(spacing[r] / spacing[rings - 1], 1.0) ** 0.8
        # The edge is jagged along the arm; that fades over the first two centimetres.
        jag = max(0.0, 1 - spacing[r] / 0.02)
        for i in range(n):
            x = (edge[i, 0] - start[0]) * jag
            y, z = (edge[i, 1] - start[1]) * scale, (edge[i, 2] - start[2]) * scale
            row = (r - 1) * n + i
            out[row, 0] = middle[0] + c * (d * x + e * z) - s * y
            out[row, 1] = middle[1] + s * (d * x + e * z) + c * y
            out[row, 2] = middle[2] - e * x + d * z
    for axis in range(3):
        out[rings * n, axis] = middle[axis]
    return out


@njit(cache=True, nogil=True)
def loop_frame(loop: np.ndarray) -> np.ndarray:
    """(3, 3) orthonormal frame that moves with a closed loop of points (n, 3): by its first Fourier vectors."""
    n = len(loop)
    a, b = np.zeros(3), np.zeros(3)
    for i in range(n):
        c, s = np.cos(2 * np.pi * i / n), np.sin(2 * np.pi * i / n)
        for axis in range(3):
            a[axis] += c * loop[i, axis]
            b[axis] += s * loop[i, axis]
    a /= np.sqrt((a * a).sum())
    b -= a * (a * b).sum()
    b /= np.sqrt((b * b).sum())
    frame = np.empty((3, 3))
    frame[:, 0], frame[:, 1] = a, b
    frame[0, 2], frame[1, 2], frame[2, 2] = (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
    return frame


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


def _wall(ring: np.ndarray) -> np.ndarray:
    """Faces (n−2, 3) that fill a ring of vertex indices (n,), seen from where the rings after it are.

    They run to and fro across the ring: a fan would pull the normal of its one vertex out of the arm's surface.
    """
    n = len(ring)
    faces = []
    low, high = 0, n - 1
    while high - low > 1:
        faces.append((low, low + 1, high))
        low += 1
        if high - low > 1:
            faces.append((low, high - 1, high))
            high -= 1
    return ring[np.array(faces)]
