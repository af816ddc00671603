"""Embedding rows on tensors: one-hot times matrix, done as a table look-up."""

from __future__ import annotations

from minisd_kernels import embedding as embedding_kernel

from minisd.autograd import Array, Function, Tensor


class _Embedding(Function):
    def forward(self, table: Array, ids: Array) -> Array:
        self.ids, self.vocabulary = ids, table.shape[0]
        return embedding_kernel.forward(table, ids)

    def backward(self, grad: Array) -> tuple[Array]:
        return (embedding_kernel.backward(grad, self.ids, vocabulary=self.vocabulary),)


def embedding(table: Tensor, ids: Array) -> Tensor:
    """Row ids[...] of the table; shapes table (V, D), ids (...) integers -> (..., D)."""
    return _Embedding.apply(table, ids=ids)
