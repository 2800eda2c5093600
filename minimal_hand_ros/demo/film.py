"""The demo's clip and contact sheet, drawn after the run so that drawing costs the tracker nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.drawing import contact_sheet, draw_outline, draw_skeleton, draw_text, fitted
from minimal_hand_core.tracking import PoseEstimator
from minimal_hand_core.tracking.mirrored import project_as_received
from minimal_hand_ros.demo.records import Record

SHEET_PICTURES = 12
_GHOST = (190, 190, 190)
_MESH = (255, 255, 120)


class FilmError(OSError):
    """A file that cannot be written."""


def annotate(record: Record, estimator: PoseEstimator) -> np.ndarray | None:
    """The picture of a record with truth (grey), mesh outline and skeleton; None when the picture was not kept."""
    if record.jpeg is None:
        return None
    picture = cv2.imdecode(np.frombuffer(record.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return None
    camera, state = record.camera, record.state
    if camera is not None and record.truth is not None:
        draw_skeleton(picture, camera.project(record.truth), 1, _GHOST)
    if camera is not None and state is not None and state.metric:
        seen = (camera, picture.shape[1], estimator.config.mirrored)
        outline = project_as_received(estimator.mesh(state), *seen)
        draw_outline(picture, outline, estimator.model.faces.numpy(), _MESH)
        draw_skeleton(picture, project_as_received(state.keypoints_m, *seen), 2)
    elif record.uv is not None:
        draw_skeleton(picture, record.uv, 2)
    draw_text(picture, _caption(record))
    return picture


def write_clip(path: Path, records: list[Record], estimator: PoseEstimator, rate: float) -> int:
    """Write the records' pictures as an MP4 at `rate` pictures per second; returns how many.

    Pictures of another size than the first are fitted into it.

    Raises:
        FilmError: the file cannot be written.
    """
    writer: cv2.VideoWriter | None = None
    size = (0, 0)
    count = 0
    try:
        for picture in _annotated(records, estimator):
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, size)
                if not writer.isOpened():
                    raise FilmError(f'{path} cannot be written: no permission, no space, or no MPEG-4 encoder')
            writer.write(fitted(picture, size))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count


def write_sheet(path: Path, records: list[Record], estimator: PoseEstimator) -> int:
    """Write a contact sheet of SHEET_PICTURES pictures spread evenly over the records; returns how many.

    Pictures with a hand come first in line; without any, pictures without one are shown.

    Raises:
        FilmError: the file cannot be written.
    """
    kept = [r for r in records if r.jpeg is not None]
    # of a photo that is shown several times, the last: by then the hand has been found
    kept = [r for r, following in zip(kept, [*kept[1:], None]) if following is None or following.jpeg != r.jpeg]
    chosen = [r for r in kept if r.state is not None] or [r for r in kept if r.found is not None] or kept
    if not chosen:
        return 0
    places = np.linspace(0, len(chosen) - 1, min(SHEET_PICTURES, len(chosen))).round().astype(int)
    pictures = list(_annotated([chosen[i] for i in places], estimator))
    if not pictures:
        return 0
    if not cv2.imwrite(str(path), contact_sheet(pictures)):
        raise FilmError(f'{path} cannot be written: no permission, or no space')
    return len(pictures)


def _annotated(records: list[Record], estimator: PoseEstimator) -> Iterator[np.ndarray]:
    for record in records:
        picture = annotate(record, estimator)
        if picture is not None:
            yield picture


def _caption(record: Record) -> str:
    if record.found is None:
        return 'not looked at'
    if record.state is None:
        return f'no hand  {record.score:.2f}' if not record.found else f'hand  {record.score:.2f}'
    words = [f'{record.state.side} {record.score:.2f}']
    if record.state.metric:
        words.append(f'{100 * float(record.state.wrist_position[2]):.0f} cm')
    if record.shape_error is not None:
        words.append(f'{1000 * record.shape_error:.1f} mm')
    return '  '.join(words)
