"""The hand as RViz markers: its skin as one TRIANGLE_LIST, its skeleton as LINE_LIST and SPHERE_LIST.

All markers are in the camera's optical frame, in metres, and carry the picture's stamp. Each hand has its own
namespaces, `right_hand/mesh` (id 0) and `right_hand/skeleton` (ids 0 and 1), so that a lost hand's markers can be
deleted alone. The skeleton has the fingers' colours, the skin tells of confidence: viewing/skin_colors.py.
"""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import FINGER_COLORS_BGR, FINGER_KEYPOINTS, KEYPOINT_PARENTS, NUM_KEYPOINTS
from minimal_hand_core.viewing.skin_colors import SkinColors
from minimal_hand_ros.serialized import STAMP, SerializedMessage

BONE_WIDTH = 0.004
"""Metres."""
JOINT_DIAMETER = 0.009
"""Metres."""
SKIN_OPACITY = 0.6
"""Of the mesh, so that the skeleton is seen in it."""
_PALM = (0.8, 0.8, 0.8, 1.0)


def _keypoint_colors() -> tuple[ColorRGBA, ...]:
    colors = [ColorRGBA(r=_PALM[0], g=_PALM[1], b=_PALM[2], a=_PALM[3])] * NUM_KEYPOINTS
    for finger, keypoints in FINGER_KEYPOINTS.items():
        b, g, r = (channel / 255 for channel in FINGER_COLORS_BGR[finger])
        for k in keypoints:
            colors[k] = ColorRGBA(r=r, g=g, b=b, a=1.0)
    return tuple(colors)


KEYPOINT_COLORS = _keypoint_colors()
"""Colour of each keypoint and of the bone that ends there."""
_BONES = tuple((KEYPOINT_PARENTS[k], k) for k in range(1, NUM_KEYPOINTS))
_BONE_ENDS = np.array(_BONES).reshape(-1)


class HandMarkers:
    """The MarkerArray of one hand, as the bytes that go over the wire.

    To make ten thousand points as Python objects and to have rclpy convert them takes it ten times as long as the whole
    pose. But only their numbers change from one picture to the next. So the message is made and serialized once, with
    numbers that are then looked for in the bytes; from then on the new numbers are written into their places.

    Args:
        model: the hand; its triangles, and its side.
    """

    def __init__(self, model: HandModel) -> None:
        self._side = model.side
        self._corners = model.faces.numpy().reshape(-1)
        self._colors = SkinColors(model)
        self._frame: str | None = None

    def serialized(self, header: Header, keypoints: np.ndarray, vertices: np.ndarray, confidence: np.ndarray) -> bytes:
        """Bytes for Publisher.publish.

        Args:
            header: stamp of the picture, frame of the camera.
            keypoints: (21, 3) metres, camera frame.
            vertices: (V, 3) metres, camera frame.
            confidence: (21,) of the keypoints, 0…1.
        """
        if self._frame != header.frame_id:
            self._make(header.frame_id)
        for stamp in self._stamps:
            stamp[0] = (header.stamp.sec, header.stamp.nanosec)
        self._bone_points[:] = keypoints[_BONE_ENDS]
        self._joint_points[:] = keypoints
        self._skin_points[:] = vertices.take(self._corners, axis=0)
        self._skin_colors[:, :3] = self._colors(vertices, confidence).take(self._corners, axis=0)
        return bytes(self._message)

    def _make(self, frame: str) -> None:
        """Serialize a message with numbers that occur nowhere else, and remember where each lies."""
        numbers = np.random.default_rng(0)
        markers = [
            _marker(frame, f'{self._side}_hand/skeleton', 0, Marker.LINE_LIST, BONE_WIDTH),
            _marker(frame, f'{self._side}_hand/skeleton', 1, Marker.SPHERE_LIST, JOINT_DIAMETER),
            _marker(frame, f'{self._side}_hand/mesh', 0, Marker.TRIANGLE_LIST, 1.0),
        ]
        stamps = numbers.integers(2**30, size=(len(markers), 2)).tolist()
        points = numbers.random((len(markers), 3)).tolist()
        counts = len(_BONE_ENDS), NUM_KEYPOINTS, len(self._corners)
        for marker, (sec, nanosec), (x, y, z), count in zip(markers, stamps, points, counts):
            marker.header.stamp = Time(sec=sec, nanosec=nanosec)
            marker.points = [Point(x=x, y=y, z=z)] * count
        markers[0].colors = [KEYPOINT_COLORS[child] for _, child in _BONES for _ in range(2)]
        markers[1].colors = list(KEYPOINT_COLORS)
        color = numbers.random(4).astype(np.float32)
        r, g, b, a = color.tolist()
        markers[2].colors = [ColorRGBA(r=r, g=g, b=b, a=a)] * len(self._corners)

        self._message = SerializedMessage(MarkerArray(markers=markers))
        self._stamps = [self._message.place_of(np.array([tuple(stamp)], STAMP)) for stamp in stamps]
        self._bone_points, self._joint_points, self._skin_points = (
            self._message.place_of(np.tile(point, (count, 1))) for point, count in zip(points, counts)
        )
        self._skin_colors = self._message.place_of(np.tile(color, (len(self._corners), 1)))
        self._skin_colors[:, 3] = SKIN_OPACITY
        self._frame = frame


def delete_markers(header: Header, side: str) -> MarkerArray:
    """Takes away everything that HandMarkers made for this side."""
    ids = ((f'{side}_hand/skeleton', 0), (f'{side}_hand/skeleton', 1), (f'{side}_hand/mesh', 0))
    return MarkerArray(markers=[Marker(header=header, ns=ns, id=i, action=Marker.DELETE) for ns, i in ids])


def _marker(frame: str, namespace: str, number: int, kind: int, scale: float) -> Marker:
    marker = Marker(header=Header(frame_id=frame), ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    # RViz multiplies the opacities of the marker and of its points
    marker.color.a = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = scale
    return marker
