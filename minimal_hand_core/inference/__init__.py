"""One small interface to the network, whatever runs it."""

from minimal_hand_core.inference.availability import available_backends
from minimal_hand_core.inference.create import create_engine
from minimal_hand_core.inference.engine import (
    BACKENDS,
    Engine,
    EngineError,
    EngineMaps,
    EngineOutput,
    NetworkEngine,
)

__all__ = [
    'BACKENDS',
    'Engine',
    'EngineError',
    'EngineMaps',
    'EngineOutput',
    'NetworkEngine',
    'available_backends',
    'create_engine',
]
