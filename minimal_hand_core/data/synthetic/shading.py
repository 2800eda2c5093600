"""From triangle ids to colours: skin, cloth and objects under a sky and a few lights, laid over a background.

All light is linear RGB; the result is sRGB uint8 BGR. What has to be shaded is listed first (see `samples`) and then
taken block by block (see `illumination`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.illumination import (
    BLOCK,
    COLOUR,
    GLOSS,
    LIGHT,
    MAX_LIGHTS,
    NORMAL,
    ROWS,
    SKIN_ATTRIBUTES,
    SKY,
    SUM,
    halfway,
    illuminate,
    shine_table,
)
from minimal_hand_core.data.synthetic.materials import CLOTH_ATTRIBUTES, clamp, cloth_colour, colour_skin
from minimal_hand_core.data.synthetic.rasterizer import perspective_weights

_LUT = 4096
_F = np.float32
_0, _1, _LAST = _F(0), _F(1), _F(_LUT - 1)
_HALF, _INSIDE = _F(0.5), _F(0.35)
"""_INSIDE: how dark a sleeve is within."""


def _srgb_table() -> np.ndarray:
    linear = np.linspace(0, 1, _LUT)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).astype(np.float32)


SRGB_TABLE = _srgb_table()


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def shade(
    image: np.ndarray,
    skin: np.ndarray,
    skin_places: np.ndarray,
    cloth: np.ndarray,
    cloth_places: np.ndarray,
    edges: int,
    each: np.float32,
    skin_points: np.ndarray,
    skin_faces: np.ndarray,
    skin_at: np.ndarray,
    cloth_points: np.ndarray,
    cloth_faces: np.ndarray,
    cloth_at: np.ndarray,
    sleeve_faces: int,
    ambient: np.ndarray,
    directions: np.ndarray,
    lights: np.ndarray,
    maps: np.ndarray,
    origin: np.ndarray,
    scale: np.float32,
    volume: np.ndarray,
    srgb: np.ndarray,
    colours: np.ndarray,
    texture: np.ndarray,
) -> None:
    """Shade the samples of `list_samples` and lay them over the picture.

    Args:
        image: (h, w, 3) uint8 BGR, background in, picture out.
        skin, skin_places, cloth, cloth_places, edges: of `Samples`.
        each: share of its pixel that one sub-pixel covers.
        skin_points, cloth_points: (·, 3) float32 of `screen_points`.
        skin_faces, cloth_faces: (·, 3) int32.
        skin_at: (·, SKIN_ATTRIBUTES) float32; cloth_at: (·, CLOTH_ATTRIBUTES) float32.
        sleeve_faces: how many of the cloth's faces are the sleeve's.
        ambient, directions, lights: of `Lighting`.
        volume, srgb: NOISE_VOLUME, SRGB_TABLE.
        maps, origin, scale, colours, texture: see `colour_skin`.
    """
    sums = np.zeros((edges, 4), np.float32)
    block = np.zeros(ROWS * BLOCK, np.float32)
    halves = halfway(directions)
    shines = shine_table(texture[6])
    skin_wrap = np.array([[0.45, 0.25, 0.18], [1 / 1.45, 1 / 1.25, 1 / 1.18]], np.float32)
    for start in range(0, len(skin), BLOCK):
        some = slice(start, min(start + BLOCK, len(skin)))
        _carry(block, skin[some], skin_places[some], skin_points, skin_faces, skin_at)
        colour_skin(block, some.stop - start, maps, origin, scale, volume, colours, texture)
        illuminate(block, ambient, directions, lights, halves, skin_wrap, shines)
        _lay_down(image, sums, block, skin[some], srgb)
    cloth_wrap = np.array([[0.1, 0.1, 0.1], [1 / 1.1, 1 / 1.1, 1 / 1.1]], np.float32)
    block[SKY * BLOCK : (LIGHT + MAX_LIGHTS) * BLOCK] = _1
    block[GLOSS * BLOCK : (GLOSS + 1) * BLOCK] = _0
    for start in range(0, len(cloth), BLOCK):
        some = slice(start, min(start + BLOCK, len(cloth)))
        _carry_cloth(
            block,
            cloth[some],
            cloth_places[some],
            len(skin_faces),
            cloth_points,
            cloth_faces,
            cloth_at,
            sleeve_faces,
            volume,
        )
        illuminate(block, ambient, directions, lights, halves, cloth_wrap, shines)
        _lay_down(image, sums, block, cloth[some], srgb)
    _blend_edges(image, sums, skin, each)
    _blend_edges(image, sums, cloth, each)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _carry(
    block: np.ndarray,
    sites: np.ndarray,
    positions: np.ndarray,
    points: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
) -> None:
    """Fill the block's first rows with the attributes (·, SKIN_ATTRIBUTES) of skin at some sites."""
    for n in range(len(sites)):
        f = sites[n, 2]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        wa, wb, wc = perspective_weights(points, a, b, c, positions[n, 0], positions[n, 1])
        for k in range(SKIN_ATTRIBUTES):
            block[k * BLOCK + n] = wa * attributes[a, k] + wb * attributes[b, k] + wc * attributes[c, k]


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _carry_cloth(
    block: np.ndarray,
    sites: np.ndarray,
    positions: np.ndarray,
    n_skin: int,
    points: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    sleeve_faces: int,
    volume: np.ndarray,
) -> None:
    """Fill rows NORMAL and COLOUR with what cloth and objects, attributes (·, CLOTH_ATTRIBUTES), have at some sites."""
    at = np.empty(CLOTH_ATTRIBUTES, np.float32)
    for n in range(len(sites)):
        f = sites[n, 2] - n_skin
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        wa, wb, wc = perspective_weights(points, a, b, c, positions[n, 0], positions[n, 1])
        for k in range(CLOTH_ATTRIBUTES):
            at[k] = wa * attributes[a, k] + wb * attributes[b, k] + wc * attributes[c, k]
        red, green, blue = cloth_colour(at, volume)
        facing = _1
        if at[2] > _0 and f < sleeve_faces:  # the inside of a sleeve, seen from behind
            facing = -_1
            red, green, blue = red * _INSIDE, green * _INSIDE, blue * _INSIDE
        for k in range(3):
            block[(NORMAL + k) * BLOCK + n] = at[k] * facing
        block[COLOUR * BLOCK + n], block[(COLOUR + 1) * BLOCK + n], block[(COLOUR + 2) * BLOCK + n] = red, green, blue


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _lay_down(image: np.ndarray, sums: np.ndarray, block: np.ndarray, sites: np.ndarray, srgb: np.ndarray) -> None:
    """Turn rows SUM into sRGB: into the picture where the sample is the whole pixel, else added to the edge's `sums`.

    Args:
        image: (h, w, 3) uint8 BGR.
        sums: (edges, 4) float32: blue, green, red and the number of samples.
        block, sites: the samples.
        srgb: SRGB_TABLE.
    """
    for n in range(len(sites)):
        red = srgb[np.uint32(np.int32(clamp(block[SUM * BLOCK + n]) * _LAST))]
        green = srgb[np.uint32(np.int32(clamp(block[(SUM + 1) * BLOCK + n]) * _LAST))]
        blue = srgb[np.uint32(np.int32(clamp(block[(SUM + 2) * BLOCK + n]) * _LAST))]
        y, x, edge = sites[n, 0], sites[n, 1], sites[n, 3]
        if edge < 0:
            image[y, x, 0] = np.uint8(blue + _HALF)
            image[y, x, 1] = np.uint8(green + _HALF)
            image[y, x, 2] = np.uint8(red + _HALF)
        else:
            sums[edge, 0] += blue
            sums[edge, 1] += green
            sums[edge, 2] += red
            sums[edge, 3] += _1


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _blend_edges(image: np.ndarray, sums: np.ndarray, sites: np.ndarray, each: np.float32) -> None:
    """Lay the edges' `sums` over the background, each sample covering the share `each` of its pixel."""
    for n in range(len(sites)):
        y, x, edge = sites[n, 0], sites[n, 1], sites[n, 3]
        if edge < 0 or sums[edge, 3] == _0:
            continue
        rest = _1 - sums[edge, 3] * each
        for c in range(3):
            image[y, x, c] = np.uint8(sums[edge, c] * each + _F(image[y, x, c]) * rest + _HALF)
        sums[edge, 3] = _0  # done, whichever of its samples comes next
