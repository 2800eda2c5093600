"""The arrays that make up a hand model, checked once and then read-only."""

import dataclasses

import numpy as np

from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_JOINTS, SIDES, TIP_KEYPOINTS

NUM_POSE_FEATURES = 9 * (NUM_JOINTS - 1)
NUM_POSE_NUMBERS = 3 * (NUM_JOINTS - 1)
"""Axis–angle of every joint but the wrist."""


class HandModelError(ValueError):
    """A hand model cannot be read or does not have MANO's form; the message names the file and the array."""


@dataclasses.dataclass(frozen=True, eq=False)
class HandParameters:
    """A hand in MANO's form: skinned mesh, 16 joints, 10 shape directions.

    Convention: metres; right hand flat, fingers towards −x, thumb towards +z, palm towards −y; a left hand is its
    mirror image in x. Faces run anticlockwise seen from outside. All arrays are made read-only.

    Attributes:
        side: 'right' or 'left'.
        vertices: (V, 3) float64, the template.
        faces: (F, 3) int64.
        weights: (V, 16) float64, skinning weights; rows sum to 1.
        shapedirs: (V, 3, 10) float64, metres per unit of beta.
        posedirs: (V, 3, 135) float64 or None (no pose blend shapes), metres per unit of vec(R_1 − I, …, R_15 − I).
        joint_regressor: (16, V) float64, rest joints from shaped vertices.
        tip_vertices: (5,) int64, the vertices that stand for the finger tips, thumb … little.
        pose_mean: (45,) float64 or None, mean pose, axis–angle of joints 1 … 15, radians (MANO's hands_mean).
        pose_components: (45, 45) float64 or None, rows are principal directions of poses about the mean, the widest
            first, linearly independent (MANO's hands_components).
        pose_deviations: (45,) float64 or None, standard deviation of people's poses along each row.
        name: where the arrays came from, for messages.

    Raises:
        HandModelError: an array has the wrong shape, an index out of range, or a value that is not finite.
    """

    side: str
    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray | None
    joint_regressor: np.ndarray
    tip_vertices: np.ndarray
    pose_mean: np.ndarray | None = None
    pose_components: np.ndarray | None = None
    pose_deviations: np.ndarray | None = None
    name: str = 'hand'

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise HandModelError(f'{self.name}: side is {self.side!r}; it must be one of {", ".join(SIDES)}')
        count = self._float('vertices', (None, 3)).shape[0]
        self._float('weights', (count, NUM_JOINTS))
        self._float('shapedirs', (count, 3, NUM_BETAS))
        if self.posedirs is not None:
            self._float('posedirs', (count, 3, NUM_POSE_FEATURES))
        self._float('joint_regressor', (NUM_JOINTS, count))
        self._index('faces', (None, 3), count)
        self._index('tip_vertices', (len(TIP_KEYPOINTS),), count)
        size = NUM_POSE_NUMBERS
        for field, shape in (('pose_mean', (size,)), ('pose_components', (size, size)), ('pose_deviations', (size,))):
            if getattr(self, field) is not None:
                self._float(field, shape)

    def _float(self, field: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = np.array(self._shaped(field, shape), dtype=np.float64)
        if not np.isfinite(array).all():
            raise HandModelError(f'{self.name}: {field} holds values that are not finite')
        return self._keep(field, array)

    def _index(self, field: str, shape: tuple[int | None, ...], count: int) -> np.ndarray:
        found = self._shaped(field, shape)
        if found.dtype.kind not in 'iu':
            raise HandModelError(f'{self.name}: {field} must hold integers, found {found.dtype}')
        array = found.astype(np.int64)
        if array.size and (array.min() < 0 or array.max() >= count):
            raise HandModelError(
                f'{self.name}: {field} names vertex {array.min()} to {array.max()}, but there are {count} vertices'
            )
        return self._keep(field, array)

    def _shaped(self, field: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = np.asarray(getattr(self, field))
        fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
        if not fits or array.dtype.kind not in 'fiu':
            wanted = '×'.join('N' if want is None else str(want) for want in shape)
            found = '×'.join(map(str, array.shape)) or 'a scalar'
            raise HandModelError(f'{self.name}: {field} must be {wanted} numbers, found {found} of {array.dtype}')
        return array

    def _keep(self, field: str, array: np.ndarray) -> np.ndarray:
        array.setflags(write=False)
        object.__setattr__(self, field, array)
        return array
