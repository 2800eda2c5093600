"""RHD: a pickle of dictionaries, and PNGs of colour, mask and depth."""

import pickle

import cv2
import numpy as np

from minimal_hand_core.hand.skeleton import FINGERS, JOINT_KEYPOINTS
from native_layouts.scenes import fingers_stored, rows_named, save

STORED = ['wrist', *fingers_stored(FINGERS, inwards=True)]


def write_rhd(root, train, test, protocol=2):
    """`training/` and `evaluation/`. A scene may have one hand of each side; an absent hand gets hidden rows."""
    for folder, scenes in (('training', train), ('evaluation', test)):
        labels = {}
        for number, scene in enumerate(scenes):
            uv_vis, xyz = np.zeros((42, 3), np.float32), np.full((42, 3), 0.5, np.float32)
            mask = np.zeros(scene.image.shape[:2], np.uint8)
            mask[: mask.shape[0] // 8] = 1  # a part of the person that is no hand
            for hand in scene.hands:
                rows = slice(0, 21) if hand.side == 'left' else slice(21, 42)
                uv_vis[rows, :2] = rows_named(STORED, hand.keypoints_px)
                uv_vis[rows, 2] = rows_named(STORED, hand.visible)
                xyz[rows] = rows_named(STORED, hand.keypoints_m)
                mask[hand.mask] = _parts(hand)[hand.mask]
            labels[number] = {'uv_vis': uv_vis, 'xyz': xyz, 'K': scene.intrinsics.astype(np.float32)}
            save(root / folder / 'color' / f'{number:05d}.png', scene.image)
            save(root / folder / 'mask' / f'{number:05d}.png', mask)
            save(root / folder / 'depth' / f'{number:05d}.png', _depth_picture(scene.depth))
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f'anno_{folder}.pickle').write_bytes(pickle.dumps(labels, protocol=protocol))


def _parts(hand):
    """(H, W) uint8: every pixel's nearest of 16 joints, 2–17 on a left hand and 18–33 on a right one."""
    height, width = hand.mask.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    joints = hand.keypoints_px[list(JOINT_KEYPOINTS)]
    nearest = np.argmin((x[..., None] - joints[:, 0]) ** 2 + (y[..., None] - joints[:, 1]) ** 2, axis=2)
    return (nearest + (2 if hand.side == 'left' else 18)).astype(np.uint8)


def _depth_picture(depth):
    """(R · 256 + G) / 65535 · 5 metres."""
    value = np.round(np.where(depth > 0, depth, 5.0) / 5 * 65535).astype(np.uint16)
    red, green = (value >> 8).astype(np.uint8), (value & 255).astype(np.uint8)
    return cv2.merge([np.zeros_like(red), green, red])
