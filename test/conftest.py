"""What every test run gets: a ROS domain of its own, checked message fields, fixed seeds and bounded threads.

It is set here, before any test imports rclpy, torch or numpy, and not in the Makefile, so that a bare `pytest` and
`colcon test` get the same. Processes started by tests inherit it.
"""

import fcntl
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import IO

for threads in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS'):
    # One: the nodes that tests start want the other cores, and threads that wait for each other on a busy machine
    # make small networks a hundred times slower.
    os.environ.setdefault(threads, '1')
# Engines are measured and ONNX models written once for all runs, out of the user's own cache.
os.environ.setdefault('MINIMAL_HAND_CACHE', str(Path(__file__).resolve().parents[1] / '.cache'))
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

import numpy as np  # noqa: E402
import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / 'shared'
"""Material that lies beside some checkouts; tests that need it are skipped elsewhere."""


def claim_domain() -> tuple[int, IO[str]]:
    """Choose a ROS domain no other test run on this machine uses; return it with the lock that holds it."""
    # Above 101, the ports of a domain can collide with the system's ephemeral ones.
    for domain in random.SystemRandom().sample(range(1, 102), 101):
        try:
            lock = (Path(tempfile.gettempdir()) / f'minimal_hand_ros_test_domain_{domain}.lock').open('a')
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Held by another run, or the file of another user.
            continue
        return domain, lock
    raise RuntimeError('all ROS domains from 1 to 101 are taken by other test runs')


DOMAIN, _domain_lock = claim_domain()
os.environ['ROS_DOMAIN_ID'] = str(DOMAIN)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers, one runs all tests of nodes, one after the other, and the others share the rest by file.

    Nodes are processes, too, and two tests that time them at once would disturb each other. What is first in the list
    is handed out first, and the nodes take longest.
    """
    if not hasattr(config, 'workerinput'):
        return
    nodes = Path(__file__).parent / 'ros'
    items.sort(key=lambda item: nodes not in item.path.parents)
    for item in items:
        group = 'nodes' if nodes in item.path.parents else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_report_header() -> str:
    return f'ROS_DOMAIN_ID {DOMAIN}, shared data {"at " + str(SHARED) if SHARED.is_dir() else "absent"}'


@pytest.fixture(scope='session')
def domain_id() -> int:
    """ROS domain of this run."""
    return DOMAIN


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Same random numbers in every run, also for code that uses the global generators."""
    random.seed(0)
    np.random.seed(0)
    # Not imported here: it takes seconds, and a fresh import starts from a seed that is always the same.
    if 'torch' in sys.modules:
        sys.modules['torch'].manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts afresh in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope='module')
def own_cache(tmp_path_factory):
    """The folder in which this module's engines keep what they make, empty at first."""
    from minimal_hand_core.cache import VARIABLE

    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope='session')
def shared_path():
    """shared_path('reference/detnet-state-dict.json') → its path; skips the test where it is absent."""

    def find(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f'../shared/{relative} is not beside this checkout')
        return path

    return find
