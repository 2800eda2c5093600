"""The folder of photos with pseudo labels: labels.json, root-relative metres, sides that may be unknown."""

import json

import numpy as np

from native_layouts.scenes import save


def write_real_hands(root, scenes):
    """One crop per scene; the origin of `world_m` lies somewhere in the palm, as in the original."""
    records = []
    for number, scene in enumerate(scenes):
        hand = scene.hands[0]
        palm = hand.keypoints_m[[5, 9, 13, 17]].mean(axis=0)
        records.append(
            {
                'file': f'images/subhih/{number:05d}.jpg',
                'source': 'subhih',
                'tier': 'AB'[number % 2],
                'keypoints_px': np.round(hand.keypoints_px, 2).tolist(),
                'world_m': np.round(hand.keypoints_m - palm, 5).tolist(),
                'near_dup_group': f'group_{number}',
                'side': hand.side if number else None,
            }
        )
        save(root / records[-1]['file'], scene.image)
    root.mkdir(parents=True, exist_ok=True)
    (root / 'labels.json').write_text(json.dumps(records))
