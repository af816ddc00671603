"""Embedding against loops; repeated ids add up, and always in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import embedding
from minisd_kernels.devices import missing_device_reason, to_device, to_host
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, arrays, each_backend, few, run


@each_backend
@given(
    arrays,
    st.integers(1, 5),
    st.integers(1, 20),
    st.sampled_from([(), (1,), (6,), (2, 3)]),
    st.sampled_from([np.int64, np.int32, np.uint8]),
)
@few
def test_forward_and_backward_are_the_loops(
    backend: str, make: Arrays, V: int, D: int, shape: tuple[int, ...], kind: type[np.integer[Any]]
) -> None:
    table: Array = make(V, D)
    ids: Array = make.rng.integers(0, V, shape).astype(kind)
    y = run(backend, embedding.forward, table, ids)
    assert y.dtype == table.dtype and y.shape == (*shape, D)
    np.testing.assert_array_equal(y, oracles.embedding(table, ids))

    grad_y = make(*shape, D)
    grad_table = run(backend, embedding.backward, grad_y, ids, vocabulary=V)
    wanted = np.zeros((V, D))
    for n in np.ndindex(*shape):
        wanted[int(ids[n])] += grad_y[n]
    assert grad_table.dtype == table.dtype
    np.testing.assert_allclose(grad_table, wanted, **make.tolerance)


@each_backend
def test_the_same_sum_every_time(backend: str) -> None:
    make = Arrays(0, np.float32)
    grad_y, ids = make(500, 17), make.rng.integers(0, 3, 500)
    first = run(backend, embedding.backward, grad_y, ids, vocabulary=3)
    np.testing.assert_array_equal(first, run(backend, embedding.backward, grad_y, ids, vocabulary=3))


def test_numba_sums_in_the_order_of_numpy() -> None:
    make = Arrays(0, np.float32)
    grad_y, ids = make(500, 17), make.rng.integers(0, 3, 500)
    wanted = run("numpy", embedding.backward, grad_y, ids, vocabulary=3)
    np.testing.assert_array_equal(run("numba", embedding.backward, grad_y, ids, vocabulary=3), wanted)


@pytest.mark.parametrize("wrong", [4, -1])
def test_an_id_outside_the_table_is_named(wrong: int) -> None:
    table, ids = np.zeros((4, 2), np.float32), np.array([0, wrong])
    with pytest.raises(IndexError, match=f"id {wrong} is not in a table of V = 4 rows"):
        embedding.forward(table, ids)
    with pytest.raises(IndexError, match=f"id {wrong} "):
        embedding.backward(np.zeros((2, 2), np.float32), ids, vocabulary=4)


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
@pytest.mark.parametrize("wrong", [4, -1])
def test_on_a_device_the_row_of_an_id_outside_the_table_is_nan_and_counts_nowhere(wrong: int) -> None:
    table, ids, grad_y = (to_device(a, "emu") for a in (np.ones((4, 2)), np.array([0, wrong]), np.ones((2, 2))))
    np.testing.assert_array_equal(to_host(embedding.forward(table, ids)), [[1, 1], [np.nan, np.nan]])
    grad_table = to_host(embedding.backward(grad_y, ids, vocabulary=4))
    np.testing.assert_array_equal(grad_table, [[1, 1], [0, 0], [0, 0], [0, 0]])


def test_wrong_arguments_are_explained() -> None:
    table = np.zeros((4, 2), np.float32)
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        embedding.forward(table, np.array([1.0]))
    with pytest.raises(ShapeError, match=r"wanted shape \(V, D\)"):
        embedding.forward(table[0], np.array([1]))
    with pytest.raises(ShapeError, match=r"grad_y: wanted shape \(\*ids.shape, D\)"):
        embedding.backward(table, np.array([1]), vocabulary=4)
