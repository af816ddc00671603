import gzip
import hashlib

import numpy as np
import pytest

from minisd.data import DataError, DigitSet, digits, draw_strokes, load_digits, mnist, strokes


def test_strokes_carry_what_was_drawn(monkeypatch):
    monkeypatch.setattr(strokes, "draw_strokes", lambda count, seed: draw_strokes(count // 200, seed))
    train, test = load_digits("strokes", "train"), load_digits("strokes", "test")
    assert (len(train), len(test)) == (100, 10)
    assert not np.array_equal(train.images[:10], test.images)
    np.testing.assert_array_equal(train.thickness_bin, np.digitize(train.thickness, (2.31, 2.83)))
    drawn = draw_strokes(100, 0)
    np.testing.assert_array_equal(train.images, drawn.images)
    np.testing.assert_array_equal(train.thickness, drawn.thickness)  # as drawn, not as measured
    np.testing.assert_array_equal(train.slant, drawn.slant)
    np.testing.assert_array_equal(train.slant_bin, np.digitize(train.slant, (-3.0, 12.0)))


def test_what_is_known_is_not_measured_and_is_told_as_what_it_is(monkeypatch):
    drawn = draw_strokes(30, seed=3)
    known = DigitSet(drawn.images, drawn.labels, drawn)
    assert known.thickness is drawn.thickness and known.slant is drawn.slant and len(known) == 30
    np.testing.assert_array_equal(known.thickness_bin, np.digitize(drawn.thickness, (2.31, 2.83)))
    np.testing.assert_array_equal(known.slant_bin, np.digitize(drawn.slant, (-3.0, 12.0)))
    told = []
    monkeypatch.setattr(digits, "random_caption", lambda *what, mention: told.append(what) or "a caption")
    rng, chosen = np.random.default_rng(0), np.array([29, 4, 4, 0])
    assert known.captions(chosen, rng) == ["a caption"] * 4
    assert told == [(drawn.labels[i], known.thickness_bin[i], known.slant_bin[i], rng) for i in chosen]


def test_mnist_is_measured(monkeypatch, tmp_path):
    drawn = draw_strokes(50, seed=3)
    labels = drawn.labels.astype(np.uint8)
    for name, array in zip(mnist.FILES["test"], (drawn.images, labels), strict=True):
        data = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        monkeypatch.setitem(mnist.MD5, name, hashlib.md5(data).hexdigest())
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    measured = load_digits("mnist", "test", tmp_path)
    np.testing.assert_array_equal(measured.images, drawn.images)
    np.testing.assert_array_equal(measured.labels, drawn.labels)
    assert np.abs(measured.slant - drawn.slant).mean() < 1.5  # degrees
    assert np.abs(measured.thickness - drawn.thickness).mean() < 0.2


def test_unknown_names():
    with pytest.raises(DataError, match="'cifar'"):
        load_digits("cifar", "train")
    with pytest.raises(DataError, match="'dev'"):
        load_digits("strokes", "dev")
