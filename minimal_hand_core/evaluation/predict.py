"""Run a network over labelled samples the way the tracker does: crop, mirror left hands, decode, map back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import torch

from minimal_hand_core.data.sample import Sample
from minimal_hand_core.detnet.axes import axes_of
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.evaluation.crops import first_look, followed_look, second_look, upright_look
from minimal_hand_core.evaluation.predictions import UNKNOWN_SIDE, Origin, PredictionError, Predictions, concatenate
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS, SIDES
from minimal_hand_core.inference.engine import Engine, EngineOutput
from minimal_hand_core.inference.graph import KeypointGraph
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.looking import Look, in_picture


class ModelEngine:
    """A DetNet as it is, with the interface of an engine: no copy, no tracing, on whatever device it is.

    Args:
        model: must be in eval mode.

    Raises:
        ValueError: it is in training mode.
    """

    def __init__(self, model: DetNet) -> None:
        if model.training:
            raise ValueError(
                'the network is in training mode, which would use and change batch statistics; call .eval()'
            )
        self.axes = model.axes
        self._graph = KeypointGraph(model)
        self._device = next(model.parameters()).device

    @torch.inference_mode()
    def run(self, crops: np.ndarray) -> EngineOutput:
        """As `Engine.run`."""
        uv, xyz, confidence = self._graph(torch.from_numpy(crops).to(self._device))[:3]
        return EngineOutput(uv.cpu().numpy(), xyz.cpu().numpy(), confidence.cpu().numpy())


def predict(
    network: DetNet | Engine,
    samples: Iterable[Sample],
    batch: int = 32,
    crop: str = 'tracker',
    origin: Origin | None = None,
) -> Predictions:
    """Predict every sample, each as the hand that its label says; where that is not known, both ways, and what the
    network is surer of counts.

    Args:
        network: a DetNet in eval mode, or an engine.
        samples: at least one, each with a key of its own.
        batch: crops that the network sees at once.
        crop: which square of the picture it sees, one of `crops.CROPS`.
        origin: where the samples come from.

    Raises:
        PredictionError: no sample, labels that are not numbers where visible or nowhere, a key twice, or a network
            that gives no numbers.
        ValueError: the network is in training mode, or `batch` is below 1.
        PictureError: of the samples, when a picture cannot be read.
    """
    if batch < 1:
        raise ValueError(f'batch is {batch}; give 1 or more')
    engine = ModelEngine(network) if isinstance(network, DetNet) else network
    origin = origin or Origin(crop=crop, axes=axes_of(network))
    iterator = iter(samples)
    parts = []
    while chunk := list(islice(iterator, batch)):
        parts.append(_predict_batch(engine, chunk, crop, origin))
    if not parts:
        raise PredictionError('there is no sample to predict')
    return concatenate(parts)


def _predict_batch(engine: Engine, samples: Sequence[Sample], how: str, origin: Origin) -> Predictions:
    for sample in samples:
        _check_labels(sample)
    looks = [first_look(sample, how, origin.dataset) for sample in samples]
    crops = [look.crop for look in looks]
    sides = _sides(engine, samples, crops)
    uv, xyz, confidence = _look(engine, samples, crops, sides)

    def look_again(better: dict[int, Crop]) -> None:
        rows = list(better)
        if rows:
            for i, crop in better.items():
                crops[i] = crop
            again = _look(engine, [samples[i] for i in rows], list(better.values()), [sides[i] for i in rows])
            uv[rows], xyz[rows], confidence[rows] = again

    look_again({i: second_look(uv[i], crops[i]) for i, look in enumerate(looks) if look.refine})
    if how == 'upright':
        upright = (upright_look(*seen) for seen in zip(uv, crops))
        look_again({i: crop for i, crop in enumerate(upright) if crop.angle})
    if how == 'followed':
        look_again({i: followed_look(*seen) for i, seen in enumerate(zip(uv, crops))})
    nothing = np.full((NUM_KEYPOINTS, 3), np.nan)
    return Predictions(
        keys=[sample.key for sample in samples],
        uv=uv,
        xyz=xyz,
        confidence=confidence,
        true_uv=np.stack([sample.keypoints_px for sample in samples]),
        true_m=np.stack([nothing if sample.keypoints_m is None else sample.keypoints_m for sample in samples]),
        visible=np.stack([sample.visible for sample in samples]),
        intrinsics=np.stack([nothing[:3] if sample.intrinsics is None else sample.intrinsics for sample in samples]),
        sides=np.array([UNKNOWN_SIDE if s.side is None else SIDES.index(s.side) for s in samples], np.uint8),
        crops=np.array([(*crop.center, crop.side) for crop in crops]),
        origin=origin,
    )


def _sides(engine: Engine, samples: Sequence[Sample], crops: Sequence[Crop]) -> list[str]:
    """Which hand each is looked at as: where the label does not say, the one that the network is surer of."""
    sides: list[str] = [sample.side or SIDES[0] for sample in samples]
    rows = [i for i, sample in enumerate(samples) if sample.side is None]
    if rows:
        hands, places = [samples[i] for i in rows], [crops[i] for i in rows]
        sure = [_look(engine, hands, places, [side] * len(rows))[2].mean(axis=1) for side in SIDES]
        for i, best in zip(rows, np.argmax(sure, axis=0)):
            sides[i] = SIDES[best]
    return sides


def _look(
    engine: Engine, samples: Sequence[Sample], crops: Sequence[Crop], sides: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uv (B, 21, 2) pixels of the pictures, xyz (B, 21, 3) in the network's axes, confidence (B, 21)."""
    looks = [Look(crop, side) for crop, side in zip(crops, sides)]
    images = [look.crop.extract(sample.image, mirror=look.side == 'left') for look, sample in zip(looks, samples)]
    output = engine.run(np.stack(images))
    seen = [in_picture(look, 0.0, *parts) for look, *parts in zip(looks, output.uv, output.xyz, output.confidence)]
    return np.stack([k.uv for k in seen]), np.stack([k.xyz for k in seen]), np.stack([k.confidence for k in seen])


def _check_labels(sample: Sample) -> None:
    """Raise PredictionError where a visible keypoint has no numbers, or no keypoint has."""
    labels = {'2D': sample.keypoints_px, '3D': sample.keypoints_m}
    for what, points in labels.items():
        if points is None:
            continue
        bad = sample.visible & ~np.isfinite(points).all(axis=1)
        if bad.any():
            raise PredictionError(
                f'{sample.key}: the {what} label of keypoint {int(bad.argmax())} is visible but not a number; '
                'mend the label, or mark the keypoint as not visible'
            )
    if not np.isfinite(sample.keypoints_px).all(axis=1).any():
        raise PredictionError(f'{sample.key} has no labelled keypoint, so there is no hand to look at')
