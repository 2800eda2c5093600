"""The network with its decoder as an ONNX model: made from a checkpoint, kept in the user's cache folder.

The model takes `crops` (B, 128, 128, 3) uint8 RGB, B as you like, and gives `uv`, `xyz`, `confidence`, `heatmaps`,
`deltas` and `locations` as `EngineOutput` and `EngineMaps` say. Its metadata say what it was made of.
"""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from minimal_hand_core.cache import cache_folder
from minimal_hand_core.detnet import DetNet, load_detnet
from minimal_hand_core.detnet.axes import VIEW
from minimal_hand_core.detnet.checkpoint import checkpoint_axes, weights_file
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.errors import one_line
from minimal_hand_core.files import write_atomically
from minimal_hand_core.inference.availability import check_packages
from minimal_hand_core.inference.engine import KEYPOINT_OUTPUTS, MAP_OUTPUTS, ModelError
from minimal_hand_core.inference.graph import KeypointGraph

ONNX = '.onnx'
OPSET = 17
INPUT = 'crops'
EXPORT_VERSION = 1
"""Raise it when the exported graph changes, so that what is in caches is made anew."""
UNITS = {
    'input': f'crops: (B, {CROP_SIZE}, {CROP_SIZE}, 3) uint8 RGB of right hands; mirror left ones',
    'uv': '(B, 21, 2) pixels (x, y) of the crop, pixel centres at integers',
    'xyz': '(B, 21, 3) (X - X9) / |X9 - X0|, axes of the view or the camera (see axes): x right, y down, z forward',
    'confidence': '(B, 21) 0 to 1',
    'keypoints': 'wrist, then thumb, index, middle, ring, little, each base to tip',
}
"""What the metadata say of inputs and outputs."""
_LONGEST = 200
"""Letters of what a runtime says, of which some say a page."""
_log = logging.getLogger(__name__)


def export_model(network: DetNet, metadata: dict[str, str] | None = None) -> bytes:
    """The network with its decoder as a serialised ONNX model, opset 17, float32.

    Args:
        network: float32, on the CPU; it is put in eval mode.
        metadata: more to write into the model, beside backbone, crop size and units.

    Raises:
        EngineError: a package is not installed.
    """
    check_packages('onnxruntime')
    import onnx

    names = (*KEYPOINT_OUTPUTS, *MAP_OUTPUTS)
    # Two crops: an exporter takes sizes of one for constants.
    example = torch.zeros(2, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
    file: Any = io.BytesIO()  # which torch's annotation leaves out
    with torch.no_grad(), warnings.catch_warnings():
        # The exporter that needs no further package is the older one, and PyTorch says so each time.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            KeypointGraph(network),
            (example,),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(names),
            dynamic_axes={name: {0: 'batch'} for name in (INPUT, *names)},
        )
    model = onnx.load_model_from_string(file.getvalue())
    facts = {'backbone': network.backbone, 'axes': network.axes, 'crop_size': str(CROP_SIZE), 'precision': 'float32'}
    entries = {**facts, **UNITS, **(metadata or {})}
    onnx.helper.set_model_props(model, entries)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def model_facts(model: bytes) -> dict[str, str]:
    """The metadata of a serialised model.

    Raises:
        ModelError: it is no ONNX model, or not one of `export_model`.
        EngineError: a package is not installed.
    """
    check_packages('onnxruntime')
    import onnx

    try:
        found = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf's, which has had several names
        raise ModelError(f'not an ONNX model, or not a whole one: {error}') from error
    outputs = [output.name for output in found.graph.output]
    if [entry.name for entry in found.graph.input] != [INPUT] or outputs != [*KEYPOINT_OUTPUTS, *MAP_OUTPUTS]:
        raise ModelError(f'an ONNX model with the outputs {", ".join(outputs)}: give one that export_onnx wrote')
    return {entry.key: entry.value for entry in found.metadata_props}


def refusal(backend: str, model: bytes, error: Exception) -> ModelError:
    """What to raise where a runtime does not take a model that `model_facts` has read."""
    import onnx

    cause = one_line(error)
    cause = cause if len(cause) <= _LONGEST else f'{cause[:_LONGEST]}…'
    domains = onnx.load_model_from_string(model).opset_import
    opset = next((entry.version for entry in domains if entry.domain in ('', 'ai.onnx')), 0)
    other = '' if opset == OPSET else f', which has opset {opset}: write it anew with export_onnx, which takes {OPSET}'
    return ModelError(f'backend {backend!r} does not take the model{other} ({cause})')


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_of(weights: str = 'default') -> bytes:
    """The serialised ONNX model of some weights, from the cache folder if it is there and whole.

    Args:
        weights: 'default', the path of a checkpoint, or of a `.onnx` file, which is taken as it is.

    Raises:
        CheckpointError: weights that cannot be read or do not fit.
        EngineError: a package is not installed.
    """
    path = weights_file(weights)
    if path.suffix == ONNX:
        return path.read_bytes()
    sha256 = digest(path)
    name = f'{sha256[:16]}-{EXPORT_VERSION}-torch{torch.__version__.split("+")[0]}'
    cached = cache_folder('models') / f'{name}{ONNX}'
    content = _read_checked(cached)
    if content is None:
        content = export_model(load_detnet(path), {'weights_sha256': sha256})
        _write_checked(cached, content)
    return content


def taught_axes(weights: str = 'default') -> str:
    """In which axes the network of some weights, as of `model_of`, says its xyz.

    Raises:
        CheckpointError, EngineError: as `model_of`.
    """
    path = weights_file(weights)
    if path.suffix != ONNX:
        return checkpoint_axes(path)
    # files from before it was said
    return model_facts(path.read_bytes()).get('axes', VIEW)


def forget_model(weights: str) -> None:
    """Remove the cached model of these weights, for it to be made anew; nothing if it is not there."""
    path = weights_file(weights)
    if path.suffix != ONNX:
        for cached in cache_folder('models').glob(f'{digest(path)[:16]}-*'):
            cached.unlink(missing_ok=True)


def _checksum(path: Path) -> Path:
    return path.with_suffix('.sha256')


def _read_checked(path: Path) -> bytes | None:
    """Content of a cached model; None when it is not there or not what was written."""
    try:
        content = path.read_bytes()
        wanted = _checksum(path).read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        _log.warning('%s cannot be read and is made again: %s', path, error)
        return None
    if hashlib.sha256(content).hexdigest() != wanted:
        _log.warning('%s is damaged and is made again', path)
        return None
    return content


def _write_checked(path: Path, content: bytes) -> None:
    """Keep a model; a folder that cannot be written to costs time at the next start, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        write_atomically(_checksum(path), hashlib.sha256(content).hexdigest().encode())
    except OSError as error:
        _log.warning('%s cannot be kept: %s', path, error)
