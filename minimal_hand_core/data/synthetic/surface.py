"""What the renderer must know about the skin of a hand model: where are nails, creases, palm and back, and bones.

Everything is worked out from the model's flat rest hand, so it serves any model in that convention (fingers −x, thumb
+z, palm −y), the open hand as well as a MANO file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minimal_hand_core.data.synthetic.rasterizer import vertex_normals
from minimal_hand_core.data.synthetic.skin_maps import skin_maps, unit
from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS, KEYPOINT_PARENTS, PALM_KEYPOINTS
from minimal_hand_core.pose.angles import JointAxes

BONES = tuple((KEYPOINT_PARENTS[k], k) for k in range(1, 21))
"""The 20 keypoint pairs that serve as capsules; position k − 1 is the bone that ends in keypoint k."""


@dataclass(frozen=True)
class HandSurface:
    """Per-vertex and per-texel facts of a rest hand of V vertices.

    Attributes:
        rest: (V, 3) float32, rest vertices with the middle of the keypoints' box unchanged, metres, model frame.
        dorsal: (V,) float32, 1 on the back of the hand and of the fingers, −1 on the palm side, smooth between.
        nails: (V, 2) float32, position in the nail's own frame: inside where x² + y² < 1; far away on all else.
        bones: (V,) int32, nearest of `BONES`.
        radii: (20,) float32, how thick the flesh round each bone is, metres.
        ignore: (20, 20) bool, [own bone, other bone]: neighbours that never shade each other.
        maps: (2, H, W, 4) float32 over the x–z plane, palm side and back; see `skin_maps`.
        map_origin: (2,) float32, x and z of texel (0, 0) of the maps; rows run along x, columns along z.
    """

    rest: np.ndarray
    dorsal: np.ndarray
    nails: np.ndarray
    bones: np.ndarray
    radii: np.ndarray
    ignore: np.ndarray
    maps: np.ndarray
    map_origin: np.ndarray

    @classmethod
    def build(cls, rest: np.ndarray, faces: np.ndarray, keypoints: np.ndarray) -> HandSurface:
        """Work it out from rest vertices (V, 3), faces (F, 3) and rest keypoints (21, 3), metres, model frame."""
        rest = np.ascontiguousarray(rest, np.float32)
        keypoints = np.asarray(keypoints, np.float32)
        normals = vertex_normals(rest, np.ascontiguousarray(faces, np.int32))
        bones, radii = _nearest_bones(rest, keypoints)
        backs = _bone_backs(keypoints)
        maps, origin = skin_maps(rest, keypoints)
        return cls(
            rest=rest,
            dorsal=np.einsum('vi,vi->v', normals, backs[bones]).astype(np.float32),
            nails=_nail_frames(rest, normals, keypoints, bones, radii, backs),
            bones=bones.astype(np.int32),
            radii=radii,
            ignore=_neighbours(),
            maps=maps,
            map_origin=origin,
        )


def segment_distances(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances (N, M) from N points (N, 3) to M segments (M, 3)–(M, 3)."""
    along = ends - starts
    t = np.einsum('nmi,mi->nm', points[:, None] - starts, along) / np.maximum((along**2).sum(-1), 1e-12)
    nearest = starts + np.clip(t, 0, 1)[..., None] * along
    return np.linalg.norm(points[:, None] - nearest, axis=-1)


def _nearest_bones(rest: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, ends = keypoints[[a for a, _ in BONES]], keypoints[[b for _, b in BONES]]
    distances = segment_distances(rest, starts, ends)
    bones = distances.argmin(axis=1)
    radii = np.array([np.median(distances[bones == b, b]) if (bones == b).any() else 0.008 for b in range(len(BONES))])
    return bones, radii.astype(np.float32)


def _bone_backs(keypoints: np.ndarray) -> np.ndarray:
    """(20, 3) unit vectors: which way the back of each bone faces, from the axes that the fingers bend about."""
    axes = JointAxes.from_keypoints(keypoints)
    backs = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (len(BONES), 1))
    for finger, name in enumerate(FINGERS):
        for joint, keypoint in enumerate(FINGER_KEYPOINTS[name][1:]):
            backs[keypoint - 1] = np.cross(axes.bones[finger, joint], axes.flexion[finger, joint])
    backs[0] = unit(backs[0] + 0.5 * backs[1])  # wrist to thumb: between palm and thumb
    return backs


def _nail_frames(
    rest: np.ndarray,
    normals: np.ndarray,
    keypoints: np.ndarray,
    bones: np.ndarray,
    radii: np.ndarray,
    backs: np.ndarray,
) -> np.ndarray:
    nails = np.full((len(rest), 2), 9, np.float32)
    for finger in FINGERS:
        dip, tip = FINGER_KEYPOINTS[finger][2:]
        bone = tip - 1
        own = np.flatnonzero(bones == bone)
        if not len(own):
            continue
        along = unit(keypoints[tip] - keypoints[dip])
        across = np.cross(backs[bone], along)
        offsets = rest[own] - keypoints[dip]
        reach = (offsets @ along).max()
        wide = np.abs(offsets @ across).max()
        length = 0.24 * reach
        nails[own, 0] = (offsets @ along - 0.70 * reach) / length
        nails[own, 1] = (offsets @ across) / (0.68 * wide)
        # The underside of the tip has the same two coordinates; put it out of the ellipse, and lengthwise: sideways,
        # the triangles between it and one of the finger's two sides would cross the nail.
        below = normals[own] @ backs[bone] < 0.1
        nails[own[below], 0] = 4
    return nails


def _neighbours() -> np.ndarray:
    ignore = np.eye(len(BONES), dtype=bool)
    palm = [k - 1 for k in PALM_KEYPOINTS]
    for i in palm:
        ignore[i, palm] = True
    for finger in FINGERS:
        chain = [k - 1 for k in FINGER_KEYPOINTS[finger]]
        for i, j in zip(chain, chain[1:], strict=False):
            ignore[i, j] = ignore[j, i] = True
        # The first phalanx rests on the whole palm's edge, not only on its own metacarpal.
        ignore[chain[1], palm] = True
        ignore[palm, chain[1]] = True
    return ignore
