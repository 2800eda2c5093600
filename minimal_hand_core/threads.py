"""How many processor threads the libraries below may take."""

from __future__ import annotations

import cv2
import torch


def limit_threads(count: int) -> None:
    """Let PyTorch and OpenCV use `count` threads each; both hold one number for the whole process."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
