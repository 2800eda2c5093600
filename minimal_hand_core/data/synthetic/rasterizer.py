"""Triangles to pixels: a z-buffered rasteriser with perspective-correct weights.

Convention:
    * Camera frame: x right, y down, z forward, metres. `intrinsics` is the 3×3 camera matrix K in pixels.
    * Pixel centres lie at integers: the point that projects to (u, v) = (3, 5) is the middle of `image[5, 3]`.
    * With `supersampling` s each pixel holds s × s sub-pixels of equal area; buffers are s times as high and wide.
    * A triangle that reaches behind the near plane is left out as a whole; nothing is clipped.
    * Faces wind so that their normals by the right-hand rule point outwards. Back faces are dropped only where asked.

The inverse depth 1/z is linear on the screen, so it is what the z-buffer holds (0 = nothing there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

NEAR = 0.01
"""Metres; nothing nearer than this is drawn."""
_WIDE = 12
"""Pixels from which on it pays to reckon where a triangle's row begins."""


@dataclass
class Buffers:
    """What the rasteriser writes.

    Attributes:
        inverse_depth: (h·s, w·s) float32, 1/z in 1/m, 0 where nothing was drawn.
        triangles: (h·s, w·s) int32, index of the triangle on top plus the `offset` it was drawn with, −1 for none.
        supersampling: s.
    """

    inverse_depth: np.ndarray
    triangles: np.ndarray
    supersampling: int

    @classmethod
    def empty(cls, size: tuple[int, int], supersampling: int = 1) -> Buffers:
        """Clear buffers for a picture of `size` = (height, width) pixels."""
        shape = (size[0] * supersampling, size[1] * supersampling)
        return cls(np.zeros(shape, np.float32), np.full(shape, -1, np.int32), supersampling)

    def depth(self) -> np.ndarray:
        """(h, w) float32 metres along z, the nearest of each pixel's sub-pixels; 0 where there is nothing."""
        s = self.supersampling
        h, w = self.inverse_depth.shape
        nearest = self.inverse_depth.reshape(h // s, s, w // s, s).max(axis=(1, 3))
        return np.divide(1, nearest, out=np.zeros_like(nearest), where=nearest > 0)


def screen_points(vertices: np.ndarray, intrinsics: np.ndarray, supersampling: int = 1) -> np.ndarray:
    """Project camera-frame points to sub-pixel positions.

    Args:
        vertices: (V, 3) metres, camera frame.
        intrinsics: (3, 3) camera matrix, pixels.
        supersampling: s.

    Returns:
        (V, 3) float32: column and row in sub-pixels, and 1/z in 1/m (0 for points at or behind the near plane).
    """
    return _screen_points(
        np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(intrinsics, np.float64), supersampling
    )


def rasterize(buffers: Buffers, points: np.ndarray, faces: np.ndarray, offset: int = 0, cull: bool = False) -> None:
    """Draw triangles into `buffers`, nearest wins.

    Args:
        buffers: drawn into.
        points: (V, 3) float32 from `screen_points` with the buffers' supersampling.
        faces: (F, 3) int32 vertex indices.
        offset: added to the triangle index that is written, so that several meshes can share the buffers.
        cull: leave out triangles that turn their back to the camera.
    """
    _rasterize(buffers.inverse_depth, buffers.triangles, points, faces, offset, cull)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _screen_points(vertices: np.ndarray, k: np.ndarray, s: int) -> np.ndarray:
    out = np.empty((len(vertices), 3), np.float32)
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        if z <= NEAR:
            out[i, 0] = 0
            out[i, 1] = 0
            out[i, 2] = 0
            continue
        inv = 1.0 / z
        u = (k[0, 0] * x + k[0, 1] * y) * inv + k[0, 2]
        v = k[1, 1] * y * inv + k[1, 2]
        # A pixel spans ±0.5 round its centre; its sub-pixels share that span evenly.
        out[i, 0] = (u + 0.5) * s - 0.5
        out[i, 1] = (v + 0.5) * s - 0.5
        out[i, 2] = inv
    return out


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _rasterize(
    inverse_depth: np.ndarray, triangles: np.ndarray, points: np.ndarray, faces: np.ndarray, offset: int, cull: bool
) -> None:
    height, width = inverse_depth.shape
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        if za <= 0 or zb <= 0 or zc <= 0:
            continue
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (cull and area > 0):  # z is forward: an outward normal with z < 0 faces the camera
            continue
        # Clamped before the cast to int: a point just past the near plane can project very far out.
        x_low, x_high = max(min(ax, bx, cx), np.float32(0)), min(max(ax, bx, cx), np.float32(width - 1))
        y_low, y_high = max(min(ay, by, cy), np.float32(0)), min(max(ay, by, cy), np.float32(height - 1))
        if x_low > x_high or y_low > y_high:
            continue
        x0, x1 = int(np.ceil(x_low)), int(np.floor(x_high))
        y0, y1 = int(np.ceil(y_low)), int(np.floor(y_high))
        if x0 > x1 or y0 > y1:
            continue
        inv_area = np.float32(1) / area
        # Weight of b and of c as linear functions of the pixel; the weight of a is the rest.
        db_dx, db_dy = (cy - ay) * inv_area, (ax - cx) * inv_area
        dc_dx, dc_dy = (ay - by) * inv_area, (bx - ax) * inv_area
        wide = x1 - x0 >= _WIDE
        for y in range(y0, y1 + 1):
            wb = (x0 - ax) * db_dx + (y - ay) * db_dy
            wc = (x0 - ax) * dc_dx + (y - ay) * dc_dy
            start = 0
            if wide:
                start = max(_skip(wb, db_dx), _skip(wc, dc_dx), _skip(1 - wb - wc, -db_dx - dc_dx))
                wb += start * db_dx
                wc += start * dc_dx
            inside = False
            for x in range(x0 + start, x1 + 1):
                wa = 1 - wb - wc
                if wa >= 0 and wb >= 0 and wc >= 0:
                    inside = True
                    inv = wa * za + wb * zb + wc * zc
                    if inv > inverse_depth[y, x]:
                        inverse_depth[y, x] = inv
                        triangles[y, x] = f + offset
                elif inside:  # a triangle's row has no gap
                    break
                wb += db_dx
                wc += dc_dx


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy', inline='always')
def _skip(weight: np.float32, step: np.float32) -> int:
    """How many pixels of a row lie for sure before a corner's weight, growing by `step`, is no more below 0."""
    if weight >= 0 or step <= 0:
        return 0
    return max(int(min(-weight / step, np.float32(1e6))) - 1, 0)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy', inline='always')
def perspective_weights(
    points: np.ndarray, a: int, b: int, c: int, x: float, y: float
) -> tuple[np.float32, np.float32, np.float32]:
    """Weights of triangle corners a, b, c at sub-pixel (x, y), correct under perspective; they sum to 1.

    For use inside other kernels; `points` (V, 3) float32 as from `screen_points`.
    """
    ax, ay = points[a, 0], points[a, 1]
    abx, aby = points[b, 0] - ax, points[b, 1] - ay
    acx, acy = points[c, 0] - ax, points[c, 1] - ay
    px, py = np.float32(x) - ax, np.float32(y) - ay
    inv_area = np.float32(1) / (abx * acy - aby * acx)
    wb = (px * acy - py * acx) * inv_area
    wc = (abx * py - aby * px) * inv_area
    wa = (np.float32(1) - wb - wc) * points[a, 2]
    wb *= points[b, 2]
    wc *= points[c, 2]
    total = np.float32(1) / (wa + wb + wc)
    return wa * total, wb * total, wc * total


def interpolate(buffers: Buffers, points: np.ndarray, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """Per-vertex values carried to the sub-pixels of one mesh drawn with offset 0.

    Args:
        buffers: drawn with these points and faces.
        points: (V, 3) float32 from `screen_points`.
        faces: (F, 3) int32.
        attributes: (V, A) any float.

    Returns:
        (h·s, w·s, A) float32, 0 where the mesh is not on top.
    """
    return _interpolate(buffers.triangles, points, faces, np.ascontiguousarray(attributes, np.float32))


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _interpolate(triangles: np.ndarray, points: np.ndarray, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    height, width = triangles.shape
    out = np.zeros((height, width, attributes.shape[1]), np.float32)
    for y in range(height):
        for x in range(width):
            f = triangles[y, x]
            if f < 0 or f >= len(faces):
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            wa, wb, wc = perspective_weights(points, a, b, c, x, y)
            for i in range(attributes.shape[1]):
                out[y, x, i] = wa * attributes[a, i] + wb * attributes[b, i] + wc * attributes[c, i]
    return out


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3) float32, the area-weighted mean of the triangles round each vertex (V, 3) float32."""
    normals = np.zeros((len(vertices), 3), np.float32)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(len(vertices)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        scale = np.float32(1) / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-20))
        normals[i, 0], normals[i, 1], normals[i, 2] = x * scale, y * scale, z * scale
    return normals


@njit(cache=True, nogil=True, error_model='numpy')
def covered_box(skin: np.ndarray, cloth: np.ndarray, height: int, width: int, s: int) -> tuple[int, int, int, int]:
    """Rows top:bottom and columns left:right that points (N, 3), (M, 3) can touch; empty when they touch nothing.

    The points, sub-pixels of the whole picture, become those of the box.
    """
    box = np.array([1e9, -1e9, 1e9, -1e9])
    _grow_box(box, skin, s)
    _grow_box(box, cloth, s)
    left, right = int(max(0.0, np.floor(box[0]))), int(min(float(width), np.ceil(box[1]) + 1))
    top, bottom = int(max(0.0, np.floor(box[2]))), int(min(float(height), np.ceil(box[3]) + 1))
    for points in (skin, cloth):
        for i in range(len(points)):
            points[i, 0] -= np.float32(left * s)
            points[i, 1] -= np.float32(top * s)
    return top, bottom, left, right


@njit(cache=True, nogil=True)
def _grow_box(box: np.ndarray, points: np.ndarray, s: int) -> None:
    """Widen box (x low, x high, y low, y high), pixels, to hold sub-pixel points (N, 3) in front of the camera."""
    for i in range(len(points)):
        if points[i, 2] > 0:
            x, y = (points[i, 0] + 0.5) / s - 0.5, (points[i, 1] + 0.5) / s - 0.5
            box[0], box[1] = min(box[0], x), max(box[1], x)
            box[2], box[3] = min(box[2], y), max(box[3], y)
