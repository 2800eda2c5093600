"""Colour of a point on skin, nails, cloth or an object, as functions that other compiled kernels call.

Everything is float32, constants too: a stray Python number would turn the sums into float64 and cost a third more time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.illumination import BLOCK, COLOUR, DORSAL, GLOSS, HALF_LIGHT, NAIL, REST, ROWS
from minimal_hand_core.data.synthetic.skin_maps import MAP_UNIT

# Columns of cloth's and objects' vertex attributes: normal, texture position, first colour, second colour, pattern.
CLOTH_TEXTURE, CLOTH_FIRST, CLOTH_SECOND, CLOTH_PATTERN = 3, 6, 9, 12
CLOTH_ATTRIBUTES = 13

# Rows of a block that are of use here only.
_DARK_PALM, _DARK_BACK, _FLUSH, _FINE, _BLOTCH = range(HALF_LIGHT + 1, ROWS)

_CELLS = 32
_F = np.float32
_0, _1, _HALF = _F(0), _F(1), _F(0.5)


def _noise_volume() -> np.ndarray:
    """(32, 32, 32) float32, periodic, mean 0, standard deviation about 1: white noise with a coarser copy of itself."""
    fine = np.random.default_rng(20240229).normal(0, 1, (_CELLS,) * 3)
    coarse = np.fft.ifftn(np.fft.fftn(fine[::-1]) * _low_pass()).real
    volume = 0.7 * fine / fine.std() + 0.7 * coarse / coarse.std()
    return volume.astype(np.float32)


def _low_pass() -> np.ndarray:
    f = np.fft.fftfreq(_CELLS)
    square = f[:, None, None] ** 2 + f[None, :, None] ** 2 + f[None, None, :] ** 2
    return np.exp(-square / (2 * 0.08**2))


NOISE_VOLUME = _noise_volume()


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy', inline='always')
def clamp(x: Any) -> Any:
    """x held to 0–1."""
    return min(max(x, _0), _1)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def noise(volume: np.ndarray, x: np.float32, y: np.float32, z: np.float32) -> np.float32:
    """Trilinear look-up in the periodic volume; one cell per unit."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = np.uint32(np.int32(fx)) & 31, np.uint32(np.int32(fy)) & 31, np.uint32(np.int32(fz)) & 31
    u, v, w = x - fx, y - fy, z - fz
    i2, j2, k2 = (i + 1) & 31, (j + 1) & 31, (k + 1) & 31
    a = volume[i, j, k] * (_1 - w) + volume[i, j, k2] * w
    b = volume[i, j2, k] * (_1 - w) + volume[i, j2, k2] * w
    c = volume[i2, j, k] * (_1 - w) + volume[i2, j, k2] * w
    d = volume[i2, j2, k] * (_1 - w) + volume[i2, j2, k2] * w
    return (a * (_1 - v) + b * v) * (_1 - u) + (c * (_1 - v) + d * v) * u


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def grain(volume: np.ndarray, x: np.float32, y: np.float32, z: np.float32) -> np.float32:
    """The volume's nearest cell: for grain as fine as a pixel."""
    i, j, k = np.uint32(np.int32(x + _F(4096))), np.uint32(np.int32(y + _F(4096))), np.uint32(np.int32(z + _F(4096)))
    return volume[i & 31, j & 31, k & 31]


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy', inline='always')
def _look_up(
    side: np.ndarray, i: np.uint32, j: np.uint32, u: np.float32, v: np.float32, texture: np.ndarray
) -> tuple[np.float32, np.float32, np.float32]:
    """Bilinear darkness, redness and brightening by relief from one side's map."""
    above, below = (_1 - u) * MAP_UNIT, u * MAP_UNIT
    a, b = above * (_1 - v), above * v
    c, d = below * (_1 - v), below * v
    dark = a * _F(side[i, j, 0]) + b * _F(side[i, j + 1, 0]) + c * _F(side[i + 1, j, 0]) + d * _F(side[i + 1, j + 1, 0])
    slope_x = (
        a * _F(side[i, j, 2]) + b * _F(side[i, j + 1, 2]) + c * _F(side[i + 1, j, 2]) + d * _F(side[i + 1, j + 1, 2])
    )
    slope_z = (
        a * _F(side[i, j, 3]) + b * _F(side[i, j + 1, 3]) + c * _F(side[i + 1, j, 3]) + d * _F(side[i + 1, j + 1, 3])
    )
    return dark, _F(side[i, j, 1]) * MAP_UNIT, slope_x * texture[7] + slope_z * texture[8]


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def colour_skin(
    block: np.ndarray,
    count: int,
    maps: np.ndarray,
    origin: np.ndarray,
    scale: np.float32,
    volume: np.ndarray,
    colours: np.ndarray,
    texture: np.ndarray,
) -> None:
    """Fill rows COLOUR and GLOSS of a block of skin, by REST, DORSAL and NAIL.

    Args:
        block: see `illumination`; its rows after HALF_LIGHT are overwritten.
        count: points of the block that are in use.
        maps: of `HandSurface`, int16 in steps of MAP_UNIT; origin, scale: of the same.
        volume: NOISE_VOLUME.
        colours: (6, 3) float32: back, palm, nail, flush, crease palm, crease back.
        texture: (9,) float32: blotch, grain, noise offset, start of the nail's white, nail gloss, gloss, sharpness, and
            brightening per slope of the relief in x and z.
    """
    seed = texture[2]
    rows, columns = _F(maps.shape[1] - 1), _F(maps.shape[2] - 1)
    for n in range(count):
        dorsal = clamp((block[DORSAL * BLOCK + n] + _F(0.35)) * _F(1.4286))
        dorsal = dorsal * dorsal * (_F(3) - _F(2) * dorsal)
        x, y, z = block[REST * BLOCK + n], block[(REST + 1) * BLOCK + n], block[(REST + 2) * BLOCK + n]
        row, col = (x - origin[0]) * scale, (z - origin[1]) * scale
        dark_palm, dark_back, flush, relief = _0, _0, _0, _0
        if row >= _0 and col >= _0 and row < rows and col < columns:
            i, j = np.uint32(np.int32(row)), np.uint32(np.int32(col))
            u, v = row - _F(i), col - _F(j)
            if dorsal < _1:
                dark_palm, red, slope = _look_up(maps[0], i, j, u, v, texture)
                dark_palm *= _1 - dorsal
                flush, relief = (_1 - dorsal) * red, (_1 - dorsal) * slope
            if dorsal > _0:
                dark_back, red, slope = _look_up(maps[1], i, j, u, v, texture)
                dark_back *= dorsal
                flush, relief = flush + dorsal * red, relief + dorsal * slope
        fine = _1 + texture[1] * grain(volume, x * _F(620), y * _F(620), z * _F(620) + seed)
        block[DORSAL * BLOCK + n] = dorsal
        block[_DARK_PALM * BLOCK + n] = dark_palm
        block[_DARK_BACK * BLOCK + n] = dark_back
        block[_FLUSH * BLOCK + n] = flush
        block[_FINE * BLOCK + n] = fine + min(max(relief, _F(-0.5)), _HALF)
        block[_BLOTCH * BLOCK + n] = texture[0] * noise(volume, x * _F(110) + seed, y * _F(110), z * _F(110))
    _tint(block, colours)
    _paint_nails(block, colours[2], texture[3], texture[4], texture[5])


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _tint(block: np.ndarray, colours: np.ndarray) -> None:
    """The skin's colour, nails aside, into rows COLOUR."""
    (back_r, back_g, back_b), (palm_r, palm_g, palm_b) = colours[0], colours[1]
    flush_r, flush_g, flush_b = colours[3] - _1
    in_r, in_g, in_b = colours[4] - _1
    on_r, on_g, on_b = colours[5] - _1
    for n in range(BLOCK):
        dorsal, flush = block[DORSAL * BLOCK + n], block[_FLUSH * BLOCK + n]
        dark_palm, dark_back = block[_DARK_PALM * BLOCK + n], block[_DARK_BACK * BLOCK + n]
        fine, blotch = block[_FINE * BLOCK + n], block[_BLOTCH * BLOCK + n]
        palmar = _1 - dorsal
        red = (back_r * dorsal + palm_r * palmar) * (_1 + flush * flush_r) * (_1 + dark_palm * in_r + dark_back * on_r)
        green = (
            (back_g * dorsal + palm_g * palmar) * (_1 + flush * flush_g) * (_1 + dark_palm * in_g + dark_back * on_g)
        )
        blue = (back_b * dorsal + palm_b * palmar) * (_1 + flush * flush_b) * (_1 + dark_palm * in_b + dark_back * on_b)
        # Blotches are blood: they change green and blue more than red.
        block[COLOUR * BLOCK + n] = red * max(fine + _HALF * blotch, _F(0.3))
        block[(COLOUR + 1) * BLOCK + n] = green * max(fine + blotch, _F(0.3))
        block[(COLOUR + 2) * BLOCK + n] = blue * max(fine + blotch, _F(0.3))


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _paint_nails(
    block: np.ndarray, bed: np.ndarray, start: np.float32, nail_gloss: np.float32, gloss: np.float32
) -> None:
    """Nails over the skin in rows COLOUR, and row GLOSS."""
    r, g, b = bed[0], bed[1], bed[2]
    # The nail's free end is white, not darker than its bed.
    white_r, white_g, white_b = max(_F(0.62) - r, _0), max(_F(0.62) - g, _0), max(_F(0.62) - b, _0)
    for n in range(BLOCK):
        nu, nv = block[NAIL * BLOCK + n], block[(NAIL + 1) * BLOCK + n]
        uu, vv = nu * nu, nv * nv
        inside = uu + vv
        # The free edge is squarer than the bed.
        inside = max(uu * uu + vv * vv, _F(0.6) * inside) if nu > _0 else inside
        nail = clamp((_F(1.12) - inside) * _F(3.3))
        rim = _1 - clamp(_1 - abs(inside - _F(1.15)) * _F(3.3)) * _F(0.22)
        white = clamp((nu - start) * _F(12)) * _HALF
        skin = (_1 - nail) * rim
        nail *= rim
        block[COLOUR * BLOCK + n] = block[COLOUR * BLOCK + n] * skin + (r + white * white_r) * nail
        block[(COLOUR + 1) * BLOCK + n] = block[(COLOUR + 1) * BLOCK + n] * skin + (g + white * white_g) * nail
        block[(COLOUR + 2) * BLOCK + n] = block[(COLOUR + 2) * BLOCK + n] * skin + (b + white * white_b) * nail
        block[GLOSS * BLOCK + n] = gloss + nail / rim * nail_gloss


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def cloth_colour(at: np.ndarray, volume: np.ndarray) -> tuple[np.float32, np.float32, np.float32]:
    """Linear RGB of cloth or an object, (CLOTH_ATTRIBUTES,) interpolated: plain, stripes, checks, clouds or spots."""
    x, y, z = at[CLOTH_TEXTURE], at[CLOTH_TEXTURE + 1], at[CLOTH_TEXTURE + 2]
    pattern = np.int32(at[CLOTH_PATTERN] + _HALF)
    mix = _0
    if pattern == 1:
        mix = clamp(_HALF + _F(4) * np.sin(x * _F(350)))
    elif pattern == 2:
        mix = clamp(_HALF + _F(6) * np.sin(x * _F(260)) * np.sin(y * _F(260)) * np.sin(z * _F(260) + _F(0.7)))
    elif pattern == 3:
        mix = clamp(_HALF + noise(volume, x * _F(60), y * _F(60), z * _F(60)))
    elif pattern == 4:
        mix = clamp(_HALF + _F(4) * noise(volume, x * _F(140), y * _F(140), z * _F(140)))
    rough = max(
        _1
        + _F(0.06) * grain(volume, x * _F(500), y * _F(500), z * _F(500))
        + _F(0.1) * noise(volume, x * _F(120), y * _F(120), z * _F(120)),
        _F(0.3),
    )
    r = (at[CLOTH_FIRST] * (_1 - mix) + at[CLOTH_SECOND] * mix) * rough
    g = (at[CLOTH_FIRST + 1] * (_1 - mix) + at[CLOTH_SECOND + 1] * mix) * rough
    b = (at[CLOTH_FIRST + 2] * (_1 - mix) + at[CLOTH_SECOND + 2] * mix) * rough
    return r, g, b
