"""The page of the viewer in a real browser, headless: what is seen and what its controls do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('viser', reason='viser is not installed: extra [viewer]')
pytest.importorskip('selenium', reason='selenium is not installed')

from conftest import PATIENCE, Inbox  # noqa: E402
from minimal_hand_ros.msg import HandPose  # noqa: E402
from minimal_hand_ros.srv import CalibrateShape  # noqa: E402
from rendered_truth import header, truth  # noqa: E402
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.tracking import PoseEstimator  # noqa: E402
from minimal_hand_ros.ik_node import IkNode  # noqa: E402
from minimal_hand_ros.messages import state_from_message, truth_message  # noqa: E402
from minimal_hand_ros.qos import RESULTS  # noqa: E402
from minimal_hand_ros.viewer_node import ViewerNode  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
DRIVER = shutil.which('chromedriver')
SIZE = (160, 120)
FOV = np.radians(32.0)
OPTIONS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    # small, as every pixel is drawn by the processor
    '--window-size=640,480',
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip('no Chromium here; on Debian: sudo apt-get install chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f'--user-data-dir={tmp_path}'):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """What a person would find on the page."""

    def __init__(self, driver: Any, address: str) -> None:
        self._driver = driver
        driver.get(address)

    def wait_for(self, path: str) -> Any:
        wait = WebDriverWait(self._driver, PATIENCE)
        return wait.until(lambda driver: driver.find_elements(By.XPATH, path), f'never seen: {path}')[0]

    def wait_for_text(self, text: str) -> Any:
        return self.wait_for(f'//*[contains(text(), "{text}")]')

    def press(self, label: str) -> None:
        # by script: a headless page redrawn by the processor is never at rest, for which a real click waits
        self._driver.execute_script('arguments[0].click()', self.wait_for(f'//button[contains(., "{label}")]'))

    def enter(self, label: str, value: str) -> None:
        field = self.wait_for(f'//*[contains(text(), "{label}")]/following::input[not(@type="hidden")][1]')
        self._driver.execute_script('arguments[0].focus()', field)
        # selected by keys: a selection made by script is undone by some editions of the driver before they type
        field.send_keys(Keys.CONTROL, 'a', Keys.NULL, value, Keys.ENTER)

    @property
    def errors(self) -> list[str]:
        return [line['message'] for line in self._driver.get_log('browser') if line['level'] == 'SEVERE']


def silhouette(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(H, W) bool: a mesh as a camera at the origin sees it."""
    width, height = SIZE
    focal = 0.5 * height / np.tan(FOV / 2)
    points = vertices[:, :2] / vertices[:, 2:] * focal + (width / 2 - 0.5, height / 2 - 0.5)
    drawn = np.zeros((height, width), np.uint8)
    for face in (points * 16).round().astype(np.int32)[faces]:
        cv2.fillConvexPoly(drawn, face, 255, shift=4)
    return drawn > 0


@pytest.mark.slow
def test_the_page(run_here: Callable, peer, browser: Any) -> None:
    tracker = run_here(IkNode, {})
    here = run_here(ViewerNode, {'port': 0, 'rate': 10.0, 'lost_timeout': 60.0})
    viewer = here.node.work.viewer
    asked = Inbox('calibrate')

    def calibrate(request: Any, response: Any) -> Any:
        asked.put(request)
        response.success, response.message = True, 'measured by the test'
        return response

    peer._in_spinning_thread(lambda: peer.node.create_service(CalibrateShape, 'calibrate', calibrate))
    scene, estimator = RenderedScene(seed=1), PoseEstimator()

    page = Page(browser, viewer.address)
    page.wait_for('//table[@data-hand-status]//*[contains(text(), "no hand")]')
    poses = peer.talk(HandPose, 'hand/pose', RESULTS)  # the viewer listens only while somebody looks
    for element in (viewer.panel.picture, viewer.panel.frames):
        element.value = False

    client = next(iter(viewer._server.get_clients().values()))
    look = partial(client.get_render, SIZE[1], SIZE[0], wxyz=(1.0, 0, 0, 0), position=(0.0, 0, 0), fov=float(FOV))
    seen = []
    for number in (0, 45):
        sent = truth_message(header(number), truth(scene, number))
        poses.publish(sent)
        page.wait_for('//table[@data-hand-status]//*[contains(text(), "tracked")]')
        wanted = silhouette(estimator.mesh(state_from_message(sent)), estimator.model.faces.numpy())
        for _ in range(20):  # until the page has drawn it
            seen.append(look(transport_format='png', timeout=PATIENCE)[..., 3] > 127)
            overlap = (seen[-1] & wanted).sum() / (seen[-1] | wanted).sum()
            if overlap > 0.9:
                break
            poses.publish(sent)
        assert overlap > 0.9, f'the hand is not where it should be: overlap {overlap:.2f}'
    assert (seen[0] ^ seen[-1]).sum() > 100, 'the hand does not move'

    assert here.node.work._questions._clients['calibrate'].wait_for_service(PATIENCE)
    page.press('Calibrate the right hand')
    assert asked.wait_for().hand_length == 0
    page.wait_for_text('measured by the test')

    page.enter('Wrist beta', '42')
    WebDriverWait(browser, PATIENCE).until(lambda _: tracker.node.parameters.settings.pose.wrist_beta == 42.0)
    page.press('Record')
    page.wait_for_text('record: start a recorder')
    assert not page.errors
