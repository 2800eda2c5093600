"""What a worker does with one input, wherever it runs: errors become outcomes, so that others are not held up."""

from __future__ import annotations

import errno

import cv2
import torch

from minimal_hand_core.offline.run import Outcome, Report, Task, track_input
from minimal_hand_core.weights import first_line


def limit_threads() -> None:
    """One thread per worker: several would wait for each other."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


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
