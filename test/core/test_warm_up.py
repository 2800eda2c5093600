"""What is compiled ahead is what the tracker and the renderer use."""

import os
import time

from minimal_hand_core import warm_up
from minimal_hand_core.data.synthetic.shading import shade
from minimal_hand_core.hand.kernels import name_turns
from minimal_hand_core.pose.aik_kernel import solve_hands
from minimal_hand_core.pose.joint_kernel import find_angles, find_axes
from minimal_hand_core.shape.lm_kernel import fit_hands
from minimal_hand_core.shape.pso_kernel import swarm_hands
from minimal_hand_core.shape.window_kernel import measure_frame, robust_mean
from minimal_hand_core.stale_kernels import drop_stale_kernels
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


def test_kernels_older_than_one_they_may_have_taken_in_are_compiled_anew(tmp_path):
    cache = tmp_path / 'part' / '__pycache__'
    cache.mkdir(parents=True)
    files = {}
    for i, name in enumerate(('outer.shade-31.py311.nbi', 'outer.shade-31.py311.1.nbc', 'inner.colour-9.py311.nbi')):
        files[name] = cache / name
        files[name].touch()
        os.utime(files[name], (1000 + i, 1000 + i))
    for name in ('outer', 'inner', 'no_kernel'):
        source = tmp_path / 'part' / f'{name}.py'
        source.touch()
        os.utime(source, (900, 900))
    os.utime(tmp_path / 'part' / 'no_kernel.py', (5000, 5000))
    assert drop_stale_kernels(tmp_path) == []
    os.utime(tmp_path / 'part' / 'inner.py', (1001, 1001))
    assert drop_stale_kernels(tmp_path) == [files['outer.shade-31.py311.nbi']]
    assert not files['outer.shade-31.py311.nbi'].exists() and files['inner.colour-9.py311.nbi'].exists()
    later = time.time() + 3600
    os.utime(tmp_path / 'part' / 'inner.py', (later, later))
    assert drop_stale_kernels(tmp_path) == []
