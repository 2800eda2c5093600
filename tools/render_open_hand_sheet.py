#!/usr/bin/env python3
"""Renders the open hand in 20 poses into one contact sheet, to check it by looking.

Usage: python tools/render_open_hand_sheet.py [--source open|PATH] [--output docs/images/open_hand_poses.jpg]
       python tools/render_open_hand_sheet.py --poses components --output components.png

The second shows the mean pose from all sides, and what the first principal directions of its poses do.

Faces seen from inside are drawn blue, so that a hole, a fold or a face the wrong way round shows at once.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.hand import FINGER_COLORS_BGR, FINGER_KEYPOINTS, HandModel, load_hand_model  # noqa: E402
from minimal_hand_core.pose.angles import ANGLE_NAMES, JointAxes, rotations_from_angles  # noqa: E402

TILE, SUPERSAMPLE, EXTENT = 264, 3, 0.225
INSIDE = np.array([200.0, 60, 30])
SKIN = np.array([150.0, 180, 225])
LIGHT = np.array([-0.35, -0.5, -0.8]) / np.linalg.norm([-0.35, -0.5, -0.8])

VIEWS = {
    'back': np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0.0]]),
    'palm': np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0.0]]),
    'thumb side': np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1.0]]),
    'little side': np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1.0]]),
    'front': np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0.0]]),
}
"""Rows: the camera's right, down and forward in the hand's frame."""


def turned(view: str, yaw: float = 0, pitch: float = 0) -> np.ndarray:
    """A view turned by yaw about its down axis and then pitch about its right axis, degrees."""
    yaw, pitch = np.radians([yaw, pitch])
    about_down = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return about_right @ about_down @ VIEWS[view]


def bent(*fingers: str, mcp: float = 80, pip: float = 95, dip: float = 60) -> dict[str, float]:
    """Angles of fingers folded towards the palm."""
    return {f'{f}_{j}_flexion': a for f in fingers for j, a in (('mcp', mcp), ('pip', pip), ('dip', dip))}


LONG = ('index', 'middle', 'ring', 'little')
SPREAD = {'index_mcp_abduction': 14, 'middle_mcp_abduction': 2, 'ring_mcp_abduction': 12, 'little_mcp_abduction': 22}
THUMB_OVER = {'thumb_cmc_flexion': 31, 'thumb_cmc_abduction': -12, 'thumb_mcp_flexion': 26, 'thumb_ip_flexion': 47}
THUMB_IN = {'thumb_cmc_flexion': 35, 'thumb_cmc_abduction': -5, 'thumb_mcp_flexion': 40, 'thumb_ip_flexion': 30}
THUMB_OUT = {'thumb_cmc_flexion': -20, 'thumb_cmc_abduction': -5, 'thumb_ip_flexion': -10}
PINCH = {
    **bent('index', mcp=59, pip=50, dip=27),
    'thumb_cmc_flexion': 22,
    'thumb_cmc_abduction': 5,
    'thumb_mcp_flexion': 22,
    'thumb_ip_flexion': 22,
}
FIST = {**bent(*LONG), **THUMB_OVER}

POSES: tuple[tuple[str, dict[str, float], np.ndarray, dict[int, float]], ...] = (
    ('flat, back', {}, turned('back'), {}),
    ('flat, palm', {}, turned('palm'), {}),
    ('flat, thumb side', {}, turned('thumb side'), {}),
    ('flat, front', {}, turned('front', 20, 15), {}),
    ('spread, back', {**SPREAD, **THUMB_OUT}, turned('back'), {}),
    ('thumb bent', {'thumb_mcp_flexion': 50, 'thumb_ip_flexion': 70}, turned('palm'), {}),
    ('index bent', bent('index'), turned('thumb side', 25), {}),
    ('middle bent', bent('middle'), turned('palm', 25), {}),
    ('ring bent', bent('ring'), turned('palm', -20), {}),
    ('little bent', bent('little'), turned('little side', -30), {}),
    ('fist, palm', FIST, turned('palm'), {}),
    ('fist, back', FIST, turned('back', 0, -25), {}),
    ('fist, thumb side', FIST, turned('thumb side', 20), {}),
    ('point', {**bent('middle', 'ring', 'little'), **THUMB_OVER}, turned('thumb side', 35), {}),
    ('pinch', PINCH, turned('thumb side', 30), {}),
    (
        'V sign',
        {**bent('ring', 'little'), **THUMB_OVER, 'index_mcp_abduction': 14, 'middle_mcp_abduction': -10},
        turned('palm'),
        {},
    ),
    ('thumb across, palm', THUMB_IN, turned('palm'), {}),
    ('thumb out, fingers at MCP', {**bent(*LONG, mcp=85, pip=0, dip=0), **THUMB_OUT}, turned('thumb side', 30), {}),
    ('betas 1 to 9 = +2.5', bent(*LONG, mcp=15, pip=20, dip=10), turned('palm', 15), dict.fromkeys(range(1, 10), 2.5)),
    ('betas 1 to 9 = -2.5', bent(*LONG, mcp=15, pip=20, dip=10), turned('palm', 15), dict.fromkeys(range(1, 10), -2.5)),
)
"""Name, angles in degrees, view, betas that are not 0."""


def pose(model: HandModel, degrees: dict[str, float], betas: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and keypoints (21, 3)."""
    shape = torch.zeros(1, 10)
    for index, value in betas.items():
        shape[0, index] = value
    angles = np.radians([degrees.get(name, 0.0) for name in ANGLE_NAMES])
    rotations = rotations_from_angles(angles, JointAxes.from_model(model, shape[0].numpy()))
    with torch.inference_mode():
        hand = model(torch.as_tensor(np.asarray(rotations), dtype=torch.float32)[None], shape)
    return hand.vertices[0].double().numpy(), hand.keypoints[0].double().numpy()


