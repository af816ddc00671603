"""The search for copies: distances against plain loops, and copies that were planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from command_line import digits
from hypothesis import given
from hypothesis import strategies as st

from minisd.autograd import Array
from minisd.evaluation import neighbours
from minisd.evaluation.digits import Drawings
from minisd.evaluation.neighbours import Distances, lines, look_for_copies, nearest, sheet


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(5, 30), st.integers(1, 5), st.integers(8, 400))
def test_the_nearest_are_those_of_plain_loops(seed: int, N: int, M: int, k: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 3, (count, 2, 3), dtype=np.uint8) * 100 for count in (N, M))  # many are equally near
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_BYTES", size)  # blocks of one picture and more
        seen: list[int] = []
        distances, places = nearest(a, b, k, seen.append)
    assert sum(seen) == M
    for i in range(N):
        all_of_them = np.sqrt([np.mean((a[i].astype(float) - one) ** 2) for one in b])
        np.testing.assert_allclose(distances[i], np.sort(all_of_them)[:k], rtol=1e-12)
        np.testing.assert_allclose(all_of_them[places[i]], distances[i], rtol=1e-12)
        assert len({*places[i].tolist()}) == k


def test_a_planted_picture_is_at_distance_0() -> None:
    others = digits(300, 0).images
    distances, places = nearest(others[[17, 250]], others)
    assert distances[:, 0].tolist() == [0, 0] and places[:, 0].tolist() == [17, 250] and (distances[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("a", "b", "k"), [((1, 28, 28), (9, 14, 14), 5), ((1, 28, 28), (4, 28, 28), 5), ((1, 1, 1), (4, 1, 1), 0)]
)
def test_pictures_that_cannot_be_compared(a: tuple[int, ...], b: tuple[int, ...], k: int) -> None:
    with pytest.raises(ValueError, match=rf"{k} others or more"):
        nearest(np.zeros(a, np.uint8), np.zeros(b, np.uint8), k)


def test_what_is_told_of_distances() -> None:
    first = np.arange(1.0, 102.0)  # its 1% quantile is 2, its median 51
    part = Distances.of("some", np.stack([first, np.where(first <= 4, 3 * first + 0.1, 1.1 * first)], axis=1))
    assert (part.count, part.median, part.low, part.least) == (101, 51, 2, 1)
    assert part.copies == pytest.approx(4 / 101)  # less than a third: 3 a is no copy
    assert Distances.of("a third", np.array([[1.0, 3.0]])).copies == 0


class Model:
    """Draws copies of the training digits that were asked for, or pictures that code draws anew."""

    def __init__(self, images: Array) -> None:
        self.images = images
        self.options: dict[str, Any] = {}

    def draw(self, prompts: list[str], **options: Any) -> Array:
        self.options = options
        return self.images[: len(prompts)]

    encode = decode = staticmethod(lambda images: images)


class Judge:
    digits = staticmethod(lambda images: np.arange(len(images)) % 10)
    features = staticmethod(lambda images: np.random.default_rng(0).standard_normal((len(images), 3)))


TRAIN, TEST = digits(400, 0), digits(400, 1)
COMPARED = Drawings(Judge(), TRAIN, TEST, 100, 3)  # type: ignore[arg-type]


def look(model: Model, **options: Any) -> Any:
    return look_for_copies(model, COMPARED, TRAIN.images, lambda line: None, **options)  # type: ignore[arg-type]


def test_a_model_that_copies_is_found_out() -> None:
    model, done = Model(TRAIN.images), []
    report, images = look(model, watch=done.append, guidance=2.0)
    assert sum(done) == 3 * len(TRAIN) and model.options == {"seed": 3, "guidance": 2.0}
    assert (report.drawings.median, report.drawings.low, report.drawings.copies, report.nearer) == (0, 0, 1, 1)
    assert report.test.least > 0 and report.test.copies == 0 and report.through_vae.median == report.test.median
    assert [row.nearest[0] for row in report.shown] == [row.drawing for row in report.shown]
    pictures, captions = sheet(report, images, TRAIN.images)
    assert pictures.shape == (60, 28, 28) and captions[:2] == ["", "0"] and len(captions) == 60
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert "  drawings-100                               0.0     0.0     0.0   100.0%" in lines(report)
    assert max(map(len, lines(report))) <= 80


def test_one_copy_among_a_hundred_is_found() -> None:
    mixed = TEST.images[COMPARED.chosen].copy()
    mixed[37] = TRAIN.images[8]
    report, _ = look(Model(mixed))
    assert report.drawings.least == 0 and report.drawings.copies == 0.01
    (row,) = [row for row in report.shown if row.drawing == 37]
    assert row.nearest[0] == 8 and row.distances[0] == 0 and "seven" in row.prompt  # 37 is the 4th seven


def test_digits_never_seen_are_no_copies() -> None:
    """As near as test digits: of these 1% lie below their own quantile."""
    report, _ = look(Model(TEST.images[COMPARED.chosen]))
    assert report.nearer == 0.01 and report.drawings.copies == 0 and report.drawings.low == report.test.low


def test_of_each_digit_the_nearest_drawing_is_shown() -> None:
    report, _ = look(Model(digits(100, 2).images))
    assert [row.drawing % 10 for row in report.shown] == [*range(10)]
    distances = nearest(digits(100, 2).images, TRAIN.images)[0][:, 0]
    for row in report.shown:
        assert row.distances[0] == distances[row.drawing] == distances[row.drawing % 10 :: 10].min()
        assert row.distances == sorted(row.distances) and len(row.nearest) == neighbours.K
    assert report.as_json()["shown"][3]["nearest"] == report.shown[3].nearest
