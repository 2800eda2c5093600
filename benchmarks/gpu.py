"""DetNet on a GPU: latency of one crop and throughput of many, by precision and by the way it is run.

    python -m benchmarks.gpu                       # on the GPU; writes bench_output/gpu.json and gpu.md
    python -m benchmarks.gpu --device cpu --quick  # the same code on any machine, to see that it works

Measured is what an engine runs: crops of bytes on the device to keypoints and maps on the device. Each configuration
is warmed up, then timed by CUDA events: every call by itself for one crop, many calls in a row for larger batches. All
are compared with float32 on the processor; how far keypoints move is in the table. A configuration that fails, for want
of memory say, is named and the others go on.

Ways: `eager` as the peer runs it, channels first; `channels_last`; `folded`, with batch norms folded too; `graph`, that
as a CUDA graph; `compiled`, that by torch.compile; `engine`, the tracker's `torch:cuda` from NumPy to NumPy.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_report import Result, describe_device, to_markdown, verdict
from minimal_hand_core.detnet import DetNet, load_detnet
from minimal_hand_core.detnet.network import BACKBONES
from minimal_hand_core.inference.agreement import probe_crops
from minimal_hand_core.inference.cuda_engine import CudaEngine, CudaGraphs
from minimal_hand_core.inference.graph import KeypointGraph, channels_last, fold_batch_norms

PRECISIONS = {
    'float32': torch.float32,
    'tf32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
"""Of the convolutions; tf32 is float32 whose products the GPU rounds to ten bits."""
WAYS = ('eager', 'channels_last', 'folded', 'graph', 'compiled', 'engine')
ON_CUDA_ALONE = ('graph', 'engine')
BATCHES = (1, 64, 128, 256, 512, 1024)
COMPILED_BATCHES = (1, 256)
"""Of those, what is compiled, which takes a minute each."""
QUICK_BATCHES = (1, 4)
WARM_UP, RUNS, GROUPS = 20, 200, 10
"""Calls before anything is timed; timed ones of one crop; timed stretches of a larger batch."""
STRETCH_SECONDS = 0.2
"""About how long one stretch of calls of a larger batch lasts."""
Call = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


@cache
def reference(backbone: str) -> tuple[DetNet, np.ndarray]:
    """The network, on the processor, and the keypoints (2, 21, 2) it sees in the first two of `make_crops`.

    'small' has the default weights. For 'resnet50' there are none to ship; random ones take as long, with norms as
    training leaves them: untrained, values grow from block to block until half precision overflows.
    """
    if backbone == 'small':
        network = load_detnet()
    else:
        torch.manual_seed(0)
        network = DetNet(backbone).train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        network(torch.from_numpy(make_crops(4)).permute(0, 3, 1, 2) / 255.0 - 0.5)
    return network.eval(), KeypointGraph(network)(torch.from_numpy(make_crops(2)))[0].numpy()


def make_crops(count: int) -> np.ndarray:
    """(count, 128, 128, 3) uint8, a few different ones again and again."""
    return np.resize(probe_crops(4), (count, 128, 128, 3))


def prepare(network: DetNet, precision: str, way: str, device: torch.device) -> Call:
    """The network with its decoder on the device, run in one of the WAYS."""
    if way in ('folded', 'graph', 'compiled'):
        fold_batch_norms(network)
    graph = KeypointGraph(network.to(device, PRECISIONS[precision]))
    if way != 'eager':
        channels_last(graph)
    if way == 'graph':
        return CudaGraphs(graph, device)
    return torch.compile(graph) if way == 'compiled' else graph


def single_calls(call: Callable[[], object], device: torch.device, runs: int) -> list[float]:
    """Milliseconds of each of `runs` calls, each waited for."""
    found = []
    for _ in range(runs):
        if device.type == 'cuda':
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize(device)
            start.record()
            call()
            end.record()
            end.synchronize()
            found.append(start.elapsed_time(end))
        else:
            begin = time.perf_counter()
            call()
            found.append(1e3 * (time.perf_counter() - begin))
    return found


def stretches(call: Callable[[], object], device: torch.device, groups: int, seconds: float) -> list[float]:
    """Milliseconds of one call, from each of `groups` stretches of calls that the device is given all at once."""
    once = statistics.median(single_calls(call, device, 3)) / 1e3
    length = max(1, min(1000, round(seconds / max(once, 1e-6))))

    def many() -> None:
        for _ in range(length):
            call()

    return [value / length for value in single_calls(many, device, groups)]


def measure(backbone: str, precision: str, way: str, batch: int, device: torch.device, options: Any) -> Result:
    """One configuration, timed; a failure is part of the result."""
    facts = (backbone, precision, way, batch)
    try:
        times, apart = _time(*facts, device, options)
    except Exception as error:  # CUDA's, the compiler's, and want of memory have no common class
        return Result(*facts, error=_one_line(error))
    median = statistics.median(times)
    return Result(*facts, median, min(times), max(times), 1e3 * batch / median, apart)


@torch.no_grad()
def _time(
    backbone: str, precision: str, way: str, batch: int, device: torch.device, options: Any
) -> tuple[list[float], float]:
    """Milliseconds of single calls, and the largest distance of a keypoint from the reference."""
    allow = precision == 'tf32'
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
    network, wanted = reference(backbone)
    network, crops = copy.deepcopy(network), make_crops(batch)
    if way == 'engine':
        engine = CudaEngine(network, PRECISIONS[precision])

        def call() -> np.ndarray:
            return engine.run(crops).uv
    else:
        prepared, place = prepare(network, precision, way, device), torch.from_numpy(crops).to(device)

        def call() -> torch.Tensor:
            return prepared(place)[0]

    for _ in range(options.warm_up):
        call()
    found = torch.as_tensor(call()[: len(wanted)]).cpu().numpy()
    apart = float(np.linalg.norm(found - wanted[: len(found)], axis=-1).max())
    if batch == 1:
        return single_calls(call, device, options.runs), apart
    return stretches(call, device, options.groups, options.stretch_seconds), apart


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f'{type(error).__name__}: {lines[0] if lines else ""}'[:200]


def configurations(device: torch.device, options: Any) -> Iterator[tuple[str, str, str, int]]:
    """All that is asked for and can be: a CUDA graph needs CUDA, tf32 its tensor cores, and compiling takes long."""
    for facts in itertools.product(options.backbone, options.precision, options.way, options.batch):
        _, precision, way, batch = facts
        if device.type != 'cuda' and (way in ON_CUDA_ALONE or precision == 'tf32'):
            continue
        if way == 'engine' and (batch > 1 or precision == 'tf32'):
            continue
        if way == 'compiled' and (options.quick or batch not in COMPILED_BATCHES):
            continue
        yield facts


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 when there is no such device."""
    options = _parse(arguments)
    device = torch.device(options.device)
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            print(f'gpu: PyTorch {torch.__version__} sees no CUDA device; try --device cpu --quick', file=sys.stderr)
            return 2
        torch.backends.cudnn.benchmark = True
    else:
        torch.set_num_threads(1)
    machine = describe_device(device)
    results = []
    for facts in configurations(device, options):
        results.append(measure(*facts, device, options))
        # What one configuration held must not starve the next.
        torch.compiler.reset()
        torch.cuda.empty_cache()
        print(to_markdown(machine, results[-1:]).splitlines()[2], flush=True)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        content = {'machine': machine, 'results': [asdict(result) for result in results]}
        (options.output / 'gpu.json').write_text(json.dumps(content, indent=1))
        (options.output / 'gpu.md').write_text(to_markdown(machine, results) + '\n')
    except OSError as error:
        print(f'gpu: {error}', file=sys.stderr)
        return 1
    print(f'\n{to_markdown(machine, results)}\n{verdict(results)}')
    return 0


def _parse(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        'benchmarks.gpu', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cuda', choices=('cuda', 'cpu'))
    parser.add_argument('--quick', action='store_true', help='few runs, small batches, nothing compiled')
    parser.add_argument('--backbone', nargs='+', default=list(BACKBONES), choices=BACKBONES)
    parser.add_argument('--precision', nargs='+', default=list(PRECISIONS), choices=tuple(PRECISIONS))
    parser.add_argument('--way', nargs='+', default=list(WAYS), choices=WAYS)
    parser.add_argument('--batch', nargs='+', type=int, help=f'default {" ".join(map(str, BATCHES))}')
    parser.add_argument('--output', type=Path, default=Path('bench_output'), help='folder for gpu.json and gpu.md')
    options = parser.parse_args(arguments)
    options.batch = options.batch or (QUICK_BATCHES if options.quick else BATCHES)
    if min(options.batch) < 1:
        parser.error('--batch must be 1 or more')
    options.warm_up, options.runs, options.groups = (2, 5, 3) if options.quick else (WARM_UP, RUNS, GROUPS)
    options.stretch_seconds = 0.0 if options.quick else STRETCH_SECONDS
    return options


if __name__ == '__main__':
    sys.exit(main())
