"""What a worker does with one input, wherever it runs: errors become outcomes, so that others are not held up."""

from __future__ import annotations

import errno

import cv2

from minimal_hand_core.errors import first_line
from minimal_hand_core.offline.run import Outcome, Report, Task, track_input


def outcome_of(task: Task, report: Report = lambda done, total: None) -> Outcome:
    """Track one input; what goes wrong with it is its `fault`."""
    try:
        return track_input(task, report)
    except OSError as error:
        mend = ''
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            mend = ': make room and run the same command again, it goes on where it was'
        return Outcome(task.path, task.folder, fault=f'{first_line(error)}{mend}')
    except (ValueError, RuntimeError, cv2.error) as error:
        return Outcome(task.path, task.folder, fault=first_line(error))
