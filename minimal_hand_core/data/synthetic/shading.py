"""From triangle ids to colours: skin, cloth and objects under a sky and a few lights, laid over a background.

All light is linear RGB; the result is sRGB uint8 BGR. A pixel whose sub-pixels all show nearly one piece of surface is
shaded once; only edges pay for supersampling.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.materials import (
    CLOTH_ATTRIBUTES,
    LIGHT,
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
_HALF, _DIM, _INSIDE = _F(0.5), _F(0.02), _F(0.35)
"""_DIM: the darkest that the sky can be. _INSIDE: how dark a sleeve is within."""
_ONE_SURFACE = _F(1.012)
"""Largest ratio of depths within a pixel that counts as one piece of surface."""


def _srgb_table() -> np.ndarray:
    linear = np.linspace(0, 1, _LUT)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).astype(np.float32)


SRGB_TABLE = _srgb_table()


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _illuminate(
    r: np.float32,
    g: np.float32,
    b: np.float32,
    nx: np.float32,
    ny: np.float32,
    nz: np.float32,
    at: np.ndarray,
    ambient: np.ndarray,
    directions: np.ndarray,
    lights: np.ndarray,
    halves: np.ndarray,
    wrap: np.ndarray,
    gloss: np.float32,
    sharpness: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """Linear RGB of surface r, g, b with normal n.

    Args:
        at: attributes; SKY and what follows say what of the sky and of each light reaches the point.
        halves: (L, 3) unit vectors half-way between light and eye (the eye is taken to look along +z).
        wrap: (2, 3): how far light creeps round the edge of the lit side, further for red, as under skin; 1/(1 + that).
    """
    sky = at[SKY]
    # Light that bounces inside a hollow of skin comes out red: hollows lose less red than blue.
    hidden = (_1 - sky) * _F(0.35)
    red = max(ambient[0, 0] + nx * ambient[1, 0] + ny * ambient[2, 0] + nz * ambient[3, 0], _DIM) * (
        sky + hidden * wrap[0, 0]
    )
    green = max(ambient[0, 1] + nx * ambient[1, 1] + ny * ambient[2, 1] + nz * ambient[3, 1], _DIM) * (
        sky + hidden * wrap[0, 1]
    )
    blue = max(ambient[0, 2] + nx * ambient[1, 2] + ny * ambient[2, 2] + nz * ambient[3, 2], _DIM) * (
        sky + hidden * wrap[0, 2]
    )
    shine = _0
    for i in range(len(directions)):
        reach = at[LIGHT + i]
        cosine = nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2]
        red += clamp((cosine + wrap[0, 0]) * wrap[1, 0]) * lights[i, 0] * reach
        green += clamp((cosine + wrap[0, 1]) * wrap[1, 1]) * lights[i, 1] * reach
        blue += clamp((cosine + wrap[0, 2]) * wrap[1, 2]) * lights[i, 2] * reach
        half = nx * halves[i, 0] + ny * halves[i, 1] + nz * halves[i, 2]
        if half > _F(0.7) and cosine > _0:
            shine += half**sharpness * reach * (lights[i, 0] + lights[i, 1] + lights[i, 2])
    shine *= gloss
    return red * r + shine, green * g + shine, blue * b + shine


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
    at = np.zeros(SKIN_ATTRIBUTES, np.float32)
    cloth = np.zeros(CLOTH_ATTRIBUTES, np.float32)
    skin_wrap = np.array([[0.45, 0.25, 0.18], [1 / 1.45, 1 / 1.25, 1 / 1.18]], np.float32)
    cloth_wrap = np.array([[0.1, 0.1, 0.1], [1 / 1.1, 1 / 1.1, 1 / 1.1]], np.float32)
    open_sky = np.ones(SKIN_ATTRIBUTES, np.float32)
    halves = np.empty((len(directions), 3), np.float32)
    for i in range(len(directions)):
        hx, hy, hz = directions[i, 0], directions[i, 1], directions[i, 2] - _1
        length = np.sqrt(hx * hx + hy * hy + hz * hz) + _F(1e-6)
        halves[i, 0], halves[i, 1], halves[i, 2] = hx / length, hy / length, hz / length
    samples = s * s
    each = _1 / _F(samples)
    middle = _F(0.5) * _F(s - 1)
    for y in range(height):
        for x in range(width):
            hand, arm, thing, first = 0, 0, 0, -1
            low, high = _F(1e9), _0
            for j in range(s):
                for i in range(s):
                    f = triangles[y * s + j, x * s + i]
                    if f < 0:
                        continue
                    first = f
                    inv = inverse_depth[y * s + j, x * s + i]
                    low, high = min(low, inv), max(high, inv)
                    if f < hand_faces:
                        hand += 1
                    elif f < n_skin + sleeve_faces:
                        arm += 1
                    else:
                        thing += 1
            if first < 0:
                continue
            most = max(hand, arm, thing)
            covered = hand + arm + thing
            if samples - covered <= most:
                parts[y, x] = HAND if hand == most else (ARM if arm == most else OBJECT)
            depth[y, x] = _1 / high
            smooth = most == samples and high < low * _ONE_SURFACE
            total_r, total_g, total_b = _0, _0, _0
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
                    unit = _1 / (np.sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]) + _F(1e-9))
                    red, green, blue, nail = skin_colour(at, maps, origin, scale, volume, colours, texture)
                    red, green, blue = _illuminate(
                        red, green, blue, at[0] * unit, at[1] * unit, at[2] * unit, at, ambient, directions, lights,
                        halves, skin_wrap, texture[5] + nail, texture[6],
                    )  # fmt: skip
                else:
                    g = f - n_skin
                    a, b, c = cloth_faces[g, 0], cloth_faces[g, 1], cloth_faces[g, 2]
                    wa, wb, wc = perspective_weights(cloth_points, a, b, c, sub_x, sub_y)
                    for k in range(CLOTH_ATTRIBUTES):
                        cloth[k] = wa * cloth_at[a, k] + wb * cloth_at[b, k] + wc * cloth_at[c, k]
                    nx, ny, nz = cloth[0], cloth[1], cloth[2]
                    unit = _1 / (np.sqrt(nx * nx + ny * ny + nz * nz) + _F(1e-9))
                    red, green, blue = cloth_colour(cloth, volume)
                    if nz > _0 and f < n_skin + sleeve_faces:  # the inside of a sleeve, seen from behind
                        unit = -unit
                        red, green, blue = red * _INSIDE, green * _INSIDE, blue * _INSIDE
                    red, green, blue = _illuminate(
                        red, green, blue, nx * unit, ny * unit, nz * unit, open_sky, ambient, directions, lights,
                        halves, cloth_wrap, _0, _1,
                    )  # fmt: skip
                total_r += srgb[np.uint32(np.int32(clamp(red) * _LAST))]
                total_g += srgb[np.uint32(np.int32(clamp(green) * _LAST))]
                total_b += srgb[np.uint32(np.int32(clamp(blue) * _LAST))]
            share = _1 if smooth else each
            rest = _0 if smooth else _1 - _F(covered) * each
            image[y, x, 0] = np.uint8(total_b * share + _F(image[y, x, 0]) * rest + _HALF)
            image[y, x, 1] = np.uint8(total_g * share + _F(image[y, x, 1]) * rest + _HALF)
            image[y, x, 2] = np.uint8(total_r * share + _F(image[y, x, 2]) * rest + _HALF)
