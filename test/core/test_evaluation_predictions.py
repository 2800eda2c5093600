"""Predictions: from crops back to pictures, kept and found again whole, the peer's files, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from native_layouts.examples import EXAMPLES
from perfect_predictions import TIPS, made_up

from minimal_hand_core.data import Sample, open_dataset
from minimal_hand_core.detnet import DetNet
from minimal_hand_core.evaluation.array_file import ArrayFileError
from minimal_hand_core.evaluation.crops import CROPS, first_look, followed_look, second_look
from minimal_hand_core.evaluation.peer_files import (
    peer_datasets,
    read_peer,
    read_shapes,
    shapes_path,
    write_peer,
    write_shapes,
)
from minimal_hand_core.evaluation.predict import predict
from minimal_hand_core.evaluation.prediction_run import check_against, predict_to_file
from minimal_hand_core.evaluation.predictions import (
    Origin,
    PredictionError,
    Predictions,
    concatenate,
    load_predictions,
    save_predictions,
)
from minimal_hand_core.evaluation.scores import score
from minimal_hand_core.inference import EngineOutput
from minimal_hand_core.tracking import Crop
from minimal_hand_core.tracking.picture import PictureError

SIZE = 240


def changed(predictions, **fields):
    return replace(predictions, **fields)


class Samples(list):
    """Samples whose pictures tell where they were cut: blue is the number of the sample, green is x, red is y.

    `broken` are rows whose picture cannot be read; `read` counts.
    """

    def __init__(self, rng, sides=('right', 'left', None), count=9, tips_only=False):
        super().__init__()
        self.broken, self.read = set(), 0
        y, x = np.mgrid[:SIZE, :SIZE]
        for i in range(count):
            image = np.dstack([np.full((SIZE, SIZE), 20 * i), x, y]).astype(np.uint8)
            points = rng.uniform(60, 180, (21, 2))
            joints = rng.normal(0, 0.04, (21, 3)) + (0, 0, 0.5)
            visible = np.ones(21, bool)
            if tips_only:
                visible[:] = np.isin(np.arange(21), TIPS)
            self.append(
                Sample(
                    image=image,
                    keypoints_px=np.where(visible[:, None], points, np.nan),
                    keypoints_m=np.where(visible[:, None], joints, np.nan),
                    visible=visible,
                    intrinsics=np.array([[300.0, 0, 119.5], [0, 300, 119.5], [0, 0, 1]]),
                    side=sides[i % len(sides)],
                    key=f'hand {i}',
                )
            )

    def __getitem__(self, row):
        if row in self.broken:
            raise PictureError(f'picture {row} is broken')
        self.read += 1
        return super().__getitem__(row)

    def __iter__(self):
        return (self[row] for row in range(len(self)))


class Oracle:
    """Knows all hands; reads from the colours of a crop which hand it is, where it was cut and whether mirrored.

    `left`: numbers of hands that it is surer of mirrored; of the rest it is as they are.
    """

    def __init__(self, samples, rng):
        self.uv = {i: np.asarray(rng.uniform(70, 170, (21, 2))) for i in range(len(samples))}
        self.xyz = {i: rng.normal(0, 1, (21, 3)) for i in range(len(samples))}
        self.sides, self.calls, self.left = [], 0, set()

    def run(self, crops):
        self.calls += 1
        found = [self._see(crop.astype(float)) for crop in crops]
        return EngineOutput(*(np.stack(part).astype(np.float32) for part in zip(*found)))

    def _see(self, crop):
        middle = crop[40:88, 40:88]
        number = round(middle[..., 2].mean() / 20)
        # RGB: y is red, x is green; slopes along the crop give the affine map to the picture.
        y, x = middle[..., 0], middle[..., 1]
        slope_x, slope_y = (
            np.polyfit(np.arange(48), x.mean(axis=0), 1)[0],
            np.polyfit(np.arange(48), y.mean(axis=1), 1)[0],
        )
        centre = np.array([x.mean(), y.mean()])
        uv = (self.uv[number] - centre) / (slope_x, slope_y) + 63.5
        self.sides.append((number, slope_x < 0))
        flip = (-1, 1, 1) if slope_x < 0 else (1, 1, 1)
        return uv, self.xyz[number] * flip, np.full(21, 0.9 if (slope_x < 0) == (number in self.left) else 0.6)


def test_what_is_seen_in_a_crop_comes_back_to_the_picture(rng):
    samples = Samples(rng, sides=('right', 'left', 'right'))
    oracle = Oracle(samples, rng)
    found = predict(oracle, samples, batch=4)
    for i, sample in enumerate(list(samples)):
        np.testing.assert_allclose(found.uv[i], oracle.uv[i], atol=1.0)
        np.testing.assert_allclose(found.xyz[i], oracle.xyz[i], atol=1e-6)
        assert found.keys[i] == sample.key
        np.testing.assert_allclose(found.true_m[i], sample.keypoints_m, atol=1e-7)
    assert oracle.calls == 3 and oracle.sides == [(i, i % 3 == 1) for i in range(9)], 'left hands are mirrored'
    assert found.sides.tolist() == [0, 1, 0] * 3
    np.testing.assert_array_equal(found.mirrored(found.xyz)[1], found.xyz[1] * (-1, 1, 1))
    np.testing.assert_array_equal(found.mirrored(found.mirrored(found.xyz)), found.xyz)


def test_hands_of_unknown_side_are_looked_at_as_the_one_that_is_surer(rng):
    samples = Samples(rng, sides=('left', None))
    oracle = Oracle(samples, rng)
    oracle.left = {3, 7}
    found = predict(oracle, samples, batch=4)
    assert found.sides.tolist() == [1, 2] * 4 + [1], 'what the label says'
    last = dict(oracle.sides)
    assert [number for number in range(9) if last[number]] == [0, 2, 3, 4, 6, 7, 8]
    for i in range(9):
        np.testing.assert_allclose(found.uv[i], oracle.uv[i], atol=1.0)
        np.testing.assert_allclose(found.xyz[i], oracle.xyz[i], atol=1e-6)


def test_a_second_look_is_round_what_was_seen_and_never_wider_than_the_first():
    uv, first = np.array([[100.0, 100.0], [180.0, 150.0]]), Crop((150, 140), 200)
    assert second_look(uv, first) == Crop((140, 125), 120)
    assert second_look(uv, Crop((150, 140), 100)) == Crop((140, 125), 100)


def test_tips_alone_are_looked_at_twice(rng):
    """First wide enough for any hand with these tips, then round what was seen."""
    samples = Samples(rng, sides=('right', 'left'), tips_only=True)
    oracle = Oracle(samples, rng)
    found = predict(oracle, samples, batch=16)
    assert oracle.calls == 2
    for i in range(9):
        np.testing.assert_allclose(found.uv[i], oracle.uv[i], atol=1.5)
        box = np.ptp(oracle.uv[i], axis=0).max()
        assert found.crops[i, 2] == pytest.approx(1.5 * box, rel=0.05)
        tips = samples[i].keypoints_px[TIPS]
        first = first_look(samples[i])
        assert first.refine and first.crop.side == pytest.approx(
            300 * 0.36 / np.median(samples[i].keypoints_m[TIPS, 2])
        )
        np.testing.assert_allclose(first.crop.center, (tips.min(axis=0) + tips.max(axis=0)) / 2)


def test_a_joint_without_a_label_does_not_hide_where_the_hand_is(rng):
    (sample,) = Samples(rng, count=1)
    points = sample.keypoints_px.copy()
    points[3] = np.nan
    bare = replace(sample, keypoints_px=points, keypoints_m=None, intrinsics=None)
    look = first_look(bare)
    known = np.delete(points, 3, axis=0)
    np.testing.assert_allclose(look.crop.center, (known.min(axis=0) + known.max(axis=0)) / 2)
    assert not look.refine


def test_hands_that_do_not_point_up_are_looked_at_again_as_the_tracker_does():
    """A network that knows the fingers' direction in its crop, and nothing else."""
    rng = np.random.default_rng(3)
    samples = Samples(rng, sides=('right', 'left'), count=12)
    palms = []
    for i, sample in enumerate(list(samples)):
        angle = 2 * np.pi * (i + 0.5) / 12
        points = 120 + 40 * rng.uniform(-1, 1, (21, 2))
        palm = 70 * np.array([np.sin(angle), -np.cos(angle)])
        points[0], points[9] = 120 - palm / 2, 120 + palm / 2
        palms.append(palm / 70)
        samples[i] = replace(sample, keypoints_px=points)

    class Leaning:
        seen: list[float]

        def __init__(self):
            self.seen = []

        def run(self, crops):
            uv, xyz = np.full((len(crops), 21, 2), 40.0), np.zeros((len(crops), 21, 3))
            uv[:, 1] = 90
            for n, crop in enumerate(crops.astype(float)):
                # red is y of the picture, green is x: how they change tells the crop's axes
                image = np.stack([crop[60:68, 60:68, 1], crop[60:68, 60:68, 0]], axis=-1)
                across = image.mean(axis=0)[-1] - image.mean(axis=0)[0]
                down = image.mean(axis=1)[-1] - image.mean(axis=1)[0]
                palm = palms[round(crop[60:68, 60:68, 2].mean() / 20)]
                inside = np.array([across @ palm / np.hypot(*across), down @ palm / np.hypot(*down)])
                uv[n, 0], uv[n, 9] = 64 - 30 * inside, 64 + 30 * inside
                xyz[n, 9, :2] = inside
                self.seen.append(abs(np.degrees(np.arctan2(inside[0], -inside[1]))))
            return EngineOutput(*(part.astype(np.float32) for part in (uv, xyz, np.full(uv.shape[:2], 0.9))))

    for how, looks, most in (('tracker', 12, 166), ('upright', 12 + 8, 46)):
        engine = Leaning()
        found = predict(engine, samples, batch=16, crop=how)
        assert len(engine.seen) == looks
        assert max(engine.seen[-8:]) < most
        for i, palm in enumerate(palms):
            np.testing.assert_allclose(found.xyz[i, 9], (*palm, 0), atol=0.02)
            along = found.uv[i, 9] - found.uv[i, 0]
            np.testing.assert_allclose(along / np.hypot(*along), palm, atol=0.02)


