"""Embedding: row ids[n] of a table, a product with a one-hot matrix without the zeros.

    y[n] = table[ids[n]]
    grad_table[v] = sum over all n with ids[n] = v of grad_y[n]

Shapes: table (V, D), ids (...) -> y (..., D).

>>> import numpy as np
>>> forward(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1, 0, 1])).tolist()
[[2.0, 3.0], [0.0, 1.0], [2.0, 3.0]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.devices import device_of


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, table: Array, ids: Array) -> Array: ...

    def backward(self, grad_y: Array, ids: Array, vocabulary: int) -> Array: ...


def forward(table: Array, ids: Array) -> Array:
    """The table's rows at ids.

    Shapes: table (V, D), ids (...) integers in 0..V-1 -> y (..., D).

    Raises:
        IndexError: an id is not in 0..V-1. On a GPU its row is NaN instead.
        ShapeError: the table is not (V, D).
        TypeError: the table is not floating, or the ids are not integers or live on another device.
    """
    require_float("embedding", table)
    require_shape("embedding table", table, "(V, D)", (None, None))
    _require_ids(table, ids, table.shape[0])
    return kernel(Backend, table).forward(table, ids)


def backward(grad_y: Array, ids: Array, *, vocabulary: int) -> Array:
    """The gradient in the table: rows of grad_y added up in the order of ids, so always the same sum.

    Shapes: grad_y (..., D), ids (...), vocabulary V -> grad_table (V, D).

    Raises:
        IndexError: an id is not in 0..V-1. On a GPU it counts nowhere instead.
        ShapeError: grad_y is not ids' shape with an axis D behind it.
        TypeError: grad_y is not floating, or the ids are not integers or live on another device.
    """
    require_float("embedding", grad_y)
    require_shape("embedding grad_y", grad_y, "(*ids.shape, D)", (*ids.shape, None))
    _require_ids(grad_y, ids, vocabulary)
    return kernel(Backend, grad_y).backward(grad_y, ids, vocabulary)


def _require_ids(array: Array, ids: Array, vocabulary: int) -> None:
    if ids.dtype.kind not in "iu":
        raise TypeError(f"embedding: ids must be integers, got {ids.dtype}; use ids.astype('int64')")
    device = device_of(ids)
    if device != device_of(array):
        raise TypeError(f"embedding: ids live on {device}, not where the table is; use to_device(ids, ...)")
    if ids.size and device == "cpu":  # looking at a device's ids would keep the host waiting
        for extreme in (int(ids.min()), int(ids.max())):
            if not 0 <= extreme < vocabulary:
                raise IndexError(
                    f"embedding: id {extreme} is not in a table of V = {vocabulary} rows: 0..{vocabulary - 1}"
                )


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.embedding import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
