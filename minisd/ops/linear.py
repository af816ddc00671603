"""Linear layers on tensors of any rank."""

from __future__ import annotations

from minisd_kernels import linear as linear_kernel

from minisd.autograd import Array, Function, Tensor


class _Linear(Function):
    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        self.shape, self.rows, self.weight = x.shape, x.reshape(-1, x.shape[-1]), weight
        return linear_kernel.forward(self.rows, weight, bias).reshape(*x.shape[:-1], weight.shape[1])

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        grad_rows = grad.reshape(-1, grad.shape[-1])
        if not any(self.needs[1:]):  # a frozen layer: half of the work
            grad_x = linear_kernel.forward(grad_rows, self.weight.T)
            return (grad_x.reshape(self.shape), None, None)[: len(self.needs)]
        grad_x, grad_weight, grad_bias = linear_kernel.backward(grad_rows, self.rows, self.weight)
        return (grad_x.reshape(self.shape), grad_weight, grad_bias)[: len(self.needs)]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x weight + bias along the last axis; shapes x (..., C), weight (C, O), bias (O,) -> (..., O)."""
    return _Linear.apply(*((x, weight) if bias is None else (x, weight, bias)))
