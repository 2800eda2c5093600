"""STB: MATLAB files, millimetres of the depth camera, palm in place of the wrist, little finger first."""

import numpy as np
import scipy.io
from scipy.spatial.transform import Rotation

from native_layouts.scenes import fingers_stored, rows_named, save

CAMERA = np.array([[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1]])
SIZE = (480, 640)
STORED = ['wrist', *fingers_stored(('little', 'ring', 'middle', 'index', 'thumb'), inwards=False)]
TURN = Rotation.from_rotvec((0.00531, -0.01196, 0.00301)).as_matrix()
SHIFT_MM = np.array([-24.0381, -0.4563, -1.2326])


def write_stb(root, scenes):
    """All twelve sequences; `scenes` maps names such as B1Counting to scenes, absent ones are left out."""
    for name, frames in scenes.items():
        labels = np.zeros((3, 21, len(frames)))
        for number, scene in enumerate(frames):
            hand = scene.hands[0]
            joints = hand.keypoints_m.copy()
            joints[0] = (hand.keypoints_m[0] + hand.keypoints_m[13]) / 2  # the palm: half-way to the ring finger
            depth = (TURN @ (1000 * joints).T).T + SHIFT_MM
            labels[:, :, number] = rows_named(STORED, depth).T
            save(root / 'images' / name / f'SK_color_{number}.png', scene.image)
            save(root / 'images' / name / f'SK_depth_{number}.png', _depth_picture(scene.depth))
            save(root / 'images' / name / f'SK_depth_seg_{number}.png', _depth_picture(scene.depth))
        (root / 'labels').mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(root / 'labels' / f'{name}_SK.mat', {'handPara': labels})
        scipy.io.savemat(root / 'labels' / f'{name}_BB.mat', {'handPara': labels + 60})


def _depth_picture(depth):
    """R + 256 · G millimetres."""
    value = np.round(depth * 1000).astype(np.uint16)
    red, green = (value & 255).astype(np.uint8), (value >> 8).astype(np.uint8)
    return np.dstack([np.zeros_like(red), green, red])
