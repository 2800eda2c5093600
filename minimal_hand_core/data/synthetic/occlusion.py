"""Darkening where the hand hides its own surroundings: ambient occlusion and soft shadows from capsules.

The hand's 20 bones with flesh round them are capsules; what they hide of the sky or of a light is estimated at each
vertex in closed form. Far cheaper than rays against the mesh, and smooth.
"""

from __future__ import annotations

import numpy as np
from numba import njit


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
    # What depends on the bone alone: its vector, 1 / length²; for each light the part along the bone and 1 / across.
    bone = np.empty((len(starts), 4), np.float32)
    slant = np.empty((len(starts), len(lights), 2), np.float32)
    for b in range(len(starts)):
        ex, ey, ez = ends[b, 0] - starts[b, 0], ends[b, 1] - starts[b, 1], ends[b, 2] - starts[b, 2]
        ee = ex * ex + ey * ey + ez * ez + np.float32(1e-12)
        bone[b, 0], bone[b, 1], bone[b, 2], bone[b, 3] = ex, ey, ez, np.float32(1) / ee
        for light in range(len(lights)):
            le = lights[light, 0] * ex + lights[light, 1] * ey + lights[light, 2] * ez
            across = ee - le * le
            slant[b, light, 0] = le
            slant[b, light, 1] = np.float32(1) / across if across > 1e-10 else np.float32(0)
    for i in range(len(seen)):
        if not seen[i]:
            continue
        px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        # A little margin for those just over the edge.
        if nx * px + ny * py + nz * pz >= np.float32(0.3) * abs(pz):
            continue
        sky = np.float32(1)
        for light in range(len(lights)):
            out[i, 1 + light] = 1
        for b in range(len(starts)):
            if ignore[bones[i], b]:
                continue
            ex, ey, ez = bone[b, 0], bone[b, 1], bone[b, 2]
            qx, qy, qz = px - starts[b, 0], py - starts[b, 1], pz - starts[b, 2]
            qe = qx * ex + qy * ey + qz * ez
            t = min(max(qe * bone[b, 3], np.float32(0)), np.float32(1))
            dx, dy, dz = t * ex - qx, t * ey - qy, t * ez - qz
            dd = dx * dx + dy * dy + dz * dz + np.float32(1e-12)
            r = radii[b]
            if dd > 36 * r * r:
                facing = np.float32(0)
            else:
                d = np.sqrt(dd)
                facing = (nx * dx + ny * dy + nz * dz) / d + np.float32(0.3)  # a capsule on the horizon still counts
                facing = min(max(facing, np.float32(0)), np.float32(1))
                sky *= 1 - np.float32(0.88) * facing * min(r * r / dd, np.float32(1))
            for light in range(len(lights)):
                lx, ly, lz = lights[light, 0], lights[light, 1], lights[light, 2]
                if nx * lx + ny * ly + nz * lz < -0.3:
                    continue
                # Where the ray to the light passes the bone's line nearest.
                le = slant[b, light, 0]
                ql = qx * lx + qy * ly + qz * lz
                s = (qe - le * ql) * slant[b, light, 1] if slant[b, light, 1] > 0 else np.float32(0.5)
                s = min(max(s, np.float32(0)), np.float32(1))
                along = s * le - ql
                if along <= 0:
                    continue
                gx, gy, gz = s * ex - qx - along * lx, s * ey - qy - along * ly, s * ez - qz - along * lz
                gap = np.sqrt(gx * gx + gy * gy + gz * gz)
                blur = np.float32(0.3) * r + softness[light] * along
                clear = (gap - r + np.float32(0.5) * blur) / blur
                clear = min(max(clear, np.float32(0)), np.float32(1))
                clear = clear * clear * (3 - 2 * clear)
                if clear < out[i, 1 + light]:
                    out[i, 1 + light] = clear
        out[i, 0] = sky
