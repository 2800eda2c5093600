"""Dexter+Object and EgoDexter: five tips a line, millimetres of the depth camera, each with its own signs and gaps."""

import numpy as np

from native_layouts.scenes import save

SIZE = (480, 640)
DO_CAMERA = np.array([[587.45209, 0, 325], [0, 600.67456, 249], [0, 0, 1]])
DO_DEPTH_TO_COLOR = np.array(
    [[0.9999, 0.0034, 0.0161, 19.0473], [-0.0033, 1.0, -0.0079, -1.8514], [-0.0162, 0.0079, 0.9998, -4.7501]]
)
EO_CAMERA = np.array([[617.173, 0, 315.453], [0, 617.173, 242.259], [0, 0, 1]])
EO_DEPTH_TO_COLOR = np.array(
    [[1.0, 0.00090442, -0.0074, 20.2365], [-0.00071933, 0.9997, 0.0248, 1.2846], [0.0075, -0.0248, 0.9997, 5.7360]]
)
DO_SEQUENCES = ('Grasp1', 'Grasp2', 'Occlusion', 'Rigid', 'Pinch', 'Rotate')
EO_SEQUENCES = ('Desk', 'Fruits', 'Kitchen', 'Rotunda')


def depth_tips(hand, depth_to_color):
    """(5, 3) millimetres of the depth camera, x right, y down: what the colour camera sees, carried back."""
    color = 1000 * hand.keypoints_m[[4, 8, 12, 16, 20]]
    return np.linalg.solve(depth_to_color[:, :3], (color - depth_to_color[:, 3]).T).T


def write_dexter_object(root, scenes, labelled, predictions=True):
    """`scenes` per sequence; `labelled` per sequence (frames, 5) bool, which tips the file has."""
    guesses = []
    for name in DO_SEQUENCES:
        lines = []
        for number, (scene, known) in enumerate(zip(scenes[name], labelled[name])):
            tips = depth_tips(scene.hands[0], DO_DEPTH_TO_COLOR) * (-1, -1, 1)
            tips[~known] = (0, 0, 32001)
            lines.append('; '.join(', '.join(f'{value:.4f}' for value in tip) for tip in tips))
            save(root / 'data' / name / 'color' / f'image_{number:05d}_color.png', scene.image)
            guesses.append(scene.hands[0].keypoints_px + 2)
        folder = root / 'data' / name / 'annotations'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{name}3D.txt').write_text('\n'.join(lines) + '\n')
        lines[0] = '; '.join(['0, 0, 32001'] * 5)  # the edited labels have one frame less
        (folder / f'my_{name}3D.txt').write_text('\n'.join(lines) + '\n')
    if predictions:
        np.save(root / 'DO_pred_2d.npy', np.array(guesses))


def write_ego_dexter(data, scenes, labelled):
    """`scenes` per sequence; `labelled` per sequence (frames, 5) bool. `data` is EgoDexter/data."""
    for name in EO_SEQUENCES:
        lines, edited = [], []
        for number, (scene, known) in enumerate(zip(scenes[name], labelled[name])):
            tips = depth_tips(scene.hands[0], EO_DEPTH_TO_COLOR)
            tips[~known] = 0
            groups = [','.join(f'{value:.4f}' for value in tip) + '; ' for tip in tips]
            lines.append(''.join(groups).rstrip(' '))
            edited.append(''.join(group if seen else ',,; ' for group, seen in zip(groups, known)))
            save(data / name / 'color' / f'image_{number:05d}_color.png', scene.image)
        (data / name / 'annotation.txt_3D.txt').write_text('\n'.join(lines) + '\n')
        (data / name / 'my_annotation.txt_3D.txt').write_text('\n'.join(edited) + '\n')
        (data / name / 'annotation.txt').write_text('-1,-1;' * 5 + '\n')
