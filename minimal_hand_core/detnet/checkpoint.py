"""DetNet's weights on disk: our ``.safetensors`` and the peer's ``.pth``.

Ours hold the state dict with its convolution kernels in half precision, and metadata that names the backbone. The
peer's hold a bare PyTorch state dict of the resnet50 network, with keys as they are or behind ``module.``, the mark
of DataParallel (fact sheet 2.5). Neither kind can run code when it is read.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from minimal_hand_core.detnet.network import BACKBONES, DetNet

DEFAULT_WEIGHTS = 'detnet_small.safetensors'
"""In minimal_hand_core/assets."""
WEIGHTS_INDEX = 'weights.json'
"""Beside the weights: {file name: {"sha256": hexadecimal digest}}."""
OURS = '.safetensors'
PEERS = ('.pth', '.pt')

_FORMAT = 'minimal_hand_detnet'
_PREFIX = 'module.'
_COUNTER = '.num_batches_tracked'
_HALF_MAX = torch.finfo(torch.float16).max
_SHOWN = 4
"""How many keys of each kind an error names."""


class CheckpointError(ValueError):
    """A file does not hold weights of this network, or cannot be read or written; says which file and why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f'DetNet weights {path}: {reason}')
        self.path = Path(path)
        self.reason = reason


def load_detnet(path: str | Path = 'default', backbone: str | None = None) -> DetNet:
    """A network with trained weights, float32, on the CPU, in eval mode.

    Args:
        path: 'default' for the weights that come with this package, a ``.safetensors`` file of ``save_detnet``, or a
            ``.pth`` (``.pt``) state dict in the peer's layout.
        backbone: the backbone that the file must hold; None takes whichever it holds.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or its keys or shapes do not fit. The message
            names the first of them, with the shapes expected and found.
        ValueError: ``backbone`` is unknown.
    """
    if backbone is not None and backbone not in BACKBONES:
        raise ValueError(f'unknown DetNet backbone {backbone!r}: choose one of {", ".join(BACKBONES)}')
    path = default_weights() if str(path) == 'default' else Path(path)
    if not path.is_file():
        raise CheckpointError(path, 'is a folder' if path.is_dir() else 'no such file')
    if path.suffix == OURS:
        state, metadata = _read_safetensors(path)
    elif path.suffix in PEERS:
        state, metadata = _read_torch(path), {}
    else:
        raise CheckpointError(path, f'unknown kind {path.suffix!r}: give a {OURS} file of ours or a .pth of the peer')

    found = metadata.get('backbone') or _backbone_of(state)
    if found not in BACKBONES:
        raise CheckpointError(path, f'names the unknown backbone {found!r}: this version knows {", ".join(BACKBONES)}')
    model = DetNet(backbone or found)
    _fill(model, state, path)
    return model.eval()


def save_detnet(model: DetNet, path: str | Path, metadata: Mapping[str, str] | None = None, half: bool = True) -> None:
    """Write a network's weights; whoever reads the path sees the old file or the new one, never a part.

    Args:
        model: the network; it is not changed.
        path: a ``.safetensors`` file; its folder must exist.
        metadata: more to keep with them, such as what they were trained on. 'backbone' and 'format' are set here.
        half: store convolution kernels in float16. Norms and biases, a hundredth of the numbers, stay float32, and so
            does a kernel that float16 cannot hold.

    Raises:
        CheckpointError: the path is not a ``.safetensors`` one or cannot be written; or a weight is not finite.
        ValueError: metadata is not text, or contradicts the model.
    """
    path = Path(path)
    if path.suffix != OURS:
        raise CheckpointError(path, f'unknown kind {path.suffix!r}: the file is written as {OURS}')
    # Metadata comes first: an unusable value is an error before any work is done.
    entries = dict(metadata or {})
    for key, value in entries.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f'metadata {key!r}: {value!r} is not text: convert both to str')
    for key, value in (('backbone', model.backbone), ('format', _FORMAT)):
        if entries.setdefault(key, value) != value:
            raise ValueError(f'metadata {key!r} is {entries[key]!r}, but the model is {value!r}: leave it out')

    state = {}
    for key, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu()
        if not _is_finite(tensor):
            raise CheckpointError(path, f'not written: {key} holds NaN or infinite numbers')
        if half and tensor.ndim > 1 and tensor.abs().max() <= _HALF_MAX:
            tensor = tensor.half()
        state[key] = tensor.contiguous()
    _write_atomically(path, save(state, entries))


