"""One small example of every data set, what a reader must give for it, and the comparison of the two."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from native_layouts import dexter, ganerated, stb
from native_layouts.cmu import write_cmu_hand_labels, write_cmu_panoptic
from native_layouts.freihand import write_freihand
from native_layouts.real_hands import write_real_hands
from native_layouts.rhd import write_rhd
from native_layouts.scenes import render_scene

TIPS = [4, 8, 12, 16, 20]
RHD_CAMERA = np.array([[300.0, 0, 160], [0, 300, 160], [0, 0, 1]])
FREIHAND_CAMERA = np.array([[480.0, 0, 112], [0, 479, 112], [0, 0, 1]])
PHOTO_CAMERA = np.array([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]])


@dataclass(frozen=True)
class Truth:
    """What one sample must be; arrays as in Sample, `image` None where it was resampled."""

    image: np.ndarray | None
    side: str | None
    keypoints_px: np.ndarray
    keypoints_m: np.ndarray | None
    visible: np.ndarray
    intrinsics: np.ndarray | None


def truth(scene, hand=0, **changes):
    """The truth of one hand of a scene, with some fields other than the scene's."""
    hand = scene.hands[hand]
    fields = {
        'image': scene.image,
        'side': hand.side,
        'keypoints_px': hand.keypoints_px,
        'keypoints_m': hand.keypoints_m,
        'visible': hand.visible,
        'intrinsics': scene.intrinsics,
    }
    return Truth(**{**fields, **changes})


def only_2d(scene, **changes):
    return truth(scene, keypoints_m=None, intrinsics=None, **changes)


def all_visible(scene, **changes):
    return truth(scene, visible=np.ones(21, bool), **changes)


def only_tips(scene, known):
    """Of five tips, `known` (5,) bool are labelled; everything else is NaN."""
    hand = scene.hands[0]
    labelled = np.zeros(21, bool)
    labelled[TIPS] = known
    points, joints = hand.keypoints_px.copy(), hand.keypoints_m.copy()
    points[~labelled], joints[~labelled] = np.nan, np.nan
    return truth(scene, keypoints_px=points, keypoints_m=joints, visible=labelled)


def compare(samples, truths, px=2e-3, metres=2e-6):
    """Assert that samples are the truth within rounding, and that 3D labels project onto 2D labels."""
    assert len(samples) == len(truths)
    for sample, want in zip(samples, truths):
        assert sample.side == want.side, sample.key
        np.testing.assert_array_equal(sample.visible, want.visible, sample.key)
        np.testing.assert_allclose(sample.keypoints_px, want.keypoints_px, rtol=0, atol=px, err_msg=sample.key)
        assert (sample.keypoints_m is None) == (want.keypoints_m is None)
        if want.keypoints_m is not None:
            np.testing.assert_allclose(sample.keypoints_m, want.keypoints_m, rtol=0, atol=metres, err_msg=sample.key)
        assert (sample.intrinsics is None) == (want.intrinsics is None)
        if want.intrinsics is not None:
            np.testing.assert_allclose(sample.intrinsics, want.intrinsics, rtol=0, atol=1e-3)
            projected = sample.keypoints_m @ sample.intrinsics.T
            np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], sample.keypoints_px, rtol=0, atol=5 * px)
        if want.image is not None:
            assert sample.image.shape == want.image.shape
            assert np.abs(sample.image.astype(int) - want.image).mean() < 3, f'{sample.key}: another picture'


# Ways to write false labels. A reader with the opposite mistake would pass them and fail the true ones.


def _with_hand(scene, change):
    return replace(scene, hands=tuple(change(scene, hand) for hand in scene.hands))


def _permuted(order):
    return lambda scene: _with_hand(
        scene,
        lambda scene, hand: replace(
            hand,
            keypoints_px=hand.keypoints_px[order],
            keypoints_m=hand.keypoints_m[order],
            visible=hand.visible[order],
        ),
    )


def _in_space(change):
    return lambda scene: _with_hand(scene, lambda scene, hand: replace(hand, keypoints_m=change(hand.keypoints_m)))


def _mirrored_labels(scene):
    width = scene.image.shape[1]
    flip = np.array([width - 1.0, 0.0])
    return _with_hand(
        scene,
        lambda scene, hand: replace(
            hand,
            keypoints_px=np.abs(flip - hand.keypoints_px),
            keypoints_m=hand.keypoints_m * (-1, 1, 1),
        ),
    )


