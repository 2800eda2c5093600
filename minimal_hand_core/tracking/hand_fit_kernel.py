"""The compiled loops of fitting a whole hand to one picture (numba, float64). What they do and why: hand_fit.py.

Unknowns, 26: wrist (3, metres), small turn of the hand about the camera's axes (3), angles (20, order of ANGLE_NAMES).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.cholesky import factorise, substitute
from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS, MIDDLE_MCP, NUM_KEYPOINTS
from minimal_hand_core.pose.swing import multiply, turn_about
from minimal_hand_core.shape.window_kernel import median
from minimal_hand_core.tracking.view_kernel import set_view_rotation

UNKNOWNS = 26
FREEDOM = 4.0
"""Degrees of freedom of Student's t: a keypoint that is far off is a wrong one and pulls less."""
NEAREST = 0.02
"""Metres: no keypoint may come nearer to the camera."""
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_OWN = 10
"""Unknowns that move one keypoint: wrist, turn and the four angles of its finger."""
_FIRST_DAMPING = 1e-3
_MOST_DAMPING = 1e4
_SMALL_GAIN = 1e-4
"""Of the negative log likelihood; less is not worth another step."""


@njit(cache=True, nogil=True, error_model='numpy')
def pose_keypoints(
    template: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    rotation: np.ndarray,
    angles: np.ndarray,
    points: np.ndarray,
    axes: np.ndarray,
) -> None:
    """Write the posed keypoints (21, 3), relative to the wrist, into points and the axes of the angles into axes
    (5, 4, 3), both in the camera's axes."""
    turned, before, bend = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    points[0] = 0.0
    for finger in range(5):
        chain = _CHAINS[finger]
        for i in range(3):
            points[chain[0], i] = 0.0
            for j in range(3):
                points[chain[0], i] += rotation[i, j] * (template[chain[0], j] - template[0, j])
        turned[:] = rotation
        for joint in range(3):
            angle = 0 if joint == 0 else joint + 1
            for i in range(3):
                axes[finger, angle, i] = (
                    turned[i, 0] * flexion[finger, joint, 0]
                    + turned[i, 1] * flexion[finger, joint, 1]
                    + turned[i, 2] * flexion[finger, joint, 2]
                )
            value = angles[4 * finger + angle]
            turn_about(flexion[finger, joint], math.cos(value), math.sin(value), bend)
            before[:] = turned
            multiply(before, bend, turned)
            if joint == 0:
                for i in range(3):
                    axes[finger, 1, i] = (
                        turned[i, 0] * abduction[finger, 0]
                        + turned[i, 1] * abduction[finger, 1]
                        + turned[i, 2] * abduction[finger, 2]
                    )
                value = angles[4 * finger + 1]
                turn_about(abduction[finger], math.cos(value), math.sin(value), bend)
                before[:] = turned
                multiply(before, bend, turned)
            start, end = chain[joint], chain[joint + 1]
            for i in range(3):
                points[end, i] = points[start, i]
                for j in range(3):
                    points[end, i] += turned[i, j] * (template[end, j] - template[start, j])


@njit(cache=True, nogil=True, error_model='numpy')
def _accumulate(
    rows: np.ndarray,
    residual: np.ndarray,
    count: int,
    own: int,
    columns: np.ndarray,
    normal: np.ndarray,
    gradient: np.ndarray,
) -> float:
    """Add `count` whitened rows (…, own) of one keypoint under Student's t; returns their negative log likelihood."""
    square = 0.0
    for i in range(count):
        square += residual[i] * residual[i]
    weight = (FREEDOM + count) / (FREEDOM + square)
    for a in range(own):
        for i in range(count):
            gradient[columns[a]] += weight * rows[i, a] * residual[i]
        for b in range(own):
            total = 0.0
            for i in range(count):
                total += rows[i, a] * rows[i, b]
            normal[columns[a], columns[b]] += weight * total
    return 0.5 * (FREEDOM + count) * math.log(1.0 + square / FREEDOM)


