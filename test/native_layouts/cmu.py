"""CMU hand143_panopticdb and hand_labels: JSON, pixels, canonical order."""

import json

import numpy as np

from native_layouts.scenes import save


def write_cmu_panoptic(root, scenes, first=0):
    """`imgs/%08d.jpg` and one JSON with 21×3 (x, y, valid); numbers of pictures need not begin at 0."""
    records = []
    for number, scene in enumerate(scenes, first):
        hand = scene.hands[0]
        height, width = scene.image.shape[:2]
        joints = [[float(x), float(y), float(seen)] for (x, y), seen in zip(hand.keypoints_px, hand.visible)]
        middle = hand.keypoints_px.mean(axis=0)
        records.append(
            {
                'dataset': 'hand_v143',
                'img_paths': f'imgs/{number:08d}.jpg',
                'img_width': width,
                'img_height': height,
                'objpos': middle.tolist(),
                'joint_self': joints,
                'scale_provided': float(np.ptp(hand.keypoints_px, axis=0).max() / 368),
            }
        )
        save(root / records[-1]['img_paths'], scene.image)
    (root / 'hands_v143_14817.json').write_text(json.dumps({'root': records}))


def write_cmu_hand_labels(root, train, test):
    """`manual_train` and `manual_test` with pairs NAME.json, NAME.jpg."""
    for folder, scenes in (('manual_train', train), ('manual_test', test)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number, scene in enumerate(scenes):
            hand = scene.hands[0]
            name = f'{1000 + 37 * number:09d}_01_{hand.side[0]}'
            points = np.column_stack([hand.keypoints_px, hand.visible])
            label = {'hand_pts': points.tolist(), 'is_left': int(hand.side == 'left')}
            (root / folder / f'{name}.json').write_text(json.dumps(label))
            save(root / folder / f'{name}.jpg', scene.image)