def test_followed_hands_are_looked_at_again_closer(rng):
    samples = Samples(rng, sides=('right', 'left'))
    oracle = Oracle(samples, rng)
    for uv in oracle.uv.values():
        uv[0], uv[9] = (120, 165), (120, 75)  # they point up
    found = predict(oracle, samples, batch=16, crop='followed')
    assert oracle.calls == 2
    for i, uv in oracle.uv.items():
        assert found.crops[i, 2] == pytest.approx(1.3 * np.ptp(uv, axis=0).max(), rel=0.05)
        np.testing.assert_allclose(found.uv[i], uv, atol=1.5)


@pytest.mark.parametrize('seen', ['nothing', 'a dot'])
def test_a_look_that_saw_no_extent_is_not_followed(seen):
    first = Crop((100.0, 80.0), 60.0)
    uv = np.full((21, 2), np.nan if seen == 'nothing' else 90.0)
    assert followed_look(uv, first) == first


def test_peer_crops_are_those_of_the_fact_sheet(rng):
    sample = Samples(rng)[0]
    box = np.ptp(sample.keypoints_px, axis=0).max()
    crop = first_look(sample, 'peer', 'stb').crop
    assert crop.side == pytest.approx(2 * box) and all(value == int(value) for value in crop.center)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[5:235, 100:140] = True
    assert first_look(replace(sample, mask=mask), 'peer', 'rhd').crop.side == 2 * 230
    with pytest.raises(PredictionError, match='needs? its mask pictures|need its mask'):
        first_look(sample, 'peer', 'rhd')
    wide = replace(sample, image=np.zeros((480, 640, 3), np.uint8))
    middle = first_look(wide, 'peer', 'ego_dexter')
    assert (middle.crop.center, middle.crop.side, middle.refine) == ((319.5, 239.5), 480.0, False)
    tips = Samples(rng, tips_only=True)[0]
    with pytest.raises(PredictionError, match='DO_pred_2d.npy'):
        first_look(tips, 'peer', 'dexter_object')
    given = replace(tips, extent_px=np.array([[10.0, 20], [110, 60]]))
    assert first_look(given, 'peer', 'dexter_object').crop.side == 200
    assert first_look(given).crop.side == 150 and not first_look(given).refine
    with pytest.raises(PredictionError, match='choose one of tracker, upright, followed, peer'):
        first_look(sample, 'tight')


