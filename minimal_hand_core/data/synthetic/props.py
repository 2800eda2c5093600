"""Things in the hand and in front of it: boxes, balls and cylinders with a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from minimal_hand_core.data.synthetic.rasterizer import vertex_normals
from minimal_hand_core.data.synthetic.skin import sample_cloth

SHAPES = ('box', 'ball', 'cylinder')


@dataclass(frozen=True)
class Prop:
    """One object of N vertices, camera frame.

    Attributes:
        vertices, normals: (N, 3) float32, metres.
        faces: (F, 3) int32, outward.
        texture: (N, 3) float32, position that carries the pattern, metres.
        colours: (2, 3) float32 linear RGB.
        pattern: 0 plain, 1 stripes, 2 checks, 3 clouds, 4 spots.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    texture: np.ndarray
    colours: np.ndarray
    pattern: int


def make_prop(shape: str, size: np.ndarray, rotation: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> Prop:
    """A prop with random colours.

    Args:
        shape: one of SHAPES; a cylinder's axis is z.
        size: (3,) half extents, metres.
        rotation: (3, 3), from the prop's frame to the camera's.
        centre: (3,) metres, camera frame.
        rng: source of chance for the colours.

    Raises:
        ValueError: unknown shape.
    """
    vertices, normals, faces = _unit_shape(shape)
    local = vertices * np.asarray(size, np.float32)
    turn = np.asarray(rotation, np.float32)
    stretched = normals / np.asarray(size, np.float32)
    stretched /= np.linalg.norm(stretched, axis=1, keepdims=True)
    colours = sample_cloth(rng)
    return Prop(
        vertices=local @ turn.T + np.asarray(centre, np.float32),
        normals=stretched @ turn.T,
        faces=faces,
        texture=local + rng.uniform(0, 0.3, 3).astype(np.float32),
        colours=colours,
        pattern=int(rng.integers(0, 5)),
    )


@cache
def _unit_shape(shape: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (N, 3), normals (N, 3) float32 and faces (F, 3) int32 of a shape that fills [−1, 1]³."""
    if shape == 'box':
        return _box()
    if shape == 'ball':
        angles = np.linspace(0, np.pi, 13)
        return _turned(np.sin(angles), -np.cos(angles))
    if shape == 'cylinder':
        # Rings double where the side meets the ends, so that the edge stays sharp.
        return _turned(
            np.array([1e-3, 0.96, 0.96, 1.0, 1.0, 0.96, 0.96, 1e-3]), np.array([-1, -1, -1, -0.98, 0.98, 1, 1, 1.0])
        )
    raise ValueError(f'shape: unknown {shape!r}, choose one of {", ".join(SHAPES)}')


def _box() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices, normals, faces = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[axis], corner[u], corner[v] = sign, a * sign, b
                vertices.append(corner)
                normals.append(np.eye(3)[axis] * sign)
            n = len(vertices) - 4
            faces += [(n, n + 1, n + 2), (n, n + 2, n + 3)]
    return np.array(vertices, np.float32), np.array(normals, np.float32), np.array(faces, np.int32)


def _turned(radius: np.ndarray, z: np.ndarray, around: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solid of revolution about z through the profile (radius, z), from −z to +z."""
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    vertices = np.concatenate(
        [np.concatenate([r * ring, np.full((around, 1), h)], axis=1) for r, h in zip(radius, z, strict=True)]
    ).astype(np.float32)
    index = np.arange(len(vertices)).reshape(len(radius), around)
    a, b = index[:-1], np.roll(index[:-1], -1, axis=1)
    c, d = index[1:], np.roll(index[1:], -1, axis=1)
    faces = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]).astype(
        np.int32
    )
    return vertices, vertex_normals(vertices, faces), faces
