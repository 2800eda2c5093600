"""The pictures of a source in a row, each with its time and intrinsics, as a tracker takes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minimal_hand_core.data.calibration import camera_from_field_of_view
from minimal_hand_core.data.films import steady_stamp
from minimal_hand_core.data.sources import open_source
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.picture import PictureError

FIELD_OF_VIEW = 60.0
"""Degrees across the picture that are assumed of a camera of which nothing is known."""

_log = logging.getLogger(__name__)


class Picture(NamedTuple):
    """One picture.

    Attributes:
        stamp: seconds since the source's first one, those that could not be read counted; of a webcam, since it was
            opened. Pictures of films and recordings have the times that those give them, others those of the source's
            rate.
        image: (H, W, 3) uint8 BGR.
        camera: its intrinsics.
        name: what to call it in messages.
    """

    stamp: float
    image: np.ndarray
    camera: CameraModel
    name: str


def pictures(
    source: str, limit: int = 0, *, side: str = 'right', camera: CameraModel | None = None
) -> Iterator[Picture]:
    """The pictures of a source from its first to its last; those that cannot be read are named in the log.

    Args:
        source: as for open_source; a webcam and the rendered hand have no last picture.
        limit: end after so many; 0 = never.
        side: of the rendered hand.
        camera: intrinsics; None = those the source knows, else FIELD_OF_VIEW.

    Raises:
        SourceError: there is no such source, or it gives no pictures any more.
        CameraError: intrinsics of another picture size.
    """
    opened = open_source(source, loop=False, side=side)
    count, number = 0, -1
    try:
        while not limit or count < limit:
            number += 1
            try:
                shot = opened.read()
            except PictureError as error:
                _log.warning('%s', error)
                continue
            if shot is None:
                return
            height, width = shot.image.shape[:2]
            stamp = steady_stamp(number, opened.rate) * 1e-9 if shot.stamp is None else shot.stamp
            known = camera or opened.camera  # of a recording, that of the picture just read
            if known is not None:
                known.check_size(width, height)
            assumed = known or camera_from_field_of_view(width, height, FIELD_OF_VIEW)
            yield Picture(stamp, shot.image, assumed, shot.name)
            count += 1
    finally:
        opened.close()
