"""Whether an engine says what the plain network says; one that does not is refused, however fast it is."""

from __future__ import annotations

import math

import numpy as np
import torch

from minimal_hand_core.detnet import load_detnet
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.inference.engine import EngineError, EngineMaps, NetworkEngine
from minimal_hand_core.inference.graph import KeypointGraph

LARGEST = {'float32': 2e-3, 'float16': 0.05, 'int8': 0.5}
LARGEST_REDUCED = 0.15
"""Largest difference of a map from PyTorch's in float32, in units of its largest value (1 at least), by precision.

On real crops float16 differs by 0.007 and bfloat16 by 0.11, neither of which costs accuracy (area under PCK 0.8927 and
0.8926 on 24; 0.868 both ways on 60). Two runtimes with the same INT8 file, which costs 0.0008, differ by 0.28."""


def check_agreement(engine: NetworkEngine, wanted: EngineMaps) -> None:
    """Raise EngineError where the engine's maps of `probe_crops` are further from `wanted` than its precision lets."""
    apart, limit = disagreement(engine.maps(probe_crops()), wanted), LARGEST.get(engine.precision, LARGEST_REDUCED)
    if not apart <= limit:
        raise EngineError(f'its maps are {apart:.2g} from those of torch, more than {limit:g}')


def plain_maps(weights: str, threads: int = 1) -> EngineMaps:
    """Maps of `probe_crops` by the network as it is, in float32 on the CPU; raises CheckpointError as `load_detnet`."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            found = KeypointGraph(load_detnet(weights))(torch.from_numpy(probe_crops()))
    finally:
        torch.set_num_threads(before)  # it is the whole process's
    return EngineMaps(*(maps.numpy() for maps in found[-len(EngineMaps._fields) :]))


def probe_crops(count: int = 2) -> np.ndarray:
    """(count, 128, 128, 3) uint8: smooth coloured noise, the same each time; all that engines have to agree on."""
    coarse = np.random.default_rng(0).uniform(-0.5, 1.5, (count, 9, 9, 3))
    place = np.linspace(0, 8, CROP_SIZE)
    low = np.minimum(place.astype(int), 7)
    share = (place - low)[:, None]
    rows = coarse[:, low] * (1 - share[:, None]) + coarse[:, low + 1] * share[:, None]
    fine = rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share
    return np.clip(255 * fine, 0, 255).astype(np.uint8)


def disagreement(maps: EngineMaps, wanted: EngineMaps) -> float:
    """Largest difference of maps, in units of the wanted map's largest value (1 at least); infinite where it is NaN."""
    pairs = zip(maps, wanted)
    worst = [float(np.abs(mine - other).max()) / max(1.0, float(np.abs(other).max())) for mine, other in pairs]
    # NaN must not pass as agreement, whatever the comparison.
    return max(value if math.isfinite(value) else math.inf for value in worst)
