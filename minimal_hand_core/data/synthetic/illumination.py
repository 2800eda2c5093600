"""Light on a block of surface points: linear RGB in, what the camera sees of it out.

A block is BLOCK points whose values lie in rows of one flat float32 array: value `row` of point n is
`block[row * BLOCK + n]`. All rows in one array, all of one fixed length, and loops that always run over a whole row:
that is what lets the compiler work on eight points at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 128
"""Points of a block; what lies behind the last one in use is reckoned along and never looked at."""
# Rows. The first are the skin's vertex attributes in their order (see materials).
NORMAL, REST, DORSAL, NAIL, SKY, LIGHT = 0, 3, 6, 7, 9, 10
MAX_LIGHTS = 3
SKIN_ATTRIBUTES = LIGHT + MAX_LIGHTS
COLOUR, GLOSS, REACH, SUM, SHINE, HALF_LIGHT, ROWS = 13, 16, 17, 18, 21, 22, 28
"""Own colour (3 rows), gloss, how much of one light arrives, light received (3 rows), highlight, cosine to its middle;
the rows from there to ROWS are the materials' to use."""

_F = np.float32
_0, _1 = _F(0), _F(1)
_DIM = _F(0.02)
"""The darkest that the sky can be."""
_FIRST_SHINE, _SHINES = _F(0.7), 256
"""Highlights begin at this cosine; steps of their table from there to 1."""


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def halfway(directions: np.ndarray) -> np.ndarray:
    """(L, 3) unit vectors half-way between lights (L, 3) and the eye, which is taken to look along +z."""
    halves = np.empty((len(directions), 3), np.float32)
    for i in range(len(directions)):
        x, y, z = directions[i, 0], directions[i, 1], directions[i, 2] - _1
        length = np.sqrt(x * x + y * y + z * z) + _F(1e-6)
        halves[i, 0], halves[i, 1], halves[i, 2] = x / length, y / length, z / length
    return halves


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def shine_table(sharpness: np.float32) -> np.ndarray:
    """Highlight at cosines from _FIRST_SHINE to 1, one entry more at the end: cosine to the power of `sharpness`."""
    table = np.empty(_SHINES + 2, np.float32)
    for i in range(_SHINES + 2):
        table[i] = (_FIRST_SHINE + _F(i) * (_1 - _FIRST_SHINE) / _F(_SHINES)) ** sharpness
    return table


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def illuminate(
    block: np.ndarray,
    ambient: np.ndarray,
    directions: np.ndarray,
    lights: np.ndarray,
    halves: np.ndarray,
    wrap: np.ndarray,
    shines: np.ndarray,
) -> None:
    """Fill rows SUM with the linear RGB of points whose NORMAL (of any length), SKY, LIGHT, COLOUR and GLOSS are given.

    Args:
        block: see the module.
        ambient, directions, lights: of `Lighting`.
        halves: of `halfway`.
        wrap: (2, 3): how far light creeps round the edge of the lit side, further for red, as under skin; 1/(1 + that).
        shines: of `shine_table`.
    """
    for n in range(BLOCK):
        x, y, z = block[n], block[BLOCK + n], block[2 * BLOCK + n]
        unit = _1 / (np.sqrt(x * x + y * y + z * z) + _F(1e-9))
        x, y, z = x * unit, y * unit, z * unit
        block[n], block[BLOCK + n], block[2 * BLOCK + n] = x, y, z
        sky = block[SKY * BLOCK + n]
        # Light that bounces inside a hollow of skin comes out red: hollows lose less red than blue.
        hidden = (_1 - sky) * _F(0.35)
        red = ambient[0, 0] + x * ambient[1, 0] + y * ambient[2, 0] + z * ambient[3, 0]
        green = ambient[0, 1] + x * ambient[1, 1] + y * ambient[2, 1] + z * ambient[3, 1]
        blue = ambient[0, 2] + x * ambient[1, 2] + y * ambient[2, 2] + z * ambient[3, 2]
        block[SUM * BLOCK + n] = max(red, _DIM) * (sky + hidden * wrap[0, 0])
        block[(SUM + 1) * BLOCK + n] = max(green, _DIM) * (sky + hidden * wrap[0, 1])
        block[(SUM + 2) * BLOCK + n] = max(blue, _DIM) * (sky + hidden * wrap[0, 2])
        block[SHINE * BLOCK + n] = _0
    for i in range(len(directions)):
        for n in range(BLOCK):
            block[REACH * BLOCK + n] = block[(LIGHT + i) * BLOCK + n]
        _add_light(block, directions[i], lights[i], halves[i], wrap)
        _add_highlight(block, lights[i, 0] + lights[i, 1] + lights[i, 2], shines)
    for n in range(BLOCK):
        shine = block[SHINE * BLOCK + n]
        block[SUM * BLOCK + n] = block[SUM * BLOCK + n] * block[COLOUR * BLOCK + n] + shine
        block[(SUM + 1) * BLOCK + n] = block[(SUM + 1) * BLOCK + n] * block[(COLOUR + 1) * BLOCK + n] + shine
        block[(SUM + 2) * BLOCK + n] = block[(SUM + 2) * BLOCK + n] * block[(COLOUR + 2) * BLOCK + n] + shine


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _add_light(block: np.ndarray, direction: np.ndarray, light: np.ndarray, half: np.ndarray, wrap: np.ndarray) -> None:
    """Add one light to rows SUM, and fill HALF_LIGHT: cosine to the middle of its highlight, 0 on the dark side."""
    lx, ly, lz = direction[0], direction[1], direction[2]
    hx, hy, hz = half[0], half[1], half[2]
    red, green, blue = light[0] * wrap[1, 0], light[1] * wrap[1, 1], light[2] * wrap[1, 2]
    creep_r, creep_g, creep_b = wrap[0, 0], wrap[0, 1], wrap[0, 2]
    most_r, most_g, most_b = _1 + creep_r, _1 + creep_g, _1 + creep_b
    for n in range(BLOCK):
        x, y, z = block[n], block[BLOCK + n], block[2 * BLOCK + n]
        reach = block[REACH * BLOCK + n]
        cosine = x * lx + y * ly + z * lz
        block[SUM * BLOCK + n] += min(max(cosine + creep_r, _0), most_r) * red * reach
        block[(SUM + 1) * BLOCK + n] += min(max(cosine + creep_g, _0), most_g) * green * reach
        block[(SUM + 2) * BLOCK + n] += min(max(cosine + creep_b, _0), most_b) * blue * reach
        block[HALF_LIGHT * BLOCK + n] = x * hx + y * hy + z * hz if cosine > _0 else _0


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _add_highlight(block: np.ndarray, strength: np.float32, shines: np.ndarray) -> None:
    """Add one light's highlight to row SHINE, by REACH, HALF_LIGHT and GLOSS."""
    steps = _F(_SHINES) / (_1 - _FIRST_SHINE)
    for n in range(BLOCK):
        half = block[HALF_LIGHT * BLOCK + n]
        gloss = block[GLOSS * BLOCK + n]
        if half > _FIRST_SHINE and gloss > _0:
            at = min((half - _FIRST_SHINE) * steps, _F(_SHINES))
            i = np.uint32(np.int32(at))
            share = at - _F(i)
            shine = shines[i] * (_1 - share) + shines[i + 1] * share
            block[SHINE * BLOCK + n] += shine * gloss * block[REACH * BLOCK + n] * strength


@njit(cache=True, nogil=True, error_model='numpy')
def relief_slope(
    wrist: np.ndarray, colours: np.ndarray, directions: np.ndarray, ambient: np.ndarray, strength: float
) -> tuple[float, float]:
    """How much brighter skin gets per unit of slope along the rest hand's x and z; the light is that of `Lighting`.

    A slope (a, b) of the rest surface tips its normal by −a in x and −b in z; what that does to the light is taken at
    the wrist's turn and for all lights together. Rough on bent fingers, right on the back of the hand.
    """
    total = 0.0
    towards = np.zeros(3)
    for c in range(3):
        total += ambient[0, c]
        for axis in range(3):
            towards[axis] += ambient[1 + axis, c]
        for i in range(len(colours)):
            total += colours[i, c]
            for axis in range(3):
                towards[axis] += colours[i, c] * directions[i, axis]
    towards *= -strength / max(total, 1e-6)
    along_x = wrist[0, 0] * towards[0] + wrist[1, 0] * towards[1] + wrist[2, 0] * towards[2]
    along_z = wrist[0, 2] * towards[0] + wrist[1, 2] * towards[1] + wrist[2, 2] * towards[2]
    return along_x, along_z