def checkpoint_metadata(path: str | Path = 'default') -> dict[str, str]:
    """The metadata of a ``.safetensors`` file, 'backbone' among it.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = default_weights() if str(path) == 'default' else Path(path)
    return _read_safetensors(path, with_tensors=False)[1]


def default_weights() -> Path:
    """The weights that come with this package, after their SHA-256 was compared with weights.json.

    Raises:
        CheckpointError: they are not there, or are not the ones that weights.json describes.
    """
    assets = _assets()
    path = assets / DEFAULT_WEIGHTS
    if not path.is_file():
        raise CheckpointError(
            path,
            'not in this installation: train them with `train_detnet` (it writes such a file), or give the path of '
            'a checkpoint',
        )
    try:
        index = json.loads((assets / WEIGHTS_INDEX).read_text(encoding='utf-8'))
        expected = index[DEFAULT_WEIGHTS]['sha256']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(path, f'{WEIGHTS_INDEX} beside it gives no sha256 ({_line(error)}): reinstall') from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise CheckpointError(path, f'sha256 is {found}, {WEIGHTS_INDEX} says {expected}: damaged, reinstall')
    return path


def _assets() -> Path:
    return Path(str(resources.files('minimal_hand_core') / 'assets'))


def _read_safetensors(path: Path, with_tensors: bool = True) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework='pt') as file:
            keys = file.keys() if with_tensors else ()
            return {key: file.get_tensor(key) for key in keys}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f'not a whole safetensors file: {_line(error)}') from error


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # damaged pickles and archives raise nearly anything
        raise CheckpointError(path, f'not a readable PyTorch state dict: {_line(error)}') from error
    if not isinstance(content, dict):
        raise CheckpointError(path, f'holds a {type(content).__name__}, not a state dict')
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(
                path, f'not a bare state dict: entry {key!r} is a {type(value).__name__}, not a tensor'
            )
    return {key.removeprefix(_PREFIX): value for key, value in content.items()}


def _backbone_of(state: Mapping[str, torch.Tensor]) -> str:
    # A file without metadata is the peer's until its keys say otherwise.
    return 'small' if any(key.startswith('small.') for key in state) else 'resnet50'


def _fill(model: DetNet, state: Mapping[str, torch.Tensor], path: Path) -> None:
    expected = model.state_dict()
    # PyTorch before 0.4.1 did not count batches, and nothing here needs the count.
    missing = [key for key in expected if key not in state and not key.endswith(_COUNTER)]
    unexpected = [key for key in state if key not in expected]
    reshaped = [
        f'{key} expected {tuple(expected[key].shape)}, found {tuple(state[key].shape)}'
        for key in expected
        if key in state and expected[key].shape != state[key].shape
    ]
    kinds = (('missing', missing), ('unexpected', unexpected), ('of another shape', reshaped))
    faults = [f'{len(keys)} {kind}: {_first(keys)}' for kind, keys in kinds if keys]
    if faults:
        raise CheckpointError(path, f'does not fit the {model.backbone} network; keys {"; ".join(faults)}')
    for key in expected:
        if key in state and not _is_finite(state[key]):
            raise CheckpointError(path, f'{key} holds NaN or infinite numbers')
    model.load_state_dict({**expected, **state})


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _first(keys: list[str]) -> str:
    more = f' and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return ', '.join(keys[:_SHOWN]) + more


def _line(error: BaseException) -> str:
    """The first line of an error, for it to be part of one of ours."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip('.') if lines else type(error).__name__


def _write_atomically(path: Path, content: bytes) -> None:
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        with open(part, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise CheckpointError(path, f'cannot be written: {_line(error)}') from error
    finally:
        part.unlink(missing_ok=True)
