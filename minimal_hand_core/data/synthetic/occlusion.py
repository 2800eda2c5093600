"""Darkening where the hand hides its own surroundings: ambient occlusion and soft shadows from capsules.

The hand's 20 bones with flesh round them are capsules; what they hide of the sky or of a light is estimated at each
vertex in closed form. Far cheaper than rays against the mesh, and smooth. Vertices are taken block by block (see
`illumination`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.illumination import BLOCK

_F = np.float32
_0, _1, _HALF, _TINY = _F(0), _F(1), _F(0.5), _F(1e-12)
# Rows of a block: place and normal (3 rows each), openness to the sky, 1 where a bone is not the vertex's own or next
# to it, openness to a light.
_PLACE, _NORMAL, _SKY, _OTHER, _CLEAR, _ROWS = 0, 3, 6, 7, 8, 9


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def shade_vertices(
    out: np.ndarray,
    seen: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    bones: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    radii: np.ndarray,
    ignore: np.ndarray,
    lights: np.ndarray,
    softness: np.ndarray,
) -> None:
    """Write openness to the sky and to each light, 0–1, for the vertices that are seen.

    Args:
        out: (V, 1 + L) float32, written: column 0 the sky, then one per light.
        seen: (V,) bool; others, and vertices that turn their back to the camera, are left as they are.
        vertices, normals: (V, 3) float32, camera frame, metres.
        bones: (V,) int32, own bone of each vertex.
        starts, ends: (B, 3) float32, capsule ends.
        radii: (B,) float32.
        ignore: (B, B) bool, [own bone, capsule]: pairs that do not shade each other.
        lights: (L, 3) float32 unit vectors towards the lights.
        softness: (L,) float32, tangent of the half-angle that each light fills.
    """
    chosen, count = np.empty(len(seen), np.int32), 0
    for i in range(len(seen)):
        facing = _0
        for axis in range(3):
            facing += normals[i, axis] * vertices[i, axis]
        # A little margin for those just over the edge.
        if seen[i] and facing < _F(0.3) * abs(vertices[i, 2]):
            chosen[count] = i
            count += 1
    block = np.zeros(_ROWS * BLOCK, np.float32)
    lit = np.empty((len(lights), BLOCK), np.float32)
    for start in range(0, count, BLOCK):
        some = chosen[start : min(start + BLOCK, count)]
        for n in range(len(some)):
            for axis in range(3):
                block[(_PLACE + axis) * BLOCK + n] = vertices[some[n], axis]
                block[(_NORMAL + axis) * BLOCK + n] = normals[some[n], axis]
        block[_SKY * BLOCK : (_SKY + 1) * BLOCK] = _1
        lit[:] = _1
        for b in range(len(starts)):
            for n in range(len(some)):
                block[_OTHER * BLOCK + n] = _0 if ignore[bones[some[n]], b] else _1
            bone = ends[b] - starts[b]
            _hide_sky(block, starts[b], bone, radii[b])
            for light in range(len(lights)):
                _hide_light(block, starts[b], bone, radii[b], lights[light], softness[light])
                for n in range(BLOCK):
                    lit[light, n] = min(lit[light, n], block[_CLEAR * BLOCK + n])
        for n in range(len(some)):
            out[some[n], 0] = block[_SKY * BLOCK + n]
            for light in range(len(lights)):
                out[some[n], 1 + light] = lit[light, n]


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _hide_sky(block: np.ndarray, start: np.ndarray, bone: np.ndarray, radius: np.float32) -> None:
    """Take what one capsule, from `start` along `bone`, (3,) each, hides of the sky from row _SKY."""
    sx, sy, sz = start[0], start[1], start[2]
    ex, ey, ez = bone[0], bone[1], bone[2]
    shorter = _1 / (ex * ex + ey * ey + ez * ez + _TINY)
    square, far = radius * radius, _F(36) * radius * radius
    for n in range(BLOCK):
        qx, qy, qz = block[n] - sx, block[BLOCK + n] - sy, block[2 * BLOCK + n] - sz
        nx, ny, nz = block[3 * BLOCK + n], block[4 * BLOCK + n], block[5 * BLOCK + n]
        t = min(max((qx * ex + qy * ey + qz * ez) * shorter, _0), _1)
        dx, dy, dz = t * ex - qx, t * ey - qy, t * ez - qz
        dd = dx * dx + dy * dy + dz * dz + _TINY
        # A capsule on the horizon still counts.
        facing = min(max((nx * dx + ny * dy + nz * dz) / np.sqrt(dd) + _F(0.3), _0), _1)
        facing = _0 if dd > far else facing * block[_OTHER * BLOCK + n]
        block[_SKY * BLOCK + n] *= _1 - _F(0.88) * facing * min(square / dd, _1)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _hide_light(
    block: np.ndarray,
    start: np.ndarray,
    bone: np.ndarray,
    radius: np.float32,
    light: np.ndarray,
    softness: np.float32,
) -> None:
    """Fill row _CLEAR with how much of a light, in direction `light` (3,), the capsule of `_hide_sky` lets through."""
    sx, sy, sz = start[0], start[1], start[2]
    ex, ey, ez = bone[0], bone[1], bone[2]
    lx, ly, lz = light[0], light[1], light[2]
    le = lx * ex + ly * ey + lz * ez
    across = ex * ex + ey * ey + ez * ez + _TINY - le * le
    scale, offset = (_1 / across, _0) if across > _F(1e-10) else (_0, _HALF)
    for n in range(BLOCK):
        qx, qy, qz = block[n] - sx, block[BLOCK + n] - sy, block[2 * BLOCK + n] - sz
        facing = block[3 * BLOCK + n] * lx + block[4 * BLOCK + n] * ly + block[5 * BLOCK + n] * lz
        # Where the ray to the light passes the bone's line nearest.
        ql = qx * lx + qy * ly + qz * lz
        s = min(max((qx * ex + qy * ey + qz * ez - le * ql) * scale + offset, _0), _1)
        along = s * le - ql
        gx, gy, gz = s * ex - qx - along * lx, s * ey - qy - along * ly, s * ez - qz - along * lz
        gap = np.sqrt(gx * gx + gy * gy + gz * gz)
        blur = _F(0.3) * radius + softness * max(along, _0)
        clear = min(max((gap - radius + _HALF * blur) / blur, _0), _1)
        clear = clear * clear * (_F(3) - _F(2) * clear)
        hidden = along > _0 and facing >= _F(-0.3) and block[_OTHER * BLOCK + n] > _0
        block[_CLEAR * BLOCK + n] = clear if hidden else _1
