"""One small interface to the network, whatever runs it."""

from minimal_hand_core.inference.engine import BACKENDS, Engine, EngineOutput, create_engine

__all__ = ['BACKENDS', 'Engine', 'EngineOutput', 'create_engine']
