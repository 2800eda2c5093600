"""What is compiled ahead is what the tracker and the renderer use."""

from minimal_hand_core import warm_up
from minimal_hand_core.data.synthetic.shading import shade
from minimal_hand_core.hand.kernels import name_turns
from minimal_hand_core.pose.aik_kernel import solve_hands
from minimal_hand_core.pose.joint_kernel import find_angles, find_axes
from minimal_hand_core.shape.lm_kernel import fit_hands
from minimal_hand_core.shape.pso_kernel import swarm_hands
from minimal_hand_core.shape.window_kernel import measure_frame, robust_mean
from minimal_hand_core.tracking import HandTracker
from minimal_hand_core.tracking.filters_kernel import one_euro_step
from minimal_hand_core.tracking.hand_fit_kernel import descend, weigh
from minimal_hand_core.tracking.view_kernel import apart, inconsistency, into_picture
from minimal_hand_core.tracking.wrist_kernel import find_wrist


def test_every_kernel_is_compiled_and_a_hand_is_tracked(monkeypatch):
    found = []
    track = HandTracker.track
    monkeypatch.setattr(HandTracker, 'track', lambda self, *args: found.append(track(self, *args)) or found[-1])
    warm_up.compile_kernels()
    assert found[0] is not None, 'without a hand the pose is never reached'
    hand = (descend, weigh, find_wrist, one_euro_step, find_angles, find_axes, into_picture, inconsistency, apart)
    for kernel in (shade, solve_hands, fit_hands, swarm_hands, robust_mean, measure_frame, name_turns, *hand):
        assert kernel.signatures, kernel