def rasterise(pixels: np.ndarray, depths: np.ndarray, colours: np.ndarray, faces: np.ndarray, size: int) -> np.ndarray:
    """Depth-buffered triangles with one colour (F, 3) each, on a dark ground; (size, size, 3) float."""
    image, nearest = np.full((size, size, 3), 34.0), np.full((size, size), np.inf)
    for face, colour in zip(faces, colours):
        corner = pixels[face]
        low = np.clip(np.floor(corner.min(axis=0)).astype(int), 0, size)
        high = np.clip(np.ceil(corner.max(axis=0)).astype(int) + 1, 0, size)
        (ax, ay), (bx, by), (cx, cy) = corner
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9 or (high <= low).any():
            continue
        x, y = np.arange(low[0], high[0]), np.arange(low[1], high[1])[:, None]
        v = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        w = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        depth = (1 - v - w) * depths[face[0]] + v * depths[face[1]] + w * depths[face[2]]
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        visible = (v >= 0) & (w >= 0) & (v + w <= 1) & (depth < nearest[window])
        nearest[window][visible] = depth[visible]
        image[window][visible] = colour
    return image


def draw(vertices: np.ndarray, faces: np.ndarray, keypoints: np.ndarray, view: np.ndarray) -> np.ndarray:
    """One tile, BGR uint8, in parallel projection; the skeleton small in the corner."""
    size = TILE * SUPERSAMPLE
    centre = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    seen = (vertices - centre) @ view.T
    corners = seen[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    light = 0.25 + 0.75 * np.clip(normals @ LIGHT, 0, 1)
    colours = np.where(normals[:, 2:] < 0, SKIN * light[:, None], INSIDE)
    image = rasterise(seen[:, :2] * (size / EXTENT) + size / 2, seen[:, 2], colours, faces, size)
    image = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA).round().astype(np.uint8)

    points = ((keypoints - centre) @ view.T)[:, :2] * (TILE / EXTENT) + TILE / 2
    small = np.round((points * 0.28 + [TILE * 0.72, TILE * 0.72]) * 16).astype(np.int32)
    for finger, chain in FINGER_KEYPOINTS.items():
        line = small[[0, *chain]].reshape(-1, 1, 2)
        cv2.polylines(image, [line], False, FINGER_COLORS_BGR[finger], 1, cv2.LINE_AA, 4)
    return image


def named_tile(model: HandModel, name: str, hand: tuple[np.ndarray, np.ndarray], view: np.ndarray) -> np.ndarray:
    """Vertices and keypoints drawn with a name above."""
    tile = draw(hand[0], model.faces.numpy(), hand[1], view)
    cv2.putText(tile, name, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 230), 1, cv2.LINE_AA)
    return tile


def in_rows(tiles: list[np.ndarray], columns: int = 5) -> np.ndarray:
    """Tiles side by side, (rows·TILE, columns·TILE, 3) BGR uint8."""
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def sheet(model: HandModel) -> np.ndarray:
    """All POSES."""
    return in_rows([named_tile(model, name, pose(model, degrees, betas), view) for name, degrees, view, betas in POSES])


def component_sheet(model: HandModel, count: int = 5) -> np.ndarray:
    """The mean pose from five sides; then `count` principal directions at −2 … 2 standard deviations."""
    deviations = model.pose_space.deviations

    def posed(coefficients: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            hand = model(model.pose_space.from_pca(coefficients[None]), torch.zeros(1, 10))
        return hand.vertices[0].double().numpy(), hand.keypoints[0].double().numpy()

    mean = posed(torch.zeros(count))
    tiles = [named_tile(model, f'mean, {view}', mean, turned(view)) for view in VIEWS]
    for k in range(count):
        for steps in (-2, -1, 0, 1, 2):
            hand = posed(steps * deviations[k] * torch.eye(count)[k])
            tiles.append(named_tile(model, f'direction {k}, {steps:+} sd', hand, turned('thumb side', 35)))
    return in_rows(tiles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', default='open', help='"open" or a path, as for load_hand_model')
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('--poses', default='gestures', choices=('gestures', 'components'))
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'images' / 'open_hand_poses.jpg')
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet = sheet if arguments.poses == 'gestures' else component_sheet
    image = draw_sheet(load_hand_model(arguments.source, arguments.side))
    if not cv2.imwrite(str(arguments.output), image):
        raise SystemExit(f'cannot write {arguments.output}')
    print(f'{arguments.output}: {arguments.output.stat().st_size // 1024} kB')


if __name__ == '__main__':
    main()
