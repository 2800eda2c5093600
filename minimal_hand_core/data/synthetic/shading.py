"""From triangle ids to colours: skin, cloth and objects under a sky and a few lights, laid over a background.

All light is linear RGB; the result is sRGB uint8 BGR. A pixel whose sub-pixels all show nearly one piece of surface is
shaded once; only edges pay for supersampling.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.materials import (
    CLOTH_ATTRIBUTES,
    MAX_LIGHTS,
    SKIN_ATTRIBUTES,
    SKY,
    clamp,
    cloth_colour,
    skin_colour,
)
from minimal_hand_core.data.synthetic.rasterizer import perspective_weights

NOTHING, HAND, ARM, OBJECT = 0, 1, 2, 3
"""Values of the part map."""

_LUT = 4096
_F = np.float32
_0, _1, _LAST = _F(0), _F(1), _F(_LUT - 1)
_ONE_SURFACE = _F(1.012)
"""Largest ratio of depths within a pixel that counts as one piece of surface."""


def _srgb_table() -> np.ndarray:
    linear = np.linspace(0, 1, _LUT)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).astype(np.float32)


SRGB_TABLE = _srgb_table()


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _illuminate(
    colour: np.ndarray,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    nx: np.float32,
    ny: np.float32,
    nz: np.float32,
    openness: np.ndarray,
    ambient: np.ndarray,
    directions: np.ndarray,
    lights: np.ndarray,
    halves: np.ndarray,
    wrap: np.ndarray,
    gloss: np.float32,
    sharpness: np.float32,
) -> None:
    """Write linear RGB of surface r, g, b with normal n into colour (3,).

    Args:
        openness: (1 + MAX_LIGHTS,) what of the sky and of each light reaches the point.
        halves: (L, 3) unit vectors half-way between light and eye (the eye is taken to look along +z).
        wrap: (3,) how far light creeps round the edge of the lit side; further for red, as under skin.
    """
    sky = openness[0]
    shine = _0
    for c in range(3):
        # Light that bounces inside a hollow of skin comes out red: hollows lose less red than blue.
        hollow = sky + (_1 - sky) * _F(0.35) * wrap[c]
        light = ambient[0, c] + nx * ambient[1, c] + ny * ambient[2, c] + nz * ambient[3, c]
        colour[c] = max(light, _F(0.02)) * hollow
    for i in range(len(directions)):
        reach = openness[1 + i]
        cosine = nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2]
        for c in range(3):
            colour[c] += clamp((cosine + wrap[c]) / (_1 + wrap[c])) * lights[i, c] * reach
        if gloss > _0 and cosine > _0:
            half = nx * halves[i, 0] + ny * halves[i, 1] + nz * halves[i, 2]
            if half > _F(0.7):
                shine += gloss * half**sharpness * reach * (lights[i, 0] + lights[i, 1] + lights[i, 2])
    colour[0] = colour[0] * r + shine
    colour[1] = colour[1] * g + shine
    colour[2] = colour[2] * b + shine


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def shade(
    image: np.ndarray,
    parts: np.ndarray,
    depth: np.ndarray,
    triangles: np.ndarray,
    inverse_depth: np.ndarray,
    s: int,
    skin_points: np.ndarray,
    skin_faces: np.ndarray,
    skin_at: np.ndarray,
    hand_faces: int,
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
    """Shade every covered pixel and lay it over the picture.

    Triangle ids run over the skin's faces (first `hand_faces` of the hand, the rest of the arm), then over cloth
    faces (first `sleeve_faces` of the sleeve, the rest of objects).

    Args:
        image: (h, w, 3) uint8 BGR, background in, picture out.
        parts: (h, w) uint8, written where covered: what covers most of each pixel.
        depth: (h, w) float32, written where covered: metres, nearest of the pixel.
        triangles, inverse_depth: (h·s, w·s) of the rasteriser.
        s: supersampling.
        skin_points, cloth_points: (·, 3) float32 of `screen_points`.
        skin_faces, cloth_faces: (·, 3) int32.
        skin_at: (·, SKIN_ATTRIBUTES) float32; cloth_at: (·, CLOTH_ATTRIBUTES) float32.
        ambient, directions, lights: of `Lighting`.
        maps, origin, scale: of `HandSurface`.
        volume, srgb: NOISE_VOLUME, SRGB_TABLE.
        colours, texture: see `skin_colour`.
    """
    height, width = parts.shape
    n_skin = len(skin_faces)
    at = np.zeros(max(SKIN_ATTRIBUTES, CLOTH_ATTRIBUTES), np.float32)
    colour = np.zeros(3, np.float32)
    total = np.zeros(3, np.float32)
    skin_wrap = np.array([0.45, 0.25, 0.18], np.float32)
    cloth_wrap = np.array([0.1, 0.1, 0.1], np.float32)
    all_open = np.ones(1 + MAX_LIGHTS, np.float32)
    halves = np.empty((len(directions), 3), np.float32)
    for i in range(len(directions)):
        hx, hy, hz = directions[i, 0], directions[i, 1], directions[i, 2] - _1
        length = np.sqrt(hx * hx + hy * hy + hz * hz) + _F(1e-6)
        halves[i, 0], halves[i, 1], halves[i, 2] = hx / length, hy / length, hz / length
    samples = s * s
    middle = _F(0.5) * _F(s - 1)
    votes = np.zeros(4, np.int32)
    for y in range(height):
        for x in range(width):
            covered = 0
            low, high = _F(1e9), _0
            first = -1
            for j in range(s):
                for i in range(s):
                    f = triangles[y * s + j, x * s + i]
                    if f >= 0:
                        covered += 1
                        first = f
                        inv = inverse_depth[y * s + j, x * s + i]
                        low, high = min(low, inv), max(high, inv)
            if covered == 0:
                continue
            votes[:] = 0
            votes[NOTHING] = samples - covered
            for j in range(s):
                for i in range(s):
                    f = triangles[y * s + j, x * s + i]
                    if f >= n_skin:
                        votes[ARM if f < n_skin + sleeve_faces else OBJECT] += 1
                    elif f >= 0:
                        votes[HAND if f < hand_faces else ARM] += 1
            best = HAND
            for p in (ARM, OBJECT):
                if votes[p] > votes[best]:
                    best = p
            if votes[NOTHING] <= votes[best]:
                parts[y, x] = best
            depth[y, x] = _1 / high
            smooth = votes[best] == samples and high < low * _ONE_SURFACE
            total[:] = 0
            for sample in range(1 if smooth else samples):
                if smooth:
                    sub_x, sub_y = _F(x * s) + middle, _F(y * s) + middle
                    f = first
                else:
                    sub_x, sub_y = _F(x * s + sample % s), _F(y * s + sample // s)
                    f = triangles[y * s + sample // s, x * s + sample % s]
                    if f < 0:
                        continue
                if f < n_skin:
                    a, b, c = skin_faces[f, 0], skin_faces[f, 1], skin_faces[f, 2]
                    wa, wb, wc = perspective_weights(skin_points, a, b, c, sub_x, sub_y)
                    for k in range(SKIN_ATTRIBUTES):
                        at[k] = wa * skin_at[a, k] + wb * skin_at[b, k] + wc * skin_at[c, k]
                else:
                    g = f - n_skin
                    a, b, c = cloth_faces[g, 0], cloth_faces[g, 1], cloth_faces[g, 2]
                    wa, wb, wc = perspective_weights(cloth_points, a, b, c, sub_x, sub_y)
                    for k in range(CLOTH_ATTRIBUTES):
                        at[k] = wa * cloth_at[a, k] + wb * cloth_at[b, k] + wc * cloth_at[c, k]
                unit = _1 / (np.sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]) + _F(1e-9))
                if f < n_skin:
                    red, green, blue, nail = skin_colour(at, maps, origin, scale, volume, colours, texture)
                    _illuminate(
                        colour, red, green, blue, at[0] * unit, at[1] * unit, at[2] * unit, at[SKY:], ambient,
                        directions, lights, halves, skin_wrap, texture[5] + nail, texture[6],
                    )  # fmt: skip
                else:
                    red, green, blue = cloth_colour(at, volume)
                    if at[2] > _0 and f < n_skin + sleeve_faces:  # the inside of a sleeve, seen from behind
                        unit = -unit
                        red, green, blue = red * _F(0.35), green * _F(0.35), blue * _F(0.35)
                    _illuminate(
                        colour, red, green, blue, at[0] * unit, at[1] * unit, at[2] * unit, all_open, ambient,
                        directions, lights, halves, cloth_wrap, _0, _1,
                    )  # fmt: skip
                for k in range(3):
                    total[k] += srgb[np.uint32(np.int32(clamp(colour[k]) * _LAST))]
            cover = _1 if smooth else _F(covered) / _F(samples)
            share = _1 if smooth else _1 / _F(samples)
            for k in range(3):
                image[y, x, 2 - k] = np.uint8(total[k] * share + _F(image[y, x, 2 - k]) * (_1 - cover) + _F(0.5))
