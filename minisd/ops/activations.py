"""ReLU, SiLU, GELU and softmax on tensors."""

from __future__ import annotations

from collections.abc import Callable

from minisd_kernels import gelu as gelu_kernel
from minisd_kernels import relu as relu_kernel
from minisd_kernels import silu as silu_kernel
from minisd_kernels import softmax as softmax_kernel

from minisd.autograd import Array, Function, Tensor


class _ReLU(Function):
    def forward(self, x: Array) -> Array:
        self.y = relu_kernel.forward(x)
        return self.y

    def backward(self, grad: Array) -> tuple[Array]:
        return (relu_kernel.backward(grad, self.y),)


class _SiLU(Function):
    def forward(self, x: Array) -> Array:
        self.x = x
        return silu_kernel.forward(x)

    def backward(self, grad: Array) -> tuple[Array]:
        return (silu_kernel.backward(grad, self.x),)


class _GELU(Function):
    def forward(self, x: Array) -> Array:
        self.x = x
        return gelu_kernel.forward(x)

    def backward(self, grad: Array) -> tuple[Array]:
        return (gelu_kernel.backward(grad, self.x),)


class _Softmax(Function):
    def forward(self, x: Array) -> Array:
        self.y = softmax_kernel.forward(x)
        return self.y

    def backward(self, grad: Array) -> tuple[Array]:
        return (softmax_kernel.backward(grad, self.y),)


def relu(x: Tensor) -> Tensor:
    """max(x, 0) (Nair & Hinton 2010), the classic U-Net's nonlinearity; its gradient at 0 is taken as 0."""
    return _ReLU.apply(x)


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x) (Elfwing et al. 2017), the U-Net's and the VAE's nonlinearity."""
    return _SiLU.apply(x)


def gelu(x: Tensor) -> Tensor:
    """The tanh form of x Phi(x) (Hendrycks & Gimpel 2016), the text encoder's nonlinearity."""
    return _GELU.apply(x)


def softmax(x: Tensor) -> Tensor:
    """exp(x) / sum exp(x) along the last axis."""
    return _Softmax.apply(x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu_tanh": gelu}
"""What the networks' perceptrons can have between their two layers."""
