"""The browser view without a browser: what is sent to it, and the controls beside it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

pytest.importorskip('viser', reason='viser is not installed: extra [viewer]')

from perfect_hand import perfect_state  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.hand import FINGERS, MIDDLE_MCP, load_hand_model, quaternion_to_matrix  # noqa: E402
from minimal_hand_core.tracking import CameraModel, HandState, PoseConfig, PoseEstimator  # noqa: E402
from minimal_hand_core.viewing import (  # noqa: E402
    KNOBS,
    Calibrate,
    Enable,
    HandStatus,
    SetParameter,
    Viewer,
    ViewerError,
    address,
    is_loopback,
    skin_parts,
    status_html,
)
from minimal_hand_core.viewing.address import choose_port, web_address  # noqa: E402
from minimal_hand_core.viewing.scene import PICTURE_DEPTH, PICTURE_WIDTH, frame_quaternions  # noqa: E402
from minimal_hand_core.viewing.skin_colors import confidence_colors  # noqa: E402
from minimal_hand_core.viewing.status import message_html  # noqa: E402


@pytest.fixture(scope='module')
def viewer() -> Iterator[Viewer]:
    viewer = Viewer({side: load_hand_model('open', side) for side in ('right', 'left')})
    yield viewer
    viewer.close()


def tracked(side: str = 'right', time: float = 0.3, metric: bool = True) -> HandState:
    """A rendered hand, tracked without fault."""
    truth = RenderedScene(seed=2, side=side).truth(time)
    assert truth is not None
    points = truth.keypoints_m if metric else truth.keypoints_m - truth.keypoints_m[0]
    return perfect_state(truth, time, points, metric=metric)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_parts_of_the_skin_make_the_whole(side: str) -> None:
    model = load_hand_model('open', side)
    parts = skin_parts(model)
    assert [part.name for part in parts] == ['palm', *FINGERS]
    faces = np.concatenate([part.vertices[part.faces] for part in parts])
    assert sorted(map(tuple, faces.tolist())) == sorted(map(tuple, model.faces.tolist()))
    for part, tip in zip(parts[1:], model.tip_vertices, strict=True):
        assert tip in part.vertices


@pytest.mark.parametrize('side', ['right', 'left'])
def test_the_hand_is_where_the_tracker_has_it(viewer: Viewer, side: str) -> None:
    estimator = PoseEstimator(PoseConfig(side=side))
    for time in (0.3, 1.7):
        state = tracked(side, time)
        viewer.show({side: (state, None)})
        shown = viewer.hands[side]
        assert shown.visible
        np.testing.assert_allclose(shown.vertices, estimator.mesh(state), atol=1e-6)
        np.testing.assert_allclose(shown._frames.batched_positions, state.keypoints_m, atol=1e-6)
        np.testing.assert_allclose(shown.centre, state.keypoints_m[MIDDLE_MCP])
    viewer.show({side: None})
    assert not viewer.hands[side].visible and viewer.hands[side].centre is None


def test_frames_are_those_of_tf() -> None:
    import torch

    state = tracked()
    quaternions = torch.from_numpy(frame_quaternions(state)[:, [1, 2, 3, 0]])
    turned = quaternion_to_matrix(quaternions).numpy()
    np.testing.assert_allclose(turned[0], state.rotations[0], atol=1e-6)
    # index: joints 1, 2, 3 at keypoints 5, 6, 7; the tip is parallel to the last
    index = state.rotations[0] @ state.rotations[1] @ state.rotations[2] @ state.rotations[3]
    np.testing.assert_allclose(turned[7], index, atol=1e-6)
    np.testing.assert_allclose(turned[8], index, atol=1e-6)


def test_fingers_have_the_colours_of_their_confidence(viewer: Viewer) -> None:
    confidence = np.full(21, 1.0)
    confidence[17:] = 0.0
    viewer.show({'right': (tracked(), confidence)})
    good, bad = (255 * confidence_colors(np.array([1.0, 0.0]))).round()
    colors = {part.name: mesh.color for part, mesh in zip(viewer.hands['right']._parts, viewer.hands['right']._meshes)}
    assert colors['index'] == tuple(good) and colors['little'] != tuple(good)
    np.testing.assert_allclose(colors['little'], bad, atol=1)
    viewer.show({'right': (tracked(), None)})
    assert len({mesh.color for mesh in viewer.hands['right']._meshes}) == 1, 'the score is one for all'


def test_only_places_of_vertices_are_sent_again(viewer: Viewer) -> None:
    sent = []
    queue = viewer._server.scene._queue_scene_message

    def keep(message: object) -> None:
        sent.append(message)
        queue(message)

    viewer.show({'right': (tracked(), np.ones(21))})
    viewer._server.scene._queue_scene_message = keep
    try:
        viewer.show({'right': (tracked(time=0.4), np.ones(21))})
    finally:
        del viewer._server.scene._queue_scene_message
    updates = [set(message.updates) for message in sent]
    assert updates.count({'vertices'}) == 6
    assert all(update <= {'vertices', 'batched_positions', 'batched_wxyzs'} for update in updates), updates


def test_a_hand_without_a_place_is_shown_before_the_camera(viewer: Viewer) -> None:
    state = tracked(metric=False)
    viewer.show({'right': (state, None)})
    placed = viewer.hands['right']._frames.batched_positions
    np.testing.assert_allclose(placed[0], (0, 0, 0.5), atol=1e-6)
    np.testing.assert_allclose(placed - placed[0], state.keypoints_m, atol=1e-6)


def test_the_camera_is_seen_with_its_picture(viewer: Viewer) -> None:
    camera = CameraModel(1280, 720, np.array([[900.0, 0, 640], [0, 800, 360], [0, 0, 1]]), np.zeros(0))
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[..., 0] = 255
    viewer.show_camera(camera, picture)
    frustum = viewer.camera._frustum
    assert frustum.fov == pytest.approx(2 * np.arctan(360 / 800)) and frustum.aspect == pytest.approx(1280 / 720)
    shown = cv2.imdecode(np.frombuffer(frustum._image_data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (180, PICTURE_WIDTH, 3) and len(frustum._image_data) < 20_000
    np.testing.assert_allclose(shown.reshape(-1, 3).mean(axis=0), (255, 0, 0), atol=8)
    # as viser's page does it: half width, half height and depth scaled to a fixed volume
    y = np.tan(frustum.fov / 2)
    assert frustum.scale / np.cbrt(y * y * frustum.aspect / 3) == pytest.approx(PICTURE_DEPTH)


def test_a_camera_of_unknown_picture_size_is_left_as_it_was(viewer: Viewer) -> None:
    frustum = viewer.camera._frustum
    viewer.show_camera(CameraModel(1280, 720, np.diag([900.0, 800.0, 1.0]), np.zeros(0)), None)
    before = frustum.fov, frustum.aspect, frustum.scale
    viewer.show_camera(CameraModel(0, 0, np.diag([500.0, 500.0, 1.0]), np.zeros(0)), None)
    assert (frustum.fov, frustum.aspect, frustum.scale) == before


def test_a_hand_may_go_while_the_view_turns_to_it(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving:
        @property
        def centre(self) -> np.ndarray | None:
            return left.pop() if left else None

    left = [np.zeros(3)]
    monkeypatch.setattr(viewer, 'hands', {'right': Leaving()})
    viewer._look()
    assert not left


def test_events_wait_until_they_are_taken(viewer: Viewer) -> None:
    panel = viewer.panel
    assert panel.take() == []
    for event in (SetParameter('wrist_beta', 1.0), Enable(False), SetParameter('wrist_beta', 2.0)):
        panel._put(event)
    panel._calibrate('left')(None)
    assert panel.take() == [Enable(False), SetParameter('wrist_beta', 2.0), Calibrate('left', 0.0)]
    assert panel.take() == []


def test_what_is_shown_by_the_tracker_is_no_event(viewer: Viewer) -> None:
    panel = viewer.panel
    panel.show_enabled(False)
    panel.show_value('filter', 'kalman')
    panel.show_value('kalman_agility', 25.0)
    panel.show_value('no such parameter', 1)
    panel.show_recording(True)
    assert panel.take() == []
    agility = panel._inputs['kalman_agility']
    assert agility.value == agility.max == 25.0, 'a slider must not lie about a value beyond its end'
    assert agility.visible and not agility.disabled and not panel._inputs['wrist_beta'].visible
    assert panel._record.label == 'Stop recording'
    panel.disable(['kalman_agility'])
    assert agility.disabled


def test_every_knob_has_a_parameter_of_the_tracker() -> None:
    from minimal_hand_core.tracking import DetectorConfig

    for knob in KNOBS:
        config = PoseConfig if knob.stage == 'pose' else DetectorConfig
        default = getattr(config(), knob.name.replace('.', '_'))
        assert default in knob.choices or knob.low <= default <= knob.high, knob.name


def test_figures() -> None:
    table = status_html(
        [
            HandStatus(
                'right', True, 0.87, True, 0.412, 0.0853, True, 29.7, 0.0123, {'keypoints': 0.006, '<b>': 0.001}
            ),
            HandStatus('left', score=0.2),
        ]
    )
    for part in ('right hand', '0.87', '41.2 cm', '85.3 mm ✓', '30 Hz', '6.00 ms', '12.3 ms', 'no hand', '&lt;b&gt;'):
        assert part in table, part
    assert '<b>' not in table
    assert '–' in status_html([HandStatus('right', True, float('nan'))])
    assert '&lt;script&gt;' in message_html('<script>', good=False)


def test_a_port_in_use_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ViewerError, match=f'port {port} of 127.0.0.1 is in use: .*another port, or 0 for a free'):
            Viewer({}, port=port)
        monkeypatch.setattr(address, 'FIRST_PORT', port)
        assert port < choose_port('127.0.0.1', 0) < port + 100, 'the next one that is free'
    assert choose_port('127.0.0.1', port) == port


@pytest.mark.parametrize('host', ['no.such.host.invalid', '192.0.2.1', 'a' * 70])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(ViewerError, match=f"host '{host}' is n.*: give 127.0.0.1, or 0.0.0.0 for all"):
        choose_port(host, 0)


def test_addresses() -> None:
    assert web_address('127.0.0.1', 8080) == web_address('0.0.0.0', 8080) == 'http://localhost:8080'
    assert web_address('::1', 80) == 'http://[::1]:80' and web_address('10.0.0.7', 81) == 'http://10.0.0.7:81'
    assert is_loopback('127.0.0.1') and is_loopback('localhost') and not is_loopback('0.0.0.0')


def test_without_viser_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'viser', None)
    with pytest.raises(ViewerError, match=r"the view needs viser .*pip install 'viser>=1.1,<2'"):
        Viewer({})


@pytest.mark.parametrize(
    ('origin', 'welcome'),
    [
        ('http://localhost:8080', True),
        ('http://127.0.0.1:9000', True),
        (None, True),
        ('https://example.org', False),
        ('http://localhost.example.org:8080', False),
        ('null', False),
    ],
)
def test_pages_of_other_sites_are_refused(viewer: Viewer, origin: str | None, welcome: bool) -> None:
    import viser
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = viewer.address.replace('http', 'ws')
    options = {'subprotocols': [f'viser-v{viser.__version__}'], 'origin': origin, 'open_timeout': 60}
    if welcome:
        with connect(address, **options) as page:
            assert page.recv(60)
    else:
        with pytest.raises(InvalidStatus, match='403'):
            connect(address, **options)


def test_nobody_can_open_it_to_the_internet(viewer: Viewer) -> None:
    assert viewer._server.request_share_url() is None
