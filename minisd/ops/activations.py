"""ReLU, SiLU, GELU in its forms, GEGLU and softmax on tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from minisd_kernels import geglu as geglu_kernel
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
    def forward(self, x: Array, slope: float) -> Array:
        self.x, self.slope = x, slope
        return silu_kernel.forward(x, slope=slope)

    def backward(self, grad: Array) -> tuple[Array]:
        return (silu_kernel.backward(grad, self.x, slope=self.slope),)


class _GELU(Function):
    def forward(self, x: Array, exact: bool) -> Array:
        self.x, self.exact = x, exact
        return gelu_kernel.forward(x, exact=exact)

    def backward(self, grad: Array) -> tuple[Array]:
        return (gelu_kernel.backward(grad, self.x, exact=self.exact),)


class _GEGLU(Function):
    def forward(self, x: Array) -> Array:
        self.x = x
        return geglu_kernel.forward(x)

    def backward(self, grad: Array) -> tuple[Array]:
        return (geglu_kernel.backward(grad, self.x),)


class _Softmax(Function):
    def forward(self, x: Array) -> Array:
        self.y = softmax_kernel.forward(x)
        return self.y

    def backward(self, grad: Array) -> tuple[Array]:
        return (softmax_kernel.backward(grad, self.y),)


def relu(x: Tensor) -> Tensor:
    """max(x, 0) (Nair & Hinton 2010), the classic U-Net's nonlinearity; its gradient at 0 is taken as 0."""
    return _ReLU.apply(x)


def silu(x: Tensor, *, slope: float = 1.0) -> Tensor:
    """x sigmoid(slope x) (Elfwing et al. 2018; Ramachandran et al. 2017), the U-Net's and the VAE's nonlinearity."""
    return _SiLU.apply(x, slope=slope)


def gelu(x: Tensor, *, exact: bool = False) -> Tensor:
    """x Phi(x), or its tanh form (Hendrycks & Gimpel 2016), the transformers' nonlinearity."""
    return _GELU.apply(x, exact=exact)


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x), GELU's sigmoid form (Hendrycks & Gimpel 2016), the nonlinearity of OpenAI's CLIP."""
    return silu(x, slope=1.702)


def geglu(x: Tensor) -> Tensor:
    """The first half of each row times the exact GELU of the second (Shazeer 2020); shapes (..., 2D) -> (..., D)."""
    return _GEGLU.apply(x)


def softmax(x: Tensor) -> Tensor:
    """exp(x) / sum exp(x) along the last axis."""
    return _Softmax.apply(x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": gelu,
    "gelu": partial(gelu, exact=True),
    "quick_gelu": quick_gelu,
    "geglu": geglu,
}
"""What the networks' perceptrons can have between their two layers."""
