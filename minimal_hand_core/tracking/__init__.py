"""One picture after another: crop and region of interest, camera geometry, filters, the tracker itself."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minimal_hand_core.tracking.camera import CameraError, CameraModel, view_rotation
    from minimal_hand_core.tracking.config import DetectorConfig, HandTrackerConfig, PoseConfig
    from minimal_hand_core.tracking.crop import Crop, keypoints_crop
    from minimal_hand_core.tracking.filters import OneEuro
    from minimal_hand_core.tracking.keypoints import KeypointDetector
    from minimal_hand_core.tracking.picture import PictureError, as_bgr
    from minimal_hand_core.tracking.pose_estimator import PoseEstimator
    from minimal_hand_core.tracking.state import HandShape, HandState, Keypoints, NoHand
    from minimal_hand_core.tracking.tracker import HandTracker
    from minimal_hand_core.tracking.wrist import WristError, locate_hand

_HOME = {
    'CameraError': 'camera',
    'CameraModel': 'camera',
    'view_rotation': 'camera',
    'DetectorConfig': 'config',
    'HandTrackerConfig': 'config',
    'PoseConfig': 'config',
    'Crop': 'crop',
    'keypoints_crop': 'crop',
    'OneEuro': 'filters',
    'KeypointDetector': 'keypoints',
    'PictureError': 'picture',
    'as_bgr': 'picture',
    'PoseEstimator': 'pose_estimator',
    'HandShape': 'state',
    'HandState': 'state',
    'Keypoints': 'state',
    'NoHand': 'state',
    'HandTracker': 'tracker',
    'WristError': 'wrist',
    'locate_hand': 'wrist',
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazy, so that crops and camera geometry, which data and training use, do not load the network and the hand.
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
