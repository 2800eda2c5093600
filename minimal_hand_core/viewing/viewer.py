"""The view as a whole: a web server with scene and panel."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from minimal_hand_core.hand import HandModel
from minimal_hand_core.tracking import CameraModel, HandState
from minimal_hand_core.viewing.address import ViewerError, choose_port, is_loopback, web_address
from minimal_hand_core.viewing.panel import Panel
from minimal_hand_core.viewing.scene import CameraScene, HandScene

if TYPE_CHECKING:
    import viser

TITLE = 'Hand tracker'
UP = np.array([0.0, -1.0, 0.0])
VIEW_FROM, VIEW_AT = np.array([0.38, -0.27, -0.28]), np.array([0.0, 0.01, 0.31])
"""Metres: from where the view begins, and at what it looks, such that the camera and the hands before it are seen."""
CLOSE = np.array([0.2, -0.14, -0.4])
"""Metres from the hand to where it is looked at from when that is asked for."""
_OWN_PAGES = re.compile(r'https?://(localhost|127(\.\d+){3}|\[::1\])(:\d+)?')
FIELD_OF_VIEW = np.radians(38.0)


class Viewer:
    """Serves the view until it is closed.

    Args:
        models: the hands that can be shown, by side.
        host: interface to serve on; the default is reached from this machine alone.
        port: 0: the first free one.

    Attributes:
        address: what to type into a browser on this machine.
        hands: by side.
        camera: the camera.
        panel: the controls.

    Raises:
        ViewerError: the port is in use, the host is not this machine, or viser is not installed.
    """

    def __init__(self, models: Mapping[str, HandModel], host: str = '127.0.0.1', port: int = 0) -> None:
        self._server = _serve(host, port)
        self.address = web_address(host, self._server.get_port())
        scene, gui = self._server.scene, self._server.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        gui.set_panel_label(TITLE)
        gui.main_panel.dock_right()
        scene.set_up_direction('-y')
        self.hands = {side: HandScene(scene, model) for side, model in models.items()}
        self.camera = CameraScene(scene)
        self.panel = Panel(gui, tuple(models), self._choose, self._look)
        initial = self._server.initial_camera
        initial.position, initial.look_at, initial.up = VIEW_FROM, VIEW_AT, UP
        initial.fov = float(FIELD_OF_VIEW)

    @property
    def watched(self) -> bool:
        """Whether a browser is looking."""
        return bool(self._server.get_clients())

    def show(self, hands: Mapping[str, tuple[HandState, np.ndarray | None] | None]) -> None:
        """Show these hands together.

        Args:
            hands: by side, the hand and the confidence (21,) of its keypoints where that is known; None: no hand. A
                side that is not named stays as it is.
        """
        with self._server.atomic():
            for side, hand in hands.items():
                if hand is None:
                    self.hands[side].hide()
                else:
                    self.hands[side].show(*hand)

    def show_camera(self, camera: CameraModel | None, picture: np.ndarray | None) -> None:
        """Show intrinsics and picture (H, W, 3) uint8 BGR; None leaves what is there."""
        with self._server.atomic():
            if camera is not None:
                self.camera.set_camera(camera)
            if picture is not None:
                self.camera.set_picture(picture)

    def close(self) -> None:
        """Serve no more."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._server.stop()

    def _choose(self) -> None:
        for hand in self.hands.values():
            hand.choose(self.panel.skin.value, self.panel.frames.value)
        self.camera.choose(self.panel.picture.value)

    def _look(self) -> None:
        """Turn everybody's view to the hands."""
        # each asked for once: another thread may hide the hand meanwhile
        known = [hand.centre for hand in self.hands.values()]
        centres = [centre for centre in known if centre is not None]
        if not centres:
            return
        centre = np.mean(centres, axis=0)
        for client in self._server.get_clients().values():
            with client.atomic():
                client.camera.position, client.camera.look_at = centre + CLOSE, centre
                client.camera.up_direction = UP


def _serve(host: str, port: int) -> viser.ViserServer:
    try:
        import viser
    except ImportError as error:
        raise ViewerError(f"the view needs viser ({error}): pip install 'viser>=1.1,<2'") from None

    class Server(viser.ViserServer):
        """Without viser's way of showing the page to the internet, which any visitor could ask for."""

        def request_share_url(self, verbose: bool = True) -> str | None:
            return None

    wanted = choose_port(host, port)
    # what it prints of itself is not a log line; the address is told by who uses this
    with contextlib.redirect_stdout(io.StringIO()), _own_pages_only(host):
        server = Server(host=host, port=wanted, label=TITLE, verbose=False)
    if port and server.get_port() != port:
        found = server.get_port()
        server.stop()
        raise ViewerError(f'port {port} of {host} was taken a moment ago (next one free: {found}): try again')
    return server


@contextlib.contextmanager
def _own_pages_only(host: str) -> Iterator[None]:
    """What is served to this machine alone, and started meanwhile, refuses the pages of other sites.

    Any page in a browser may open a web socket to this machine; its origin, which it cannot choose, tells it apart.
    viser does not look at it, and hands on no option of the server that would.
    """
    import websockets.asyncio.server as web

    serve = web.serve
    if is_loopback(host):
        setattr(web, 'serve', functools.partial(serve, origins=[None, _OWN_PAGES]))  # noqa: B010
    try:
        yield
    finally:
        setattr(web, 'serve', serve)  # noqa: B010
