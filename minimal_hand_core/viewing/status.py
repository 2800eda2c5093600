"""The figures beside the hand, as a small table in HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_BAR = 'background:#3b82a0;height:6px;border-radius:3px'
_NUMBER = 'text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap'


@dataclass(frozen=True)
class HandStatus:
    """What is known of one hand; seconds, Hz, metres; None where nothing is known.

    Attributes:
        side: 'right' or 'left'.
        found: whether there is a hand now.
        score: 0…1, of the hand or of where it was looked for.
        metric: whether its place is known.
        distance: of the wrist from the camera.
        hand_length: in use.
        calibrated: whether that was measured.
        rate: poses per second.
        age: from the picture until the pose was here, median.
        stages: median of each stage.
    """

    side: str
    found: bool = False
    score: float | None = None
    metric: bool = True
    distance: float | None = None
    hand_length: float | None = None
    calibrated: bool = False
    rate: float = 0.0
    age: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


def status_html(hands: Sequence[HandStatus]) -> str:
    """One column per hand."""
    titles = ''.join(f'<th style="text-align:right">{html.escape(hand.side)} hand</th>' for hand in hands)
    rows = [
        ('', [_state(hand) for hand in hands]),
        ('score', [_number(hand.score, 1, '', 2) for hand in hands]),
        ('distance', [_distance(hand) for hand in hands]),
        ('hand length', [_length(hand) for hand in hands]),
        ('rate', [_number(hand.rate or None, 1, 'Hz', 0) for hand in hands]),
    ]
    names = list(dict.fromkeys(name for hand in hands for name in hand.stages))
    longest = max((hand.stages.get(name, 0.0) for hand in hands for name in names), default=0.0)
    stages = [(html.escape(name), [_stage(hand.stages.get(name), longest) for hand in hands]) for name in names]
    stages.append(('picture → here', [_number(hand.age, 1e3, 'ms', 1) for hand in hands]))
    body = ''.join(_row(name, cells) for name, cells in rows)
    heading = f'<tr><td colspan="{len(hands) + 1}" style="padding-top:6px;opacity:0.6">latency</td></tr>'
    body += heading + ''.join(_row(name, cells) for name, cells in stages)
    return (
        '<div style="padding:0 12px 4px;font-size:0.85em"><table data-hand-status style="width:100%">'
        f'<tr><th></th>{titles}</tr>{body}</table></div>'
    )


def message_html(text: str, good: bool) -> str:
    """One line of an answer, or why something was refused."""
    color = 'inherit' if good else '#e8804c'
    return (
        f'<div data-message style="padding:0 12px 4px;font-size:0.85em;color:{color};min-height:1.4em">'
        f'{html.escape(text)}</div>'
    )


def _row(name: str, cells: Sequence[str]) -> str:
    columns = ''.join(f'<td style="{_NUMBER}">{cell}</td>' for cell in cells)
    return f'<tr><td style="opacity:0.6">{name}</td>{columns}</tr>'


def _state(hand: HandStatus) -> str:
    if not hand.found:
        return '<span style="color:#e8804c">no hand</span>'
    return 'tracked' if hand.metric else 'tracked, camera not calibrated'


def _distance(hand: HandStatus) -> str:
    return _number(hand.distance if hand.found and hand.metric else None, 100, 'cm', 1)


def _length(hand: HandStatus) -> str:
    text = _number(hand.hand_length, 1000, 'mm', 1)
    return text + (' ✓' if hand.calibrated else '')


def _stage(seconds: float | None, longest: float) -> str:
    if seconds is None:
        return '–'
    share = seconds / longest if longest > 0 else 0.0
    bar = f'<div style="{_BAR};width:{40 * share:.0f}px;display:inline-block;margin-right:6px"></div>'
    return bar + _number(seconds, 1e3, 'ms', 2)


def _number(value: float | None, factor: float, unit: str, digits: int) -> str:
    if value is None or not abs(value) < float('inf'):
        return '–'
    return f'{factor * value:.{digits}f}{f" {unit}" if unit else ""}'