@njit(cache=True, nogil=True, error_model='numpy')
def linearise(
    wrist: np.ndarray,
    angles: np.ndarray,
    points: np.ndarray,
    axes: np.ndarray,
    rays: np.ndarray,
    ray_sigma: np.ndarray,
    xyz: np.ndarray,
    xyz_sigma: np.ndarray,
    view: np.ndarray,
    length: float,
    depth: np.ndarray,
    depth_sigma: np.ndarray,
    start: np.ndarray,
    angle_sigma: float,
    limits: np.ndarray,
    limit_sigma: float,
    normal: np.ndarray,
    gradient: np.ndarray,
) -> float:
    """The negative log likelihood (infinite behind the camera); fills normal (26, 26) and gradient (26,).

    rays (21, 2) and ray_sigma (21,): normalised; an infinite sigma leaves a ray out. xyz (21, 3) relative to the middle
    MCP in hand lengths and xyz_sigma (21, 3): in the axes of the view, whose rotation to the camera's axes is view.
    depth (21,) and depth_sigma (21,): measured z of the keypoints, metres; an infinite sigma leaves one out.
    start (20,): the angles' own guess, angle_sigma how far they may be from it; limits (20, 2) are soft by limit_sigma.
    """
    normal[:] = 0.0
    gradient[:] = 0.0
    cost = 0.0
    moved, rows = np.empty((3, _OWN)), np.empty((3, _OWN))
    columns, residual = np.empty(_OWN, np.int64), np.empty(3)
    root = points[MIDDLE_MCP]
    for k in range(NUM_KEYPOINTS):
        p = points[k]
        x, y, z = p[0] + wrist[0], p[1] + wrist[1], p[2] + wrist[2]
        if not z > NEAREST:
            return math.inf
        # How the unknowns move this keypoint: the wrist, a turn ω by ω × p, an angle by axis × (p − its joint).
        moved[:, :6] = 0.0
        for i in range(3):
            moved[i, i] = 1.0
        moved[1, 3], moved[2, 3] = -p[2], p[1]
        moved[0, 4], moved[2, 4] = p[2], -p[0]
        moved[0, 5], moved[1, 5] = -p[1], p[0]
        own = 6
        for i in range(6):
            columns[i] = i
        if k > 0:
            finger, place = (k - 1) // 4, (k - 1) % 4
            for angle in range(4):
                joint = 0 if angle < 2 else angle - 1
                if joint >= place:
                    continue
                a, joint_at = axes[finger, angle], points[_CHAINS[finger, joint]]
                u, v, w = p[0] - joint_at[0], p[1] - joint_at[1], p[2] - joint_at[2]
                moved[0, own] = a[1] * w - a[2] * v
                moved[1, own] = a[2] * u - a[0] * w
                moved[2, own] = a[0] * v - a[1] * u
                columns[own] = 6 + 4 * finger + angle
                own += 1
        if ray_sigma[k] < math.inf:
            scale = 1.0 / (z * ray_sigma[k])
            u, v = x / z, y / z
            residual[0], residual[1] = (u - rays[k, 0]) / ray_sigma[k], (v - rays[k, 1]) / ray_sigma[k]
            for c in range(own):
                rows[0, c] = (moved[0, c] - u * moved[2, c]) * scale
                rows[1, c] = (moved[1, c] - v * moved[2, c]) * scale
            cost += _accumulate(rows, residual, 2, own, columns, normal, gradient)
        if depth_sigma[k] < math.inf:
            residual[0] = (z - depth[k]) / depth_sigma[k]
            for c in range(own):
                rows[0, c] = moved[2, c] / depth_sigma[k]
            cost += _accumulate(rows, residual, 1, own, columns, normal, gradient)
        if k == MIDDLE_MCP:
            continue
        # xyz is relative to the middle MCP, which the wrist moves alike and the turn by ω × root.
        moved[:, :3] = 0.0
        moved[1, 3] += root[2]
        moved[2, 3] -= root[1]
        moved[0, 4] -= root[2]
        moved[2, 4] += root[0]
        moved[0, 5] += root[1]
        moved[1, 5] -= root[0]
        for i in range(3):
            scale = 1.0 / (length * xyz_sigma[k, i])
            seen = 0.0
            for j in range(3):
                seen += view[j, i] * (p[j] - root[j])
            residual[i] = seen * scale - xyz[k, i] / xyz_sigma[k, i]
            for c in range(own):
                rows[i, c] = scale * (view[0, i] * moved[0, c] + view[1, i] * moved[1, c] + view[2, i] * moved[2, c])
        cost += _accumulate(rows, residual, 3, own, columns, normal, gradient)
    for q in range(20):
        pull = (angles[q] - start[q]) / angle_sigma
        cost += 0.5 * pull * pull
        gradient[6 + q] += pull / angle_sigma
        normal[6 + q, 6 + q] += 1.0 / angle_sigma**2
        beyond = angles[q] - min(max(angles[q], limits[q, 0]), limits[q, 1])
        if beyond != 0.0:
            cost += 0.5 * (beyond / limit_sigma) ** 2
            gradient[6 + q] += beyond / limit_sigma**2
            normal[6 + q, 6 + q] += 1.0 / limit_sigma**2
    return cost


