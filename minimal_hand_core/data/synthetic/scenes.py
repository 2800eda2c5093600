"""Labelled training pictures: a random hand in a random scene, drawn directly as the network's crop.

Convention: the camera is that of the crop's *view frame*: it looks through the middle of the crop, x right, y down,
z forward, metres; the principal point is the crop's middle. All hands are right hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import cv2
import numpy as np
import torch

from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.synthetic.aiming import aim
from minimal_hand_core.data.synthetic.appearance import Appearance
from minimal_hand_core.data.synthetic.backgrounds import Backgrounds, made_up_background, with_shadow
from minimal_hand_core.data.synthetic.bare_hands import BareHand, bare_hand
from minimal_hand_core.data.synthetic.collision import penetration, pose_keypoints
from minimal_hand_core.data.synthetic.effects import Effects
from minimal_hand_core.data.synthetic.labels import BEHIND_HAND, joint_visibility, project
from minimal_hand_core.data.synthetic.poses import HandPose, sample_pose
from minimal_hand_core.data.synthetic.props import Prop
from minimal_hand_core.data.synthetic.renderer import HandRenderer
from minimal_hand_core.data.synthetic.staging import front_prop, held_prop
from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.pose.angles import JointAxes


@dataclass(frozen=True, kw_only=True)
class SyntheticSample(Sample):
    """A rendered sample and everything that is known of it; `visible` is visibility ≥ BEHIND_HAND.

    Attributes:
        betas: (10,) float64 shape.
        rotations: (16, 3, 3) float64 local; [0] is the wrist's in the camera frame.
        angles: (20,) float64 radians, order of ANGLE_NAMES.
        mask: (h, w) bool, pixels of the hand itself.
        depth: (h, w) float32 metres along z of whatever is nearest; 0 on the background.
        visibility: (21,) uint8: 0 outside the picture, 1 behind an object, 2 behind the hand itself, 3 seen.
        family: what kind of pose it is.
    """

    betas: np.ndarray
    rotations: np.ndarray
    angles: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    visibility: np.ndarray
    family: str


@dataclass(frozen=True)
class SceneVariation:
    """How far scenes are varied.

    Attributes:
        distance: nearest and farthest camera distance, metres, drawn log-uniformly; near hands look stretched.
        scale: smallest and largest factor on the crop's side (1.5 × box), drawn log-uniformly.
        far: share of crops whose side is larger still, up to `far_scale` times.
        far_scale: see `far`.
        shift: largest shift of the crop's centre, as a share of its side.
        truncated: share of crops shifted and narrowed so that the border cuts the hand.
        tight: share of crops cut nearly on the hand, as the tracker cuts them from a hand's second picture on.
        stretch: standard deviation of the logarithm of fx / fy.
        stretched: share of pictures with another fx / fy, as of pictures that were made square; their `weight_3d` is 0.
        stretched_by: largest logarithm of it, either way.
        beta: standard deviation of each beta.
        front: chance of an object in front of the hand; held: chance of one in a closing hand.
        shadow: chance that the hand throws a shadow on what is behind it.
        made_up: share of made-up backgrounds when there are photos.
        effects: of the camera.
    """

    distance: tuple[float, float] = (0.22, 1.4)
    scale: tuple[float, float] = (0.8, 1.3)
    far: float = 0.1
    far_scale: float = 2.4
    shift: float = 0.1
    truncated: float = 0.06
    tight: float = 0.0
    stretch: float = 0.03
    stretched: float = 0.0
    stretched_by: float = 0.6
    beta: float = 1.0
    front: float = 0.14
    held: float = 0.6
    shadow: float = 0.2
    made_up: float = 0.2
    effects: Effects = Effects()


CENTRED = SceneVariation(scale=(1.0, 1.0), far=0.0, shift=0.0, truncated=0.0)
"""As varied as training in all but the crop, which sits exactly on the hand: for test sets."""


class Studio:
    """What all samples share: model, renderer, axes. One per process.

    Args:
        model: a right hand; the open hand when None.
        backgrounds: photos to put behind the hand; patterns are made up when None.
    """

    def __init__(self, model: HandModel | None = None, backgrounds: Backgrounds | None = None) -> None:
        self.model = model if model is not None else load_hand_model('open', 'right')
        self.backgrounds = backgrounds
        self.renderer = HandRenderer(self.model)
        self.axes = JointAxes.from_model(self.model)
        with torch.no_grad():
            self._rest = self.model.rest_keypoints(torch.zeros(1, 10))[0].numpy().astype(np.float64)

    def pose(self, rng: np.random.Generator, tries: int = 6, allowed: float = 0.007) -> HandPose:
        """A random pose whose fingers overlap by at most `allowed` metres, or the best of `tries`."""
        surface = self.renderer.surface
        best, best_depth = None, np.inf
        family: str | None = None
        for _ in range(tries):
            pose = sample_pose(rng, self.axes, family)
            family = pose.family  # rejection must not thin out the families whose fingers touch
            depth = penetration(pose_keypoints(self._rest, pose.rotations), surface.radii, surface.ignore)
            if depth < best_depth:
                best, best_depth = pose, depth
            if depth <= allowed:
                break
        assert best is not None
        return best

    def mesh(self, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (V, 3) and keypoints (21, 3), float64 metres, turned about the model's wrist."""
        vertices, points = self.model.pose_arrays(rotations[None], betas[None])
        return vertices[0].astype(np.float64), points[0].astype(np.float64)


