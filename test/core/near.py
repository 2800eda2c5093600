"""Answers of an engine held against those of the plain network."""

import numpy as np
import torch

from minimal_hand_core.detnet import save_detnet
from minimal_hand_core.inference import available_backends, create_engine
from minimal_hand_core.inference.engine import KEYPOINT_OUTPUTS
from minimal_hand_core.inference.graph import KeypointGraph

TOLERANCE = {'uv': 0.01, 'xyz': 1e-4, 'confidence': 1e-4}
ROUGH = {'uv': 3, 'xyz': 3e-3, 'confidence': 3e-3}
"""The same of bfloat16, of the median: a tenth of a pixel and more is what its maps differ by."""


def check_near(backend, name, found, wanted, tolerance, rough):
    """Nothing is as far apart as its tolerance; in bfloat16 the median is not as far as the rough one.

    Args:
        tolerance, rough: by name of the output.
    """
    apart = np.abs(found - wanted)
    if backend == 'torch:bfloat16':
        assert np.median(apart) < rough[name], (name, apart.max())
    else:
        assert apart.max() < tolerance[name], (backend, name)


def check_engines(network, crops, path):
    """Every engine reads the network from a file at `path` and answers as it does; returns its answers by name."""
    save_detnet(network, path, half=False)
    with torch.no_grad():
        wanted = dict(zip(KEYPOINT_OUTPUTS, KeypointGraph(network)(torch.from_numpy(crops))))
    for backend in available_backends():
        output = create_engine(backend, str(path)).run(crops)
        for name in TOLERANCE:
            check_near(backend, name, getattr(output, name), wanted[name].numpy(), TOLERANCE, ROUGH)
    return wanted
