"""Picture → keypoints of one hand: find it, then follow it, and say so when it is gone."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.inference import Engine
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import DetectorConfig
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.hands_detector import HandsDetector
from minimal_hand_core.tracking.state import Keypoints, NoHand


class KeypointDetector:
    """Finds and follows one hand, picture after picture; HandsDetector for one side.

    Args:
        config: settings.
        engine: runs the network; created from the settings when None.
    """

    def __init__(self, config: DetectorConfig | None = None, engine: Engine | None = None) -> None:
        self._hands = HandsDetector(config, engine)

    def reset(self) -> None:
        """Forget the hand; the next picture is searched from the beginning."""
        self._hands.reset()

    def reconfigure(self, config: DetectorConfig) -> None:
        """Go on with other settings and the same hand; nothing changes when they are refused.

        Raises:
            ValueError: another side, weights, backend or number of threads, which need a new KeypointDetector.
        """
        self._hands.reconfigure(config)

    @property
    def config(self) -> DetectorConfig:
        """The settings."""
        return self._hands.config

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of the last picture on 'crop', 'network' and 'decode'."""
        return self._hands.timings

    @property
    def network_runs(self) -> int:
        """Squares of the last picture that the network looked at."""
        return self._hands.network_runs

    @property
    def following(self) -> bool:
        """Whether the last picture had a hand."""
        return bool(self._hands.following)

    def suggest(self, crop: Crop) -> None:
        """Look here in the next picture, since another detector saw a hand here; see HandsDetector.suggest."""
        self._hands.suggest(crop)

    def detect(self, image: np.ndarray, stamp: float, camera: CameraModel | None = None) -> Keypoints | NoHand:
        """The hand in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: seconds.
            camera: intrinsics, to turn xyz into the camera's axes; None leaves it in the axes of the crop's view.

        Returns:
            Keypoints, or NoHand with the best score seen.

        Raises:
            PictureError: not a picture.
        """
        return self._hands.detect(image, stamp, camera)[self.config.side]
