"""What the core logs, in the log of a node: it uses Python's logging, since it knows nothing of ROS."""

from __future__ import annotations

import logging

from rclpy.logging import get_logger

CORE = 'minimal_hand_core'


class RosHandler(logging.Handler):
    """Hands records of Python's logging to a ROS logger.

    Args:
        name: of the ROS logger, usually the node's.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.INFO)
        self._logger = get_logger(name)

    def emit(self, record: logging.LogRecord) -> None:
        # One call per line of code: rclpy insists that a place in a file keeps its severity.
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def forward_core_logs(name: str) -> None:
    """Send what the core logs, from INFO on, to the ROS logger `name`, in place of an earlier one."""
    core = logging.getLogger(CORE)
    core.handlers = [handler for handler in core.handlers if not isinstance(handler, RosHandler)]
    core.addHandler(RosHandler(name))
    core.setLevel(logging.INFO)
