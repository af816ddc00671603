"""Arithmetic on tensors: the Functions behind +, *, sum, reshape, index, ... ; Tensor's operators call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minisd_kernels import add
from minisd_kernels.devices import device_of, namespace, to_device

from minisd.autograd.tape import Array, Function


def unbroadcast(grad: Array, shape: Sequence[int]) -> Array:
    """Sum `grad` over the axes along which an input of `shape` was repeated to make the output.

    >>> unbroadcast(np.ones((2, 3)), (1, 3)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    if tuple(grad.shape) == tuple(shape):
        return grad
    leading = len(grad.shape) - len(shape)
    repeated = [axis + leading for axis, size in enumerate(shape) if size == 1 and grad.shape[axis + leading] != 1]
    return grad.sum(axis=(*range(leading), *repeated), keepdims=True).reshape(shape)


def sum_of(a: Array, b: Array) -> Array:
    """a + b, by the kernel where that pays: arrays of one shape, as a residual connection's and gradients' are."""
    alike = a.shape and (a.shape, a.dtype) == (b.shape, b.dtype) and a.dtype in (np.float32, np.float64)
    return add.forward(a, b) if alike else a + b


class Move(Function):
    """The same numbers on another device."""

    def forward(self, x: Array, device: str) -> Array:
        self.came_from = device_of(x)
        return to_device(x, device)

    def backward(self, grad: Array) -> tuple[Array]:
        return (to_device(grad, self.came_from),)


class Add(Function):
    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = a.shape, b.shape
        return sum_of(a, b)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return (
            unbroadcast(grad, self.shapes[0]) if self.needs[0] else None,
            unbroadcast(grad, self.shapes[1]) if self.needs[1] else None,
        )


class Subtract(Function):
    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = a.shape, b.shape
        return a - b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return (
            unbroadcast(grad, self.shapes[0]) if self.needs[0] else None,
            unbroadcast(-grad, self.shapes[1]) if self.needs[1] else None,
        )


class Negate(Function):
    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, grad: Array) -> tuple[Array]:
        return (-grad,)


class Multiply(Function):
    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a * b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return (
            unbroadcast(grad * self.b, self.a.shape) if self.needs[0] else None,
            unbroadcast(grad * self.a, self.b.shape) if self.needs[1] else None,
        )


class Divide(Function):
    """d(a/b) = da / b - (a / b) db / b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a / b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        by_a = grad / self.b
        return (
            unbroadcast(by_a, self.a.shape) if self.needs[0] else None,
            unbroadcast(-by_a * self.a / self.b, self.b.shape) if self.needs[1] else None,
        )


class Power(Function):
    """d(x^p) = p x^(p-1) dx for a constant p; x^0 is 1 everywhere, and its gradient 0 at 0, too."""

    def forward(self, x: Array, exponent: float) -> Array:
        self.x, self.exponent = x, exponent
        return x**exponent

    def backward(self, grad: Array) -> tuple[Array]:
        if self.exponent == 0:
            return (np.zeros_like(grad),)
        return (grad * self.exponent * self.x ** (self.exponent - 1),)


class Exp(Function):
    def forward(self, x: Array) -> Array:
        self.y = np.exp(x)
        return self.y

    def backward(self, grad: Array) -> tuple[Array]:
        return (grad * self.y,)


class Log(Function):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.log(x)

    def backward(self, grad: Array) -> tuple[Array]:
        return (grad / self.x,)


class MatMul(Function):
    """C = A B over the last two axes: dA = dC B^T, dB = A^T dC."""

    def forward(self, a: Array, b: Array) -> Array:
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"matmul: wanted (..., N, K) @ (..., K, M), got {tuple(a.shape)} @ {tuple(b.shape)}")
        self.a, self.b = a, b
        return a @ b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return (
            unbroadcast(grad @ self.b.swapaxes(-1, -2), self.a.shape) if self.needs[0] else None,
            unbroadcast(self.a.swapaxes(-1, -2) @ grad, self.b.shape) if self.needs[1] else None,
        )


class Sum(Function):
    def forward(self, x: Array, axis: int | tuple[int, ...] | None, keepdims: bool) -> Array:
        total = x.sum(axis=axis, keepdims=True)
        self.shape, self.kept_shape = x.shape, total.shape
        if keepdims:
            return total
        return total.reshape(()) if axis is None else total.squeeze(axis)

    def backward(self, grad: Array) -> tuple[Array]:
        return (np.broadcast_to(grad.reshape(self.kept_shape), self.shape),)


class Reshape(Function):
    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, grad: Array) -> tuple[Array]:
        return (grad.reshape(self.shape),)


class Transpose(Function):
    def forward(self, x: Array, axes: tuple[int, ...]) -> Array:
        self.inverse = tuple(np.argsort([axis % x.ndim for axis in axes]).tolist())
        return x.transpose(axes)

    def backward(self, grad: Array) -> tuple[Array]:
        return (grad.transpose(self.inverse),)


class Index(Function):
    """y = x[index]; the gradient goes back to the places that were read (twice if read twice).

    On a GPU gradients that meet at one place add up in any order, and the last digit may change; ops.embedding keeps
    the order.
    """

    def forward(self, x: Array, index: Any) -> Array:
        self.shape, self.index = x.shape, index
        return x[index]

    def backward(self, grad: Array) -> tuple[Array]:
        xp = namespace(device_of(grad))
        grad_x = xp.zeros(self.shape, grad.dtype)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if all(isinstance(part, int | slice | type(None) | type(...)) for part in parts):
            grad_x[self.index] = grad  # slices read no place twice
        else:
            xp.add.at(grad_x, self.index, grad)
        return (grad_x,)
