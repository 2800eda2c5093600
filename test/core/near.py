"""Answers of an engine held against those of the plain network."""

import numpy as np


def check_near(backend, name, found, wanted, tolerance, rough):
    """Nothing is as far apart as its tolerance; in bfloat16 the median is not as far as the rough one.

    Args:
        tolerance, rough: by name of the output.
    """
    apart = np.abs(found - wanted)
    if backend == 'torch:bfloat16':
        assert np.median(apart) < rough[name], (name, apart.max())
    else:
        assert apart.max() < tolerance[name], (backend, name)
