"""Pictures of a hand: mesh in, shaded picture, mask and depth out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numba import njit

from minimal_hand_core.data.synthetic import illumination, materials, shading
from minimal_hand_core.data.synthetic.appearance import Appearance
from minimal_hand_core.data.synthetic.forearm import Forearm, loop_frame, wrist_turn
from minimal_hand_core.data.synthetic.illumination import NORMAL, SKIN_ATTRIBUTES, SKY, relief_slope
from minimal_hand_core.data.synthetic.lighting import Lighting
from minimal_hand_core.data.synthetic.occlusion import shade_vertices
from minimal_hand_core.data.synthetic.props import Prop
from minimal_hand_core.data.synthetic.rasterizer import Buffers, covered_box, rasterize, screen_points, vertex_normals
from minimal_hand_core.data.synthetic.samples import HAND, corners, list_samples
from minimal_hand_core.data.synthetic.skin_maps import MAP_SCALE, MAP_UNIT
from minimal_hand_core.data.synthetic.surface import BONES, HandSurface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minimal_hand_core.hand import HandModel

_STARTS = np.array([a for a, _ in BONES])
_ENDS = np.array([b for _, b in BONES])


class RenderedHand(NamedTuple):
    """One picture.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        mask: (h, w) bool, pixels mostly covered by the hand itself (no arm, no sleeve, no objects).
        depth: (h, w) float32, metres along z of whatever is nearest, 0 on the background.
        parts: (h, w) uint8: 0 background, 1 hand, 2 arm or sleeve, 3 objects.
    """

    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    parts: np.ndarray


class HandRenderer:
    """Renders one hand model. Not for several threads at a time; one per worker process.

    Args:
        model: a right hand model; its rest hand decides where nails and creases are.

    Raises:
        ValueError: the model is a left hand (render its mirror image instead).
    """

    def __init__(self, model: HandModel) -> None:
        if model.side != 'right':
            raise ValueError(f'model: the renderer draws right hands, found side {model.side!r}; mirror the picture')
        with torch.no_grad():
            flat = model(torch.eye(3).expand(1, 16, 3, 3), torch.zeros(1, 10))
        rest = flat.vertices[0].numpy().astype(np.float32)
        hand_faces = model.faces.numpy().astype(np.int32)
        self.surface = HandSurface.build(rest, hand_faces, flat.keypoints[0].numpy())
        self.forearm = Forearm.build(rest, hand_faces)
        self._maps = np.round(self.surface.maps / MAP_UNIT).astype(np.int16)
        self.faces = np.ascontiguousarray(np.concatenate([hand_faces, self.forearm.faces]))
        self.num_vertices = len(rest)
        self._num_hand_faces = len(hand_faces)
        self._edge = rest[self.forearm.edge]
        self._edge_frame = loop_frame(self._edge) if len(self._edge) else np.eye(3)
        self._skin_at = self._fixed_attributes(rest)

    def _fixed_attributes(self, rest: np.ndarray) -> np.ndarray:
        """(V', SKIN_ATTRIBUTES) with the columns that no pose changes filled in."""
        arm = self.forearm.straight(self._edge) if len(self._edge) else np.zeros((0, 3), np.float32)
        everything = np.concatenate([rest, arm])
        attributes = np.zeros((len(everything), SKIN_ATTRIBUTES), np.float32)
        attributes[:, illumination.REST : illumination.REST + 3] = everything
        attributes[:, illumination.DORSAL] = vertex_normals(everything, self.faces)[:, 1]
        attributes[: len(rest), illumination.DORSAL] = self.surface.dorsal
        attributes[:, illumination.NAIL : illumination.NAIL + 2] = 9
        attributes[: len(rest), illumination.NAIL : illumination.NAIL + 2] = self.surface.nails
        attributes[:, SKY:] = 1
        return attributes

    def render(
        self,
        vertices: np.ndarray,
        intrinsics: np.ndarray,
        size: tuple[int, int],
        background: np.ndarray,
        *,
        keypoints: np.ndarray | None = None,
        appearance: Appearance | None = None,
        props: Sequence[Prop] = (),
        supersampling: int = 2,
        arm: bool = True,
    ) -> RenderedHand:
        """Draw one hand.

        Args:
            vertices: (V, 3) of the model, metres, camera frame.
            intrinsics: (3, 3) camera matrix, pixels.
            size: (height, width) of the picture.
            background: (height, width, 3) uint8 BGR; not changed.
            keypoints: (21, 3) of the same hand; with them the hand casts shadows on itself.
            appearance: skin, light and arm; a fixed one when None.
            props: objects to draw as well, camera frame.
            supersampling: sub-pixels per pixel and axis at edges.
            arm: draw the forearm.

        Raises:
            ValueError: a shape or dtype that does not fit.
        """
        vertices = self._check(vertices, intrinsics, size, background, supersampling)
        look = appearance or Appearance()
        image = background.copy()
        parts = np.zeros(size, np.uint8)
        depth = np.zeros(size, np.float32)

        wrist = self._wrist(vertices)
        skin_vertices = vertices
        faces = self.faces[: self._num_hand_faces]
        arm = arm and len(self._edge) > 0
        sleeve = np.zeros((0, 3), np.float32)
        if arm:
            faces = self.faces
            skin_vertices, sleeve = self.forearm.draw_out(vertices, wrist, look.arm)
        cloth_vertices, cloth_faces, cloth_at, sleeve_faces = self._cloth(look, sleeve, props)

        points = screen_points(skin_vertices, intrinsics, supersampling)
        cloth_points = screen_points(cloth_vertices, intrinsics, supersampling)
        top, bottom, left, right = covered_box(points, cloth_points, *size, supersampling)
        if bottom <= top or right <= left:
            return RenderedHand(image, parts.astype(bool), depth, parts)
        # Everything from here on happens in that box.
        buffers = Buffers.empty((bottom - top, right - left), supersampling)
        rasterize(buffers, points, faces, cull=True)
        if len(cloth_faces):
            rasterize(buffers, cloth_points, cloth_faces, offset=len(faces))

        samples = list_samples(
            parts[top:bottom, left:right],
            depth[top:bottom, left:right],
            buffers.triangles,
            buffers.inverse_depth,
            supersampling,
            self._num_hand_faces,
            len(faces),
            sleeve_faces,
        )
        skin_at = self._skin_at[: len(skin_vertices)]
        normals = vertex_normals(skin_vertices, faces)
        light = look.lighting
        _renew(skin_at, normals)
        if keypoints is not None:
            seen = corners(samples.skin, faces, len(skin_vertices))[: self.num_vertices]
            self._self_shadow(skin_at, seen, vertices, normals, np.asarray(keypoints, np.float32), light)
        skin = look.skin
        slope = relief_slope(wrist, light.colours, light.directions, light.ambient, skin.relief)
        shading.shade(
            image[top:bottom, left:right],
            *samples,
            np.float32(1 / supersampling**2),
            points,
            faces,
            skin_at,
            cloth_points,
            cloth_faces,
            cloth_at,
            sleeve_faces,
            light.ambient,
            light.directions,
            light.colours,
            self._maps,
            self.surface.map_origin,
            np.float32(MAP_SCALE),
            materials.NOISE_VOLUME,
            shading.SRGB_TABLE,
            np.array((skin.back, skin.palm, skin.nail, skin.flush, skin.crease_palm, skin.crease_back)),
            np.array(
                [
                    skin.blotch,
                    skin.grain,
                    look.noise,
                    0.75,
                    0.5 * skin.gloss + 0.05,
                    skin.gloss,
                    skin.sharpness,
                    *slope,
                ],
                np.float32,
            ),
        )
        return RenderedHand(image, parts == HAND, depth, parts)

    def _check(
        self,
        vertices: np.ndarray,
        intrinsics: np.ndarray,
        size: tuple[int, int],
        background: np.ndarray,
        supersampling: int,
    ) -> np.ndarray:
        vertices = np.ascontiguousarray(vertices, np.float32)
        if vertices.shape != (self.num_vertices, 3):
            raise ValueError(f'vertices: expected ({self.num_vertices}, 3), found {vertices.shape}')
        if np.shape(intrinsics) != (3, 3):
            raise ValueError(f'intrinsics: expected (3, 3), found {np.shape(intrinsics)}')
        if background.shape != (*size, 3) or background.dtype != np.uint8:
            raise ValueError(
                f'background: expected ({size[0]}, {size[1]}, 3) uint8, found {background.shape} {background.dtype}'
            )
        if supersampling < 1:
            raise ValueError(f'supersampling: expected 1 or more, found {supersampling}')
        return vertices

    def _wrist(self, vertices: np.ndarray) -> np.ndarray:
        """(3, 3) float32, how the wrist's edge is turned from rest; identity for a closed mesh."""
        if not len(self._edge):
            return np.eye(3, dtype=np.float32)
        return wrist_turn(vertices, self.forearm.edge, self._edge_frame)

    def _cloth(
        self, look: Appearance, sleeve: np.ndarray, props: Sequence[Prop]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Vertices, faces, attributes of sleeve and props as one mesh, and the number of sleeve faces."""
        meshes = []
        sleeve_faces = 0
        if len(sleeve):
            faces = self.forearm.sleeve_faces
            sleeve_faces = len(faces)
            texture = self._skin_at[self.num_vertices : -1, illumination.REST : illumination.REST + 3]
            meshes.append(Prop(sleeve, vertex_normals(sleeve, faces), faces, texture, look.cloth, look.cloth_pattern))
        meshes.extend(props)
        if not meshes:
            return (
                np.zeros((0, 3), np.float32),
                np.zeros((0, 3), np.int32),
                np.zeros((0, materials.CLOTH_ATTRIBUTES), np.float32),
                0,
            )
        starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
        attributes = np.empty((starts[-1], materials.CLOTH_ATTRIBUTES), np.float32)
        for mesh, start, stop in zip(meshes, starts, starts[1:], strict=False):
            rows = attributes[start:stop]
            rows[:, :3] = mesh.normals
            rows[:, 3:6] = mesh.texture
            rows[:, 6:12] = mesh.colours.reshape(6)
            rows[:, 12] = mesh.pattern
        vertices = np.concatenate([m.vertices for m in meshes]).astype(np.float32)
        faces = np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]).astype(np.int32)
        return vertices, faces, attributes, sleeve_faces

    def _self_shadow(
        self,
        skin_at: np.ndarray,
        seen: np.ndarray,
        vertices: np.ndarray,
        normals: np.ndarray,
        keypoints: np.ndarray,
        light: Lighting,
    ) -> None:
        shade_vertices(
            skin_at[: self.num_vertices, SKY:],
            seen,
            vertices,
            normals,
            self.surface.bones,
            keypoints[_STARTS],
            keypoints[_ENDS],
            self.surface.radii,
            self.surface.ignore,
            light.directions,
            light.softness,
        )


@njit(cache=True, nogil=True, error_model='numpy')
def _renew(attributes: np.ndarray, normals: np.ndarray) -> None:
    """New normals (V, 3) among the skin's attributes (V, SKIN_ATTRIBUTES), and the last picture's shadows gone."""
    for i in range(len(normals)):
        for axis in range(3):
            attributes[i, NORMAL + axis] = normals[i, axis]
        for column in range(SKY, SKIN_ATTRIBUTES):
            attributes[i, column] = 1
