"""backend 'auto': the engines of this machine are measured once, and the fastest that agrees with 'torch' is taken.

The result is kept in the user's cache folder under all it depends on: processor, threads, package versions, weights.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from minimal_hand_core.cache import cache_folder
from minimal_hand_core.detnet import CheckpointError
from minimal_hand_core.detnet.checkpoint import weights_file
from minimal_hand_core.errors import one_line
from minimal_hand_core.files import write_atomically
from minimal_hand_core.inference.agreement import check_agreement, probe_crops
from minimal_hand_core.inference.availability import INSTALL, NEEDED, available_backends, versions
from minimal_hand_core.inference.create import build_engine
from minimal_hand_core.inference.engine import EngineError, EngineMaps, NetworkEngine
from minimal_hand_core.inference.machine import cpu_model, usable_cores
from minimal_hand_core.inference.onnx_model import EXPORT_VERSION, ONNX, digest

ONLY_BY_NAME = {'onnxruntime:tensorrt', 'openvino:npu'}
"""Backends that 'auto' leaves out: minutes to start, or made to save power."""
ROUNDS, LEAST_ROUNDS = 30, 4
SECONDS = 2.0
"""Time for measuring, all engines together, of which the slowest networks take as much as LEAST_ROUNDS need."""
_log = logging.getLogger(__name__)


def choose(weights: str = 'default', threads: int = 1) -> str:
    """The fastest backend for these weights on this machine; one line of the log says which, and the figures.

    Raises:
        EngineError: no engine here runs the weights, which are a `.onnx` file.
        CheckpointError: weights that cannot be read or do not fit.
    """
    path = weights_file(weights)
    names = [name for name in available_backends() if name not in ONLY_BY_NAME]
    if path.suffix == ONNX:
        names = [name for name in names if not name.startswith('torch')]
    if len(names) == 1:
        _log.info("backend 'auto' took %s, the only one here%s", names[0], _advice())
        return names[0]
    key = describe_situation(path, threads, names)
    text = json.dumps(key, sort_keys=True)
    file = cache_folder('engines') / f'{hashlib.sha256(text.encode()).hexdigest()[:16]}.json'
    seconds = _load(file, key)
    when = 'measured at an earlier start'
    if seconds is None:
        seconds = measure(_build_all(names, weights, threads))
        when = 'measured now'
        # What failed today may run tomorrow: then the next start measures again, and warns again.
        if set(seconds) == set(names):
            _store(file, key, seconds)
    best = min(seconds, key=lambda name: seconds[name])
    figures = ', '.join(f'{name} {1e3 * seconds[name]:.1f} ms' for name in sorted(seconds, key=lambda n: seconds[n]))
    _log.info("backend 'auto' took %s: a crop takes %s (%s)%s", best, figures, when, _advice())
    return best


def describe_situation(weights: Path, threads: int, names: list[str]) -> dict[str, Any]:
    """All that the choice depends on, for JSON."""
    return {
        'cpu': cpu_model(),
        'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else '',
        'cores': usable_cores(),
        'threads': threads,
        'versions': versions(),
        'export': EXPORT_VERSION,
        'weights': digest(weights),
        'backends': names,
    }


def measure(engines: Mapping[str, NetworkEngine]) -> dict[str, float]:
    """Seconds for one crop by name: the fastest of up to 30 runs, in turns, so that all meet the same load."""
    crop = probe_crops()[:1]
    seconds = dict.fromkeys(engines, math.inf)
    begin = time.perf_counter()
    for done in range(ROUNDS):
        if done >= LEAST_ROUNDS and time.perf_counter() - begin > SECONDS:
            break
        for name, engine in engines.items():
            start = time.perf_counter()
            engine.run(crop)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def _build_all(names: list[str], weights: str, threads: int) -> dict[str, NetworkEngine]:
    """The engines that start and agree with the first, which is 'torch' for a checkpoint; a warning for each other."""
    engines: dict[str, NetworkEngine] = {}
    wanted: EngineMaps | None = None
    causes = []
    for name in names:
        try:
            engine = build_engine(name, weights, threads)
            if wanted is None:
                wanted = engine.maps(probe_crops())
            check_agreement(engine, wanted)
            engines[name] = engine
        except CheckpointError:
            raise
        except Exception as error:
            causes.append(one_line(error))
            _log.warning("backend 'auto' leaves out %s: %s", name, causes[-1])
    if not engines:
        raise EngineError(f'no engine here runs {weights}: {"; ".join(causes) or ", ".join(INSTALL.values())}')
    return engines


def _advice() -> str:
    there = {name.partition(':')[0] for name in available_backends()}
    return ''.join(f'; {name} is not installed ({INSTALL[name]})' for name in NEEDED if name not in there)


def _load(file: Path, key: dict[str, Any]) -> dict[str, float] | None:
    """The stored figures; None when there are none or they cannot be what was stored."""
    try:
        stored = json.loads(file.read_text(encoding='utf-8'))
        if stored['key'] != key:
            raise ValueError('made for another machine')
        seconds = {str(name): float(value) for name, value in stored['seconds'].items()}
        if set(seconds) != set(key['backends']) or not all(0 < value < 1e6 for value in seconds.values()):
            raise ValueError('figures that cannot be')
        return seconds
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning('%s is damaged, engines are measured again: %s', file, error)
        return None


def _store(file: Path, key: dict[str, Any], seconds: dict[str, float]) -> None:
    """A folder that cannot be written to costs time at the next start, nothing else."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps({'key': key, 'seconds': seconds}, indent=1).encode())
    except OSError as error:
        _log.warning('%s cannot be kept: %s', file, error)