@pytest.mark.parametrize('name', ['rhd', 'stb', 'dexter_object', 'ego_dexter'])
def test_native_samples_are_predicted(name, tmp_path):
    """With a network that knows nothing: what counts is that every layout gets through, in order."""
    EXAMPLES[name](tmp_path / name)
    samples = open_dataset(name, tmp_path / name, 'test', cache=False, **({'masks': True} if name == 'rhd' else {}))
    for crop in CROPS:
        found = predict(DetNet('small').eval(), samples, crop=crop, origin=Origin(dataset=name, crop=crop))
        assert list(found.keys) == [samples.key(i) for i in range(len(samples))]
        np.testing.assert_array_equal(found.labelled, np.isfinite(samples.labels.keypoints_m).all(axis=2))
        check_against(found, samples)


def test_labels_that_are_no_numbers_are_named(rng):
    samples = Samples(rng)
    points = samples[3].keypoints_px.copy()
    points[7] = np.nan
    broken = [samples[0], replace(samples[3], keypoints_px=points)]
    with pytest.raises(PredictionError, match='hand 3: the 2D label of keypoint 7 is visible but not a number'):
        predict(Oracle(samples, rng), broken)
    joints = samples[3].keypoints_m.copy()
    joints[2, 1] = np.inf
    with pytest.raises(PredictionError, match='hand 3: the 3D label of keypoint 2'):
        predict(Oracle(samples, rng), [replace(samples[3], keypoints_m=joints)])
    blind = replace(samples[3], keypoints_px=np.full((21, 2), np.nan), visible=np.zeros(21, bool))
    with pytest.raises(PredictionError, match='hand 3 has no labelled keypoint'):
        predict(Oracle(samples, rng), [blind])
    dot = replace(samples[3], keypoints_px=np.full((21, 2), 100.0))
    with pytest.raises(PredictionError, match='hand 3 cannot be cropped'):
        predict(Oracle(samples, rng), [dot])
    with pytest.raises(PredictionError, match='no sample'):
        predict(Oracle(samples, rng), [])
    with pytest.raises(PredictionError, match=r"each hand once, found 'hand 0' twice"):
        predict(Oracle(samples, rng), [samples[0], samples[0]])
    with pytest.raises(ValueError, match='training mode'):
        predict(DetNet('small').train(), samples)


