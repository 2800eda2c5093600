"""What evaluation commands have in common: which predictions to score, made, found again or read, and the report."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from minimal_hand_core.cache import cache_folder
from minimal_hand_core.data import DATASETS, DatasetError
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.detnet import load_detnet
from minimal_hand_core.detnet.checkpoint import PEERS, weights_file
from minimal_hand_core.evaluation.crops import CROPS
from minimal_hand_core.evaluation.peer_files import peer_datasets, read_peer
from minimal_hand_core.evaluation.prediction_run import check_against, predict_to_file
from minimal_hand_core.evaluation.predictions import Origin, PredictionError, Predictions, load_predictions
from minimal_hand_core.evaluation.protocols import PROTOCOLS
from minimal_hand_core.evaluation.report import Report, check_output
from minimal_hand_core.evaluation.sources import Source, fingerprint, sources
from minimal_hand_core.inference import BACKENDS, Engine, EngineError, create_engine
from minimal_hand_core.inference.onnx_model import ONNX, digest, model_facts, taught_axes
from minimal_hand_core.option_types import number_from_1, threads

FOLDER = 'predictions'
"""In the output folder, or in the user's cache without one."""
_MODULES = (
    'evaluation.crops',
    'tracking.crop',
    'tracking.track',
    'tracking.upright',
    'detnet.decode',
    'detnet.refiner',
)
"""What says where the network looks and how its maps are read: when it changes, so may all predictions."""


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is scored."""
    source = parser.add_argument_group('what is scored')
    source.add_argument('--dataset', action='append', default=[], choices=DATASETS, help='may be given several times')
    source.add_argument(
        '--root',
        action='append',
        default=[],
        type=str,
        help='folder of each data set, in the same order, or one that holds them all; none for rendered',
    )
    source.add_argument('--datasets', type=Path, metavar='YAML', help='data sets, roots, splits and options in a file')
    source.add_argument('--split', default='test', help='of every --dataset (default test)')
    source.add_argument(
        '--set', action='append', default=[], metavar='OPTION=VALUE', help='option of the reader, e.g. labels=edited'
    )
    source.add_argument('--backgrounds', help='folder of photos behind rendered hands')
    source.add_argument('--limit', type=number_from_1, help='only this many hands, evenly spread: a quick look')
    source.add_argument('--partial', action='store_true', help='leave out pictures that are missing or unreadable')
    source.add_argument('--predictions', action='append', default=[], type=Path, help='score this stored file instead')
    source.add_argument('--from', dest='peer', type=Path, metavar='FOLDER', help="score the peer's .npy files instead")
    network = parser.add_argument_group('the network')
    network.add_argument('--weights', default='default', help='"default", .safetensors, .onnx, or a .pth of the peer')
    network.add_argument('--backbone', help='that the weights must be of, such as resnet50')
    network.add_argument('--backend', default='torch', choices=BACKENDS, metavar='NAME', help=', '.join(BACKENDS))
    network.add_argument('--threads', type=threads, default=1, help='of the processor; 0 = one per core')
    network.add_argument('--batch', type=number_from_1, default=32, help='crops the network sees at once (default 32)')
    network.add_argument('--crop', choices=CROPS, help='which square it sees; default tracker, for a .pth peer')


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say how it is scored and where that goes."""
    report = parser.add_argument_group('how it is scored')
    report.add_argument(
        '--protocol', action='append', choices=tuple(PROTOCOLS), help='may be given several times (default: all)'
    )
    report.add_argument(
        '--output', type=Path, help='folder for scores.json, scores.csv, pck_curves.png and .svg, and predictions/'
    )
    report.add_argument('--peer-files', type=Path, metavar='FOLDER', help="also write the peer's .npy files here")


def protocols(options: argparse.Namespace) -> tuple[str, ...]:
    """Names of the protocols asked for, each once."""
    return tuple(dict.fromkeys(options.protocol or PROTOCOLS))


