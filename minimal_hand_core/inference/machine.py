"""What this machine is: the parts on which the speed of an engine depends."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_BFLOAT16 = {'amx_bf16', 'avx512_bf16'}


@cache
def _cpu_facts() -> dict[str, str]:
    """The first processor's entries in /proc/cpuinfo; empty where there is no such file."""
    try:
        first = Path('/proc/cpuinfo').read_text().split('\n\n')[0]
    except OSError:
        return {}
    pairs = (line.partition(':') for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cpu_model() -> str:
    """The processor's name."""
    return _cpu_facts().get('model name') or platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers by itself; elsewhere they are emulated, which is slow."""
    return not _BFLOAT16.isdisjoint(_cpu_facts().get('flags', '').split())


def usable_cores() -> int:
    """Processor cores this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