def test_a_network_that_gives_no_numbers_is_an_error(rng):
    samples = Samples(rng)

    class Broken(Oracle):
        def _see(self, crop):
            uv, xyz, confidence = super()._see(crop)
            return uv, xyz * np.nan, confidence

    with pytest.raises(PredictionError, match='xyz: expected finite predictions.*the first is hand 0'):
        predict(Broken(samples, rng), samples)


def test_a_file_gives_back_what_was_put_in(rng, tmp_path):
    hands = made_up(rng, 12, 'ego_dexter', noise=0.1, labels='edited')
    save_predictions(hands, tmp_path / 'folder/hands.npz')
    again = load_predictions(tmp_path / 'folder/hands.npz')
    assert again.keys == hands.keys and again.origin == hands.origin
    for name, value in vars(hands).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again, name), value, name)
    assert [path.name for path in (tmp_path / 'folder').iterdir()] == ['hands.npz'], 'nothing half-made is left'


def test_files_that_are_none_are_named(rng, tmp_path):
    hands = made_up(rng, 5)
    with pytest.raises(ArrayFileError, match=r'written as \.npz'):
        save_predictions(hands, tmp_path / 'hands.npy')
    with pytest.raises(ArrayFileError, match='no such file'):
        load_predictions(tmp_path / 'nothing.npz')
    path = tmp_path / 'hands.npz'
    save_predictions(hands, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArrayFileError, match='damaged'):
        load_predictions(path)
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    with pytest.raises(ArrayFileError, match='no file of predictions'):
        load_predictions(tmp_path / 'other.npz')
    blocked = tmp_path / 'file'
    blocked.write_text('')
    with pytest.raises(ArrayFileError, match='cannot be written'):
        save_predictions(hands, blocked / 'hands.npz')


