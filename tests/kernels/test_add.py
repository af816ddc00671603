"""Sums of arrays, in every layout, and in place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import add
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, arrays, each_backend, few, run


@each_backend
@given(arrays, st.sampled_from([(1,), (3, 5), (2, 3, 1, 4), (17, 31, 33)]))
@few
def test_it_is_the_sum(backend: str, make: Arrays, shape: tuple[int, ...]) -> None:
    a, b = make(*shape), make(*shape)
    np.testing.assert_array_equal(run(backend, add.forward, a, b), a + b)

    def into(total: Array, part: Array) -> Array:
        add.into(total, part)
        return total

    np.testing.assert_array_equal(run(backend, into, np.ascontiguousarray(a).copy(), b), a + b)


def test_wrong_arguments_are_explained() -> None:
    a = np.ones((2, 3))
    with pytest.raises(ShapeError, match="add b"):
        add.forward(a, np.ones((1, 3)))
    with pytest.raises(TypeError, match="float32, float64"):
        add.into(a.astype(np.float32), a)
    with pytest.raises(ValueError, match="strided view"):
        add.into(a.T, np.ones((3, 2)))
