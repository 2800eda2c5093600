"""How a command ends: with one line about what went wrong, and a number."""

from __future__ import annotations

import sys
from collections.abc import Callable


def exit_status(name: str, work: Callable[[], None], *, goes_on: str = '') -> int:
    """Do the work of the command `name`.

    Args:
        name: of the command, for what it says.
        work: raises ValueError or OSError with a message for the user when it cannot be done.
        goes_on: where the same command goes on after an interruption, such as 'where it was'; '' if it begins anew.

    Returns:
        0; 1 after an error, which is told; or 130 after Ctrl-C.
    """
    try:
        work()
    except (ValueError, OSError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        more = f'; the same command goes on {goes_on}' if goes_on else ''
        print(f'{name}: interrupted{more}', file=sys.stderr)
        return 130
    return 0