def test_parts_that_do_not_fit_are_refused(rng):
    hands = made_up(rng, 5)
    with pytest.raises(PredictionError, match=r'xyz: expected shape \(5, 21, 3\) for 5 keys, found \(4, 21, 3\)'):
        changed(hands, xyz=hands.xyz[:4])
    with pytest.raises(PredictionError, match='at least one hand'):
        hands.take(np.zeros(5, bool))
    other = changed(hands, keys=[f'x{i}' for i in range(5)], origin=Origin(dataset='stb', split='test', length=5))
    with pytest.raises(PredictionError, match="dataset 'stb', expected 'rhd'"):
        concatenate([hands, other])
    assert isinstance(concatenate([hands.take(np.arange(2)), hands.take(np.arange(2, 5))]), Predictions)


def test_a_killed_run_goes_on_where_it_was(rng, tmp_path):
    samples = Samples(rng)
    oracle, origin, path = Oracle(samples, rng), Origin('made up', 'test', length=9), tmp_path / 'out/hands.npz'
    whole = predict(oracle, samples, origin=origin)
    samples.broken = {7}
    with pytest.raises(PictureError, match='picture 7 is broken'):
        predict_to_file(oracle, samples, path, origin, chunk=3)
    assert not path.exists() and len(list(path.with_suffix('.parts').iterdir())) == 2
    samples.broken, samples.read = set(), 0
    found = predict_to_file(oracle, samples, path, origin, chunk=3)
    assert samples.read == 3, 'only the chunk that was missing'
    np.testing.assert_array_equal(found.xyz, whole.xyz)
    assert found.keys == whole.keys and load_predictions(path).keys == whole.keys
    assert not path.with_suffix('.parts').exists()


def test_parts_of_other_work_are_made_again(rng, tmp_path, caplog):
    samples = Samples(rng)
    oracle, path = Oracle(samples, rng), tmp_path / 'hands.npz'
    samples.broken = {8}
    with pytest.raises(PictureError):
        predict_to_file(oracle, samples, path, Origin('made up', weights_sha256='a'), chunk=3)
    samples.broken = set()
    first = next(iter(sorted(path.with_suffix('.parts').iterdir())))
    damaged = first.with_name('00000003-3.npz')
    damaged.write_bytes(damaged.read_bytes()[:100])
    samples.read = 0
    found = predict_to_file(oracle, samples, path, Origin('made up', weights_sha256='b'), chunk=3)
    assert samples.read == 9 and found.origin.weights_sha256 == 'b'
    assert "weights_sha256 'a'" in caplog.text and 'damaged' in caplog.text


