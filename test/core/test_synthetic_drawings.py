"""Made-up negatives: text, stripes and the like."""

import numpy as np

from minimal_hand_core.data.synthetic import drawings
from minimal_hand_core.data.synthetic.drawings import drawing


def test_a_drawing_is_a_picture_and_repeats_with_its_seed():
    first, again, other = (drawing(np.random.default_rng(seed), 128) for seed in (0, 0, 1))
    assert first.shape == (128, 128, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_most_drawings_have_edges_to_be_mistaken():
    rng = np.random.default_rng(2)
    steps = [np.abs(np.diff(drawing(rng, 96).astype(int), axis=1)).max() for _ in range(40)]
    assert np.median(steps) > 60


def test_every_kind_is_drawn(monkeypatch):
    drawn = set()
    for name in ('_text', '_stripes', '_checks', '_dots', '_strokes'):
        kind = getattr(drawings, name)

        def noting(rng, picture, ink, name=name, kind=kind):
            before = picture.copy()
            kind(rng, picture, ink)
            if (picture != before).any():
                drawn.add(name)

        monkeypatch.setattr(drawings, name, noting)
    rng = np.random.default_rng(3)
    for _ in range(60):
        drawing(rng, 64)
    assert len(drawn) == 5
