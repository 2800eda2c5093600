"""BASELINE, to be measured against and for nothing else: shape by the peer's particle swarm.

Our own plain re-implementation of what fact sheet 4.2 describes, with what it lists as wrong: the leader is where the
best particle is now, not its best position; the search ends at the first generation without progress; no seed; and for
every frame a new swarm that reads the model file anew. Every generation sends all particles through the hand layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.baselines.shape_lm import layer_ratios, read_layer
from minimal_hand_core.hand import OPEN_HAND

PARTICLES, GENERATIONS, SIZE = 100, 100, 10
INERTIA, OWN_PULL, BEST_PULL = 0.4, 2.0, 2.0
BOUND = 3.0
WEIGHT = 1e-3
STOP = 1e-6


class PeerPSO:
    """The swarm of one frame."""

    def __init__(self, target: np.ndarray, path: Path = OPEN_HAND) -> None:
        self.layer = read_layer(path)
        self.target = target
        self.x = np.random.normal(size=(PARTICLES, SIZE))
        self.v = np.random.uniform(size=(PARTICLES, SIZE))
        self.own = self.x.copy()
        self.own_fitness = self.fitness(self.x)
        self.leader = self.x[np.argmin(self.own_fitness)].copy()

    def fitness(self, betas: np.ndarray) -> np.ndarray:
        misfit = np.sum((layer_ratios(self.layer, betas) - self.target) ** 2, axis=1)
        return misfit + WEIGHT * np.linalg.norm(betas, axis=1)

    def fit(self) -> tuple[np.ndarray, float, int]:
        """β (10,), its fitness, and the generations it took."""
        answer = np.zeros(SIZE)
        answer_fitness = float(self.fitness(answer[None])[0])
        for generation in range(GENERATIONS):
            own_chance, best_chance = np.random.uniform(size=(2, PARTICLES, 1))
            pull = OWN_PULL * own_chance * (self.own - self.x) + BEST_PULL * best_chance * (self.leader - self.x)
            self.v = INERTIA * self.v + pull
            self.x = np.clip(self.x + self.v, -BOUND, BOUND)
            fitness = self.fitness(self.x)
            better = fitness < self.own_fitness
            self.own[better], self.own_fitness[better] = self.x[better], fitness[better]
            best = int(np.argmin(self.own_fitness))
            self.leader = self.x[best].copy()
            now = float(self.own_fitness[best])
            if abs(answer_fitness - now) < STOP:
                return answer, answer_fitness, generation + 1
            if now < answer_fitness:
                answer, answer_fitness = self.own[best].copy(), now
        return answer, answer_fitness, GENERATIONS


def fit_frame(target: np.ndarray, path: Path = OPEN_HAND) -> np.ndarray:
    """β (10,) of one frame, as the peer's script finds it: a swarm of its own, hence the model read again."""
    return PeerPSO(target, path).fit()[0]