def test_unreadable_pictures_are_named_and_counted_when_asked(rng, tmp_path, caplog):
    samples = Samples(rng)
    samples.broken = {1, 3, 4, 5}
    found = predict_to_file(
        Oracle(samples, rng), samples, tmp_path / 'h.npz', Origin('made up', length=9), chunk=3, skip_unreadable=True
    )
    assert found.keys == tuple(f'hand {i}' for i in (0, 2, 6, 7, 8))
    assert [row for row in range(9) if f'picture {row} is broken' in caplog.text] == [1, 3, 4, 5]
    # A part that lacks hands is enough for those who asked for it, and for nobody else.
    samples.broken = set()
    save_predictions(found.take(np.array([0, 1])), tmp_path / 'h.parts/00000000-3.npz')
    for skip, expected in ((True, (0, 2, *range(3, 9))), (False, range(9))):
        again = predict_to_file(
            Oracle(samples, rng), samples, tmp_path / 'h.npz', found.origin, chunk=3, skip_unreadable=skip
        )
        assert again.keys == tuple(f'hand {i}' for i in expected)
        save_predictions(found.take(np.array([0, 1])), tmp_path / 'h.parts/00000000-3.npz')
    samples.broken = set(range(9))
    with pytest.raises(PredictionError, match='not one of 9 pictures'):
        predict_to_file(Oracle(samples, rng), samples, tmp_path / 'i.npz', Origin('made up'), skip_unreadable=True)


class Keyed(Samples):
    def key(self, row):
        return list.__getitem__(self, row).key


@pytest.mark.parametrize('kind', [Samples, Keyed])
def test_predictions_of_other_hands_are_refused(kind, rng):
    samples = kind(rng)
    hands = predict(Oracle(samples, rng), samples)
    check_against(hands, samples)
    with pytest.raises(PredictionError, match='of 8 hands, the data set has 9'):
        check_against(hands.take(np.arange(8)), samples)
    check_against(hands.take(np.array([0, 1, 2, 5, 8])), samples, partial=True)
    with pytest.raises(PredictionError, match='hand 0'):
        check_against(hands.take(np.arange(9)[::-1]), samples)
    moved = changed(hands, true_uv=hands.true_uv + 1)
    with pytest.raises(PredictionError, match='made for other labels'):
        check_against(moved, samples)
    if kind is Keyed:
        middle = np.array([0, 2, 1, *range(3, 9)])
        with pytest.raises(PredictionError, match='another data set or order: hand 1 is hand 2'):
            check_against(hands.take(middle), samples)
        with pytest.raises(PredictionError, match='another data set or order'):
            check_against(hands.take(middle[:5]), samples, partial=True)


# The peer's files.


@pytest.mark.parametrize(
    ('dataset', 'prefix'), [('rhd', 'rhd'), ('stb', 'stb'), ('dexter_object', 'do'), ('ego_dexter', 'eo')]
)
def test_the_peers_files_and_back(dataset, prefix, rng, tmp_path):
    options = {'camera': 'color', 'labels': 'edited'} if prefix in ('do', 'eo') else {}
    hands = made_up(rng, 30, dataset, noise=0.3, **options)
    paths = write_peer(tmp_path / 'out_testset', hands)
    assert [path.name for path in paths] == [f'{prefix}_pre_joints.npy', f'{prefix}_gt_joints.npy']
    predicted, truth = (np.load(path, allow_pickle=False) for path in paths)
    assert predicted.shape == (30, 21, 3) and truth.shape == (30, 5 if prefix in ('do', 'eo') else 21, 3)
    assert predicted.dtype == truth.dtype == np.float32
    left = hands.sides == 1
    np.testing.assert_allclose(predicted[left], hands.xyz[left] * (-1, 1, 1), atol=1e-6)
    np.testing.assert_allclose(predicted[~left], hands.xyz[~left], atol=1e-6)
    again = read_peer(tmp_path / 'out_testset', dataset)
    for protocol in ('reference',) if options else ('reference', 'root-scale'):
        assert score(again, protocol).auc == pytest.approx(score(hands, protocol).auc, abs=1e-4)
        assert score(again, protocol).mean_mm == pytest.approx(score(hands, protocol).mean_mm, abs=1e-3)
    assert peer_datasets(tmp_path / 'out_testset') == [dataset]


