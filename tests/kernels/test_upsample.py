"""Nearest-neighbour upsampling against loops."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import upsample2d
from minisd_kernels.shapes import ShapeError
from strategies import Arrays, arrays, each_backend, few, run

sizes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
scales = st.tuples(st.integers(1, 3), st.integers(1, 3))


@each_backend
@given(arrays, sizes, scales)
@few
def test_forward_and_backward_are_the_loops(
    backend: str, make: Arrays, size: tuple[int, int, int, int], scale: tuple[int, int]
) -> None:
    x = make(*size)
    y = run(backend, upsample2d.forward, x, scale=scale)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, oracles.upsample2d(x, scale))

    grad_y = make(*y.shape)
    grad_x = run(backend, upsample2d.backward, grad_y, scale=scale)
    wanted = np.zeros(x.shape)
    for b, h, w, c in np.ndindex(*y.shape):
        wanted[b, h // scale[0], w // scale[1], c] += grad_y[b, h, w, c]
    assert grad_x.dtype == x.dtype
    np.testing.assert_allclose(grad_x, wanted, **make.tolerance)


def test_wrong_arguments_are_explained() -> None:
    x = np.zeros((1, 4, 5, 2), np.float32)
    with pytest.raises(ShapeError, match="upsample2d scale: wanted an int or a pair of ints >= 1, got 0"):
        upsample2d.forward(x, scale=0)
    with pytest.raises(ShapeError, match="upsample2d grad_y: wanted whole blocks of 2 x 2 pixels, got"):
        upsample2d.backward(x, scale=2)
    with pytest.raises(ShapeError, match=r"wanted shape \(B, H, W, C\)"):
        upsample2d.forward(x[0], scale=2)
    with pytest.raises(TypeError, match="float16"):
        upsample2d.forward(x.astype(np.float16), scale=2)
