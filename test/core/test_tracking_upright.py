"""Hands that do not point up: their crops are turned, so that the network sees them as it knows them."""

import numpy as np
import pytest
from fake_engine import DotEngine, paint, placed

from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_core.tracking import (
    CameraModel,
    DetectorConfig,
    HandTracker,
    HandTrackerConfig,
    KeypointDetector,
    Keypoints,
)
from minimal_hand_core.tracking.mirrored import mirror_picture, mirror_uv
from minimal_hand_core.tracking.upright import upright_angle, upright_crop

QUARTERS = [0.0, np.pi / 2, np.pi, -np.pi / 2]


def lean(uv: np.ndarray) -> float:
    """How far the palm leans away from up, radians."""
    x, y = uv[9] - uv[0]
    return abs(np.arctan2(x, -y))


class UprightEngine(DotEngine):
    """Sees a hand exactly while it points up, badly while it lies on its side, and not when it points down."""

    def __init__(self) -> None:
        super().__init__()
        self.leans: list[float] = []

    def _see(self, crop):
        uv, xyz, confidence = super()._see(crop)
        if confidence.max() < 0.1:
            return uv, xyz, confidence
        self.leans.append(lean(uv))
        if lean(uv) > np.radians(120):
            return uv, xyz, np.full(21, 0.05)
        if lean(uv) > np.radians(75):
            return uv + (0, 0.26 * np.ptp(uv, axis=0).max()), xyz, confidence
        return uv, xyz, confidence


@pytest.mark.parametrize('quarter', QUARTERS)
@pytest.mark.parametrize('off', [-0.7, 0.0, 0.7])
def test_the_palm_points_up_in_the_crop(quarter: float, off: float) -> None:
    uv = placed((300, 200), 50, quarter + off)
    crop = upright_crop(uv)
    assert np.isclose(crop.angle % (np.pi / 2), 0) or np.isclose(crop.angle % (np.pi / 2), np.pi / 2)
    assert lean(crop.to_crop(uv)) < np.radians(60)
    mirrored = placed((300, 200), 50, quarter + off, 'left')
    assert lean(upright_crop(mirrored).to_crop(mirrored, mirror=True)) < np.radians(60)


def test_the_crop_turns_late_and_not_for_a_palm_that_points_nowhere() -> None:
    for degrees, angle in ((0, 0), (44, 0), (59, 0), (61, 90), (90, 90), (31, 90), (29, 0), (-59, 0), (-61, -90)):
        before = upright_angle(placed((0, 0), 1, np.radians(degrees)), np.radians(90) if degrees == 31 else 0.0)
        assert np.degrees(before) == pytest.approx(angle), degrees
    short = placed((0, 0), 1, np.pi)
    short[9] = short[0] + (0.01, 0.1)
    assert upright_angle(short, np.pi / 2) == np.pi / 2


def test_a_crop_that_was_turned_half_is_as_good_as_one_turned_half_the_other_way() -> None:
    down = placed((0, 0), 1, np.pi - 0.1), placed((0, 0), 1, -np.pi + 0.1)
    for before in (np.pi, -np.pi):
        assert [upright_angle(uv, before) for uv in down] == [before, before]


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('angle', [1.3, np.pi, 2.6, -1.5])
def test_a_hand_that_the_network_knows_upright_is_found_however_it_points(
    side: str, angle: float, mirrored: bool
) -> None:
    seeker = KeypointDetector(DetectorConfig(side=side, mirrored=mirrored), UprightEngine())
    uv = placed((330, 240), 100, angle, side)
    picture = paint(uv)
    if mirrored:
        picture, uv = mirror_picture(picture), mirror_uv(uv, picture.shape[1])
    results = [seeker.detect(picture, i / 30) for i in range(20)]
    assert all(isinstance(found, Keypoints) for found in results[12:])
    assert np.abs(results[-1].uv - uv).max() < 3


def test_a_hand_that_turns_about_is_followed_upright() -> None:
    engine = UprightEngine()
    seeker = KeypointDetector(DetectorConfig(check_side=False), engine)
    angles, turned = np.linspace(0, 4 * np.pi, 240), set()
    for i, angle in enumerate(angles):
        uv = placed((320, 240), 100, angle)
        if i == 10:
            engine.leans.clear()
        found = seeker.detect(paint(uv), i / 30)
        if i >= 10:
            assert isinstance(found, Keypoints) and np.abs(found.uv - uv).max() < 3
            turned.add(round(np.degrees(found.crop.angle)) % 360)
    assert turned == {0, 90, 180, 270}
    assert np.degrees(max(engine.leans)) < 70, 'a picture behind'
    assert len(engine.leans) == len(angles) - 10, 'one look for every picture'


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_the_default_weights_see_hands_that_do_not_point_up(turns: int) -> None:
    scene = RenderedScene(seed=11)
    height, width = scene.size
    size = (height, width) if turns % 2 else (width, height)
    intrinsics = np.array(
        [[scene.intrinsics[0, 0], 0, size[0] / 2], [0, scene.intrinsics[1, 1], size[1] / 2], [0, 0, 1]]
    )
    tracking = HandTracker(HandTrackerConfig(hand_length=scene.truth(1.0).hand_length))
    errors = []
    for i in range(30):
        picture, truth = scene.frame(i / 15)
        uv = truth.keypoints_px
        for _ in range(turns):
            uv = np.column_stack([uv[:, 1], picture.shape[1] - 1 - uv[:, 0]])
            picture = np.rot90(picture)
        picture = np.ascontiguousarray(picture)
        state = tracking.track(picture, i / 15, CameraModel(*size, intrinsics, []))
        if state is not None:
            errors.append(np.linalg.norm(state.uv - uv, axis=1).mean() / np.ptp(uv, axis=0).max())
    assert len(errors) == 30
    assert np.median(errors) < 0.02, 'without turned crops 0.023 to 0.040'
