"""Colours of skin, nails and cloth.

Skin is placed on the individual typology angle ITA = atan((L* − 50) / b*) (CIELAB, D65): above 55° very light, below
−30° dark. Colours here are linear RGB, 0–1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TONES = np.array(
    # t    L*   a*    b*   measured means of skin groups lie near these, from very light to very dark
    [
        [0.0, 72.0, 8.0, 14.0],
        [0.2, 67.0, 10.0, 17.0],
        [0.4, 60.0, 12.0, 19.5],
        [0.6, 50.0, 13.0, 20.0],
        [0.8, 40.0, 11.5, 16.0],
        [1.0, 29.0, 7.5, 9.5],
    ]
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
        melanin: 0 very light … 1 very dark.
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
    melanin: float


def sample_skin(rng: np.random.Generator) -> Skin:
    """A random person over the whole human range."""
    tone = float(rng.uniform(0, 1))
    lab = np.array([np.interp(tone, _TONES[:, 0], _TONES[:, i]) for i in (1, 2, 3)])
    lab = lab + rng.normal(0, (2.5, 1.5, 2.0))
    # Palms hold little melanin: light on everyone, warm on dark hands.
    palm = lab.copy()
    palm[0] = max(lab[0] + rng.uniform(0, 4), 0.45 * lab[0] + rng.uniform(30, 36))
    palm[1] = lab[1] + rng.uniform(0, 4)
    nail = palm + np.array([rng.uniform(0, 6), rng.uniform(1, 5), rng.uniform(-4, 0)])
    strength = rng.uniform(0.4, 1.2)
    flush = 1 + strength * np.array([0.02, -0.16, -0.14]) * (1 - 0.6 * tone)
    crease = rng.uniform(0.5, 1.1)
    back, palm_rgb, nail_rgb = lab_to_linear(np.stack([lab, palm, nail]))
    if rng.random() < 0.12:  # varnish
        nail_rgb = lab_to_linear(np.array([rng.uniform(15, 80), rng.uniform(-20, 60), rng.uniform(-40, 40)]))
    return Skin(
        back=back,
        palm=palm_rgb,
        nail=nail_rgb,
        flush=flush.astype(np.float32),
        crease_palm=(1 - crease * np.array([0.30, 0.42, 0.46]) * (1 - 0.2 * tone)).astype(np.float32),
        crease_back=(1 - crease * np.array([0.28, 0.34, 0.36])).astype(np.float32),
        blotch=float(rng.uniform(0.04, 0.14)),
        grain=float(rng.uniform(0.02, 0.09)),
        gloss=float(rng.choice([0.0, 0.05, 0.12, 0.3], p=[0.2, 0.4, 0.3, 0.1])),
        sharpness=float(rng.uniform(8, 40)),
        relief=float(rng.uniform(0.3, 1.6)),
        melanin=tone,
    )


def sample_cloth(rng: np.random.Generator) -> np.ndarray:
    """(2, 3) float32 linear RGB: two colours of a sleeve or an object; equal for plain cloth."""
    kind = rng.random()
    light = rng.uniform(5, 95)
    chroma = rng.uniform(0, 8) if kind < 0.45 else rng.uniform(10, 70)
    hue = rng.uniform(0, 2 * np.pi)
    first = np.array([light, chroma * np.cos(hue), chroma * np.sin(hue)])
    second = first if rng.random() < 0.6 else np.array([rng.uniform(5, 95), *rng.uniform(-40, 40, 2)])
    return lab_to_linear(np.stack([first, second]))


def lab_to_linear(lab: np.ndarray) -> np.ndarray:
    """CIELAB (…, 3), D65 white → linear sRGB (…, 3) float32, clipped to 0.004–1."""
    lab = np.asarray(lab, np.float64)
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * np.array([0.95047, 1.0, 1.08883])
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.clip(xyz @ to_rgb.T, 0.004, 1).astype(np.float32)
