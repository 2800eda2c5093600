"""GANerated Hands: four small files per picture, millimetres, left hands, crops of a 640×480 picture."""

import cv2
import numpy as np

from native_layouts.scenes import save

CAMERA = np.array([[617.173, 0, 315.453], [0, 617.173, 242.259], [0, 0, 1]])
SIZE = (480, 640)


def write_ganerated(data, without, with_object, per_folder=2, crop_params=True):
    """`noObject/` and `withObject/` below `data`, numbered folders with `per_folder` pictures each.

    The scenes are of the whole 640×480 picture; what the files should say of the crop comes back.

    Returns:
        list of (stem relative to data, keypoints_px (21, 2) of the 256-pixel picture, its intrinsics (3, 3)).
    """
    crops = []
    for half, scenes in (('noObject', without), ('withObject', with_object)):
        for number, scene in enumerate(scenes):
            stem = f'{half}/{number // per_folder + 1:04d}/{number % per_folder + 1:04d}'
            hand = scene.hands[0]
            low, high = hand.keypoints_px.min(axis=0), hand.keypoints_px.max(axis=0)
            side = 1.6 * (high - low).max()
            corner = np.round((low + high - side) / 2)
            scale = 256 / side
            matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
            save(data / f'{stem}_color_composed.png', cv2.warpAffine(scene.image, matrix, (256, 256)))
            points = (hand.keypoints_px - corner) * scale
            camera = np.array([[scale, 0, matrix[0, 2]], [0, scale, matrix[1, 2]], [0, 0, 1]]) @ scene.intrinsics
            root = hand.keypoints_m[9]
            unit = np.linalg.norm(hand.keypoints_m[9] - hand.keypoints_m[0])
            files = {
                'joint2D': points,
                'joint_pos_global': hand.keypoints_m * 1000,
                'joint_pos': (hand.keypoints_m - root) / unit,
            }
            if crop_params:
                files['crop_params'] = np.array([*corner, scale])
            for name, values in files.items():
                text = ','.join(f'{value:.6f}' for value in values.reshape(-1))
                (data / f'{stem}_{name}.txt').write_text(text + '\n')
            crops.append((stem, points, camera))
    return crops
