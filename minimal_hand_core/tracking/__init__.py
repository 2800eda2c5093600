"""One picture after another: crop and region of interest, camera geometry, filters, the tracker itself."""

from minimal_hand_core.tracking.camera import CameraError, CameraModel, view_rotation
from minimal_hand_core.tracking.config import DetectorConfig, HandTrackerConfig, PoseConfig
from minimal_hand_core.tracking.crop import Crop, box_crop, keypoints_crop
from minimal_hand_core.tracking.depth import DepthError, DepthPicture
from minimal_hand_core.tracking.filters import FILTERS, Kalman, OneEuro
from minimal_hand_core.tracking.hands_detector import HandsDetector
from minimal_hand_core.tracking.keypoints import KeypointDetector
from minimal_hand_core.tracking.picture import PictureError, as_bgr
from minimal_hand_core.tracking.pose_estimator import PoseEstimator
from minimal_hand_core.tracking.state import HandState, Keypoints, NoHand
from minimal_hand_core.tracking.tracker import BothHandsTracker, HandTracker
from minimal_hand_core.tracking.wrist import WristError, place_hand

__all__ = [
    'FILTERS',
    'BothHandsTracker',
    'CameraError',
    'CameraModel',
    'Crop',
    'DepthError',
    'DepthPicture',
    'DetectorConfig',
    'HandState',
    'HandTracker',
    'HandTrackerConfig',
    'HandsDetector',
    'Kalman',
    'KeypointDetector',
    'Keypoints',
    'NoHand',
    'OneEuro',
    'PictureError',
    'PoseConfig',
    'PoseEstimator',
    'WristError',
    'as_bgr',
    'box_crop',
    'keypoints_crop',
    'place_hand',
    'view_rotation',
]
