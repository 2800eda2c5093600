"""How long a hand is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_BETAS, WRIST

if TYPE_CHECKING:
    from minimal_hand_core.hand.model import HandModel


def hand_length(model: HandModel, betas: np.ndarray | None = None) -> float:
    """|wrist − middle MCP| of a hand model in metres, for betas (10,) or its mean shape."""
    shape = np.zeros(NUM_BETAS) if betas is None else betas
    with torch.inference_mode():
        rest = model.rest_keypoints(torch.as_tensor(shape, dtype=model.dtype)[None])[0]
    return float((rest[MIDDLE_MCP] - rest[WRIST]).norm())
