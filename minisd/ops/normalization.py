"""Group and layer normalisation on tensors."""

from __future__ import annotations

from minisd_kernels import group_norm as group_norm_kernel
from minisd_kernels import layer_norm as layer_norm_kernel

from minisd.autograd import Array, Function, Tensor


class _GroupNorm(Function):
    def forward(self, x: Array, gamma: Array, beta: Array, groups: int, silu: bool, eps: float) -> Array:
        y, mean, rstd = group_norm_kernel.forward(x, gamma, beta, groups=groups, silu=silu, eps=eps)
        self.saved, self.groups, self.silu = (x, gamma, beta, mean, rstd), groups, silu
        return y

    def backward(self, grad: Array) -> tuple[Array, Array, Array]:
        return group_norm_kernel.backward(grad, *self.saved, groups=self.groups, silu=self.silu)


class _LayerNorm(Function):
    def forward(self, x: Array, gamma: Array, beta: Array, eps: float) -> Array:
        y, mean, rstd = layer_norm_kernel.forward(x, gamma, beta, eps=eps)
        self.saved = (x, gamma, mean, rstd)
        return y

    def backward(self, grad: Array) -> tuple[Array, Array, Array]:
        return layer_norm_kernel.backward(grad, *self.saved)


def group_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, groups: int, silu: bool = False, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over each sample's pixels and group of channels, then gamma x + beta (Wu & He 2018).

    The variance is taken `eps` larger, so that a flat x is not divided by 0. With `silu` the result is
    SiLU(gamma x + beta), in the same passes over memory.
    """
    return _GroupNorm.apply(x, gamma, beta, groups=groups, silu=silu, eps=eps)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over each token's last axis, then gamma x + beta (Ba et al. 2016)."""
    return _LayerNorm.apply(x, gamma, beta, eps=eps)
