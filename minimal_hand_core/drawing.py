"""Drawing hands on pictures; plain OpenCV, no ROS.

Convention: pictures are (H, W, 3) uint8 BGR and are drawn on in place; positions are pixels (x, y) with pixel centres
at integers, and may lie beyond the border.
"""

from __future__ import annotations

import cv2
import numpy as np

from minimal_hand_core.hand.skeleton import FINGER_COLORS_BGR, FINGER_KEYPOINTS, KEYPOINT_PARENTS, NUM_KEYPOINTS

_SHIFT = 4
_FAR = 100_000.0
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)
_COLORS = {k: FINGER_COLORS_BGR[finger] for finger, keypoints in FINGER_KEYPOINTS.items() for k in keypoints}


def draw_skeleton(
    picture: np.ndarray, uv: np.ndarray, thickness: int = 2, color: tuple[int, int, int] | None = None
) -> None:
    """Bones and keypoints of one hand.

    Args:
        picture: drawn on.
        uv: (21, 2) pixels; keypoints that are not finite are left out with their bones.
        thickness: of the bones, pixels.
        color: BGR for everything; None takes each finger's own.
    """
    points = _fixed_point(uv)
    for child in range(1, NUM_KEYPOINTS):
        start, end = points[KEYPOINT_PARENTS[child]], points[child]
        if start is not None and end is not None:
            cv2.line(picture, start, end, color or _COLORS[child], thickness, cv2.LINE_AA, _SHIFT)
    for k, point in enumerate(points):
        if point is not None:
            radius = (thickness + 1) << _SHIFT
            cv2.circle(picture, point, radius, color or _COLORS.get(k, _WHITE), cv2.FILLED, cv2.LINE_AA, _SHIFT)


def draw_outline(
    picture: np.ndarray, uv: np.ndarray, faces: np.ndarray, color: tuple[int, int, int] = _WHITE, thickness: int = 1
) -> None:
    """Outline of a mesh.

    Args:
        picture: drawn on.
        uv: (V, 2) pixels of the vertices; triangles with one that is not finite are left out.
        faces: (F, 3) vertex numbers.
        color: BGR.
        thickness: pixels.
    """
    triangles = uv[faces]
    triangles = triangles[np.isfinite(triangles).all(axis=(1, 2))]
    triangles = np.clip(triangles, -_FAR, _FAR)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for triangle in np.rint(triangles).astype(np.int32):
        cv2.fillConvexPoly(mask, triangle, 255)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, color, thickness, cv2.LINE_AA)


def draw_text(picture: np.ndarray, text: str, line: int = 0) -> None:
    """One line of text in the upper left corner, light on dark; `line` counts from the top."""
    scale = max(picture.shape[0] / 900, 0.35)
    place = (int(14 * scale), int(34 * scale * (line + 1)))
    for color, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def contact_sheet(pictures: list[np.ndarray], columns: int = 4, width: int = 480) -> np.ndarray:
    """Pictures side by side in rows, each scaled to `width` and padded to one height with black.

    Args:
        pictures: at least one, (H, W, 3) uint8 BGR, any sizes.
        columns: per row.
        width: of one picture on the sheet, pixels.

    Returns:
        (rows · height, columns · width, 3) uint8 BGR.

    Raises:
        ValueError: no pictures.
    """
    if not pictures:
        raise ValueError('contact sheet needs at least one picture')
    columns = min(columns, len(pictures))
    small = [
        cv2.resize(p, (width, max(1, round(p.shape[0] * width / p.shape[1]))), interpolation=cv2.INTER_AREA)
        for p in pictures
    ]
    height = max(p.shape[0] for p in small)
    rows = -(-len(small) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, picture in enumerate(small):
        y, x = (i // columns) * height, (i % columns) * width
        sheet[y : y + picture.shape[0], x : x + width] = picture
    return sheet


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled into (width, height), black beside it; itself where it has that size."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    small = cv2.resize(picture, (max(1, int(width * scale)), max(1, int(height * scale))), interpolation=cv2.INTER_AREA)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


def _fixed_point(uv: np.ndarray) -> list[tuple[int, int] | None]:
    """OpenCV's fixed-point pixels with _SHIFT fractional bits; None where not finite."""
    points: list[tuple[int, int] | None] = []
    for x, y in np.clip(np.asarray(uv, np.float64), -_FAR, _FAR).tolist():
        finite = x == x and y == y
        points.append((round(x * (1 << _SHIFT)), round(y * (1 << _SHIFT))) if finite else None)
    return points
