"""A matplotlib figure as the bytes of its files, the same for the same figure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ('png', 'svg')


def figure_files(figure: Figure, dpi: float) -> dict[str, bytes]:
    """{'png': …, 'svg': …} of a figure; dpi is that of the PNG."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    files = {}
    for kind in KINDS:
        buffer = io.BytesIO()
        # Without a date and with names of its own choice the same curves give the same file.
        with rc_context({'svg.hashsalt': 'curves', 'svg.fonttype': 'none'}):
            figure.savefig(buffer, format=kind, dpi=dpi, metadata={'Date': None} if kind == 'svg' else None)
        files[kind] = buffer.getvalue()
    return files
