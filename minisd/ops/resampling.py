"""Max-pooling and nearest-neighbour upsampling on tensors."""

from __future__ import annotations

from typing import Any

from minisd_kernels import max_pool2d as max_pool2d_kernel
from minisd_kernels import upsample2d as upsample2d_kernel

from minisd.autograd import Array, Function, Tensor
from minisd.ops.convolution import Size


class _MaxPool2d(Function):
    def forward(self, x: Array, **geometry: Any) -> Array:
        y, argmax = max_pool2d_kernel.forward(x, **geometry)
        self.argmax, self.shape, self.geometry = argmax, x.shape, geometry
        return y

    def backward(self, grad: Array) -> tuple[Array]:
        return (max_pool2d_kernel.backward(grad, self.argmax, x_shape=self.shape, **self.geometry),)


class _Upsample2d(Function):
    def forward(self, x: Array, scale: Size) -> Array:
        self.scale = scale
        return upsample2d_kernel.forward(x, scale=scale)

    def backward(self, grad: Array) -> tuple[Array]:
        return (upsample2d_kernel.backward(grad, scale=self.scale),)


def max_pool2d(x: Tensor, *, window: Size, stride: Size | None = None, padding: Size = 0) -> Tensor:
    """The largest number of each window; the stride is the window's size unless given."""
    return _MaxPool2d.apply(x, window=window, stride=stride, padding=padding)


def upsample2d(x: Tensor, *, scale: Size) -> Tensor:
    """Every pixel repeated `scale` times along each axis."""
    return _Upsample2d.apply(x, scale=scale)
