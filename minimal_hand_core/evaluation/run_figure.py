"""Curves of runs as one picture: a panel per quantity, a colour per run, a kind of line per part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minimal_hand_core.evaluation.figure_files import figure_files
from minimal_hand_core.evaluation.run_curves import Curve, RunCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    'auc': 'AUC of 3D PCK, 20–50 mm',
    'acc': 'share of heat map cells that are right (ACC_HM)',
    'error': 'error',
    'mm': 'error (mm)',
    'deg': 'error (degrees)',
    'pck10': 'PCK at 0.1 of the hand’s box',
    'pck20': 'PCK at 0.2 of the hand’s box',
    'lr': 'learning rate',
    'total': 'loss, total',
    'heat': 'loss, heat maps',
    'delta': 'loss, delta maps',
    'location': 'loss, location maps',
    'loss': 'loss',
    'biomechanical': 'loss, biomechanical',
}
LOSSES = ('total', 'loss', 'heat', 'delta', 'location', 'biomechanical', 'lr')
"""Quantities that a logarithmic axis suits."""
_HIGHER = ('auc', 'acc', 'pck')
_LOWER = ('error', 'mm', 'deg')
_STYLES: tuple[Any, ...] = ('-', '--', ':', '-.', (0, (4, 1, 1, 1, 1, 1)), (0, (1, 2)))
_COLUMNS = 3
_MOST_POINTS = 2000
_SMOOTHED_POINTS = 200


def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """Moving average whose weights fade to both sides as weight^distance, so that a falling curve stays where it is.

    Args:
        y: (n,); NaN stays NaN and counts nothing.
        weight: how slowly they fade, 0 … below 1.

    Raises:
        ValueError: another weight.
    """
    if not 0 <= weight < 1:
        raise ValueError(f'smooth is {weight}; give 0 … below 1, such as 0.9')
    known = np.isfinite(y)
    parts = np.stack([np.where(known, y, 0.0), known.astype(float)])
    total = -parts
    for direction in (1, -1):
        sums = np.zeros(2)
        for i in range(len(y))[::direction]:
            sums = weight * sums + parts[:, i]
            total[:, i] += sums
    return np.where(known, total[0] / np.maximum(total[1], 1e-12), np.nan)


def best(curve: Curve) -> tuple[float, float] | None:
    """x and value where a score is highest, or an error lowest; None for a loss or where nothing is finite."""
    higher, lower = curve.quantity.startswith(_HIGHER), curve.quantity in _LOWER
    if not (higher or lower) or not np.isfinite(curve.y).any():
        return None
    at = int(np.nanargmax(np.where(np.isfinite(curve.y), curve.y if higher else -curve.y, -np.inf)))
    return float(curve.x[at]), float(curve.y[at])


def draw_runs(
    runs: Sequence[RunCurves], *, smooth: float = 0.0, log: bool = False, only: Sequence[str] = (), title: str = ''
) -> dict[str, bytes]:
    """One picture of all curves.

    Args:
        runs: of `read_runs`.
        smooth: as `smoothed` for a curve of 200 points; shorter and longer ones are smoothed over the same share of
            their length. What was smoothed stays faintly behind.
        log: losses and learning rate on a logarithmic axis.
        only: quantities to draw; all when empty.
        title: above all panels.

    Returns:
        {'png': …, 'svg': …}: the bytes of both files, the same for the same runs.

    Raises:
        ValueError: a quantity that no run has, or a weight that `smoothed` refuses.
        ModuleNotFoundError: matplotlib is not installed.
    """
    panels = _panels(runs, only)
    smoothed(np.zeros(0), smooth)
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5.0 * columns, 3.7 * lines), layout='constrained')
    all_axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, ((quantity, unit), members) in zip(all_axes, panels.items()):
        _draw_panel(axes, members, [run.name for run in runs], smooth)
        axes.set_title(TITLES.get(quantity, quantity), fontsize=11)
        axes.set_xlabel(unit)
        axes.grid(color='0.9', linewidth=0.6)
        if log and quantity in LOSSES and any((curve.y > 0).any() for _, curve in members):
            axes.set_yscale('log')
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title)
    return figure_files(figure, 120)


def _panels(runs: Sequence[RunCurves], only: Sequence[str]) -> dict[tuple[str, str], list[tuple[str, Curve]]]:
    """(quantity, unit) → (run, curve), losses first, in the order of TITLES' losses, then scores as they come."""
    panels: dict[tuple[str, str], list[tuple[str, Curve]]] = {}
    for run in runs:
        for curve in run.curves:
            panels.setdefault((curve.quantity, curve.unit), []).append((run.name, curve))
    known = list(dict.fromkeys(quantity for quantity, _ in panels))
    for name in only:
        if name not in known:
            raise ValueError(f'no run has {name!r}; choose from {", ".join(known)}')
    order = {name: i for i, name in enumerate(LOSSES[:-1])}
    chosen = [key for key in panels if not only or key[0] in only]
    return {key: panels[key] for key in sorted(chosen, key=lambda key: order.get(key[0], len(order)))}


def _draw_panel(axes: Axes, members: list[tuple[str, Curve]], names: list[str], smooth: float) -> None:
    parts = list(dict.fromkeys(curve.of for _, curve in members))
    several = len({name for name, _ in members}) > 1
    for name, curve in members:
        color = f'C{(names.index(name) if len(names) > 1 else parts.index(curve.of)) % 10}'
        style = _STYLES[parts.index(curve.of) % len(_STYLES)]
        label = f'{name}, {curve.of}' if several and len(parts) > 1 else name if several else curve.of
        top = best(curve)
        if top is not None:
            label += f': {top[1]:.4g} at {top[0]:g}'
            axes.plot(*top, marker='o', markersize=4, color=color, linestyle='none')
        mark = '.' if len(curve.x) == 1 else ''
        y = curve.y
        if smooth > 0 and curve.quantity != 'lr':
            axes.plot(*_thinned(curve.x, y), color=color, linestyle='-', linewidth=0.7, alpha=0.3)
            y = smoothed(y, smooth ** (_SMOOTHED_POINTS / len(y)))
        axes.plot(*_thinned(curve.x, y), color=color, linestyle=style, marker=mark, linewidth=1.5, label=label)
    axes.legend(fontsize=8, framealpha=0.7)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most _MOST_POINTS of a long curve, the last among them."""
    step = -(-len(x) // _MOST_POINTS)
    rows = np.unique(np.append(np.arange(0, len(x), step), len(x) - 1)) if step > 1 else slice(None)
    return x[rows], y[rows]
