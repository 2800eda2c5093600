"""What is compiled ahead is what the tracker and the renderer use."""

from minimal_hand_core import warm_up
from minimal_hand_core.data.synthetic.shading import shade
from minimal_hand_core.pose.aik_kernel import solve_hands
from minimal_hand_core.shape.lm_kernel import fit_hands
from minimal_hand_core.shape.pso_kernel import swarm_hands
from minimal_hand_core.tracking import HandTracker
from minimal_hand_core.tracking.hand_fit_kernel import descend


def test_every_kernel_is_compiled_and_a_hand_is_tracked(monkeypatch):
    found = []
    track = HandTracker.track
    monkeypatch.setattr(HandTracker, 'track', lambda self, *args: found.append(track(self, *args)))
    warm_up.compile_kernels()
    assert found[0] is not None, 'without a hand the pose is never reached'
    for kernel in (shade, solve_hands, fit_hands, swarm_hands, descend):
        assert kernel.signatures, kernel
