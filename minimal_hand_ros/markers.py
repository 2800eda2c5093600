"""The hand as RViz markers: its skin as one TRIANGLE_LIST, its skeleton as LINE_LIST and SPHERE_LIST.

All markers are in the camera's optical frame, in metres, and carry the picture's stamp. Each hand has its own
namespaces, `right_hand/mesh` and `right_hand/skeleton`, so that a lost hand's markers can be deleted alone.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from minimal_hand_core.hand.skeleton import FINGER_COLORS_BGR, FINGER_KEYPOINTS, KEYPOINT_PARENTS, NUM_KEYPOINTS

BONE_WIDTH = 0.004
"""Metres."""
JOINT_DIAMETER = 0.009
"""Metres."""
_SKIN = (0.85, 0.64, 0.52, 0.55)
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


def hand_markers(
    header: Header, side: str, keypoints: np.ndarray, vertices: np.ndarray | None, corners: list[int]
) -> MarkerArray:
    """Markers of one hand.

    Args:
        header: stamp of the picture, frame of the camera.
        side: 'right' or 'left'.
        keypoints: (21, 3) metres, camera frame.
        vertices: (V, 3) metres, camera frame; None leaves the mesh out.
        corners: 3·F vertex numbers, the corners of the triangles one after the other.
    """
    markers = skeleton_markers(header, side, keypoints)
    if vertices is not None:
        markers.append(mesh_marker(header, side, vertices, corners))
    return MarkerArray(markers=markers)


def mesh_marker(header: Header, side: str, vertices: np.ndarray, corners: list[int]) -> Marker:
    """The skin as one TRIANGLE_LIST; arguments as in hand_markers."""
    points = _points(vertices)
    marker = _marker(header, f'{side}_hand/mesh', 0, Marker.TRIANGLE_LIST, 1.0)
    r, g, b, a = _SKIN
    marker.color = ColorRGBA(r=r, g=g, b=b, a=a)
    # a corner is shared by about six triangles: one Point each, named six times, is six times quicker to make
    marker.points = [points[i] for i in corners]
    return marker


def skeleton_markers(header: Header, side: str, keypoints: np.ndarray) -> list[Marker]:
    """The bones as one LINE_LIST (id 0), the keypoints as one SPHERE_LIST (id 1), in the fingers' colours."""
    points = _points(keypoints)
    bones = _marker(header, f'{side}_hand/skeleton', 0, Marker.LINE_LIST, BONE_WIDTH)
    bones.points = [points[end] for bone in _BONES for end in bone]
    bones.colors = [KEYPOINT_COLORS[child] for _, child in _BONES for _ in range(2)]
    joints = _marker(header, f'{side}_hand/skeleton', 1, Marker.SPHERE_LIST, JOINT_DIAMETER)
    joints.points = points
    joints.colors = list(KEYPOINT_COLORS)
    return [bones, joints]


def delete_markers(header: Header, side: str) -> MarkerArray:
    """Takes away everything that hand_markers made for this side."""
    ids = ((f'{side}_hand/skeleton', 0), (f'{side}_hand/skeleton', 1), (f'{side}_hand/mesh', 0))
    return MarkerArray(markers=[Marker(header=header, ns=ns, id=i, action=Marker.DELETE) for ns, i in ids])


def _marker(header: Header, namespace: str, number: int, kind: int, scale: float) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = scale
    return marker


def _points(values: np.ndarray) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in np.asarray(values, np.float64).tolist()]
