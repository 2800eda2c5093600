"""From a hand to a robot's joints: three engines behind one call.

| Engine   | What the robot does                                            | Needs               |
| -------- | -------------------------------------------------------------- | ------------------- |
| `direct` | each joint follows angles of the hand, or a distance in it      | nothing             |
| `vector` | vectors between links become those between keypoints            | nothing             |
| `dex`    | the same, or the places of links, through dex-retargeting       | the extra [retarget] |

Vector retargeting: Qin et al., AnyTeleop (RSS 2023); `vector` solves it with a bounded Gauss–Newton method of our own.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from minimal_hand_core.robots.config import LinkVectors, RetargetConfig
from minimal_hand_core.robots.kinematics import Kinematics
from minimal_hand_core.robots.observation import HandObservation, hand_to_robot
from minimal_hand_core.robots.urdf import to_urdf

MAX_STEPS = 20
SMALL_GAIN = 1e-3
"""Share of the cost; the search ends with a step that brings less."""


class RetargetError(ValueError):
    """An engine that cannot work here; the message says what to do."""


class Retargeter(Protocol):
    """Positions of a robot's joints for a hand."""

    def retarget(self, hand: HandObservation) -> np.ndarray:
        """(N,) float64, order of config.robot.names; limits and speeds are the guard's concern."""
        ...

    def reset(self) -> None:
        """Forget the hands before."""
        ...


def create_retargeter(config: RetargetConfig) -> Retargeter:
    """The engine that a retargeting file asks for.

    Raises:
        RetargetError: method dex without the package, or with a robot that it cannot handle.
    """
    kinds: dict[str, type[Any]] = {'direct': DirectRetargeter, 'vector': VectorRetargeter, 'dex': DexRetargeter}
    engine: Retargeter = kinds[config.method](config)
    return engine


class DirectRetargeter:
    """Each joint follows angles of the hand, or the distance of two keypoints."""

    def __init__(self, config: RetargetConfig) -> None:
        self._maps = [(config.robot.names.index(item.joint), item) for item in config.direct]
        self._rest = config.rest

    def retarget(self, hand: HandObservation) -> np.ndarray:
        positions = self._rest.copy()
        for joint, item in self._maps:
            if item.keypoints is None:
                value = sum(weight * hand.angles[angle] for angle, weight in item.angles)
            else:
                a, b = item.keypoints
                value = float(np.linalg.norm(hand.keypoints[a] - hand.keypoints[b]))
            positions[joint] = min(max(item.scale * value + item.offset, item.low), item.high)
        return positions

    def reset(self) -> None:
        pass


