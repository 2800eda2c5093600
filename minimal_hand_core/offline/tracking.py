"""Picture → hands, by the stages of the tracker, for one side or both, with a memory that can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from minimal_hand_core.hand.rotations import matrix_to_quaternion
from minimal_hand_core.inference import create_engine
from minimal_hand_core.inference.engine import NetworkEngine
from minimal_hand_core.offline.inputs import Frame
from minimal_hand_core.offline.options import TrackOptions
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import CameraModel, HandsDetector, HandState, Keypoints, NoHand
from minimal_hand_core.tracking.memory import recall, remember
from minimal_hand_core.tracking.mirrored import project_as_received
from minimal_hand_core.tracking.tracker import HandSolver


class TrackedHand(NamedTuple):
    """One hand in one picture, or that there is none.

    Attributes:
        found: what the network saw.
        shape: of the hand, as it was known then.
        state: the articulated hand; None when there is none.
        quaternions: (16, 4) float64 x y z w of its rotations; (0, 4) when there is none.
        first: this is the first picture of all.
        gone: this is where it counts as lost: none for longer than `lost_timeout`, or never yet, which was not so, or
            not known, one picture before.
    """

    found: Keypoints | NoHand
    shape: HandShape
    state: HandState | None
    quaternions: np.ndarray
    first: bool = False
    gone: bool = False


class TrackedFrame(NamedTuple):
    """A picture, the intrinsics it was tracked with, and its hands by side."""

    frame: Frame
    camera: CameraModel | None
    hands: Mapping[str, TrackedHand]


class OfflineTracker:
    """HandsDetector and HandSolvers in a row.

    Args:
        options: settings.
        backend: what runs the network; '' = as the settings say.

    Attributes:
        backend: what runs the network, by name.

    Raises:
        EngineError, CheckpointError, ValueError: as of the stages.
    """

    def __init__(self, options: TrackOptions, backend: str = '') -> None:
        config = options.tracker
        engine = _engine(backend or config.backend, config.weights, config.threads)
        self._engine, self._mirrored = engine, config.mirrored
        self._detector = HandsDetector(config, engine, options.sides)
        self.solvers = {side: HandSolver(replace(config, side=side)) for side in options.sides}

    @property
    def backend(self) -> str:
        """What runs the network, by name; not the one asked for where that failed."""
        return self._engine.backend

    @property
    def replaces(self) -> str:
        """Which engine failed and was replaced, and why; '' when none was."""
        return self._engine.replaces

    def track(self, frame: Frame, camera: CameraModel | None) -> TrackedFrame:
        """The hands in the next picture.

        Raises:
            CameraError: intrinsics of another picture size.
        """
        assert frame.image is not None
        if camera is not None:
            camera.check_size(frame.image.shape[1], frame.image.shape[0])
        found = self._detector.detect(frame.image, frame.stamp * 1e-9, camera)
        hands = {side: _solved(solver, found[side], camera) for side, solver in self.solvers.items()}
        return TrackedFrame(frame, camera, hands)

    def project(self, points: np.ndarray, camera: CameraModel, width: int) -> np.ndarray:
        """(N, 3) metres, camera frame → (N, 2) pixels of the picture as received, `width` wide, mirrored or not."""
        return project_as_received(points, camera, width, self._mirrored)

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices in metres, frame of `state.keypoints_m`."""
        return self.solvers[state.side].pose.mesh(state)

    def faces(self, side: str) -> np.ndarray:
        """(F, 3) vertex numbers of the hand's triangles."""
        return np.asarray(self.solvers[side].pose.model.faces.numpy())

    def remember(self) -> bytes:
        """What the next picture depends on, besides the settings."""
        return remember(self._detector, self.solvers)

    def recall(self, memory: bytes) -> None:
        """Go on from a memory.

        Raises:
            RecallError: it is none of a tracker of these settings.
        """
        recall(memory, self._detector, self.solvers)


def _solved(solver: HandSolver, found: Keypoints | NoHand, camera: CameraModel | None) -> TrackedHand:
    first, lost = not solver.pose.started, solver.pose.lost
    state = solver.solve(found, camera)
    gone = state is None and solver.pose.lost and (first or not lost)
    return TrackedHand(found, solver.shape.shape, state, _quaternions(state), first, gone)


def _quaternions(state: HandState | None) -> np.ndarray:
    if state is None:
        return np.zeros((0, 4))
    return np.asarray(matrix_to_quaternion(torch.from_numpy(np.ascontiguousarray(state.rotations))).numpy())


@lru_cache(maxsize=1)
def _engine(backend: str, weights: str, threads: int) -> NetworkEngine:
    """A worker that tracks one input after the other loads the network once."""
    return create_engine(backend, weights, threads)