@njit(cache=True, nogil=True, error_model='numpy')
def weigh(
    rays: np.ndarray,
    ray_sigma: np.ndarray,
    xyz: np.ndarray,
    confidence: np.ndarray,
    xyz_sigma: float,
    spread: np.ndarray,
    clean_rays: np.ndarray,
    clean_sigma: np.ndarray,
    seen: np.ndarray,
    sigma: np.ndarray,
    view: np.ndarray,
) -> bool:
    """What `linearise` takes, from what hand_fit.fit_hand is given; False when no row of rays (21, 2) is finite.

    Fills view (3, 3), the view along the middle of the rays; clean_rays (21, 2) and clean_sigma (21,), rows that are
    not finite left out; seen (21, 3), xyz relative to the middle MCP in the axes of the view; and its sigma (21, 3),
    from spread (21, 2), across the view and along it.
    """
    count = 0
    columns = np.empty((2, NUM_KEYPOINTS))
    for k in range(NUM_KEYPOINTS):
        usable = math.isfinite(rays[k, 0] + rays[k, 1])
        clean_sigma[k] = ray_sigma[k] if usable else math.inf
        for i in range(2):
            clean_rays[k, i] = rays[k, i] if usable else 0.0
            if usable:
                columns[i, count] = rays[k, i]
        count += usable
    if count == 0:
        return False
    set_view_rotation(median(columns[0], count), median(columns[1], count), view)
    for k in range(NUM_KEYPOINTS):
        doubt = 0.7 + 2.0 * math.sqrt(min(max(1.0 - confidence[k], 0.0), 1.0))
        for i in range(3):
            seen[k, i] = 0.0
            for j in range(3):
                seen[k, i] += (xyz[k, j] - xyz[MIDDLE_MCP, j]) * view[j, i]
            sigma[k, i] = xyz_sigma * doubt * spread[k, 1 if i == 2 else 0]
    return True


@njit(cache=True, nogil=True, error_model='numpy')
def descend(
    wrist: np.ndarray,
    rotation: np.ndarray,
    angles: np.ndarray,
    template: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    rays: np.ndarray,
    ray_sigma: np.ndarray,
    xyz: np.ndarray,
    xyz_sigma: np.ndarray,
    view: np.ndarray,
    length: float,
    depth: np.ndarray,
    depth_sigma: np.ndarray,
    angle_sigma: float,
    limits: np.ndarray,
    limit_sigma: float,
    iterations: int,
    points: np.ndarray,
    covariance: np.ndarray,
) -> bool:
    """Levenberg–Marquardt from wrist (3,), rotation (3, 3) and angles (20,), which become the solution.

    Fills points (21, 3), relative to the wrist, and covariance (6, 6) of wrist and turn, the angles marginalised. False
    when there is no solution before the camera or the covariance does not exist.
    """
    start = angles.copy()
    axes = np.empty((5, 4, 3))
    normal, gradient = np.empty((UNKNOWNS, UNKNOWNS)), np.empty(UNKNOWNS)
    trial_normal, trial_gradient = np.empty((UNKNOWNS, UNKNOWNS)), np.empty(UNKNOWNS)
    damped, factor, step = np.empty((UNKNOWNS, UNKNOWNS)), np.zeros((UNKNOWNS, UNKNOWNS)), np.empty(UNKNOWNS)
    turn, turned, axis = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    pose_keypoints(template, flexion, abduction, rotation, angles, points, axes)
    cost = linearise(
        wrist, angles, points, axes, rays, ray_sigma, xyz, xyz_sigma, view, length,
        depth, depth_sigma, start, angle_sigma, limits, limit_sigma, normal, gradient,
    )  # fmt: skip
    if not cost < math.inf:
        return False
    damping = _FIRST_DAMPING
    for _ in range(iterations):
        damped[:] = normal
        for i in range(UNKNOWNS):
            damped[i, i] *= 1.0 + damping
        if not factorise(damped, 0.0, factor):
            return False
        substitute(factor, gradient, step)
        size = math.sqrt(step[3] ** 2 + step[4] ** 2 + step[5] ** 2)
        axis[:] = 0.0
        axis[0] = 1.0
        if size > 1e-12:
            for i in range(3):
                axis[i] = -step[3 + i] / size
        turn_about(axis, math.cos(size), math.sin(size), turn)
        multiply(turn, rotation, turned)
        moved, bent = wrist - step[:3], angles - step[6:]
        pose_keypoints(template, flexion, abduction, turned, bent, points, axes)
        trial = linearise(
            moved, bent, points, axes, rays, ray_sigma, xyz, xyz_sigma, view, length,
            depth, depth_sigma, start, angle_sigma, limits, limit_sigma, trial_normal, trial_gradient,
        )  # fmt: skip
        if trial < cost:
            gain, cost = cost - trial, trial
            wrist[:], rotation[:], angles[:] = moved, turned, bent
            normal[:], gradient[:] = trial_normal, trial_gradient
            damping = max(0.2 * damping, 1e-7)
            if gain < _SMALL_GAIN:
                break
        else:
            damping *= 8.0
            if damping > _MOST_DAMPING:
                break
    pose_keypoints(template, flexion, abduction, rotation, angles, points, axes)
    if not factorise(normal, 0.0, factor):
        return False
    for i in range(6):
        gradient[:] = 0.0
        gradient[i] = 1.0
        substitute(factor, gradient, step)
        covariance[:, i] = step[:6]
    return True
