"""What the demo saw, picture by picture, and the figures that follow; no ROS."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minimal_hand_core.hand.skeleton import WRIST
from minimal_hand_core.tracking import CameraModel, HandState


@dataclass
class Record:
    """One picture and what became of it.

    Attributes:
        stamp: nanoseconds.
        jpeg: the picture as it was sent; None when it is not kept.
        camera: intrinsics; None when unknown.
        found: whether the network saw a hand; None until it has spoken.
        score: of the network, 0…1.
        uv: (21, 2) pixels, as the network saw it.
        state: the hand; None where there is none.
        truth: (21, 3) metres, camera frame, of a rendered hand.
        stages: seconds per stage.
        pose_latency, tf_latency: seconds from the picture's stamp until the message was here.
    """

    stamp: int
    jpeg: bytes | None = None
    camera: CameraModel | None = None
    found: bool | None = None
    score: float = 0.0
    uv: np.ndarray | None = None
    state: HandState | None = None
    truth: np.ndarray | None = None
    stages: dict[str, float] = field(default_factory=dict)
    pose_latency: float | None = None
    tf_latency: float | None = None

    @property
    def shape_error(self) -> float | None:
        """Mean distance of the keypoints to the truth with the wrists laid over each other, metres."""
        if self.state is None or self.truth is None:
            return None
        found = self.state.keypoints_m - self.state.keypoints_m[WRIST]
        return float(np.linalg.norm(found - (self.truth - self.truth[WRIST]), axis=1).mean())

    @property
    def wrist_error(self) -> float | None:
        """Distance of the wrist to the true one, metres; None when the pose is not metric."""
        if self.state is None or self.truth is None or not self.state.metric:
            return None
        return float(np.linalg.norm(self.state.keypoints_m[WRIST] - self.truth[WRIST]))

    @property
    def pixel_error(self) -> float | None:
        """Mean distance of the network's keypoints to the true ones in the picture, pixels."""
        if self.uv is None or self.truth is None or self.camera is None:
            return None
        return float(np.linalg.norm(self.uv - self.camera.project(self.truth), axis=1).mean())


@dataclass(frozen=True)
class Figures:
    """Figures of several records; None where there is nothing to tell. Seconds, metres, pixels.

    Attributes:
        pictures: how many there were; answered: the network spoke; found: with a hand; posed: with a pose.
        rate: poses per second.
        stages: median seconds per stage.
        tf_p50, tf_p95: picture → TF.
        pose_p50, pose_p95: picture → hand/pose.
        shape_error, wrist_error, pixel_error: medians over pictures.
        score: median.
    """

    pictures: int
    answered: int
    found: int
    posed: int
    rate: float | None
    stages: dict[str, float]
    tf_p50: float | None
    tf_p95: float | None
    pose_p50: float | None
    pose_p95: float | None
    shape_error: float | None
    wrist_error: float | None
    pixel_error: float | None
    score: float | None


def figures(records: list[Record]) -> Figures:
    """Figures of these records, which are in the order of their stamps."""
    posed = [r for r in records if r.state is not None]
    span = (posed[-1].stamp - posed[0].stamp) * 1e-9 if len(posed) > 1 else 0.0
    names = dict.fromkeys(name for r in posed for name in r.stages)
    return Figures(
        pictures=len(records),
        answered=sum(r.found is not None for r in records),
        found=sum(bool(r.found) for r in records),
        posed=len(posed),
        rate=(len(posed) - 1) / span if span > 0 else None,
        stages={name: float(np.median([r.stages[name] for r in posed if name in r.stages])) for name in names},
        tf_p50=_percentile(50, [r.tf_latency for r in records]),
        tf_p95=_percentile(95, [r.tf_latency for r in records]),
        pose_p50=_percentile(50, [r.pose_latency for r in records]),
        pose_p95=_percentile(95, [r.pose_latency for r in records]),
        shape_error=_percentile(50, [r.shape_error for r in records]),
        wrist_error=_percentile(50, [r.wrist_error for r in records]),
        pixel_error=_percentile(50, [r.pixel_error for r in records]),
        score=_percentile(50, [r.score for r in records if r.found is not None]),
    )


def _percentile(percent: float, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.percentile(known, percent)) if known else None