_WHOLE = list(range(21))
SPOILED = {
    'tips first': _permuted([0, *(4 * f + j for f in range(5) for j in (4, 3, 2, 1))]),
    'little finger first': _permuted([0, *(4 * f + j for f in (4, 3, 2, 1, 0) for j in (1, 2, 3, 4))]),
    'ring and little changed': _permuted([*_WHOLE[:13], *_WHOLE[17:], *_WHOLE[13:17]]),
    'millimetres for metres': _in_space(lambda points: points * 1000),
    'x turned round': _in_space(lambda points: points * (-1, 1, 1)),
    'y turned round': _in_space(lambda points: points * (1, -1, 1)),
    'moved by 2 cm': _in_space(lambda points: points + (0.02, 0, 0)),
    'labels mirrored': _mirrored_labels,
    'picture mirrored': lambda scene: replace(scene, image=np.ascontiguousarray(scene.image[:, ::-1])),
    'colours changed': lambda scene: replace(scene, image=cv2.cvtColor(scene.image, cv2.COLOR_BGR2RGB)),
    'moved by a pixel': lambda scene: _with_hand(
        scene, lambda scene, hand: replace(hand, keypoints_px=hand.keypoints_px + 1)
    ),
}
NO_3D = {'cmu_panoptic', 'cmu_hand_labels'}
PROJECTED = {'stb', 'dexter_object', 'ego_dexter', 'freihand'}
"""2D labels come from the 3D ones there, so false 2D labels cannot be written."""


def matters(name, spoiled):
    """Whether this falsehood can be written in this layout at all."""
    in_space = spoiled in ('millimetres for metres', 'x turned round', 'y turned round', 'moved by 2 cm')
    if in_space and name in NO_3D:
        return False
    if name == 'real_hands' and spoiled == 'moved by 2 cm':
        return False  # positions are relative there
    if name == 'ganerated' and spoiled == 'moved by a pixel':
        return False  # the crop is cut by the labels and moves along
    return not (name in PROJECTED and spoiled == 'moved by a pixel')


# The examples: each writes its data set below `root` and returns {split: truths}.


@lru_cache(maxsize=16)
def scenes(camera, size, sides, count, seed=0, distance=0.5):
    """`count` scenes; rendered once per test run."""
    k = {'rhd': RHD_CAMERA, 'freihand': FREIHAND_CAMERA, 'photo': PHOTO_CAMERA, 'gan': ganerated.CAMERA}
    k |= {'stb': stb.CAMERA, 'do': dexter.DO_CAMERA, 'eo': dexter.EO_CAMERA}
    return tuple(render_scene(seed + i, k[camera], size, sides[i % len(sides)], distance) for i in range(count))


def _plain(scene):
    return scene


def cmu_panoptic(root, spoil=_plain):
    hands = scenes('photo', (240, 320), (('right',),), 3)
    write_cmu_panoptic(root, [spoil(scene) for scene in hands], first=11)
    return {'train': [only_2d(scene) for scene in hands]}


def cmu_hand_labels(root, spoil=_plain):
    hands = scenes('photo', (240, 320), (('left',), ('right',)), 3, seed=20)
    train, test = hands[:2], hands[2:]
    write_cmu_hand_labels(root, [spoil(s) for s in train], [spoil(s) for s in test])
    splits = {'train': [only_2d(scene) for scene in train], 'test': [only_2d(scene) for scene in test]}
    return splits | {'all': splits['train'] + splits['test']}


def rhd(root, spoil=_plain):
    """Both hands in most pictures; more of the right one is visible in the first, of the left one in the second."""
    pictures = list(scenes('rhd', (320, 320), (('left', 'right'), ('right', 'left'), ('left',)), 3, seed=40))
    pictures[0] = _hide(pictures[0], 'left')
    pictures[1] = _hide(pictures[1], 'right')
    train, test = pictures[:2], pictures[2:]
    write_rhd(root, [spoil(s) for s in train], [spoil(s) for s in test])
    return {'train': [truth(train[0], 1), truth(train[1], 1)], 'test': [truth(test[0])]}


def rhd_both(root, spoil=_plain):
    """(splits with hands='both')"""
    main = rhd(root, spoil)
    pictures = list(scenes('rhd', (320, 320), (('left', 'right'), ('right', 'left'), ('left',)), 3, seed=40))
    first, second = _hide(pictures[0], 'left'), _hide(pictures[1], 'right')
    # right before left within a picture
    return {'train': [truth(first, 1), truth(first, 0), truth(second, 0), truth(second, 1)], 'test': main['test']}


def _hide(scene, side):
    """Most keypoints of the hand of this side are declared hidden."""
    few = np.arange(21) < 5
    return _with_hand(scene, lambda s, h: replace(h, visible=h.visible & few) if h.side == side else h)


