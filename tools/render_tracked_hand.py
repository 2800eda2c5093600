#!/usr/bin/env python3
"""Renders docs/images/tracked_hand.jpg: a rendered hand, followed by the tracker, with the mesh and skeleton it found.

Usage: python tools/render_tracked_hand.py [--seed 8] [--times 0.8 4.0 5.0 9.0] [--output docs/images/tracked_hand.jpg]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.data.rendered import RenderedSource, rendered_hand_length  # noqa: E402
from minimal_hand_core.drawing import contact_sheet, draw_skeleton  # noqa: E402
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig  # noqa: E402

RATE = 15.0
SIZE = (720, 960)
SIDE = 440
"""Of what is cut out round the hand, pixels."""
SKIN = np.array((235.0, 205.0, 120.0))
"""Colour of the mesh, BGR."""
ALPHA = 0.62


def draw_mesh(picture: np.ndarray, vertices: np.ndarray, uv: np.ndarray, faces: np.ndarray) -> None:
    """The mesh over the picture, half transparent, lit from the camera; far triangles first."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.einsum('fi,fi->f', normals, corners.mean(axis=1)) < 0
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    light = 0.35 + 0.65 * np.clip(normals @ np.array((-0.3, -0.5, -0.81)), 0, 1)
    layer, mask = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    for f in np.argsort(-corners[:, :, 2].mean(axis=1)):
        if facing[f]:
            corner = np.rint(uv[faces[f]] * 16).astype(np.int32)
            cv2.fillConvexPoly(layer, corner, (SKIN * light[f]).tolist(), cv2.LINE_AA, 4)
            cv2.fillConvexPoly(mask, corner, 255, cv2.LINE_8, 4)
    soft = ALPHA * cv2.GaussianBlur(mask, (3, 3), 0)[..., None] / 255
    picture[:] = (soft * layer + (1 - soft) * picture).astype(np.uint8)


def tracked(seed: int, times: list[float]) -> list[np.ndarray]:
    """Pictures at these seconds, each beside itself with what was found."""
    source = RenderedSource(seed=seed, rate=RATE, size=SIZE)
    tracker = HandTracker(HandTrackerConfig(backend='torch', hand_length=rendered_hand_length('open', seed)))
    faces = tracker.pose.model.faces.numpy()
    wanted = {round(time * RATE) for time in times}
    tiles = []
    for n in range(max(wanted) + 1):
        shot = source.read()
        state = tracker.track(shot.image, n / RATE, source.camera)
        if n not in wanted:
            continue
        if state is None:
            raise SystemExit(f'no hand was found {n / RATE:.1f} s after the start: choose other times')
        found = shot.image.copy()
        vertices = tracker.mesh(state)
        draw_mesh(found, vertices, source.camera.project(vertices), faces)
        draw_skeleton(found, source.camera.project(state.keypoints_m), 3)
        middle = source.camera.project(state.keypoints_m).mean(axis=0)
        x, y = np.clip(np.rint(middle - SIDE / 2), 0, np.array(SIZE[::-1]) - SIDE).astype(int)
        tiles.append(np.vstack([whole[y : y + SIDE, x : x + SIDE] for whole in (shot.image, found)]))
    return tiles


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seed', type=int, default=8)
    parser.add_argument('--times', type=float, nargs='+', default=[0.8, 4.0, 5.0, 9.0])
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'images' / 'tracked_hand.jpg')
    options = parser.parse_args()
    torch.set_num_threads(1)
    sheet = contact_sheet(tracked(options.seed, options.times), len(options.times), 300)
    cv2.imwrite(str(options.output), sheet)
    print(f'{options.output}: {sheet.shape[1]}×{sheet.shape[0]}, {options.output.stat().st_size // 1000} kB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
