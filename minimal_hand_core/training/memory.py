"""What the C library does with memory that a trainer frees."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of glibc's malloc.h."""
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep large blocks for the next step, instead of giving them back to the system; returns whether it is possible.

    A step on processors makes and frees some hundreds of maps of megabytes. glibc gives many of them back, and the next
    step touches fresh pages, each of which the system has to find and wipe: of a step of the small network that is a
    twelfth. It costs no more memory than a step needs at most. Other C libraries are left alone.
    """
    adjust = getattr(ctypes.CDLL(None), 'mallopt', None)
    if adjust is None:
        return False
    return bool(adjust(_M_TRIM_THRESHOLD, _NEVER)) and bool(adjust(_M_MMAP_MAX, 0))