@pytest.mark.parametrize('name', ['dexter_object', 'ego_dexter'])
def test_truth_of_tips_is_written_as_the_peer_has_it(name, tmp_path):
    """Fact sheet 7.6, 7.7: of a line's x, y, z (mm) DO keeps (x, −y, z) / 1000 and EO (−x, y, z) / 1000."""
    EXAMPLES[name](tmp_path / name)
    samples = open_dataset(name, tmp_path / name, 'test', cache=False)
    found = predict(DetNet('small').eval(), samples, origin=Origin(dataset=name))
    truth = np.load(write_peer(tmp_path / 'out', found)[1])
    folder = 'data/Grasp1/annotations/Grasp13D.txt' if name == 'dexter_object' else 'Desk/annotation.txt_3D.txt'
    lines = (tmp_path / name / folder).read_text().splitlines()
    file = np.array([[[float(x) for x in tip.split(',')] for tip in line.split(';') if tip] for line in lines[:2]])
    missing = (file[..., 2] == 32001) | (np.abs(file) < 1e-6).all(axis=2)
    expected = file / 1000 * ((1, -1, 1) if name == 'dexter_object' else (-1, 1, 1))
    expected[missing] = np.nan
    np.testing.assert_allclose(truth[:2], expected, atol=1e-5)
    assert missing.sum() == 2


def test_shapes_are_read_and_written(rng, tmp_path):
    betas = rng.normal(0, 1, (7, 10))
    names = [write_shapes(tmp_path, 'dexter_object', method, betas).name for method in ('lm', 'pso', 'network')]
    assert names == ['do_shapes.npy', 'do_pso.npy', 'do_dl.npy']
    assert shapes_path(tmp_path, 'rendered', 'lm').name == 'rendered_shapes.npy'
    np.testing.assert_allclose(read_shapes(tmp_path, 'dexter_object', 'pso', 7), betas, atol=1e-6)
    with pytest.raises(PredictionError, match='shapes of 7 hands, expected 8'):
        read_shapes(tmp_path, 'dexter_object', 'pso', 8)
    with pytest.raises(PredictionError, match='choose one of lm, pso, network'):
        read_shapes(tmp_path, 'dexter_object', 'aik')
    with pytest.raises(PredictionError, match=r'betas: expected N×10, found 7×9'):
        write_shapes(tmp_path, 'rhd', 'lm', betas[:, :9])


def test_peer_files_that_do_not_fit_are_named(rng, tmp_path):
    with pytest.raises(PredictionError, match='is no folder'):
        peer_datasets(tmp_path / 'nowhere')
    with pytest.raises(PredictionError, match=r'holds none of rhd_pre_joints\.npy'):
        peer_datasets(tmp_path)
    write_peer(tmp_path, made_up(rng, 6))
    np.save(tmp_path / 'rhd_gt_joints.npy', np.zeros((5, 21, 3)))
    with pytest.raises(PredictionError, match='has 5 hands, rhd_pre_joints.npy has 6'):
        read_peer(tmp_path, 'rhd')
    np.save(tmp_path / 'rhd_gt_joints.npy', np.zeros((6, 5, 3)))
    with pytest.raises(PredictionError, match='expected N×21×3, found 6×5×3'):
        read_peer(tmp_path, 'rhd')
    truth = np.ones((6, 21, 3))
    truth[4, 3] = np.nan
    np.save(tmp_path / 'rhd_gt_joints.npy', truth)
    with pytest.raises(PredictionError, match='NaN or infinity, first in row 4'):
        read_peer(tmp_path, 'rhd')
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((4, 3)), np.zeros((5, 3))]
    np.save(tmp_path / 'rhd_gt_joints.npy', ragged, allow_pickle=True)
    with pytest.raises(PredictionError, match='no whole array of numbers'):
        read_peer(tmp_path, 'rhd')
    (tmp_path / 'rhd_gt_joints.npy').unlink()
    with pytest.raises(PredictionError, match='rhd_gt_joints.npy: no such file'):
        read_peer(tmp_path, 'rhd')
