"""DetNet's weights on disk: our ``.safetensors`` and the peer's ``.pth``.

Ours hold the state dict with its convolution kernels in half precision, and metadata that name backbone and
resolution. The peer's hold a bare PyTorch state dict of the resnet50 network, with keys as they are or behind
``module.``, the mark of DataParallel (fact sheet 2.5). Neither kind can run code when it is read.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from minimal_hand_core.detnet.axes import AXES, CAMERA, VIEW
from minimal_hand_core.detnet.network import BACKBONES, RESOLUTIONS, DetNet
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.errors import first_line
from minimal_hand_core.weights import SAFETENSORS, WeightsError, WeightsFormat

PEERS = ('.pth', '.pt')

_PREFIX = 'module.'


class CheckpointError(WeightsError):
    """A file does not hold weights of this network, or cannot be read or written; says which file and why."""

    network = 'DetNet'


_FILES = WeightsFormat(CheckpointError, 'minimal_hand_detnet', 'detnet_small.safetensors', 'train_detnet')


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
    path = weights_file(path)
    if path.suffix == SAFETENSORS:
        state, metadata = _FILES.read(path)
    elif path.suffix in PEERS:
        state, metadata = _read_torch(path), {}
    else:
        raise CheckpointError(
            path, f'unknown kind {path.suffix!r}: give a {SAFETENSORS} file of ours or a .pth of the peer'
        )

    found = metadata.get('backbone') or _backbone_of(state)
    if found not in BACKBONES:
        raise CheckpointError(path, f'names the unknown backbone {found!r}: this version knows {", ".join(BACKBONES)}')
    resolution = _resolution(path, metadata)
    refined = any(key.startswith('refiner.') for key in state)
    deeper = any(key.startswith('small.deeper.') for key in state)
    # the wrong backbone is told by its keys, below
    if backbone in (None, found):
        model = DetNet(found, resolution, refined=refined, deeper=deeper)
    else:
        model = DetNet(backbone)
    _FILES.fill(model, state, path, model.backbone)
    model.axes = _axes(path, metadata)
    return model.eval()


def save_detnet(model: DetNet, path: str | Path, metadata: Mapping[str, str] | None = None, half: bool = True) -> None:
    """Write a network's weights; whoever reads the path sees the old file or the new one, never a part.

    Args:
        model: the network; it is not changed.
        path: a ``.safetensors`` file; its folder must exist.
        metadata: more to keep with them, such as what they were trained on. 'backbone', 'resolution', 'axes' and
            'format' are set here.
        half: store convolution kernels in float16. Norms and biases, a hundredth of the numbers, stay float32, and so
            does a kernel that float16 cannot hold.

    Raises:
        CheckpointError: the path is not a ``.safetensors`` one or cannot be written; or a weight is not finite.
        ValueError: metadata is not text, or contradicts the model.
    """
    said = {'backbone': model.backbone, 'resolution': str(model.resolution), 'axes': model.axes}
    _FILES.write(model, Path(path), metadata, said, half)


def weights_file(path: str | Path = 'default') -> Path:
    """The file that holds these weights, 'default' being those that come with this package.

    Raises:
        CheckpointError: there is no such file, or the package's own is damaged.
    """
    path = _FILES.resolve(path)
    _FILES.check_exists(path)
    return path


def checkpoint_metadata(path: str | Path = 'default') -> dict[str, str]:
    """The metadata of a ``.safetensors`` file, 'backbone' among it.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    return _FILES.read(_FILES.resolve(path), with_tensors=False)[1]


def checkpoint_axes(path: str | Path = 'default') -> str:
    """In which axes the network of a checkpoint says its xyz, one of `axes.AXES`.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = weights_file(path)
    return _axes(path, checkpoint_metadata(path) if path.suffix == SAFETENSORS else {})


def _resolution(path: Path, metadata: Mapping[str, str]) -> int:
    # files from before there was a choice do not say it
    said = metadata.get('resolution', str(CROP_SIZE))
    known = RESOLUTIONS.get(metadata.get('backbone', 'resnet50'), (CROP_SIZE,))
    if said not in map(str, known):
        choices = ', '.join(map(str, known))
        raise CheckpointError(path, f'names the unknown resolution {said!r}: this version knows {choices}')
    return int(said)


def _axes(path: Path, metadata: Mapping[str, str]) -> str:
    # files from before it was said: the peer's, and those taught as the peer teaches
    theirs = path.suffix in PEERS or metadata.get('recipe') == 'paper'
    said = metadata.get('axes', CAMERA if theirs else VIEW)
    if said not in AXES:
        raise CheckpointError(path, f'names the unknown axes {said!r}: this version knows {", ".join(AXES)}')
    return said


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # damaged pickles and archives raise nearly anything
        raise CheckpointError(path, f'not a readable PyTorch state dict: {first_line(error)}') from error
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
