"""Convolution and transposed convolution on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minisd_kernels import conv2d as conv2d_kernel
from minisd_kernels import conv_transpose2d as conv_transpose2d_kernel
from minisd_kernels.arguments import Padding

from minisd.autograd import Array, Function, Tensor

Size = int | Sequence[int]


class _Conv2d(Function):
    def forward(self, x: Array, weight: Array, bias: Array | None = None, **geometry: Any) -> Array:
        self.x, self.weight, self.geometry = x, weight, geometry
        return conv2d_kernel.forward(x, weight, bias, **geometry)

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        needs = {"need_input": self.needs[0], "need_weight": any(self.needs[1:])}
        grads = conv2d_kernel.backward(grad, self.x, self.weight, **needs, **self.geometry)
        return grads[: len(self.needs)]


class _ConvTranspose2d(Function):
    def forward(
        self, x: Array, weight: Array, bias: Array | None = None, output_padding: Size = 0, **geometry: Any
    ) -> Array:
        self.x, self.weight, self.geometry = x, weight, geometry
        return conv_transpose2d_kernel.forward(x, weight, bias, output_padding=output_padding, **geometry)

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        grads = conv_transpose2d_kernel.backward(grad, self.x, self.weight, **self.geometry)
        return grads[: len(self.needs)]


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Size = 1, padding: Padding = 0, dilation: Size = 1
) -> Tensor:
    """Convolution; shapes x (B, H, W, C), weight (kh, kw, C, O), bias (O,): see minisd_kernels.conv2d."""
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return _Conv2d.apply(*inputs, stride=stride, padding=padding, dilation=dilation)


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    output_padding: Size = 0,
) -> Tensor:
    """Transposed convolution; shapes x (B, H, W, C), weight (kh, kw, C, O): see minisd_kernels.conv_transpose2d."""
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return _ConvTranspose2d.apply(
        *inputs, stride=stride, padding=padding, dilation=dilation, output_padding=output_padding
    )
