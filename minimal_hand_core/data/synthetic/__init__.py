"""Rendered hands with exact labels: training pictures, and a moving hand in front of a camera.

* `SyntheticHands` — a sequence of labelled 128-pixel crops, each from (seed, index) alone.
* `RenderedScene` — a camera that looks at a moving hand: pictures of any time with the truth.
* `HandRenderer` — the renderer below both: mesh in, picture, mask and depth out.
"""

from minimal_hand_core.data.synthetic.appearance import Appearance
from minimal_hand_core.data.synthetic.backgrounds import Backgrounds
from minimal_hand_core.data.synthetic.effects import NO_EFFECTS, Effects
from minimal_hand_core.data.synthetic.motion import HandMotion, MotionState
from minimal_hand_core.data.synthetic.rendered_scene import HandTruth, RenderedScene
from minimal_hand_core.data.synthetic.renderer import HandRenderer, RenderedHand
from minimal_hand_core.data.synthetic.scenes import (
    CENTRED,
    SceneVariation,
    Studio,
    SyntheticHands,
    SyntheticSample,
    synthetic_sample,
)

__all__ = [
    'CENTRED',
    'NO_EFFECTS',
    'Appearance',
    'Backgrounds',
    'Effects',
    'HandMotion',
    'HandRenderer',
    'HandTruth',
    'MotionState',
    'RenderedHand',
    'RenderedScene',
    'SceneVariation',
    'Studio',
    'SyntheticHands',
    'SyntheticSample',
    'synthetic_sample',
]
