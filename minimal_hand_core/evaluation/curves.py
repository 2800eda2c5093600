"""PCK curves as pictures: one row per data set, one column per protocol, one line per method."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

from minimal_hand_core.evaluation.figure_files import figure_files
from minimal_hand_core.evaluation.scores import CURVE_MM, HIGH_MM, LOW_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minimal_hand_core.evaluation.report import Row

PANEL = (4.4, 3.6)
"""Inches."""
_log = logging.getLogger(__name__)


def draw_curves(rows: Sequence[Row]) -> dict[str, bytes]:
    """The curves of all rows.

    Args:
        rows: at least one.

    Returns:
        {'png': …, 'svg': …}; nothing, with a warning in the log, where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        _log.warning("no curves are drawn: matplotlib is not installed (pip install '.[plots]')")
        return {}
    titles = list(dict.fromkeys(row.title for row in rows))
    protocols = list(dict.fromkeys(row.score.protocol for row in rows))
    width, height = PANEL[0] * len(protocols), PANEL[1] * len(titles)
    figure = Figure(figsize=(width, height))
    # Margins in inches; a layout engine would take longer than the drawing.
    figure.subplots_adjust(
        left=0.6 / width,
        right=1 - 0.15 / width,
        bottom=0.5 / height,
        top=1 - 0.35 / height,
        wspace=0.75 / (PANEL[0] - 0.75),
        hspace=0.85 / (PANEL[1] - 0.85),
    )
    for place, (title, protocol) in enumerate(product(titles, protocols), 1):
        members = [row for row in rows if (row.title, row.score.protocol) == (title, protocol)]
        if members:
            _draw_panel(figure.add_subplot(len(titles), len(protocols), place), members)
    return figure_files(figure, 130)


def _draw_panel(axes: Axes, rows: Sequence[Row]) -> None:
    """The curves of one data set under one protocol."""
    axes.axvspan(LOW_MM, HIGH_MM, color='0.94', zorder=0)
    for row in rows:
        axes.plot(CURVE_MM, row.score.curve, label=f'{row.method}  {row.score.auc:.3f}', linewidth=1.6)
    axes.set(
        title=f'{rows[0].title}, {rows[0].score.protocol}',
        xlim=(0, HIGH_MM),
        ylim=(0, 1),
        xlabel='error threshold (mm)',
        ylabel='share of keypoints (PCK)',
    )
    axes.grid(color='0.85', linewidth=0.6)
    high = max(row.score.auc for row in rows) > 0.6
    axes.legend(loc='lower right' if high else 'upper left', fontsize=8, title='AUC 20–50 mm', title_fontsize=8)
