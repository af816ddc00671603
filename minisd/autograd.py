"""Automatic differentiation: a Tensor over an array, and a tape of Functions.

Every operation on tensors leaves a Function behind that knows its inputs and how to carry a gradient back through
itself. ``backward`` walks from the result to the leaves and applies the chain rule once at every Function:

    d loss / d input = (d loss / d output) (d output / d input)

Here stand the tensor, the tape, and the arithmetic that needs no kernel; everything with a kernel is in ``ops``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from minisd_kernels import add
from minisd_kernels.devices import device_of, namespace, to_device, to_host

Array = Any  # a NumPy array, or one of a device that behaves like it: see minisd_kernels.devices

_recording = True


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without a tape: nothing is kept for a backward pass.

    >>> x = Tensor(np.ones(2), requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


class Tensor:
    """An array that remembers how it was made.

    Attributes:
        data: the array.
        grad: after ``backward``, d loss / d data of a leaf with requires_grad; gradients of several passes add up.
        requires_grad: whether gradients flow here.

    Raises:
        TypeError: requires_grad on an array that is not of floating type.

    >>> x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0, 6.0]
    """

    __slots__ = ("__weakref__", "data", "function", "grad", "requires_grad")
    __array_ufunc__ = None  # array + Tensor is a Tensor's sum

    def __init__(self, data: Array, requires_grad: bool = False) -> None:
        self.data = data if hasattr(data, "dtype") and hasattr(data, "shape") else np.asarray(data)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"Tensor: requires_grad wants a floating type, got {self.data.dtype}; integers have no gradient: "
                "use .astype(np.float32)"
            )
        self.requires_grad = requires_grad
        self.grad: Array | None = None
        self.function: Function | None = None  # the Function that made it; None for a leaf

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return len(self.data.shape)

    @property
    def device(self) -> str:
        """Where the array lives: cpu, cuda or emu."""
        return device_of(self.data)

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.dtype}, requires_grad={self.requires_grad})"

    def __len__(self) -> int:
        return self.shape[0]

    def item(self) -> float:
        """The number in a tensor of one element; it crosses to the host, which waits for it."""
        return float(to_host(self.data).item())

    def to(self, device: str) -> Tensor:
        """The tensor on a device, cpu, cuda or emu; itself if it is there already. Its gradient comes back.

        Raises:
            BackendUnavailable: the device cannot be used here.

        >>> Tensor(np.ones(2)).to("cpu").device
        'cpu'
        """
        return self if self.device == device else Move.apply(self, device=device)

    def detach(self) -> Tensor:
        """The same array off the tape."""
        return Tensor(self.data)

    def backward(self, grad: Array | None = None) -> None:
        """Add d self / d leaf to the ``grad`` of every leaf, and free the tape.

        Args:
            grad: the gradient of the final loss by this tensor; 1 for a scalar.

        Raises:
            RuntimeError: nothing to differentiate, or the tape was freed by an earlier call.
            ValueError: `grad` is missing for a tensor of several elements, or of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor was made without a tape (requires_grad is False)")
        if grad is None:
            if self.data.size != 1:
                raise ValueError(f"backward: a tensor of shape {self.shape} needs a gradient; or take .sum() first")
            grad = np.ones_like(self.data)
        if tuple(grad.shape) != self.shape:
            raise ValueError(f"backward: wanted a gradient of shape {self.shape}, got {tuple(grad.shape)}")
        grads: dict[int, Array] = {id(self): grad}
        summed: set[int] = set()  # gradients that are sums made here: only these may be changed in place
        for tensor in _from_result_to_leaves(self):
            grad = grads.pop(id(tensor))
            if tensor.function is None:
                tensor.grad = grad if tensor.grad is None else tensor.grad + grad
                continue
            inputs = tensor.function.inputs
            for source, part in zip(inputs, tensor.function.run_backward(grad), strict=True):
                key = id(source)
                if not source.requires_grad or part is None:
                    continue
                if key not in grads:
                    grads[key] = part
                elif key in summed:
                    add.into(grads[key], part)
                else:
                    grads[key] = add.forward(grads[key], part)
                    summed.add(key)

    # Arithmetic: each operator is one Function below.

    def __add__(self, other: Any) -> Tensor:
        return Add.apply(self, as_tensor(other, self.dtype))

    def __sub__(self, other: Any) -> Tensor:
        return Subtract.apply(self, as_tensor(other, self.dtype))

    def __mul__(self, other: Any) -> Tensor:
        return Multiply.apply(self, as_tensor(other, self.dtype))

    def __truediv__(self, other: Any) -> Tensor:
        return Divide.apply(self, as_tensor(other, self.dtype))

    def __radd__(self, other: Any) -> Tensor:
        return Add.apply(as_tensor(other, self.dtype), self)

    def __rsub__(self, other: Any) -> Tensor:
        return Subtract.apply(as_tensor(other, self.dtype), self)

    def __rmul__(self, other: Any) -> Tensor:
        return Multiply.apply(as_tensor(other, self.dtype), self)

    def __rtruediv__(self, other: Any) -> Tensor:
        return Divide.apply(as_tensor(other, self.dtype), self)

    def __neg__(self) -> Tensor:
        return self * -1.0

    def __pow__(self, exponent: float) -> Tensor:
        return Power.apply(self, exponent=exponent)

    def __matmul__(self, other: Any) -> Tensor:
        return MatMul.apply(self, as_tensor(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return MatMul.apply(as_tensor(other), self)

    def __getitem__(self, index: Any) -> Tensor:
        return Index.apply(self, index=index)

    def exp(self) -> Tensor:
        return Exp.apply(self)

    def log(self) -> Tensor:
        return Log.apply(self)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return Sum.apply(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        total = self.sum(axis=axis, keepdims=keepdims)
        return total * (total.data.size / self.data.size)

    def reshape(self, *shape: int) -> Tensor:
        return Reshape.apply(self, shape=shape)

    def transpose(self, *axes: int) -> Tensor:
        return Transpose.apply(self, axes=axes)


def as_tensor(value: Any, dtype: Any = None) -> Tensor:
    """`value` itself if it is a Tensor, else a Tensor over it; plain numbers take `dtype`."""
    if isinstance(value, Tensor):
        return value
    # [()] makes a NumPy number of a single one: it goes with the arrays of every device.
    return Tensor(value if hasattr(value, "dtype") else np.asarray(value, dtype=dtype)[()])


class Function:
    """One differentiable operation.

    A subclass writes ``forward(*arrays, **options)``, which returns the output array and keeps in ``self`` what
    ``backward(grad)`` needs; ``backward`` returns one gradient per input array (None where there is none).
    ``self.needs`` says which inputs want one.
    """

    inputs: tuple[Tensor, ...]
    needs: tuple[bool, ...]

    def forward(self, *arrays: Array, **options: Any) -> Array:
        raise NotImplementedError

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        raise NotImplementedError

    @classmethod
    def apply(cls, *inputs: Tensor, **options: Any) -> Tensor:
        """Run forward, and put the Function on the tape if any input needs a gradient.

        Raises:
            TypeError: the inputs live on several devices.
        """
        function = cls()
        function.needs = tuple(tensor.requires_grad and _recording for tensor in inputs)
        try:
            result = Tensor(function.forward(*(tensor.data for tensor in inputs), **options))
        except TypeError as error:
            devices = sorted({tensor.device for tensor in inputs})
            if len(devices) == 1:
                raise
            name, places = cls.__name__.lstrip("_"), " and ".join(devices)
            raise TypeError(
                f"{name}: its inputs live on {places}; move them to one device, with .to(device)"
            ) from error
        if any(function.needs):
            function.inputs = inputs
            result.requires_grad, result.function = True, function
        return result

    def run_backward(self, grad: Array) -> tuple[Array | None, ...]:
        """Carry the gradient back and free what forward kept: a tape serves one backward pass."""
        grads = self.backward(grad)
        self.__dict__.clear()
        return grads


def _from_result_to_leaves(result: Tensor) -> list[Tensor]:
    """All tensors behind `result` that need gradients, each before its inputs; a stack instead of recursion."""
    order: list[Tensor] = []
    seen: set[int] = set()
    stack: list[tuple[Tensor, bool]] = [(result, False)]
    while stack:
        tensor, inputs_done = stack.pop()
        if inputs_done:
            order.append(tensor)
        elif id(tensor) not in seen and tensor.requires_grad:
            seen.add(id(tensor))
            stack.append((tensor, True))
            if tensor.function is not None:
                if not tensor.function.__dict__:
                    raise RuntimeError(
                        "backward: this tape was freed by an earlier backward pass; run the forward pass again, "
                        "or add the losses and go back once"
                    )
                stack.extend((source, False) for source in tensor.function.inputs)
    return order[::-1]


def recorded(result: Tensor) -> list[Tensor]:
    """Every tensor that was computed on the way to `result`, each behind its inputs; ``tensor.function`` made it.

    The tape holds them all for the backward pass, so a network's maps can be looked at without opening the network:

    >>> x = Tensor(np.ones((2, 3)), requires_grad=True)
    >>> [(type(tensor.function).__name__, tensor.shape) for tensor in recorded((x * 2).sum(axis=1).exp())]
    [('Multiply', (2, 3)), ('Sum', (2,)), ('Exp', (2,))]
    """
    return [tensor for tensor in reversed(_from_result_to_leaves(result)) if tensor.function is not None]


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
        return add.forward(a, b) if a.shape and (a.shape, a.dtype) == (b.shape, b.dtype) else a + b

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
    """d(x^p) = p x^(p-1) dx for a constant p."""

    def forward(self, x: Array, exponent: float) -> Array:
        self.x, self.exponent = x, exponent
        return x**exponent

    def backward(self, grad: Array) -> tuple[Array]:
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
