"""Colours of skin, nails and cloth.

Skin is placed on the individual typology angle ITA = atan((L* − 50) / b*) (CIELAB, D65): above 55° very light, below
−30° dark. Colours here are linear RGB, 0–1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.chance import between, pick

_TONES = (
    # L*, a*, b*, very light to very dark; measured means of skin groups lie near these
    (72.0, 10.0, 15.0),
    (67.0, 12.5, 18.0),
    (60.0, 14.5, 20.5),
    (50.0, 15.0, 21.0),
    (40.0, 13.0, 17.0),
    (29.0, 7.5, 9.5),
)


@dataclass(frozen=True)
class Skin:
    """Colours and surface of one person's hand; all colours (3,) float32 linear RGB.

    Attributes:
        back, palm, nail: base colours.
        flush: factor per channel where blood shows (pads, knuckles).
        crease_palm, crease_back: factor per channel in the depth of a crease.
        blotch: strength of low-frequency colour noise.
        grain: strength of fine noise.
        gloss: strength of the highlight; sharpness is its exponent.
        relief: height of knuckles, tendons and creases; 1 as drawn.
    """

    back: np.ndarray
    palm: np.ndarray
    nail: np.ndarray
    flush: np.ndarray
    crease_palm: np.ndarray
    crease_back: np.ndarray
    blotch: float
    grain: float
    gloss: float
    sharpness: float
    relief: float


def sample_skin(rng: np.random.Generator) -> Skin:
    """A random person over the whole human range."""
    tone = rng.random()
    step, share = int(tone * 5), tone * 5 % 1  # the rows of the table are a fifth apart
    lab = [
        a * (1 - share) + b * share + c * d
        for a, b, c, d in zip(
            _TONES[step], _TONES[step + 1], rng.standard_normal(3).tolist(), (2.5, 1.5, 2.0), strict=True
        )
    ]
    # Palms hold little melanin: light on everyone, warm on dark hands.
    light = max(lab[0] + between(rng, 0, 4), 0.45 * lab[0] + between(rng, 30, 36))
    palm = (light, lab[1] + between(rng, 0, 4), lab[2])
    nail = (palm[0] + between(rng, 0, 6), palm[1] + between(rng, 1, 5), palm[2] - between(rng, 0, 4))
    if rng.random() < 0.12:  # varnish
        nail = (between(rng, 15, 80), between(rng, -20, 60), between(rng, -40, 40))
    strength = between(rng, 0.4, 1.2) * (1 - 0.6 * tone)
    flush = [1 + strength * a for a in (0.02, -0.16, -0.14)]
    crease = between(rng, 0.5, 1.1)
    back, palm_rgb, nail_rgb = lab_to_linear(np.array([lab, palm, nail]))
    factors = np.array(
        [
            flush,
            [1 - crease * a * (1 - 0.2 * tone) for a in (0.30, 0.42, 0.46)],
            [1 - crease * a for a in (0.28, 0.34, 0.36)],
        ],
        np.float32,
    )
    return Skin(
        back=back,
        palm=palm_rgb,
        nail=nail_rgb,
        flush=factors[0],
        crease_palm=factors[1],
        crease_back=factors[2],
        blotch=between(rng, 0.04, 0.14),
        grain=between(rng, 0.02, 0.09),
        gloss=pick(rng, {0.0: 0.2, 0.05: 0.4, 0.12: 0.3, 0.3: 0.1}),
        sharpness=between(rng, 8, 40),
        relief=between(rng, 0.2, 1.2),
    )


def sample_cloth(rng: np.random.Generator) -> np.ndarray:
    """(2, 3) float32 linear RGB: two colours of a sleeve or an object; equal for plain cloth."""
    kind = rng.random()
    light = between(rng, 5, 95)
    chroma = between(rng, 0, 8) if kind < 0.45 else between(rng, 10, 70)
    hue = between(rng, 0, 2 * math.pi)
    first = (light, chroma * math.cos(hue), chroma * math.sin(hue))
    second = first
    if rng.random() >= 0.6:
        second = (between(rng, 5, 95), between(rng, -40, 40), between(rng, -40, 40))
    return lab_to_linear(np.array([first, second]))


@njit(cache=True, nogil=True)
def lab_to_linear(lab: np.ndarray) -> np.ndarray:
    """CIELAB (N, 3) float64, D65 white → linear sRGB (N, 3) float32, clipped to 0.004–1."""
    out = np.empty(lab.shape, np.float32)
    for i in range(len(lab)):
        middle = (lab[i, 0] + 16) / 116
        x = _from_lab(middle + lab[i, 1] / 500) * 0.95047
        y = _from_lab(middle)
        z = _from_lab(middle - lab[i, 2] / 200) * 1.08883
        out[i, 0] = min(max(3.2406 * x - 1.5372 * y - 0.4986 * z, 0.004), 1.0)
        out[i, 1] = min(max(-0.9689 * x + 1.8758 * y + 0.0415 * z, 0.004), 1.0)
        out[i, 2] = min(max(0.0557 * x - 0.2040 * y + 1.0570 * z, 0.004), 1.0)
    return out


@njit(cache=True, nogil=True)
def _from_lab(f: float) -> float:
    return f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29)
