"""The demo's words: one line while it runs, a few at the end."""

from __future__ import annotations

from pathlib import Path

from minimal_hand_ros.demo.records import Figures


def progress_line(seconds: float, recent: Figures) -> str:
    """How things stand, from the records of the last moment."""
    if recent.pictures == 0:
        hint = ' (the first start on a machine compiles the renderer)' if seconds > 8 else ''
        return f'{seconds:5.1f} s  waiting for pictures{hint}'
    if recent.answered == 0:
        return f'{seconds:5.1f} s  pictures are coming, waiting for the network'
    if recent.posed == 0:
        return f'{seconds:5.1f} s  no hand (score {recent.score or 0:.2f})'
    parts = [f'{seconds:5.1f} s', f'{recent.rate or 0:4.1f} Hz']
    stages = ', '.join(f'{name} {1000 * value:.1f}' for name, value in recent.stages.items())
    if recent.tf_p50 is not None:
        parts.append(f'picture→TF {1000 * recent.tf_p50:.0f} ms ({stages})')
    elif recent.pose_p50 is not None:
        parts.append(f'picture→pose {1000 * recent.pose_p50:.0f} ms ({stages})')
    errors = _errors(recent)
    if errors:
        parts.append(f'error {errors}')
    parts.append(f'score {recent.score or 0:.2f}')
    return '  '.join(parts)


def summary_lines(source: str, total: Figures, dropped: list[str], files: list[Path]) -> list[str]:
    """What came out of it."""
    lines = [
        f'pictures   {total.pictures} from {source}: {total.answered} looked at, {total.found} with a hand, '
        f'{total.posed} posed' + (f' at {total.rate:.1f} Hz' if total.rate else '')
    ]
    for name, p50, p95 in (
        ('picture→TF', total.tf_p50, total.tf_p95),
        ('picture→pose', total.pose_p50, total.pose_p95),
    ):
        if p50 is not None and p95 is not None:
            lines.append(f'latency    {name}: p50 {1000 * p50:.1f} ms, p95 {1000 * p95:.1f} ms')
    if total.stages:
        stages = ', '.join(f'{name} {1000 * value:.2f} ms' for name, value in total.stages.items())
        lines.append(f'stages     median {stages}')
    errors = _errors(total)
    if errors:
        lines.append(f'error      median {errors}')
    if total.answered and not total.found:
        lines.append(
            f'no hand    the network saw none in {total.answered} pictures (score {total.score or 0:.2f}): '
            'show one hand, well lit and not cut off; for a left hand: --side left'
        )
    lines += [f'warning    {line}' for line in dropped]
    lines += [f'wrote      {path}' for path in files]
    return lines


def _errors(some: Figures) -> str:
    parts = []
    if some.shape_error is not None:
        parts.append(f'{1000 * some.shape_error:.1f} mm (wrists aligned)')
    if some.wrist_error is not None:
        parts.append(f'wrist {1000 * some.wrist_error:.1f} mm')
    if some.pixel_error is not None:
        parts.append(f'{some.pixel_error:.1f} px')
    return ', '.join(parts)
