"""What the core logs comes out in the log of the node."""

import logging

from minimal_hand_ros import logs
from minimal_hand_ros.logs import CORE, forward_core_logs


class FakeLogger:
    def __init__(self):
        self.lines = []

    def __getattr__(self, severity):
        return lambda text: self.lines.append((severity, text))


def test_records_keep_their_severity(monkeypatch):
    loggers = {}
    monkeypatch.setattr(logs, 'get_logger', lambda name: loggers.setdefault(name, FakeLogger()))
    core = logging.getLogger(CORE)
    before = core.handlers[:], core.level
    try:
        forward_core_logs('first')
        forward_core_logs('keypoint_node')  # a second node in a process: one line each, not two
        part = logging.getLogger(f'{CORE}.inference.choice')
        part.debug('%s', 'details')
        part.info('took %s', 'torch')
        part.warning('left out')
        part.error('gone')
        assert loggers['first'].lines == []
        assert loggers['keypoint_node'].lines == [('info', 'took torch'), ('warning', 'left out'), ('error', 'gone')]
    finally:
        core.handlers, core.level = before
        core.manager._clear_cache()
