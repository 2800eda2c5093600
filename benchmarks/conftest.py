"""What every benchmark gets: one thread unless it asks for two, fixed seeds, and the machine beside the figures."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

for threads in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS'):
    os.environ[threads] = '1'  # read when the libraries below are loaded

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from minimal_hand_core.inference.machine import cpu_model, usable_cores  # noqa: E402
from minimal_hand_core.threads import limit_threads  # noqa: E402

PACKAGES = ('torch', 'onnxruntime', 'openvino', 'numpy', 'numba', 'scipy', 'opencv-python-headless')

LOAD_BEFORE = os.getloadavg()

limit_threads(1)


def describe_machine() -> dict[str, Any]:
    """What a reader needs to judge the figures; the load is that before the run."""
    return {
        'cpu_model': cpu_model(),
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'load_average': [round(load, 2) for load in LOAD_BEFORE],
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'versions': {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return 'not installed'


def pytest_report_header() -> str:
    machine = describe_machine()
    versions = ', '.join(f'{name} {number}' for name, number in machine['versions'].items())
    return (
        f'benchmarks: {machine["cpu_model"]}, {machine["cores"]} cores, {machine["threads"]} thread, '
        f'load {machine["load_average"]}\n{versions}'
    )


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info['ours'] = describe_machine()


def pytest_benchmark_update_json(config: Any, benchmarks: Any, output_json: dict[str, Any]) -> None:
    output_json['load_average_after'] = [round(load, 2) for load in os.getloadavg()]


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """For what is spread over two threads: skipped on one core, and one thread again afterwards."""
    if usable_cores() < 2:
        pytest.skip('needs two cores')
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)
