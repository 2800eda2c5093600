"""What a step frees is there for the next one."""

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from minimal_hand_core.training.memory import keep_freed_memory

if sys.argv[1] == 'kept' and not keep_freed_memory():
    sys.exit(3)

def step():
    return sum(float(part.sum()) for part in [np.ones(3 << 18) for _ in range(40)])  # 40 times 6 MB

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run([sys.executable, '-c', _PROGRAM, how], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip('this C library has no mallopt')
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_pages_are_not_given_back_and_asked_for_again():
    kept, given_back = _faults('kept'), _faults('given back')
    assert kept < 0.05 * given_back
