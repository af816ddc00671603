"""Embedding on the GPU: a warp copies a row; a block adds up 32 columns of a row of the table."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.source import Source, blocks, c_type, contiguous, empty, of_each_type

EMBEDDING = Source(__file__, "embedding.cu", of_each_type("embedding_forward", "embedding_backward"))
_ROWS = 8  # that a block copies, a warp each
_SLICES = 16  # of the ids backward, a warp each; as in embedding.cu


def forward(table: Array, ids: Array) -> Array:
    V, D = table.shape
    y = empty((*ids.shape, D), table)
    EMBEDDING.launch(
        f"embedding_forward<{c_type(table)}>", blocks(ids.size, _ROWS), (32, _ROWS),
        contiguous(table), _flat(ids), y, ids.size, V, D,
    )  # fmt: skip
    return y


def backward(grad_y: Array, ids: Array, vocabulary: int) -> Array:
    D = grad_y.shape[-1]
    grad_table = empty((vocabulary, D), grad_y)
    EMBEDDING.launch(
        f"embedding_backward<{c_type(grad_y)}>", (vocabulary, blocks(D, 32)), (32, _SLICES),
        contiguous(grad_y), _flat(ids), grad_table, ids.size, D,
    )  # fmt: skip
    return grad_table


def _flat(ids: Array) -> Array:
    return contiguous(ids.astype(np.int64, copy=False))
