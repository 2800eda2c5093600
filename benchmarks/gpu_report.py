"""What `benchmarks.gpu` found, as a table with the machine it was found on."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import torch

from minimal_hand_core.inference.machine import cpu_model

GOAL_MS = 1.0
"""resnet50, one crop, on an H200."""


@dataclass(frozen=True)
class Result:
    """One configuration.

    Attributes:
        backbone, precision, way, batch: what was run.
        median_ms, low_ms, high_ms: milliseconds of one call: median, fastest, slowest; None where it failed.
        crops_per_second: from the median.
        keypoint_px: largest distance of a keypoint from where float32 puts it, pixels of the crop.
        error: why it failed, or ''.
    """

    backbone: str
    precision: str
    way: str
    batch: int
    median_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    crops_per_second: float | None = None
    keypoint_px: float | None = None
    error: str = ''


def describe_device(device: torch.device) -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    facts = {
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d'),
        'device': cpu_model(),
        'driver': '',
        'torch': torch.__version__,
        'cuda': torch.version.cuda or '',
        'cudnn': torch.backends.cudnn.version() or '',
        'python': platform.python_version(),
        'host': cpu_model(),
    }
    if device.type == 'cuda':
        properties = torch.cuda.get_device_properties(device)
        facts['device'] = f'{properties.name}, {properties.total_memory / 2**30:.0f} GiB'
        facts['driver'] = _driver()
    return facts


def _driver() -> str:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 'unknown'
    return next(iter(done.stdout.split()), 'unknown')


def to_markdown(machine: dict[str, Any], results: list[Result]) -> str:
    """A table, and a line that says on what."""
    rows = ['| network | precision | way | crops | ms of one call | crops / s | keypoints moved |']
    rows.append('| --- | --- | --- | --- | --- | --- | --- |')
    for result in results:
        head = f'| {result.backbone} | {result.precision} | {result.way} | {result.batch} |'
        if result.median_ms is None:
            rows.append(f'{head} {result.error.replace("|", "/")} | – | – |')
        else:
            times = f'{result.median_ms:.3g} ({result.low_ms:.3g} – {result.high_ms:.3g})'
            rows.append(f'{head} {times} | {result.crops_per_second:,.0f} | {result.keypoint_px:.2g} px |')
    facts = ', '.join(f'{name} {value}' for name, value in machine.items() if value and name not in ('device', 'date'))
    return '\n'.join([*rows, '', f'{machine["device"]}, {machine["date"]}; {facts}. Median (fastest – slowest).'])


def verdict(results: list[Result]) -> str:
    """How the fastest way of resnet50 on one crop stands to its goal; '' when it was not measured."""
    single = [result for result in results if result.backbone == 'resnet50' and result.batch == 1 and result.median_ms]
    if not single:
        return ''
    best = min(single, key=lambda result: result.median_ms or 0.0)
    met = (best.median_ms or 0.0) < GOAL_MS
    return (
        f'resnet50, one crop: {best.median_ms:.3g} ms at best ({best.precision}, {best.way}); '
        f'the goal of {GOAL_MS:g} ms is {"met" if met else "not met"}'
    )
