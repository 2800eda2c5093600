"""A sparse joint regressor that is exact for the template and for every shape direction."""

import numpy as np

RING = 80


def joint_regressor(
    vertices: np.ndarray, shapedirs: np.ndarray, joints: np.ndarray, joint_dirs: np.ndarray
) -> np.ndarray:
    """Joints as weighted means of the skin round them.

    Of all weights on the nearest vertices that reproduce the joint at rest and its motion under every shape direction
    (34 linear conditions with "sums to 1"), the ones closest to an even ring are taken.

    Args:
        vertices: (V, 3) metres.
        shapedirs: (V, 3, 10).
        joints: (16, 3) wanted rest joints.
        joint_dirs: (16, 3, 10) wanted motions.

    Returns:
        (16, V), rows sum to 1.

    Raises:
        ValueError: some joint cannot be reproduced from its ring.
    """
    regressor = np.zeros((len(joints), len(vertices)))
    for j, joint in enumerate(joints):
        ring = np.argsort(np.linalg.norm(vertices - joint, axis=1))[:RING]
        conditions = np.vstack(
            [np.ones(RING), (vertices[ring] - joint).T * 100, shapedirs[ring].reshape(RING, 30).T * 1e3]
        )
        wanted = np.concatenate([[1.0], np.zeros(3), joint_dirs[j].reshape(30) * 1e3])
        even = np.full(RING, 1 / RING)
        weights = even + np.linalg.pinv(conditions, rcond=1e-9) @ (wanted - conditions @ even)
        error = np.abs(conditions @ weights - wanted).max()
        if error > 1e-6:
            raise ValueError(
                f'joint {j} cannot be regressed from the {RING} vertices nearest to it (error {error:.1e})'
            )
        regressor[j, ring] = weights
    return regressor
