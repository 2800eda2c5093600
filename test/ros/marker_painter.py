"""A picture of markers as a viewer would show them, seen from the camera; so that a message can be looked at."""

from __future__ import annotations

import cv2
import numpy as np
from visualization_msgs.msg import Marker


def points_of(marker: Marker) -> np.ndarray:
    """(N, 3) metres."""
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def colors_of(marker: Marker) -> np.ndarray:
    """(N, 4) red, green, blue, opacity."""
    return np.array([(c.r, c.g, c.b, c.a) for c in marker.colors])


def paint(markers: list[Marker], intrinsics: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Paint a hand's markers over a copy of the (H, W, 3) BGR picture, the farther triangles first.

    Args:
        markers: the message's.
        intrinsics: (3, 3).
        canvas: what is behind.
    """
    canvas = canvas.copy()
    for marker in sorted(markers, key=lambda marker: -marker.type):  # the mesh first, so that the bones are seen
        points, colors = points_of(marker), colors_of(marker)
        seen = points @ intrinsics.T
        uv = np.rint(16 * seen[:, :2] / seen[:, 2:]).astype(np.int32)
        bgr = 255 * colors[:, 2::-1]
        if marker.type == Marker.TRIANGLE_LIST:
            solid = canvas.copy()
            depths = points[:, 2].reshape(-1, 3).mean(axis=1)
            for i in np.argsort(-depths):
                color = bgr[3 * i : 3 * i + 3].mean(axis=0)
                cv2.fillConvexPoly(solid, uv[3 * i : 3 * i + 3], color, cv2.LINE_8, 4)
            canvas = cv2.addWeighted(solid, colors[0, 3], canvas, 1 - colors[0, 3], 0)
        if marker.type == Marker.LINE_LIST:
            for i in range(0, len(uv), 2):
                cv2.line(canvas, uv[i].tolist(), uv[i + 1].tolist(), bgr[i].tolist(), 2, cv2.LINE_AA, 4)
        if marker.type == Marker.SPHERE_LIST:
            for at, color in zip(uv.tolist(), bgr.tolist()):
                cv2.circle(canvas, at, 4 << 4, color, cv2.FILLED, cv2.LINE_AA, 4)
    return canvas
