"""The pictures of a bag or MCAP file, with the intrinsics that were recorded with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from minimal_hand_core.offline.inputs import Frame, InputError
from minimal_hand_core.offline.options import TrackOptions
from minimal_hand_core.recording import RecordingError
from minimal_hand_core.recording.pictures import RecordedPictures


class BagInput:
    """A PictureInput.

    Args:
        path: an MCAP file, a rosbag2 folder, a .db3 or a ROS 1 .bag file.
        options: name the topics, and say whether pictures are rectified.
    """

    def __init__(self, path: Path, options: TrackOptions) -> None:
        self.path = path
        self._topics, self._rectified = (options.topic, options.camera_info_topic), options.rectified
        with self._open() as pictures:
            self.rate = pictures.rate
            self.count: int | None = pictures.count or None

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """As PictureInput says."""
        number = start - 1
        with self._open() as pictures:
            try:
                for number, picture in enumerate(pictures.after(start), start):
                    seen = (picture.image, picture.camera, picture.name, picture.jpeg, picture.frame_id)
                    yield Frame(number, picture.stamp, *seen, picture.unusable)
            except RecordingError as error:
                raise InputError(f'{error} ({number + 1} pictures)') from None
        if number < 0:
            raise InputError(f'{self.path} holds no picture')

    def _open(self) -> RecordedPictures:
        try:
            return RecordedPictures(self.path, *self._topics, rectified=self._rectified)
        except RecordingError as error:
            raise InputError(str(error)) from None
