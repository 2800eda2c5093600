"""Figures that others published, to stand beside ours: AUC of the 3D PCK curve from 20 to 50 mm on the test splits.

Sources: fact sheet 6.7 and 5.3.
* *minimal-hand paper*: Zhou, Habermann, Xu, Habibie, Theobalt, Xu, *Monocular Real-time Hand Shape and Motion Capture
  using Multi-modal Data*, CVPR 2020.
* *Minimal-Hand-pytorch*: github.com/MengHao666/Minimal-Hand-pytorch, its README; with biomechanical loss:
  github.com/MengHao666/Hand-BMC-pytorch.

What must be known to compare: Minimal-Hand-pytorch chose a checkpoint for each data set by that set's own test score
(epochs 106, 71, 68, 101), and scored Dexter+Object and EgoDexter on labels from which doubtful ones were removed by
hand. The paper scored RHD on other hands (at least 3,602), and the rule for its tips is not written down.
"""

from __future__ import annotations

from typing import NamedTuple

DETNET = 'DetNet'
LM_AIK = 'DetNet + LM + AIK'
PSO_AIK = 'DetNet + PSO + AIK'
NETWORK_AIK = 'DetNet + network + AIK'
IKNET = 'DetNet + IKNet'
DETNET_BMC = 'DetNet, biomechanical loss'
METHODS = (DETNET, LM_AIK, PSO_AIK, NETWORK_AIK, IKNET)
"""Rows of the whole table."""

PAPER = 'minimal-hand paper'
PEER = 'Minimal-Hand-pytorch'


class Published(NamedTuple):
    """One figure.

    Attributes:
        source: whose.
        dataset: as `open_dataset` knows it; of its test split.
        method: one of METHODS, or DETNET_BMC.
        auc: 20–50 mm.
        protocol: of ours that comes closest to theirs.
    """

    source: str
    dataset: str
    method: str
    auc: float
    protocol: str


_SETS = ('rhd', 'stb', 'dexter_object', 'ego_dexter')
_TABLE: tuple[tuple[str, str, str, tuple[float | None, ...]], ...] = (
    (PAPER, 'root-scale', DETNET, (None, 0.891, 0.923, 0.804)),
    (PAPER, 'root-scale', IKNET, (0.856, 0.898, 0.948, 0.811)),
    (PEER, 'reference', DETNET, (0.9339, 0.8744, 0.9378, 0.9270)),
    (PEER, 'reference', LM_AIK, (0.9301, 0.8647, 0.9392, 0.9288)),
    (PEER, 'reference', PSO_AIK, (0.9310, 0.8671, 0.9342, 0.9277)),
    (PEER, 'reference', NETWORK_AIK, (0.9272, 0.8624, 0.9400, 0.9365)),
    (PEER, 'reference', DETNET_BMC, (0.9364, 0.8778, 0.9475, 0.9182)),
)
PUBLISHED = tuple(
    Published(source, dataset, method, auc, protocol)
    for source, protocol, method, figures in _TABLE
    for dataset, auc in zip(_SETS, figures)
    if auc is not None
)


def published(dataset: str, split: str, method: str, protocol: str) -> tuple[Published, ...]:
    """What others published for this row; nothing for other splits than 'test'."""
    if split != 'test':
        return ()
    return tuple(row for row in PUBLISHED if (row.dataset, row.method, row.protocol) == (dataset, method, protocol))