def synthetic_sample(
    rng: np.random.Generator,
    studio: Studio,
    variation: SceneVariation | None = None,
    size: int = 128,
    key: str = 'synthetic',
) -> SyntheticSample:
    """One random labelled picture.

    Args:
        rng: everything random comes from here.
        studio: shared parts.
        variation: how far to vary; the training default when None.
        size: side of the square picture, pixels.
        key: the sample's name.

    Returns:
        a right hand with exact labels. keypoints_px is the projection of keypoints_m by intrinsics.
    """
    how = variation or SceneVariation()
    hand = bare_hand(rng, studio, how)
    vertices, keypoints = studio.mesh(hand.rotations, hand.betas)
    stretched = how.stretched > 0 and rng.random() < how.stretched
    offset, intrinsics = aim(rng, keypoints, how, size, stretched)
    vertices, keypoints = vertices + offset, keypoints + offset
    keypoints_px = project(keypoints, intrinsics)

    background = _background(rng, studio.backgrounds, how, size)
    appearance = Appearance.sample(rng, np.array(cv2.mean(background)[:3]))
    props: list[Prop] = []
    if hand.family in ('grasp', 'fist', 'pinch') and rng.random() < how.held:
        held = held_prop(rng, keypoints, studio.renderer.surface.radii)
        if held is not None:
            props.append(held)
    if rng.random() < how.front:
        props.append(front_prop(rng, keypoints))
    if rng.random() < how.shadow:
        background = with_shadow(rng, background, keypoints_px)
    picture = studio.renderer.render(
        vertices, intrinsics, (size, size), background, keypoints=keypoints, appearance=appearance, props=props
    )
    visibility = joint_visibility(picture, keypoints, keypoints_px)
    return SyntheticSample(
        image=how.effects.apply(picture.image, rng),
        keypoints_px=keypoints_px,
        keypoints_m=keypoints,
        visible=visibility >= BEHIND_HAND,
        intrinsics=intrinsics,
        side='right',
        key=key,
        weight_3d=0.0 if stretched else 1.0,
        betas=hand.betas,
        rotations=hand.rotations,
        angles=hand.angles,
        mask=picture.mask,
        depth=picture.depth,
        visibility=visibility,
        family=hand.family,
    )


class SyntheticHands(Sequence[SyntheticSample]):
    """An endless-looking data set of rendered hands: item i depends on (seed, i) alone, whichever process makes it.

    Args:
        seed: another seed, other hands.
        backgrounds: folder of photos (or a `Backgrounds`); patterns are made up when None.
        size: side of the pictures, pixels.
        length: number of items.
        variation: how far to vary.
        model: a right hand; the open hand when None.

    The renderer is made when the first item is wanted, so that the object itself is cheap to send to workers.

    Raises:
        ValueError: seed, size or length out of range, or an unusable background folder.
    """

    def __init__(
        self,
        seed: int,
        backgrounds: Backgrounds | Path | str | None = None,
        size: int = 128,
        length: int = 1 << 40,
        variation: SceneVariation | None = None,
        model: HandModel | None = None,
    ) -> None:
        if seed < 0:
            raise ValueError(f'seed: expected 0 or more, found {seed}')
        if size < 16:
            raise ValueError(f'size: expected 16 pixels or more, found {size}')
        if length < 0:
            raise ValueError(f'length: expected 0 or more, found {length}')
        self.seed, self.size, self.length, self.variation = seed, size, length, variation
        self.backgrounds = Backgrounds(backgrounds) if isinstance(backgrounds, (str, Path)) else backgrounds
        self._model = model
        self._studio: Studio | None = None

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> SyntheticSample: ...

    @overload
    def __getitem__(self, index: slice) -> list[SyntheticSample]: ...

    def __getitem__(self, index: int | slice) -> SyntheticSample | list[SyntheticSample]:
        """Sample `index`, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.length))]
        index = self._inside(index)
        return synthetic_sample(self._rng(index), self._shared(), self.variation, self.size, self.key(index))

    def key(self, index: int) -> str:
        """The name of sample `index`, without drawing it."""
        return f'synthetic-{self.seed}-{self._inside(index):07d}'

    def hand(self, index: int) -> BareHand:
        """Shape and pose of sample `index`, without drawing it: a twentieth of the work."""
        return bare_hand(self._rng(self._inside(index)), self._shared(), self.variation or SceneVariation())

    def _inside(self, index: int) -> int:
        if not -self.length <= index < self.length:
            raise IndexError(f'index: {index} is outside the {self.length} synthetic hands')
        return int(index) % self.length

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, index))

    def _shared(self) -> Studio:
        if self._studio is None:
            self._studio = Studio(self._model, self.backgrounds)
        return self._studio

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, '_studio': None}


def _background(rng: np.random.Generator, photos: Backgrounds | None, how: SceneVariation, size: int) -> np.ndarray:
    if photos is None or rng.random() < how.made_up:
        return made_up_background(rng, (size, size))
    return photos.sample(rng, size)
