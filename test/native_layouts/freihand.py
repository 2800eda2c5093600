"""FreiHAND: JSON lists, metres, four copies of the training pictures."""

import json

import numpy as np

from native_layouts.scenes import save


def write_freihand(root, train, test, test_labels=True):
    """Training pictures four times (the later copies darker), evaluation pictures once."""
    for folder, scenes, copies in (('training', train, 4), ('evaluation', test, 1)):
        for copy in range(copies):
            for number, scene in enumerate(scenes):
                image = (scene.image * (1 - 0.1 * copy)).astype(np.uint8)
                save(root / folder / 'rgb' / f'{copy * len(scenes) + number:08d}.jpg', image)
        hands = [scene.hands[0] for scene in scenes]
        lists = {
            'K': [scene.intrinsics.tolist() for scene in scenes],
            'scale': [float(np.linalg.norm(h.keypoints_m[10] - h.keypoints_m[9])) for h in hands],
        }
        if folder == 'training' or test_labels:
            lists['xyz'] = [hand.keypoints_m.tolist() for hand in hands]
        if folder == 'training':
            lists['mano'] = [[list(np.linspace(-1, 1, 61) + number)] for number in range(len(hands))]
            for number, hand in enumerate(hands):
                save(root / folder / 'mask' / f'{number:08d}.jpg', np.where(hand.mask, 255, 0).astype(np.uint8))
        for name, values in lists.items():
            (root / f'{folder}_{name}.json').write_text(json.dumps(values))
