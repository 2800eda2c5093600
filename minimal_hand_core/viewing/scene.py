"""What is seen: hands with their joint frames, and the camera with its picture.

Convention: the world of the view is the camera's frame (x right, y down, z forward, metres); up is −y. viser turns by
quaternions (w, x, y, z).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from minimal_hand_core.hand import KEYPOINT_PARENTS, MIDDLE_MCP, NUM_KEYPOINTS, HandModel, matrix_to_quaternion
from minimal_hand_core.hand.frames import keypoint_frames
from minimal_hand_core.tracking import CameraModel, HandState
from minimal_hand_core.tracking.sized_hand import SizedHand
from minimal_hand_core.viewing.skin_colors import confidence_colors
from minimal_hand_core.viewing.skin_parts import skin_parts

if TYPE_CHECKING:
    import viser

NOT_METRIC_PLACE = np.array([0.0, 0.0, 0.5])
"""Where the wrist of a hand is shown whose place is not known, metres."""
AXES_LENGTH, AXES_RADIUS = 0.014, 0.0006
"""Metres; long enough to stand out of a finger."""
PICTURE_DEPTH = 0.12
"""Metres in front of the camera at which its picture hangs."""
PICTURE_WIDTH = 320
"""Pixels; wider pictures are made smaller."""
PICTURE_QUALITY = 70
_ASSUMED = CameraModel(640, 480, np.array([[554.3, 0.0, 319.5], [0.0, 554.3, 239.5], [0.0, 0.0, 1.0]]), np.zeros(0))


class HandScene:
    """One hand: skin in the colours of its confidence, and the frame of each keypoint.

    Only the places of the vertices are sent anew: exact for every model, its pose correctives included, where skinning
    in the browser would leave those out and all but four weights of a vertex.

    Args:
        scene: where it is shown.
        model: the hand.
    """

    def __init__(self, scene: viser.SceneApi, model: HandModel) -> None:
        self._hand = SizedHand(model)
        root = f'/{model.side}_hand'
        self._root = scene.add_frame(root, show_axes=False, visible=False)
        self._skin = scene.add_frame(f'{root}/skin', show_axes=False)
        rest = model.pose_space.flat()
        vertices = model(rest, torch.zeros(1, 10, dtype=model.dtype)).vertices[0].numpy()
        self._parts = skin_parts(model)
        self._meshes = [
            scene.add_mesh_simple(
                f'{root}/skin/{part.name}', vertices[part.vertices], part.faces, cast_shadow=False, receive_shadow=False
            )
            for part in self._parts
        ]
        still = np.tile([1.0, 0.0, 0.0, 0.0], (NUM_KEYPOINTS, 1))
        self._frames = scene.add_batched_axes(
            f'{root}/frames',
            still,
            np.zeros((NUM_KEYPOINTS, 3)),
            axes_length=AXES_LENGTH,
            axes_radius=AXES_RADIUS,
        )
        self.centre: np.ndarray | None = None

    def show(self, state: HandState, confidence: np.ndarray | None = None) -> None:
        """Show this hand.

        Args:
            state: the hand.
            confidence: (21,) of its keypoints, 0…1; its score where that is not known.
        """
        place = state.wrist_position if state.metric else NOT_METRIC_PLACE
        vertices = self._hand.vertices(state.rotations, state.betas, state.hand_length) + place
        keypoints = state.keypoints_m - state.keypoints_m[0] + place
        known = np.full(NUM_KEYPOINTS, state.score) if confidence is None else confidence
        means = np.array([known[list(part.keypoints)].mean() for part in self._parts])
        colors = (255 * confidence_colors(means)).round().astype(int).tolist()
        for mesh, part, color in zip(self._meshes, self._parts, colors, strict=True):
            mesh.vertices = vertices[part.vertices]
            mesh.color = tuple(color)
        self._frames.batched_positions = keypoints.astype(np.float32)
        self._frames.batched_wxyzs = frame_quaternions(state)
        self._root.visible = True
        self.centre = keypoints[MIDDLE_MCP]

    def hide(self) -> None:
        """There is no hand."""
        self._root.visible = False
        self.centre = None

    def choose(self, skin: bool, frames: bool) -> None:
        """What of the hand is shown while there is one."""
        self._skin.visible = skin
        self._frames.visible = frames

    @property
    def visible(self) -> bool:
        """Whether there is a hand."""
        return bool(self._root.visible)

    @property
    def vertices(self) -> np.ndarray:
        """(V, 3) float32 metres: the skin as it is shown."""
        whole = np.zeros((self._hand.model.num_vertices, 3), np.float32)
        for mesh, part in zip(self._meshes, self._parts, strict=True):
            whole[part.vertices] = mesh.vertices
        return whole


class CameraScene:
    """The camera as a pyramid with its picture.

    Args:
        scene: where it is shown.
    """

    def __init__(self, scene: viser.SceneApi) -> None:
        self._frustum = scene.add_camera_frustum(
            '/camera', 1.0, 1.0, thickness=0.0006, color=(120, 130, 140), jpeg_quality=PICTURE_QUALITY, format='jpeg'
        )
        self.set_camera(_ASSUMED)

    def set_camera(self, camera: CameraModel) -> None:
        """Show these intrinsics; lens distortion and an off-centre principal point are left out.

        Those of an unknown picture size are not shown: how wide a picture is seen does not follow from them.
        """
        if not (camera.width and camera.height):
            return
        height = 2 * np.tan(0.5 * _field_of_view(camera))
        aspect = camera.width / camera.height
        self._frustum.fov = _field_of_view(camera)
        self._frustum.aspect = aspect
        # viser keeps the volume of the pyramid: this makes its depth what is wanted
        self._frustum.scale = float(PICTURE_DEPTH * np.cbrt((height / 2) ** 2 * aspect / 3))

    def set_picture(self, picture: np.ndarray) -> None:
        """Show a picture (H, W, 3) uint8 BGR, made smaller."""
        height, width = picture.shape[:2]
        if width > PICTURE_WIDTH:
            size = (PICTURE_WIDTH, max(1, round(height * PICTURE_WIDTH / width)))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        self._frustum.image = np.ascontiguousarray(picture[..., ::-1])

    def choose(self, visible: bool) -> None:
        """Whether it is shown."""
        self._frustum.visible = visible


def frame_quaternions(state: HandState) -> np.ndarray:
    """(21, 4) float32 (w, x, y, z): the frames of the keypoints in the camera's frame."""
    _, local = keypoint_frames(state.keypoints_m, state.rotations)
    turned = local.copy()
    for k in range(1, NUM_KEYPOINTS):
        turned[k] = turned[KEYPOINT_PARENTS[k]] @ local[k]
    quaternions = matrix_to_quaternion(torch.from_numpy(turned)).numpy()
    return np.ascontiguousarray(quaternions[:, [3, 0, 1, 2]], np.float32)


def _field_of_view(camera: CameraModel) -> float:
    """Vertical, radians."""
    return float(2 * np.arctan(0.5 * camera.height / camera.k[1, 1]))
