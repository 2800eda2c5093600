"""A folder of labelled photos of nothing: noise, with keypoints anywhere."""

import json

import cv2
import numpy as np


def write_photos(folder, marks):
    """One picture per mark, {'source': …, 'near_dup_group': …, 'side': …}, all of tier A; returns the folder."""
    (folder / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    records = []
    for i, mark in enumerate(marks):
        name = f'images/{i}.png'
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (140, 100, 3), np.uint8))
        labels = {'keypoints_px': rng.uniform(20, 90, (21, 2)).tolist(), 'world_m': rng.normal(size=(21, 3)).tolist()}
        records.append({'file': name, **labels, 'tier': 'A', **mark})
    (folder / 'labels.json').write_text(json.dumps(records))
    return folder
