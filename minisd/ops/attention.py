"""Scaled dot-product attention on tensors."""

from __future__ import annotations

from minisd_kernels import attention as attention_kernel

from minisd.autograd import Array, Function, Tensor


class _Attention(Function):
    def forward(self, query: Array, key: Array, value: Array, causal: bool) -> Array:
        y, logsumexp = attention_kernel.forward(query, key, value, causal=causal)
        self.saved, self.causal = (query, key, value, y, logsumexp), causal
        return y

    def backward(self, grad: Array) -> tuple[Array, Array, Array]:
        return attention_kernel.backward(grad, *self.saved, causal=self.causal)


def attention(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False) -> Tensor:
    """softmax(query key^T / sqrt(d)) value for every head (Vaswani et al. 2017, eq. 1).

    Shapes: query (B, N, h, d), key and value (B, M, h, d) -> (B, N, h, d).
    """
    return _Attention.apply(query, key, value, causal=causal)
