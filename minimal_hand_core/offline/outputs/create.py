"""The outputs that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minimal_hand_core.offline.options import TrackOptions
from minimal_hand_core.offline.outputs.output import Output
from minimal_hand_core.offline.outputs.table import TableOutput
from minimal_hand_core.offline.tracking import OfflineTracker


def create_outputs(
    options: TrackOptions,
    tracker: OfflineTracker,
    folder: Path,
    rate: float,
    size: tuple[int, int],
    about: dict[str, Any],
) -> list[Output]:
    """The table first, since others work from its parts.

    Args:
        options: say what is asked for.
        tracker: knows the meshes.
        folder: of the results.
        rate: pictures per second of a film.
        size: (width, height) of it.
        about: what is written into the table besides its columns.
    """
    outputs: list[Output] = [TableOutput('npz' in options.outputs, 'csv' in options.outputs, about)]
    # imported here, so that a recording's libraries are needed only by those who want one
    if 'mcap' in options.outputs:
        from minimal_hand_core.offline.outputs.recording import RecordingOutput

        outputs.append(RecordingOutput(options.sides, options.jpeg_quality if options.pictures else 0))
    if 'mp4' in options.outputs:
        from minimal_hand_core.offline.outputs.film import FilmOutput

        outputs.append(FilmOutput(tracker, rate, size))
    if options.meshes:
        from minimal_hand_core.offline.outputs.meshes import MeshOutput

        outputs.append(MeshOutput(tracker, options.meshes, options.mesh_pictures == 'best', folder))
    return outputs
