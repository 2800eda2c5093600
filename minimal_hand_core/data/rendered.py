"""The rendered hand as a picture source."""

from __future__ import annotations

import numpy as np
import torch

from minimal_hand_core.data.sources import Shot
from minimal_hand_core.data.synthetic import HandMotion, RenderedScene
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.tracking.camera import CameraModel


class RenderedSource:
    """A moving hand of known truth, for ever; picture n shows it n / rate seconds after the start.

    Args:
        side: 'right' or 'left'.
        model: 'open' or the path of a hand model.
        seed: another seed, another hand, room and motion.
        rate: pictures per second; 0 = 30.
        size: (height, width) of the pictures.

    Raises:
        ValueError: the hand model cannot be loaded.
    """

    def __init__(
        self,
        side: str = 'right',
        model: str = 'open',
        seed: int = 0,
        rate: float = 0.0,
        size: tuple[int, int] = (480, 640),
    ) -> None:
        self.rate = rate or 30.0
        # the scene is made of a right hand whatever side it shows
        self._scene = RenderedScene(seed, size, model=load_hand_model(model, 'right'), side=side)
        self.camera: CameraModel | None = CameraModel(size[1], size[0], self._scene.intrinsics, np.zeros(0))
        self._count = 0
        self._scene.frame(0.0)  # the first picture compiles the renderer

    def read(self) -> Shot:
        """The next picture."""
        image, truth = self._scene.frame(self._count / self.rate)
        self._count += 1
        return Shot(image, f'rendered picture {self._count}', truth)

    def close(self) -> None:
        """Nothing to let go of."""


def rendered_hand_length(model: str = 'open', seed: int = 0) -> float:
    """|wrist − middle MCP| in metres of the hand that RenderedSource shows for this model and seed."""
    right = load_hand_model(model, 'right')
    betas = torch.as_tensor(HandMotion(seed, right).betas, dtype=right.dtype)
    with torch.inference_mode():
        rest = right.rest_keypoints(betas[None])[0]
    return float((rest[MIDDLE_MCP] - rest[WRIST]).norm())