class VectorRetargeter:
    """Least squares over vectors between links, within the joints' limits, starting from the last positions."""

    def __init__(self, config: RetargetConfig) -> None:
        assert config.vectors is not None
        self._vectors = config.vectors
        self._starts, self._ends = np.array(
            [[config.robot.links.index(a) for a in pair] for pair in self._vectors.links]
        ).T
        self._kinematics = Kinematics(config.robot)
        self._lower, self._upper = config.robot.lower, config.robot.upper
        self._rest = config.rest
        self._positions = config.rest

    def retarget(self, hand: HandObservation) -> np.ndarray:
        self._positions = self._solve(target_vectors(self._vectors, hand))
        return self._positions.copy()

    def reset(self) -> None:
        self._positions = self._rest

    def _solve(self, target: np.ndarray) -> np.ndarray:
        last = self._positions
        positions, damping = last.copy(), 0.0
        cost, gradient, hessian = self._expand(positions, last, target)
        for _ in range(MAX_STEPS):
            # A joint at a limit that would be pushed on beyond it takes no part in the step.
            free = ~((positions <= self._lower) & (gradient > 0) | (positions >= self._upper) & (gradient < 0))
            step = np.zeros_like(positions)
            block = hessian[np.ix_(free, free)] + damping * np.eye(int(free.sum()))
            step[free] = np.linalg.solve(block, -gradient[free])
            tried = np.clip(positions + step, self._lower, self._upper)
            new = self._expand(tried, last, target)
            if not new[0] <= cost:
                damping = max(4 * damping, 1e-3 * float(np.trace(hessian)) / len(positions))
                continue
            gained = cost - new[0]
            positions, (cost, gradient, hessian), damping = tried, new, damping / 4
            if gained <= SMALL_GAIN * cost:
                break
        return positions

    def _expand(
        self, positions: np.ndarray, last: np.ndarray, target: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Cost at positions, its gradient (N,) and the Gauss–Newton approximation of its second derivatives (N, N)."""
        vectors, huber = self._vectors, self._vectors.huber
        frames = self._kinematics.link_frames(positions)
        starts, ends = self._starts, self._ends
        miss = frames[ends, :3, 3] - frames[starts, :3, 3] - target
        slope = self._kinematics.jacobian(frames, ends) - self._kinematics.jacobian(frames, starts)
        length = np.linalg.norm(miss, axis=1)
        near = length <= huber
        loss = np.where(near, 0.5 * length**2, huber * (length - 0.5 * huber))
        pull = vectors.weights * np.where(near, 1.0, huber / np.maximum(length, huber))
        away = positions - last
        cost = float(vectors.weights @ loss + 0.5 * vectors.smoothness * (away @ away))
        gradient = np.einsum('k,kx,kxn->n', pull, miss, slope) + vectors.smoothness * away
        hessian = np.einsum('k,kxn,kxm->nm', pull, slope, slope) + vectors.smoothness * np.eye(len(away))
        return cost, gradient, hessian


class DexRetargeter:
    """The package dex-retargeting (github.com/dexsuite/dex-retargeting), fed with the same vectors."""

    def __init__(self, config: RetargetConfig) -> None:
        assert config.vectors is not None
        robot = config.robot
        for joint in robot.joints:
            if not math.isfinite(joint.upper):
                raise RetargetError(f"method 'dex' cannot move continuous joint {joint.name!r}; use method 'vector'")
        try:
            from dex_retargeting.retargeting_config import RetargetingConfig
        except ImportError as error:
            raise RetargetError(
                f"method 'dex' needs the package dex-retargeting ({error}): pip install dex-retargeting six, "
                "or use method 'vector', which needs nothing"
            ) from None
        self._vectors = config.vectors
        self._by_place = config.dex_type == 'position'
        starts, ends = (list(column) for column in zip(*self._vectors.links))
        common = {
            'type': config.dex_type,
            'target_joint_names': list(robot.names),
            'huber_delta': self._vectors.huber,
            # Smoothing is the tracker's, and speed the guard's concern.
            'low_pass_alpha': -1.0,
        }
        if self._by_place:
            specific = {'target_link_names': ends, 'target_link_human_indices': self._vectors.keypoints[:, 1]}
        else:
            specific = {
                'target_origin_link_names': starts,
                'target_task_link_names': ends,
                'target_link_human_indices': self._vectors.keypoints.T,
                'scaling_factor': 1.0,
            }
        with tempfile.TemporaryDirectory() as folder:
            # Not the user's file: of that only a part may be commanded.
            urdf = Path(folder) / 'robot.urdf'
            urdf.write_text(to_urdf(robot))
            self._engine = RetargetingConfig(urdf_path=str(urdf), **common, **specific).build()
        theirs = list(self._engine.joint_names)
        self._order = [theirs.index(name) for name in robot.names]

    def retarget(self, hand: HandObservation) -> np.ndarray:
        target = target_places(self._vectors, hand) if self._by_place else target_vectors(self._vectors, hand)
        return np.asarray(self._engine.retarget(target), np.float64)[self._order]

    def reset(self) -> None:
        self._engine.reset()


def target_vectors(vectors: LinkVectors, hand: HandObservation) -> np.ndarray:
    """(K, 3) metres: the hand's vectors as the robot should have them, in the base's frame."""
    starts, ends = vectors.keypoints.T
    turn = hand_to_robot(hand.side, vectors.fingers, vectors.palm)
    return np.asarray((hand.keypoints[ends] - hand.keypoints[starts]) @ turn.T * vectors.scales[:, None])


def target_places(vectors: LinkVectors, hand: HandObservation) -> np.ndarray:
    """(K, 3) metres: where the hand's far keypoints lie seen from its wrist, in the base's frame."""
    turn = hand_to_robot(hand.side, vectors.fingers, vectors.palm)
    return np.asarray(hand.keypoints[vectors.keypoints[:, 1]] @ turn.T * vectors.scales[:, None])
