"""Group and layer normalisation on tensors, and layer normalisation that a condition scales and shifts."""

from __future__ import annotations

from minisd_kernels import group_norm as group_norm_kernel
from minisd_kernels import layer_norm as layer_norm_kernel
from minisd_kernels.devices import device_of, namespace

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


class _AdaptiveLayerNorm(Function):
    """y = (1 + scale) x_hat + shift: the kernel's gamma and beta are 1 and 0, as they would be the same for all."""

    def forward(self, x: Array, scale: Array, shift: Array, eps: float) -> Array:
        if x.ndim != 3 or not scale.shape == shift.shape == (x.shape[0], x.shape[2]):
            shapes = ", ".join(str(tuple(array.shape)) for array in (x, scale, shift))
            raise ValueError(f"adaptive_layer_norm: wanted x (B, N, D), scale and shift (B, D), got {shapes}")
        xp, D = namespace(device_of(x)), x.shape[2]
        ones, zeros = xp.ones(D, x.dtype), xp.zeros(D, x.dtype)
        x_hat, mean, rstd = layer_norm_kernel.forward(x, ones, zeros, eps=eps)
        self.x_hat, self.gain = x_hat, 1 + scale[:, None]
        self.saved = x, ones, mean, rstd
        y = x_hat * self.gain
        y += shift[:, None]
        return y

    def backward(self, grad: Array) -> tuple[Array, Array, Array]:
        grad_x, _, _ = layer_norm_kernel.backward(grad * self.gain, *self.saved)
        return grad_x, (grad * self.x_hat).sum(axis=1), grad.sum(axis=1)


def group_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, groups: int, silu: bool = False, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over each sample's pixels and group of channels, then gamma x + beta (Wu & He 2018).

    The variance is taken `eps` larger, so that a flat x is not divided by 0. With `silu` the result is
    SiLU(gamma x + beta), in the same passes over memory.
    """
    return _GroupNorm.apply(x, gamma, beta, groups=groups, silu=silu, eps=eps)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over each token's last axis, then gamma x + beta (Ba et al. 2016)."""
    return _LayerNorm.apply(x, gamma, beta, eps=eps)


def adaptive_layer_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float = 1e-6) -> Tensor:
    """(1 + scale) x_hat + shift: x_hat has mean 0 and variance 1 over each token's last axis.

    Scale and shift are not learned numbers, the same for all, but what a condition, such as the time, says of a sample
    (Peebles & Xie 2023, section 3.2).

    Shapes: x (B, N, D), scale (B, D), shift (B, D) -> (B, N, D).

    Raises:
        ValueError: the shapes are not these.
    """
    return _AdaptiveLayerNorm.apply(x, scale, shift, eps=eps)
