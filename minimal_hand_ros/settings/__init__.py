"""The parameters of every node: one frozen dataclass per node, one public function that reads it.

Every function takes a ParameterLoader, with which it declares its parameters on the node, and raises ParameterError, or
the ValueError of the core's own checks, for a value that cannot be. It is called once to declare them and again
whenever one is to change, so it must read every parameter on every call.
"""

from minimal_hand_ros.settings.camera import CameraSettings, load_camera_settings
from minimal_hand_ros.settings.common import DEFAULT_FRAME
from minimal_hand_ros.settings.detector import (
    TRANSPORTS,
    InputSettings,
    KeypointSettings,
    load_keypoint_settings,
)
from minimal_hand_ros.settings.pose import DEPTH_MODES, DepthSettings, IkSettings, OutputSettings, load_ik_settings
from minimal_hand_ros.settings.recording import (
    RecorderSettings,
    ReplaySettings,
    load_recorder_settings,
    load_replay_settings,
)
from minimal_hand_ros.settings.retarget import RetargetSettings, load_retarget_settings
from minimal_hand_ros.settings.shape import (
    MAX_CALIBRATION_FRAMES,
    ShapeServerSettings,
    ShapeSettings,
    load_shape_settings,
)
from minimal_hand_ros.settings.tracker import TrackerSettings, load_tracker_settings
from minimal_hand_ros.settings.viewer import ViewerSettings, load_viewer_settings

__all__ = [
    'DEFAULT_FRAME',
    'DEPTH_MODES',
    'MAX_CALIBRATION_FRAMES',
    'TRANSPORTS',
    'CameraSettings',
    'DepthSettings',
    'IkSettings',
    'InputSettings',
    'KeypointSettings',
    'OutputSettings',
    'RecorderSettings',
    'ReplaySettings',
    'RetargetSettings',
    'ShapeServerSettings',
    'ShapeSettings',
    'TrackerSettings',
    'ViewerSettings',
    'load_camera_settings',
    'load_ik_settings',
    'load_keypoint_settings',
    'load_recorder_settings',
    'load_replay_settings',
    'load_retarget_settings',
    'load_shape_settings',
    'load_tracker_settings',
    'load_viewer_settings',
]
