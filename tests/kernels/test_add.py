"""Sums of arrays, in every layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import add
from minisd_kernels.shapes import ShapeError
from strategies import Arrays, arrays, each_backend, few, run


@each_backend
@given(arrays, st.sampled_from([(1,), (3, 5), (2, 3, 1, 4), (17, 31, 33)]))
@few
def test_it_is_the_sum(backend: str, make: Arrays, shape: tuple[int, ...]) -> None:
    a, b = make(*shape), make(*shape)
    np.testing.assert_array_equal(run(backend, add.forward, a, b), a + b)


def test_wrong_arguments_are_explained() -> None:
    a = np.ones((2, 3))
    with pytest.raises(ShapeError, match="add b"):
        add.forward(a, np.ones((1, 3)))
    with pytest.raises(TypeError, match="float32, float64"):
        add.forward(a.astype(np.float32), a)
