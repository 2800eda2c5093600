"""Compile all numba kernels into their cache: `python -m minimal_hand_core.warm_up`, half a minute once per machine.

Nothing needs it: what is not compiled yet compiles when it is first used, and then a node that starts is silent for as
long.
"""

from __future__ import annotations

import torch

from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.hand.frames import keypoint_frames
from minimal_hand_core.hand.rotations import matrix_to_quaternion
from minimal_hand_core.pose import PoseSolver
from minimal_hand_core.shape import bone_ratios, fit_shape_pso
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig


def compile_kernels() -> None:
    """Run every kernel once: tracker, frames, particle swarm, joint limits on and off, renderer."""
    torch.set_num_threads(1)
    source = RenderedSource()
    tracker = HandTracker(HandTrackerConfig(backend='torch'))
    for stamp in (0.0, 0.03):  # filters begin with the second picture
        state = tracker.track(source.read().image, stamp, source.camera)
    if state is not None:
        _, rotations = keypoint_frames(state.keypoints_m, state.rotations)
        matrix_to_quaternion(torch.from_numpy(rotations))
    model = tracker.pose.model
    rest = model.rest_keypoints(torch.zeros(1, 10))
    fit_shape_pso(bone_ratios(rest), model)
    template = rest[0].double().numpy()
    for limits in (False, True):
        PoseSolver('aik', limits=limits)(template, template)
    SyntheticHands(0)[0]


if __name__ == '__main__':
    compile_kernels()
