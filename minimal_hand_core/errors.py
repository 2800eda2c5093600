"""What an error says, as part of one line of ours: libraries tell some of theirs over many."""

from __future__ import annotations


def one_line(error: object) -> str:
    """All that an error says, or a reason in words, without line breaks; its class where an error says nothing."""
    return ' '.join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without the full stop; its class where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip('.') if lines else type(error).__name__
