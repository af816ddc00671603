"""The size that pictures are trained at."""

import pytest

from minisd.data import DataError
from minisd.data.sizes import check_size, fitting_size


@pytest.mark.parametrize(
    ("own", "fitting"),
    [
        ((28, 28), (28, 28)), ((16, 64), (16, 64)), ((29, 30), (32, 32)), ((33, 44), (40, 48)), ((57, 64), (64, 64)),
        ((3, 5), (16, 16)), ((65, 65), (64, 64)), ((3024, 4032), (48, 64)), ((4032, 3024), (64, 48)),
        ((512, 512), (64, 64)), ((20, 9000), (16, 64)), ((1080, 1920), (32, 64)),
    ],
)  # fmt: skip
def test_a_size_follows_from_the_pictures(own, fitting):
    assert fitting_size([own]) == fitting
    check_size(fitting)


def test_the_commonest_shape_wins_though_no_two_sizes_are_the_same():
    assert fitting_size([(500, 500), (300, 400), (302, 399), (601, 800)]) == (48, 64)


def test_what_cannot_be_halved_twice_is_refused():
    for size in ((16, 64), (28, 28), (52, 20)):
        check_size(size)
    for size in ((0, 28), (28, 68), (-4, 28)):
        with pytest.raises(DataError, match="wanted multiples of 4 from 16 to 64; nearest: "):
            check_size(size)