def gather(options: argparse.Namespace, need_truth: bool = True) -> Iterator[Predictions]:
    """The predictions to score, one data set after the other: read, found again, or made now.

    Args:
        options: of the command.
        need_truth: see `read_peer`.

    Raises:
        DatasetError, PredictionError, ArrayFileError, ReportError, CheckpointError, EngineError, PictureError: what the
            options name cannot be had; the message says why.
    """
    if options.peer is not None:
        wanted = options.dataset or peer_datasets(options.peer)
        yield from (read_peer(options.peer, name, need_truth) for name in wanted)
        return
    yield from (load_predictions(path) for path in options.predictions)
    chosen = sources(options)
    if not chosen and not options.predictions:
        raise DatasetError('nothing to score: give --dataset, --datasets, --predictions or --from')
    if chosen:
        network = _Network(options)
        folder = cache_folder(FOLDER) if options.output is None else check_output(options.output) / FOLDER
        # All are opened before any is predicted: what is missing should be known before the long work.
        opened = [(source, source.open(network.crop, options.partial)) for source in chosen]
        for source, samples in opened:
            yield _predictions(source, samples, network, folder, options)


class _Network:
    """The network of the options; loaded when it is first needed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._engine: Engine | None = None
        path = weights_file(options.weights)
        self.sha256 = digest(path)
        self.backbone = _backbone(path, options.backbone)
        self.axes = taught_axes(str(options.weights))
        self.crop = options.crop or ('peer' if path.suffix in PEERS else 'tracker')

    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = create_engine(self._options.backend, str(self._options.weights), self._options.threads)
        return self._engine


def _backbone(path: Path, expected: str | None) -> str:
    """The backbone of a file of weights, which must be the expected one if there is one."""
    if path.suffix != ONNX:
        return load_detnet(path, expected).backbone
    found = model_facts(path.read_bytes()).get('backbone', '')
    if expected not in (None, found):
        raise EngineError(f'{path} is a network with the backbone {found!r}, not {expected!r}')
    return found


def _predictions(
    source: Source, samples: Sequence[Sample], network: _Network, folder: Path, options: argparse.Namespace
) -> Predictions:
    for line in getattr(samples, 'report', ()):
        print(f'{source.dataset}: {line}', file=sys.stderr)
    origin = Origin(
        dataset=source.dataset,
        split=source.split,
        options=source.origin_options(),
        weights=str(options.weights),
        weights_sha256=network.sha256,
        backbone=network.backbone,
        crop=network.crop,
        backend=options.backend,
        length=len(samples),
        fingerprint=fingerprint(samples, options.partial),
        axes=network.axes,
    )
    path = folder / predictions_name(origin, source.root)
    if path.is_file():
        stored = load_predictions(path)
        try:
            check_against(stored, samples, options.partial)
        except PredictionError as error:
            raise PredictionError(f'{path}: {error} (or remove it)') from None
        return stored
    return predict_to_file(
        network.engine(), samples, path, origin, batch=options.batch, skip_unreadable=options.partial
    )


def predictions_name(origin: Origin, root: str | None) -> str:
    """A file name that differs wherever the predictions would."""
    facts = {**asdict(origin), 'weights': '', 'root': None if root is None else str(Path(root).expanduser().resolve())}
    text = json.dumps({**facts, 'code': _code()}, sort_keys=True)
    return f'{origin.dataset}-{origin.split}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz'


@cache
def _code() -> str:
    """The digest of _MODULES."""
    content = hashlib.sha256()
    for name in _MODULES:
        spec = find_spec(f'minimal_hand_core.{name}')
        assert spec is not None and spec.origin is not None
        content.update(Path(spec.origin).read_bytes())
    return content.hexdigest()


def finish(report: Report, options: argparse.Namespace) -> None:
    """Show a report, and write it where the options say.

    Raises:
        ReportError: the folder cannot be written to.
    """
    report.show()
    if options.output is not None:
        for path in report.write(options.output):
            print(path)
