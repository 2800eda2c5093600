"""The hand renderer against the mesh it is given."""

import numpy as np
import pytest
import torch

from minimal_hand_core.data.synthetic.appearance import Appearance
from minimal_hand_core.data.synthetic.forearm import ArmPose, Forearm
from minimal_hand_core.data.synthetic.poses import BACK_VIEW, PALM_VIEW, turn
from minimal_hand_core.data.synthetic.props import SHAPES, make_prop
from minimal_hand_core.data.synthetic.rasterizer import vertex_normals
from minimal_hand_core.data.synthetic.renderer import HandRenderer
from minimal_hand_core.data.synthetic.samples import ARM, HAND, OBJECT
from minimal_hand_core.hand import HandModel, load_hand_model

SIZE = (240, 320)
K = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])


def assert_closed(faces: np.ndarray) -> None:
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {(int(a), int(b)) for a, b in sides}
    assert len(directed) == len(sides)
    assert all((b, a) in directed for a, b in directed)


@pytest.fixture(scope='module')
def model() -> HandModel:
    return load_hand_model('open', 'right')


@pytest.fixture(scope='module')
def renderer(model: HandModel) -> HandRenderer:
    return HandRenderer(model)


@pytest.fixture
def background() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def place(model: HandModel, view: np.ndarray, z: float = 0.4, x: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and keypoints of a flat hand, in front of the camera."""
    rotations = torch.eye(3).repeat(1, 16, 1, 1)
    rotations[0, 0] = torch.from_numpy(view)
    out = model(rotations, torch.zeros(1, 10))
    vertices, keypoints = out.vertices[0].detach().numpy(), out.keypoints[0].detach().numpy()
    offset = np.array([x, 0, z]) - (keypoints.min(axis=0) + keypoints.max(axis=0)) / 2
    return vertices + offset, keypoints + offset


def pixels(points: np.ndarray) -> np.ndarray:
    projected = points @ K.T
    return projected[:, :2] / projected[:, 2:]


@pytest.mark.parametrize('view', [PALM_VIEW, BACK_VIEW, turn((1, 0, 0), 0.7) @ PALM_VIEW])
def test_silhouette_is_where_the_mesh_projects(
    model: HandModel, renderer: HandRenderer, background: np.ndarray, view: np.ndarray
) -> None:
    vertices, keypoints = place(model, view)
    picture = renderer.render(vertices, K, SIZE, background, arm=False)
    xy = np.round(pixels(vertices)).astype(int)
    # Every vertex within a pixel of the mask, and the mask within the vertices' box.
    near = np.stack([np.roll(picture.mask, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]).any(axis=0)
    # All but the far side of the open wrist, which is seen from within and left out.
    assert near[xy[:, 1], xy[:, 0]].mean() > 0.995
    rows, columns = np.nonzero(picture.mask)
    assert (np.abs([rows.min(), columns.min()] - xy[:, ::-1].min(axis=0)) <= 1).all()
    # The wrist, lowest in the picture, is open there.
    assert (np.abs([rows.max(), columns.max()] - xy[:, ::-1].max(axis=0)) <= (3, 1)).all()
    inside = np.round(pixels(keypoints)).astype(int)
    # Without the arm the slanting opening of the wrist may leave the wrist joint itself uncovered.
    assert near[inside[1:, 1], inside[1:, 0]].all()


def test_depth_is_the_meshs_own(model: HandModel, renderer: HandRenderer, background: np.ndarray) -> None:
    vertices, _ = place(model, PALM_VIEW)
    picture = renderer.render(vertices, K, SIZE, background, arm=False)
    normals = vertex_normals(vertices.astype(np.float32), model.faces.numpy().astype(np.int32))
    xy = pixels(vertices)
    nearest = np.round(xy).astype(int)
    # Vertices that face the camera, lie near a pixel's centre and are not behind a finger are on the surface.
    good = (normals[:, 2] < -0.9) & (np.abs(xy - nearest).max(axis=1) < 0.3)
    depth = picture.depth[nearest[good, 1], nearest[good, 0]]
    error = np.abs(depth - vertices[good, 2])
    assert good.sum() > 50
    assert np.median(error) < 3e-4
    assert np.mean(error < 1e-3) > 0.97


def test_no_holes_in_the_hand(model: HandModel, renderer: HandRenderer, background: np.ndarray) -> None:
    vertices, _ = place(model, PALM_VIEW)
    picture = renderer.render(vertices, K, SIZE, background)
    assert (picture.parts == ARM).sum() > 500
    covered = picture.parts > 0
    from scipy.ndimage import binary_fill_holes

    holes = binary_fill_holes(covered) & ~covered
    assert holes.sum() <= 2


def test_background_is_kept_where_nothing_is(model: HandModel, renderer: HandRenderer, background: np.ndarray) -> None:
    vertices, keypoints = place(model, PALM_VIEW)
    before = background.copy()
    picture = renderer.render(vertices, K, SIZE, background, keypoints=keypoints)
    untouched = picture.depth == 0
    assert (picture.image[untouched] == background[untouched]).all()
    assert (background == before).all()
    assert picture.mask.dtype == bool
    assert picture.image.dtype == np.uint8
    assert picture.depth.dtype == np.float32


def test_palm_and_back_look_different_and_nails_are_on_the_back(
    model: HandModel, renderer: HandRenderer, background: np.ndarray
) -> None:
    nails = np.flatnonzero((renderer.surface.nails**2).sum(axis=1) < 0.8)
    assert len(nails) >= 15
    assert set(renderer.surface.bones[nails]) == {3, 7, 11, 15, 19}
    assert (renderer.surface.dorsal[nails] > 0.2).all()
    # Next to nothing of a nail lies in triangles without a corner in it, as on the sides of a finger tip.
    faces = model.faces.numpy()
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    in_nail = (np.einsum('wc,fci->fwi', weights, renderer.surface.nails[faces]) ** 2).sum(axis=-1) < 1
    a, b, c = np.moveaxis(renderer.surface.rest[faces], 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * in_nail.mean(axis=1)
    stray = (renderer.surface.nails[faces] ** 2).sum(axis=-1).min(axis=1) >= 1
    assert area[stray].sum() < 0.02 * area.sum()
    # The model's back is +y, so its palm faces −y.
    upper = renderer.surface.rest[:, 0] > -0.08
    assert renderer.surface.dorsal[upper & (renderer.surface.rest[:, 1] > 0.01)].mean() > 0.3


def test_border_and_near_plane_do_no_harm(model: HandModel, renderer: HandRenderer, background: np.ndarray) -> None:
    for x in (-0.25, 0.25, 3.0):
        vertices, keypoints = place(model, PALM_VIEW, x=x)
        picture = renderer.render(vertices, K, SIZE, background, keypoints=keypoints)
        assert picture.image.shape == (*SIZE, 3)
    for z in (0.05, 0.0, -0.5):
        vertices, keypoints = place(model, turn((1, 0, 0), 1.5) @ PALM_VIEW, z=z)
        picture = renderer.render(vertices, K, SIZE, background, keypoints=keypoints)
        assert np.isfinite(picture.depth).all()
    assert not picture.mask.any()


@pytest.mark.parametrize('shape', SHAPES)
def test_props_hide_the_hand_behind_them(
    model: HandModel, renderer: HandRenderer, background: np.ndarray, shape: str
) -> None:
    vertices, _ = place(model, PALM_VIEW)
    rng = np.random.default_rng(0)
    prop = make_prop(shape, np.full(3, 0.02), np.eye(3), np.array([0, 0, 0.3]), rng)
    picture = renderer.render(vertices, K, SIZE, background, props=[prop])
    assert picture.parts[120, 160] == OBJECT
    assert picture.depth[120, 160] == pytest.approx(0.28, abs=2e-3)
    behind = make_prop(shape, np.full(3, 0.02), np.eye(3), np.array([0, 0, 0.6]), rng)
    assert renderer.render(vertices, K, SIZE, background, props=[behind]).parts[120, 160] == HAND


def test_props_face_outwards() -> None:
    for shape in SHAPES:
        prop = make_prop(shape, np.array([1.0, 2.0, 3.0]), np.eye(3), np.zeros(3), np.random.default_rng(0))
        corners = prop.vertices[prop.faces].astype(float)
        volume = np.einsum('fi,fi->f', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        assert volume > 0


def test_skin_covers_the_human_range() -> None:
    rng = np.random.default_rng(0)
    levels = [Appearance.sample(rng).skin for _ in range(200)]
    light = np.array([skin.back.mean() for skin in levels])
    assert light.min() < 0.06
    assert light.max() > 0.4
    # Palms are never darker than backs, and everybody is redder than blue.
    assert all(skin.palm.mean() >= skin.back.mean() * 0.97 for skin in levels)
    assert all(skin.back[0] > skin.back[2] for skin in levels)


def test_forearm_runs_backwards_from_the_wrist(model: HandModel, renderer: HandRenderer) -> None:
    rest = renderer.surface.rest
    edge = rest[renderer.forearm.edge]
    assert len(edge) >= 8
    arm = renderer.forearm.rings(edge, ArmPose())
    assert arm[:, 0].max() > edge[:, 0].max() + 0.4
    mesh = np.concatenate([rest, arm]).astype(np.float32)
    corners = mesh[renderer.faces].astype(float)
    assert np.einsum('fi,fi->f', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() > 0
    # With arm and end cap the hand is closed: every edge is used once each way. So it is up to the wall at the elbow.
    wall = len(edge) - 2
    outside = renderer.faces[:-wall]
    assert_closed(outside)
    behind_elbow = (outside >= len(mesh) - 1 - len(edge)).any(axis=1)
    assert_closed(np.concatenate([outside[~behind_elbow], renderer.faces[-wall:]]))


@pytest.mark.parametrize('sleeve', [None, 0.05])
def test_an_arm_leaves_the_picture(model: HandModel, renderer: HandRenderer, sleeve: float | None) -> None:
    look = Appearance(arm=ArmPose(sleeve=sleeve))
    # From 1 m the picture's lower border is 0.3 m behind the wrist, further than the elbow.
    vertices, _ = place(model, PALM_VIEW, z=1.0)
    picture = renderer.render(vertices, K, SIZE, np.zeros((*SIZE, 3), np.uint8), appearance=look)
    assert (picture.parts[-1] == ARM).sum() > 10


def test_an_arm_that_reaches_behind_the_camera_is_not_hollow(model: HandModel, renderer: HandRenderer) -> None:
    # The fingers point away from the camera, which is between elbow and far end and sees the arm from its elbow on.
    vertices, keypoints = place(model, turn((0, 1, 0), np.pi / 2), z=0.5)
    vertices = vertices - [*keypoints[0, :2], 0]  # the wrist's joint on the axis
    picture = renderer.render(vertices, K, SIZE, np.zeros((*SIZE, 3), np.uint8))
    elbow = keypoints[0, 2] - 0.24
    middle = picture.depth[105:135, 145:175]
    assert middle == pytest.approx(elbow, abs=0.04)


def test_a_closed_mesh_gets_no_arm() -> None:
    tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    forearm = Forearm.build(tetrahedron, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    assert len(forearm.edge) == 0
    assert len(forearm.faces) == 0


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'vertices': np.zeros((5, 3))}, 'vertices'),
        ({'intrinsics': np.eye(4)}, 'intrinsics'),
        ({'background': np.zeros((10, 10, 3), np.uint8)}, 'background'),
        ({'background': np.zeros((*SIZE, 3), np.float32)}, 'background'),
        ({'supersampling': 0}, 'supersampling'),
    ],
)
def test_bad_input_is_named(model: HandModel, renderer: HandRenderer, change: dict, word: str) -> None:
    vertices, _ = place(model, PALM_VIEW)
    good = {'vertices': vertices, 'intrinsics': K, 'size': SIZE, 'background': np.zeros((*SIZE, 3), np.uint8)}
    with pytest.raises(ValueError, match=word):
        renderer.render(**{**good, **change})


def test_left_model_is_refused() -> None:
    with pytest.raises(ValueError, match='left'):
        HandRenderer(load_hand_model('open', 'left'))
