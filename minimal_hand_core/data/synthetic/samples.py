"""What of a picture has to be shaded, from triangle ids and depths.

A pixel whose sub-pixels all show nearly one piece of surface is shaded once; only edges pay for supersampling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

NOTHING, HAND, ARM, OBJECT = 0, 1, 2, 3
"""Values of the part map."""

_F = np.float32
_0, _1 = _F(0), _F(1)
_ONE_SURFACE = _F(1.012)
"""Largest ratio of depths within a pixel that counts as one piece of surface."""
_MANY = np.int32(1 << 30)
"""More than there are triangles."""


class Samples(NamedTuple):
    """Points of surfaces whose light has to be found.

    Attributes:
        skin, cloth: (N, 4) int32 each, skin and all else: row and column of the pixel, triangle, and number of the edge
            pixel, −1 where the sample is the whole pixel.
        skin_places, cloth_places: (N, 2) float32: column and row in sub-pixels.
        edges: how many pixels hold several samples.
    """

    skin: np.ndarray
    skin_places: np.ndarray
    cloth: np.ndarray
    cloth_places: np.ndarray
    edges: int


def list_samples(
    parts: np.ndarray,
    depth: np.ndarray,
    triangles: np.ndarray,
    inverse_depth: np.ndarray,
    s: int,
    hand_faces: int,
    skin_faces: int,
    sleeve_faces: int,
) -> Samples:
    """Fill the part map and the depth map, and list what has to be shaded.

    Triangle ids run over the skin's faces (first `hand_faces` of the hand, the rest of the arm), then over cloth
    faces (first `sleeve_faces` of the sleeve, the rest of objects).

    Args:
        parts: (h, w) uint8, written where covered: what covers most of each pixel.
        depth: (h, w) float32, written where covered: metres, nearest of the pixel.
        triangles, inverse_depth: (h·s, w·s) of the rasteriser.
        s: supersampling.
        hand_faces, skin_faces, sleeve_faces: see above.
    """
    sites = np.empty((triangles.size, 4), np.int32)
    places = np.empty((triangles.size, 2), np.float32)
    things = skin_faces + sleeve_faces
    skins, cloths, edges = _list_samples(
        sites, places, parts, depth, triangles, inverse_depth, s, hand_faces, skin_faces, things
    )
    rest = len(sites) - cloths
    return Samples(sites[:skins], places[:skins], sites[rest:], places[rest:], edges)


@njit(cache=True, nogil=True, error_model='numpy')
def corners(sites: np.ndarray, faces: np.ndarray, vertices: int) -> np.ndarray:
    """(vertices,) bool: which are corners of the triangles of some samples (N, 4), faces (F, 3)."""
    out = np.zeros(vertices, np.bool_)
    for n in range(len(sites)):
        f = sites[n, 2]
        out[faces[f, 0]] = out[faces[f, 1]] = out[faces[f, 2]] = True
    return out


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _list_samples(
    sites: np.ndarray,
    places: np.ndarray,
    parts: np.ndarray,
    depth: np.ndarray,
    triangles: np.ndarray,
    inverse_depth: np.ndarray,
    s: int,
    hand_faces: int,
    skin_faces: int,
    things: int,
) -> tuple[int, int, int]:
    """See `list_samples`; `things` is the first id of an object.

    Args:
        sites, places: (h·s·w·s, 4) and (h·s·w·s, 2), filled with skin from the front on, all else from the back on.

    Returns:
        how many samples of skin there are, how many others, and how many pixels hold several.
    """
    skins, cloths, edges = 0, 0, 0
    middle = _F(0.5) * _F(s - 1)
    for y in range(parts.shape[0]):
        for x in range(parts.shape[1]):
            first, last = _MANY, np.int32(-1)
            low, high = _F(1e9), _0
            for j in range(s):
                for i in range(s):
                    f, inv = triangles[y * s + j, x * s + i], inverse_depth[y * s + j, x * s + i]
                    first, last = min(first, f), max(last, f)
                    low, high = min(low, inv), max(high, inv)
            if last < 0:
                continue
            depth[y, x] = _1 / high
            # Ids are in the order hand, arm, objects, so two of one kind have that kind between them; nothing is −1.
            whole = first >= 0 and (last < hand_faces or (first >= hand_faces and last < things) or first >= things)
            if whole:
                parts[y, x] = HAND if last < hand_faces else (ARM if last < things else OBJECT)
            else:
                parts[y, x] = _most(triangles[y * s : y * s + s, x * s : x * s + s], hand_faces, things, parts[y, x])
            smooth = whole and high < low * _ONE_SURFACE
            for sample in range(1 if smooth else s * s):
                i, j = (s - 1, s - 1) if smooth else (sample % s, sample // s)
                f = triangles[y * s + j, x * s + i]
                if f < 0:
                    continue
                if f < skin_faces:
                    row = skins
                    skins += 1
                else:
                    cloths += 1
                    row = len(sites) - cloths
                sites[row, 0], sites[row, 1], sites[row, 2], sites[row, 3] = y, x, f, -1 if smooth else edges
                places[row, 0] = _F(x * s) + (middle if smooth else _F(i))
                places[row, 1] = _F(y * s) + (middle if smooth else _F(j))
            if not smooth:
                edges += 1
    return skins, cloths, edges


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _most(triangles: np.ndarray, hand_faces: int, things: int, otherwise: int) -> int:
    """What most of a pixel's sub-pixels (s, s) show; `otherwise` where that is background."""
    hand, arm, thing = 0, 0, 0
    for j in range(triangles.shape[0]):
        for i in range(triangles.shape[1]):
            f = triangles[j, i]
            if f >= things:
                thing += 1
            elif f >= hand_faces:
                arm += 1
            elif f >= 0:
                hand += 1
    most = max(hand, arm, thing)
    if triangles.size - (hand + arm + thing) > most:
        return otherwise
    return HAND if hand == most else (ARM if arm == most else OBJECT)
