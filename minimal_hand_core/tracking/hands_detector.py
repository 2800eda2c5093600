"""Picture → keypoints of the hands in it, one at most of each side: find them, follow them, say when they are gone.

Following: one crop round the last keypoints, moved on by their velocity, the closer the better that foretells the hand
(track.py), and turned so that the hand points up in it (upright.py); one wider second look before giving up.
Searching, for the sides that are not followed: windows over the picture (search.py), in which the hands that are
followed are painted over; the best one is looked at once more with a crop round its keypoints, both as a right and as a
left hand. A hand is of the side that scores higher, and who looks for one side only does not take the other.

The cost of a picture is bounded: one square per hand while all are followed, and one more each now and then, to see
whether the side still holds; `search_windows` + 2 squares while one is searched; one more for each hand that is being
lost, and three for a box of another detector, or four where either side is looked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minimal_hand_core.detnet.axes import CAMERA
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.inference import Engine, create_engine
from minimal_hand_core.tracking.camera import CameraModel, view_rotation
from minimal_hand_core.tracking.config import DetectorConfig, check_changes
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.gates import has_extent, is_hand, same_place
from minimal_hand_core.tracking.looking import Look, Looker
from minimal_hand_core.tracking.mirrored import mirror_camera, mirror_crop, mirror_keypoints, mirror_picture
from minimal_hand_core.tracking.picture import as_bgr
from minimal_hand_core.tracking.search import SearchPlan
from minimal_hand_core.tracking.state import Keypoints, NoHand
from minimal_hand_core.tracking.track import Track
from minimal_hand_core.tracking.upright import upright_crop

CANDIDATE_SHARE = 0.4
"""Share of enter_threshold that a search window needs to be looked at once more."""
AGREEMENT = 0.15
"""Largest median distance of two looks at one hand, in crop sides."""
STRICTER = 0.8
"""Share of max_inconsistency that a hand may have at most to be found; one that is followed may have all of it."""
SIDE_MARGIN = 0.05
"""How much higher the other side may score, in one picture, for a hand still to be taken for the side wanted."""
REFUSED = 2.0
"""Seconds after a hand of the side not wanted was let go in which the side wanted must score higher by SIDE_MARGIN."""
WIDER = 1.6
"""How much wider than the last crop the second look is."""
MAX_GAP = 1.0
"""Seconds after which a hand is searched, first where it was, rather than followed; also when time runs backwards."""
RECENT = 0.5
"""Seconds for which the place where a hand was lost is looked at in every picture, and for which a box holds."""


class HandsDetector:
    """Finds and follows the hands of one or both sides, picture after picture.

    Args:
        config: settings; its side is what is looked for unless `sides` says otherwise.
        engine: runs the network; created from the settings when None.
        sides: 'right', 'left' or both.

    Attributes:
        timings: seconds of the last picture on 'crop', 'network' and 'decode'.
        network_runs: squares of the last picture that the network looked at.

    Raises:
        ValueError: sides that are none, twice the same or unknown.
        EngineError, CheckpointError: as of create_engine.
    """

    FIXED = ('side', 'weights', 'backend', 'threads')
    """Settings that need a new detector."""

    def __init__(
        self,
        config: DetectorConfig | None = None,
        engine: Engine | None = None,
        sides: Sequence[str] | None = None,
    ) -> None:
        self.config = config or DetectorConfig()
        self.sides = tuple(sides) if sides is not None else (self.config.side,)
        if not self.sides or len(set(self.sides)) != len(self.sides) or not set(self.sides) <= set(SIDES):
            raise ValueError(f'sides are {self.sides}; give one or both of {", ".join(SIDES)}')
        self._looker = Looker(engine or create_engine(self.config.backend, self.config.weights, self.config.threads))
        self.reset()

    def reset(self) -> None:
        """Forget the hands; the next picture is searched from the beginning."""
        self._tracks: dict[str, Track] = {}
        self._places: dict[str, tuple[Crop, float]] = {}
        self._box: tuple[Crop, float | None] | None = None
        self._unchecked: list[tuple[np.ndarray, Track, Keypoints]] = []
        self._plan: SearchPlan | None = None
        self._now: float | None = None
        self._searches = 0
        self._refused = -math.inf

    def reconfigure(self, config: DetectorConfig) -> None:
        """Go on with other settings and the same hands; nothing changes when they are refused.

        Raises:
            ValueError: another side, weights, backend or number of threads, which need a new detector.
        """
        check_changes(self.config, config, self.FIXED)
        if config.min_crop_side != self.config.min_crop_side:
            self._plan = None
        if config.mirrored != self.config.mirrored:
            self.reset()
        self.config = config

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of the last picture on 'crop', 'network' and 'decode'."""
        return self._looker.timings

    @property
    def network_runs(self) -> int:
        """Squares of the last picture that the network looked at."""
        return self._looker.runs

    @property
    def following(self) -> tuple[str, ...]:
        """Sides that the last picture had."""
        return tuple(side for side in self.sides if side in self._tracks)

    def suggest(self, crop: Crop) -> None:
        """Look here in the next picture, since another detector saw a hand here (see `box_crop`).

        The box wins: when it shows a hand and no followed hand lies in it, that hand is followed from now on. A box
        round a followed hand, one beyond the picture, one that shows no hand and one that is not used within half a
        second (by the pictures' stamps) change nothing. A newer box takes the place of an older one.

        Args:
            crop: square of the picture as received.
        """
        self._box = (crop, self._now)

    def detect(
        self, image: np.ndarray, stamp: float, camera: CameraModel | None = None, *, defer: bool = False
    ) -> dict[str, Keypoints | NoHand]:
        """The hands in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: seconds.
            camera: intrinsics, to turn xyz into the camera's axes; None leaves it in the axes of the crop's view.
            defer: leave the look at the other side, where one is due, to `check_sides`, to be called once the answer
                is out; what it finds then counts one picture later. Until then the picture must not change.

        Returns:
            For every side that is looked for Keypoints, or NoHand with the best score seen.

        Raises:
            PictureError: not a picture.
        """
        picture = as_bgr(image)
        width = picture.shape[1]
        if self.config.mirrored:
            picture = mirror_picture(picture)
            camera = None if camera is None else mirror_camera(camera, width)
        self._looker.start()
        self._now = stamp
        self._unchecked = []
        self._drop_out_of_time(picture, stamp)
        missing = [side for side in self.sides if side not in self._tracks]
        results = self._follow(picture, stamp)
        if not defer:
            self.check_sides()
        self._settle_sides(picture, stamp, results)
        self._part(picture, stamp, results)
        if not self._take_box(picture, stamp, results) and missing:
            self._search(picture, stamp, missing, results)
        return {
            side: self._as_received(self._in_camera_axes(found, camera), width)
            if isinstance(found, Keypoints)
            else found
            for side, found in results.items()
        }

    def check_sides(self) -> None:
        """Look at the hands of the last picture for which that is due as hands of the other side too.

        Raises:
            EngineError: the engine failed.
        """
        due, self._unchecked = self._unchecked, []
        if not due:
            return
        looks = [Look(found.crop, _other(found.side)) for _, _, found in due if found.crop is not None]
        others = self._looker.look(due[0][0], due[0][2].stamp, looks)
        for (_, track, found), other in zip(due, others, strict=True):
            track.weigh(found.score - _score(other))

    def _as_received(self, found: Keypoints, width: int) -> Keypoints:
        return mirror_keypoints(found, width) if self.config.mirrored else found

    def _drop_out_of_time(self, picture: np.ndarray, stamp: float) -> None:
        """What is too old, or from a time that is yet to come, is not followed."""
        for side in self.following:
            if not 0 <= stamp - self._tracks[side].last.stamp <= MAX_GAP:
                self._give_up(picture, stamp, side)
        self._places = {side: place for side, place in self._places.items() if 0 <= stamp - place[1] <= RECENT}

    def _follow(self, picture: np.ndarray, stamp: float) -> dict[str, Keypoints | NoHand]:
        """What becomes of the followed hands; NoHand of score 0 for the others."""
        results: dict[str, Keypoints | NoHand] = {side: NoHand(stamp, 0.0) for side in self.sides}
        following = self.following
        if not following:
            return results
        looks = [Look(self._bounded(picture, self._tracks[side].crop_at(stamp)), side) for side in following]
        for side, found in zip(following, self._looker.look(picture, stamp, looks)):
            track = self._tracks[side]
            if self._is_hand(picture, found, self.config.keep_threshold):
                if self.config.check_side and track.due:
                    self._unchecked.append((picture, track, found))
                track.take(found)
                results[side] = found
                continue
            crop = self._bounded(picture, track.crop)
            again = self._looker.look(picture, stamp, [Look(_scaled(crop, WIDER), side)])[0]
            if self._is_hand(picture, again, self.config.keep_threshold):
                track.take(again)
                results[side] = again
            else:
                self._give_up(picture, stamp, side)
                results[side] = NoHand(stamp, max(_score(found), _score(again)))
        return results

    def _settle_sides(self, picture: np.ndarray, stamp: float, results: dict[str, Keypoints | NoHand]) -> None:
        """Hands that turn out to be of the other side change it, or are let go when the other side is not wanted."""
        wrong = [side for side in self.following if self._tracks[side].wrong_side]
        if not wrong:
            return
        others = [_other(side) for side in wrong]
        if not set(others) <= set(self.sides):
            for side in wrong:
                results[side] = NoHand(stamp, 0.0)
                del self._tracks[side]
            self._refused = stamp
            return
        if len(wrong) == 1 and others[0] in self._tracks:
            return  # two hands of one side; each keeps the name it has
        tracks = [self._tracks.pop(side) for side in wrong]
        seen = self._looker.look(
            picture,
            stamp,
            [Look(self._bounded(picture, track.crop), side) for track, side in zip(tracks, others)],
        )
        for side in wrong:
            results[side] = NoHand(stamp, 0.0)
        for track, side, found in zip(tracks, others, seen):
            if self._is_hand(picture, found, self.config.keep_threshold):
                track.change_side(found)
                self._tracks[side] = track
                results[side] = found

    def _part(self, picture: np.ndarray, stamp: float, results: dict[str, Keypoints | NoHand]) -> None:
        """Two followed hands that were found in one place are one; the other is behind it or gone."""
        a, b = (results.get(side) for side in SIDES)
        if not (isinstance(a, Keypoints) and isinstance(b, Keypoints) and same_place(a.uv, b.uv)):
            return
        loser = min((a, b), key=lambda found: self._tracks[found.side].claim)
        expected = self._tracks.pop(loser.side).expected
        self._places[loser.side] = (self._bounded(picture, _scaled(expected, WIDER)), stamp)
        results[loser.side] = NoHand(stamp, _score(loser))

    def _take_box(self, picture: np.ndarray, stamp: float, results: dict[str, Keypoints | NoHand]) -> bool:
        """Look at the box of another detector, if there is one; whether that took the place of the search."""
        if self._box is None:
            return False
        (crop, since), self._box = self._box, None
        if self.config.mirrored:
            crop = mirror_crop(crop, picture.shape[1])
        if since is not None and not 0 <= stamp - since <= RECENT:
            return False
        corners = crop.corners()
        height, width = picture.shape[:2]
        if (corners.max(axis=0) < 0).any() or (corners.min(axis=0) > (width - 1, height - 1)).any():
            return False
        for side in self.following:
            center = self._tracks[side].crop.center
            if (np.abs(np.subtract(center, crop.center)) < crop.side / 2).all():
                return False
        # As either side, since there may be no second chance.
        looks = [Look(self._bounded(picture, crop), side) for side in self.sides]
        return self._find(picture, stamp, looks, self.sides, results)

    def _search(
        self, picture: np.ndarray, stamp: float, missing: list[str], results: dict[str, Keypoints | NoHand]
    ) -> None:
        """Look for hands of the missing sides in the next windows."""
        height, width = picture.shape[:2]
        if self._plan is None or self._plan.size != (width, height):
            self._plan = SearchPlan(width, height, self.config.min_crop_side)
        budget = max(1, self.config.search_windows - self._looker.runs)
        windows = [self._places[side][0] for side in missing if side in self._places][:budget]
        if len(windows) < budget:
            windows += self._plan.take(budget - len(windows))
        # As one side in a picture, in turn: as the other one a hand hardly scores.
        self._searches += 1
        as_side = missing[self._searches % len(missing)]
        if self._find(picture, stamp, [Look(window, as_side) for window in windows], missing, results):
            self._plan.restart()

    def _find(
        self,
        picture: np.ndarray,
        stamp: float,
        first: list[Look],
        sides: Sequence[str],
        results: dict[str, Keypoints | NoHand],
    ) -> bool:
        """Look for one hand of these sides in what these first looks show, and follow it; whether there was one."""
        hidden = [track.last.uv for track in self._tracks.values()]
        candidates = self._looker.look(picture, stamp, first, hidden)
        best = max(candidates, key=_score)

        def none(score: float) -> bool:
            for side in sides:
                if isinstance(results[side], NoHand):
                    results[side] = NoHand(stamp, max(score, results[side].score))
            return False

        if _score(best) < CANDIDATE_SHARE * self.config.enter_threshold or not has_extent(best):
            return none(_score(best))
        crop = self._bounded(picture, upright_crop(best.uv, _angle(best)))
        both = self.config.check_side or len(sides) > 1
        looks = self._looker.look(picture, stamp, [Look(crop, side) for side in (SIDES if both else sides)], hidden)
        by_side = {found.side: found for found in looks}
        wanted = max((by_side[side] for side in sides), key=_score)
        margin = _score(wanted) - _score(by_side[_other(wanted.side)]) if both else 0.0
        score = min(_score(best), _score(wanted))
        least = SIDE_MARGIN if 0 <= stamp - self._refused <= REFUSED else -SIDE_MARGIN
        if margin < least or not self._is_hand(picture, wanted, self.config.enter_threshold, STRICTER):
            return none(score)
        # Two looks at a real hand agree; two looks at a thing that is none rarely do.
        if np.median(np.linalg.norm(wanted.uv - best.uv, axis=1)) > AGREEMENT * crop.side:
            # The second look, with the hand upright and in the middle, is the better one: the next picture may agree
            # with it. Only once in a row, so that a thing that is no hand does not keep the search at its place.
            if best.crop not in [place for place, _ in self._places.values()]:
                self._places[wanted.side] = (self._bounded(picture, upright_crop(wanted.uv, crop.angle)), stamp)
            return none(score)
        if any(same_place(wanted.uv, uv) for uv in hidden):
            return none(score)
        self._tracks[wanted.side] = Track(wanted, margin)
        self._places.pop(wanted.side, None)
        results[wanted.side] = wanted
        return True

    def _give_up(self, picture: np.ndarray, stamp: float, side: str) -> None:
        """Follow no longer; the search begins round the place where the hand was."""
        track = self._tracks.pop(side)
        self._places[side] = (self._bounded(picture, _scaled(track.crop, WIDER)), stamp)

    def _is_hand(self, picture: np.ndarray, found: Keypoints, threshold: float, strictness: float = 1.0) -> bool:
        most = strictness * self.config.max_inconsistency
        return is_hand(found, (picture.shape[1], picture.shape[0]), threshold, most)

    def _in_camera_axes(self, found: Keypoints, camera: CameraModel | None) -> Keypoints:
        """The same keypoints with xyz turned from the view along the crop's centre into the camera's axes, unless the
        network says it in those."""
        if camera is None or found.crop is None or self._looker.axes == CAMERA:
            return found
        ray = camera.normalize(np.array([found.crop.center]))[0]
        if not np.isfinite(ray).all():
            return found
        return replace(found, xyz=found.xyz @ view_rotation(ray).T)

    def _bounded(self, picture: np.ndarray, crop: Crop) -> Crop:
        """The crop with its side within the configured bounds."""
        largest = max(self.config.max_crop_ratio * max(picture.shape[:2]), self.config.min_crop_side)
        return replace(crop, side=min(max(crop.side, self.config.min_crop_side), largest))


def _other(side: str) -> str:
    return 'left' if side == 'right' else 'right'


def _score(found: Keypoints) -> float:
    """The score; 0 where it is NaN."""
    return 0.0 if math.isnan(found.score) else found.score


def _angle(found: Keypoints) -> float:
    """How far the crop was turned that the hand was seen in."""
    return 0.0 if found.crop is None else found.crop.angle


def _scaled(crop: Crop, factor: float) -> Crop:
    return replace(crop, side=crop.side * factor)
