"""Which backends this machine can run: packages, devices, and what to install for those it cannot."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version

import torch

from minimal_hand_core.inference.engine import BACKENDS, EngineError
from minimal_hand_core.inference.machine import has_bfloat16

NEEDED = {'onnxruntime': ('onnx', 'onnxruntime'), 'openvino': ('onnx', 'openvino')}
"""Runtime → modules that only it needs."""
INSTALL = {
    'onnxruntime': 'pip install onnx onnxruntime',
    'openvino': 'pip install onnx openvino',
}
"""Runtime → what installs all of them."""
PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
"""Device → execution provider of ONNX Runtime."""


def available_backends() -> list[str]:
    """The backends, 'auto' aside, whose packages and devices are there."""
    return [name for name in BACKENDS[1:] if why_not(name) is None]


def check_available(backend: str) -> None:
    """Raise EngineError, with what is missing, how to get it and what there is, unless the backend can run here."""
    why = why_not(backend)
    if why is not None:
        raise EngineError(f'backend {backend!r}: {why}; here there are auto, {", ".join(available_backends())}')


def why_not(backend: str) -> str | None:
    """What a backend lacks on this machine, with the mend; None when nothing."""
    runtime, _, device = backend.partition(':')
    try:
        check_packages(runtime)
    except EngineError as error:
        return str(error)
    if backend == 'torch:bfloat16' and not has_bfloat16():
        return 'this processor does not multiply bfloat16 numbers'
    if backend == 'torch:cuda' and not torch.cuda.is_available():
        return f'PyTorch {torch.__version__} {"has no CUDA" if torch.version.cuda is None else "sees no CUDA device"}'
    if not device or runtime == 'torch':
        return None
    try:
        there = _devices(runtime)
    except Exception as error:  # a broken installation raises nearly anything
        return f'{runtime} does not start ({error}): {INSTALL[runtime]}'
    if runtime == 'onnxruntime' and PROVIDERS[device] not in there:
        return f'this onnxruntime has no {PROVIDERS[device]}; install onnxruntime-gpu in place of onnxruntime'
    if runtime == 'openvino' and device.upper() not in there:
        return f'OpenVINO sees {", ".join(there)} and no {device.upper()}'
    return None


def _devices(runtime: str) -> list[str]:
    """Execution providers of ONNX Runtime, or devices of OpenVINO, several of one kind counted as one."""
    if runtime == 'onnxruntime':
        import onnxruntime

        return onnxruntime.get_available_providers()
    import openvino

    return sorted({name.split('.')[0] for name in openvino.Core().available_devices})


def check_packages(runtime: str) -> None:
    """Raise EngineError, with the command that installs them, unless the packages of a runtime are there."""
    missing = [name for name in NEEDED.get(runtime, ()) if not _is_there(name)]
    if missing:
        raise EngineError(f'{runtime} needs the package {" and ".join(missing)}: {INSTALL[runtime]}')


def versions() -> dict[str, str]:
    """Versions of the packages that make an engine, '' for one that is not there."""
    return {name: _version(name) for name in ('torch', 'onnx', 'onnxruntime', 'openvino')}


def _version(module: str) -> str:
    # The builds of onnxruntime for GPUs go by names of their own.
    for name in (module, f'{module}-gpu', f'{module}-directml'):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ''


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: a module of that name without a spec
        return False