def ganerated_hands(root, spoil=_plain):
    pictures = scenes('gan', ganerated.SIZE, (('left',),), 4, seed=60)
    ganerated.write_ganerated(root, [spoil(s) for s in pictures[:3]], [spoil(s) for s in pictures[3:]])
    true_crops = ganerated.write_ganerated(root.parent / f'{root.name}-truth', pictures[:3], pictures[3:])
    truths = []
    for (stem, points, camera), scene in zip(true_crops, pictures):
        picture = cv2.imread(str(root.parent / f'{root.name}-truth' / f'{stem}_color_composed.png'))
        truths.append(all_visible(scene, keypoints_px=points, intrinsics=camera, image=picture))
    return {'train': truths, 'no_object': truths[:3], 'with_object': truths[3:]}


def stb_hands(root, spoil=_plain):
    pictures = scenes('stb', stb.SIZE, (('left',),), 4, seed=80)
    order = {'B1Counting': (0, 1), 'B1Random': (2,)}
    order |= {f'B{number}{kind}': (number % 4,) for number in range(2, 7) for kind in ('Counting', 'Random')}
    stb.write_stb(root, {name: [spoil(pictures[i]) for i in chosen] for name, chosen in order.items()})

    def of(*numbers):
        names = [f'B{number}{kind}' for number in numbers for kind in ('Counting', 'Random')]
        return [all_visible(pictures[i]) for name in names for i in order[name]]

    return {
        'test': of(1), 'train': of(2, 3, 4, 5, 6), 'validation': of(2), 'train_val': of(3, 4, 5, 6),
        'all': of(1, 2, 3, 4, 5, 6),
    }  # fmt: skip


KNOWN = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
"""Which tips are labelled in four frames; the last two have too few to be scored."""


def dexter_object(root, spoil=_plain):
    pictures = scenes('do', dexter.SIZE, (('left',),), 4, seed=100, distance=0.4)
    frames = {name: [spoil(p) for p in pictures] for name in dexter.DO_SEQUENCES[:1]}
    frames |= {name: [spoil(pictures[1])] for name in dexter.DO_SEQUENCES[1:]}
    known = {name: KNOWN[: len(frames[name])] for name in dexter.DO_SEQUENCES}
    dexter.write_dexter_object(root, frames, known)
    truths = [only_tips(pictures[i], KNOWN[i]) for i in (0, 1)]
    return {'test': truths + [only_tips(pictures[1], KNOWN[0])] * 5}


def ego_dexter(root, spoil=_plain):
    pictures = scenes('eo', dexter.SIZE, (('left',),), 4, seed=120, distance=0.45)
    frames = {name: [spoil(p) for p in pictures] for name in dexter.EO_SEQUENCES[:1]}
    frames |= {name: [spoil(pictures[0])] for name in dexter.EO_SEQUENCES[1:]}
    known = {name: KNOWN[: len(frames[name])] for name in dexter.EO_SEQUENCES}
    dexter.write_ego_dexter(root, frames, known)
    truths = [only_tips(pictures[i], KNOWN[i]) for i in (0, 1)]
    return {'test': truths + [only_tips(pictures[0], KNOWN[0])] * 3}


def freihand(root, spoil=_plain):
    hands = scenes('freihand', (224, 224), (('right',),), 4, seed=140, distance=0.6)
    train, test = hands[:3], hands[3:]
    write_freihand(root, [spoil(s) for s in train], [spoil(s) for s in test])
    copies = [
        all_visible(scene, image=(scene.image * (1 - 0.1 * copy)).astype(np.uint8))
        for copy in range(4)
        for scene in train
    ]
    return {'train': copies, 'test': [all_visible(scene) for scene in test]}


def real_hands(root, spoil=_plain):
    hands = scenes('photo', (240, 320), (('left',), ('right',)), 4, seed=160)
    write_real_hands(root, [spoil(scene) for scene in hands])
    truths = [
        all_visible(
            scene,
            keypoints_m=scene.hands[0].keypoints_m - scene.hands[0].keypoints_m[9],
            intrinsics=None,
            side=scene.hands[0].side if number else None,
        )
        for number, scene in enumerate(hands)
    ]
    return {'all': truths}


EXAMPLES = {
    'cmu_panoptic': cmu_panoptic,
    'cmu_hand_labels': cmu_hand_labels,
    'rhd': rhd,
    'ganerated': ganerated_hands,
    'stb': stb_hands,
    'dexter_object': dexter_object,
    'ego_dexter': ego_dexter,
    'freihand': freihand,
    'real_hands': real_hands,
}
"""Name → function(root, spoil) → {split: truths}."""
ROUNDED = {'real_hands': {'px': 0.006, 'metres': 2e-5}}
"""Tolerances of layouts that store few decimals."""
