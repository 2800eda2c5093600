"""DetNet: from a crop of a hand to keypoints.

``load_detnet`` gives a trained network, which turns crops into maps (``DetNetOutput``); ``decode`` reads the keypoints
off them.
"""

from minimal_hand_core.detnet.checkpoint import CheckpointError, load_detnet, save_detnet
from minimal_hand_core.detnet.decode import DecodedHands, decode
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.detnet.output import DetNetOutput

__all__ = [
    'CheckpointError',
    'DecodedHands',
    'DetNet',
    'DetNetOutput',
    'decode',
    'load_detnet',
    'save_detnet',
]
