"""The ten shape directions of the open hand, one standard deviation of adults each.

Each is a smooth displacement of the skin together with the displacement of joints that belongs to it, both linear in
the beta. The standard deviations are rounded figures of hand surveys (hand length varies by about 6 % over adults of
both sexes; breadth and finger lengths by 4 to 5 % at equal hand length).
"""

import dataclasses

import numpy as np

from .rest_pose import CHAINS, FlatHand, unit

SIZE, WIDTH, THUMB_LENGTH, FINGER_LENGTH, SLANT, PROXIMAL = 0.06, 0.045, 0.05, 0.045, 0.025, 0.03


@dataclasses.dataclass
class Direction:
    """skin (V, 3), joints (16, 3) and tips (5, 3): metres per unit of beta."""

    skin: np.ndarray
    joints: np.ndarray
    tips: np.ndarray


def _points(hand: FlatHand, finger: str) -> np.ndarray:
    return np.vstack([hand.joints[list(CHAINS[finger])], hand.tips[list(CHAINS).index(finger)]])


def stretch(hand: FlatHand, strains: dict[str, tuple[float, float, float]]) -> Direction:
    """Lengthens the three bones of some fingers by the given shares of their lengths; the palm stays."""
    result = Direction(np.zeros_like(hand.vertices), np.zeros_like(hand.joints), np.zeros_like(hand.tips))
    for finger, strain in strains.items():
        points = _points(hand, finger)
        shift = np.zeros(3)
        for k, joint in enumerate(CHAINS[finger]):
            bone = points[k + 1] - points[k]
            length = np.linalg.norm(bone)
            along = (hand.vertices - points[k]) @ bone / length
            along = np.clip(along, 0, None if k == 2 else length)
            result.skin += hand.weights[:, joint, None] * (shift + strain[k] * along[:, None] * bone / length)
            result.joints[joint] = shift
            shift = shift + strain[k] * bone
        result.tips[list(CHAINS).index(finger)] = shift
    return result


def warp_palm(hand: FlatHand, field) -> Direction:
    """Moves palm and finger bases by field (N, 3) → (N, 3); each finger goes along stiffly with its base."""
    result = Direction(hand.weights[:, :1] * field(hand.vertices), np.zeros_like(hand.joints), np.zeros_like(hand.tips))
    result.joints[0] = field(hand.joints[:1])[0]
    for number, chain in enumerate(CHAINS.values()):
        shift = field(hand.joints[chain[0]][None])[0]
        result.joints[list(chain)] = shift
        result.tips[number] = shift
        result.skin += hand.weights[:, list(chain)].sum(axis=1, keepdims=True) * shift
    return result


def thicken(hand: FlatHand, share: float) -> Direction:
    """Thicker fingers and palm on the same bones."""
    result = Direction(np.zeros_like(hand.vertices), np.zeros_like(hand.joints), np.zeros_like(hand.tips))
    for finger, chain in CHAINS.items():
        points = _points(hand, finger)
        for k, joint in enumerate(chain):
            axis = unit(points[k + 1] - points[k])
            radial = hand.vertices - points[k]
            radial -= (radial @ axis)[:, None] * axis
            result.skin += hand.weights[:, joint, None] * share * radial
    middle = np.array([0, hand.vertices[hand.weights[:, 0] > 0.99, 1].mean(), 0])
    palm = (hand.vertices - middle) * [0, 1, 0]
    result.skin += hand.weights[:, :1] * share * palm
    return result


def shape_directions(hand: FlatHand) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All ten, in the order of the card OPEN_HAND.md.

    Returns:
        skin (V, 3, 10), joints (16, 3, 10), tips (5, 3, 10).
    """
    half_palm = np.abs(hand.joints[[1, 7], 2]).mean()
    palm_length = -hand.joints[4, 0]

    def wider(points: np.ndarray) -> np.ndarray:
        return points * [0, 0.3 * WIDTH, WIDTH]

    def slanted(points: np.ndarray) -> np.ndarray:
        # Little-finger side shorter, index side longer, in proportion to the place along and across the palm.
        along = np.clip(-points[:, 0] / palm_length, 0, None)
        across = np.clip(points[:, 2] / half_palm, -1.2, 1.2)
        return np.stack([-SLANT * palm_length * along * across, 0 * along, 0 * along], axis=1)

    directions = [Direction(SIZE * hand.vertices, SIZE * hand.joints, SIZE * hand.tips), warp_palm(hand, wider)]
    for finger in CHAINS:
        share = THUMB_LENGTH if finger == 'thumb' else FINGER_LENGTH
        directions.append(stretch(hand, {finger: (share, share, share)}))
    directions.append(thicken(hand, 0.08))
    directions.append(warp_palm(hand, slanted))
    strains = {}
    for finger in CHAINS:
        lengths = np.linalg.norm(np.diff(_points(hand, finger), axis=0), axis=1)
        rest = -PROXIMAL * lengths[0] / lengths[1:].sum()
        strains[finger] = (PROXIMAL, rest, rest)
    directions.append(stretch(hand, strains))
    return tuple(np.stack([getattr(d, name) for d in directions], axis=-1) for name in ('skin', 'joints', 'tips'))
