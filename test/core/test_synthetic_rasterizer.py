"""The rasteriser against what geometry says."""

import numpy as np
import pytest

from minimal_hand_core.data.synthetic.rasterizer import Buffers, interpolate, rasterize, screen_points

K = np.array([[100.0, 0, 31.5], [0, 100.0, 31.5], [0, 0, 1]])


def square(z: float, half: float = 0.1, x: float = 0.0) -> np.ndarray:
    """(4, 3) corners of a square that faces the camera."""
    return np.array([[x - half, -half, z], [x + half, -half, z], [x + half, half, z], [x - half, half, z]])


# Normals towards the camera (−z): from x to −y to … is anticlockwise seen from the camera.
FACES = np.array([[0, 2, 1], [0, 3, 2]], np.int32)


def draw(*meshes: np.ndarray, size: int = 64, s: int = 1, cull: bool = False) -> Buffers:
    buffers = Buffers.empty((size, size), s)
    for i, mesh in enumerate(meshes):
        rasterize(buffers, screen_points(mesh, K, s), FACES, offset=10 * i, cull=cull)
    return buffers


@pytest.mark.parametrize('near_first', [True, False])
def test_nearest_triangle_wins_whatever_the_order(near_first: bool) -> None:
    near, far = square(0.5, 0.02), square(1.0)
    buffers = draw(near, far) if near_first else draw(far, near)
    expected = 0 if near_first else 10
    assert buffers.triangles[32, 32] // 10 * 10 == expected
    assert buffers.depth()[32, 32] == pytest.approx(0.5, rel=1e-6)
    assert buffers.depth()[25, 23] == pytest.approx(1.0, rel=1e-6)
    assert buffers.depth()[5, 5] == 0


def test_crossing_triangles_split_at_their_line_of_intersection() -> None:
    tilted = square(1.0)
    tilted[:, 2] += 2 * tilted[:, 0]  # nearer on the left
    buffers = draw(square(1.0), tilted)
    assert (buffers.triangles[32, 24:30] >= 10).all()
    assert (buffers.triangles[32, 34:40] < 10).all()
    assert (buffers.triangles[32, 34:40] >= 0).all()


def test_pixel_centres_are_at_integers() -> None:
    # Edges at columns and rows 21.4 … 41.6: pixels 22 … 41 are covered, 20 × 20 of them.
    buffers = draw(square(1.0, 0.101))
    rows, columns = np.nonzero(buffers.triangles >= 0)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (22, 41, 22, 41)
    assert len(rows) == 400


def test_supersampling_keeps_the_place_and_refines_the_edge() -> None:
    s = 4
    buffers = draw(square(1.0, 0.1), s=s)
    share = (buffers.triangles >= 0).reshape(64, s, 64, s).mean(axis=(1, 3))
    assert share.sum() == pytest.approx(400, rel=0.03)
    rows, columns = np.indices(share.shape)
    assert (share * rows).sum() / share.sum() == pytest.approx(31.5, abs=0.13)
    assert (share * columns).sum() / share.sum() == pytest.approx(31.5, abs=0.13)


def test_neighbouring_triangles_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        drawn = draw(square(1.0, 0.2) @ turn.T).triangles >= 0
        assert drawn[28:36, 28:36].all()


def test_attributes_are_perspective_correct() -> None:
    corners = square(1.0, 0.2)
    corners[:, 2] += 1.5 * corners[:, 0]
    buffers = draw(corners)
    found = interpolate(buffers, screen_points(corners, K), FACES, corners)
    covered = buffers.triangles >= 0
    assert covered.sum() > 500
    projected = found[covered] @ K.T
    pixels = np.stack(np.nonzero(covered)[::-1], axis=1)
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], pixels, atol=2e-3)
    np.testing.assert_allclose(found[covered][:, 2], buffers.depth()[covered], rtol=1e-4)


def test_culling_drops_back_faces_only() -> None:
    assert (draw(square(1.0), cull=True).triangles >= 0).any()
    assert not (draw(square(1.0)[::-1], cull=True).triangles >= 0).any()
    assert (draw(square(1.0)[::-1]).triangles >= 0).any()


@pytest.mark.parametrize('z', [0.0, -1.0, 0.005])
def test_triangles_that_touch_the_near_plane_are_left_out(z: float) -> None:
    corners = square(1.0)
    corners[0, 2] = z
    triangles = draw(corners).triangles
    assert set(np.unique(triangles)) <= {-1}


def test_huge_triangles_just_past_the_near_plane_are_clamped() -> None:
    assert (draw(square(0.0101, 50.0)).triangles >= 0).all()


def test_triangles_outside_the_picture_leave_it_empty() -> None:
    assert (draw(square(1.0, x=5.0)).triangles == -1).all()
