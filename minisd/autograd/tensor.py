"""The Tensor: a node of the tape with NumPy's operators and methods, each of which is one Function of arithmetic.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minisd_kernels.devices import device_of, to_host

from minisd.autograd.arithmetic import (
    Add,
    Divide,
    Exp,
    Index,
    Log,
    MatMul,
    Move,
    Multiply,
    Negate,
    Power,
    Reshape,
    Subtract,
    Sum,
    Transpose,
    sum_of,
)
from minisd.autograd.tape import Array, Node

Axis = int | tuple[int, ...] | None


class Tensor(Node):
    """An array that can be differentiated: see Node for its attributes.

    Types are NumPy's, and numbers, NumPy's own included, take the tensor's as Python's do: a float32 tensor times
    np.float64(0.5) is float32, one of integers divided by 127.5 is float64.

    Raises:
        TypeError: not an array of numbers, or requires_grad on an array that is not of floating type.

    >>> x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0, 6.0]
    """

    __slots__ = ()
    __array_ufunc__ = None  # array + Tensor is a Tensor's sum

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        super().__init__(_array(data, "Tensor"), requires_grad)
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(
                f"Tensor: requires_grad wants a floating type, got {self.dtype}; integers have no gradient: "
                "use .astype(np.float32)"
            )

    def result(self, data: Array) -> Tensor:
        return Tensor(data)  # of a Parameter, too

    plus = staticmethod(sum_of)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.dtype}, requires_grad={self.requires_grad})"

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

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

    def __add__(self, other: Any) -> Tensor:
        return Add.apply(self, self._beside(other))

    def __radd__(self, other: Any) -> Tensor:
        return Add.apply(self._beside(other), self)

    def __sub__(self, other: Any) -> Tensor:
        return Subtract.apply(self, self._beside(other))

    def __rsub__(self, other: Any) -> Tensor:
        return Subtract.apply(self._beside(other), self)

    def __mul__(self, other: Any) -> Tensor:
        return Multiply.apply(self, self._beside(other))

    def __rmul__(self, other: Any) -> Tensor:
        return Multiply.apply(self._beside(other), self)

    def __truediv__(self, other: Any) -> Tensor:
        return Divide.apply(self, self._beside(other, of_division=True))

    def __rtruediv__(self, other: Any) -> Tensor:
        return Divide.apply(self._beside(other, of_division=True), self)

    def __matmul__(self, other: Any) -> Tensor:
        return MatMul.apply(self, self._beside(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return MatMul.apply(self._beside(other), self)

    def __neg__(self) -> Tensor:
        return Negate.apply(self)

    def __pow__(self, exponent: float) -> Tensor:
        return Power.apply(self, exponent=_exponent(exponent))

    def __getitem__(self, index: Any) -> Tensor:
        return Index.apply(self, index=_bare(index))

    def exp(self) -> Tensor:
        return Exp.apply(self)

    def log(self) -> Tensor:
        return Log.apply(self)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return Sum.apply(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The sum over what is summed, divided by how many that are.

        Raises:
            ValueError: the mean of nothing.
        """
        total = self.sum(axis=axis, keepdims=keepdims)
        if total.data.size and not self.data.size:
            raise ValueError(f"mean: a tensor of shape {self.shape} has no numbers to take the mean of")
        return total * (total.data.size / max(1, self.data.size))

    def reshape(self, *shape: int | Sequence[int]) -> Tensor:
        """reshape(3, 2) or reshape((3, 2)); one size may be -1, whatever is left."""
        return Reshape.apply(self, shape=_one_by_one(shape))

    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        """transpose(1, 0) or transpose((1, 0)); without axes all of them turn round."""
        return Transpose.apply(self, axes=_one_by_one(axes) or tuple(range(self.ndim))[::-1])

    def _beside(self, other: Any, of_division: bool = False) -> Tensor:
        """The other side of an operator: a tensor as it is, an array as a tensor, and numbers in a type like ours."""
        if isinstance(other, Tensor):
            return other
        array = _array(other, "Tensor")
        if array is other and (array.ndim or device_of(array) != "cpu"):
            return Tensor(array)
        # One number, or a list: its type gives way. [()] makes a NumPy number of one, which goes with every device.
        one = array.dtype.type().item() if array.ndim else array.item()
        dtype = np.result_type(self.dtype, float(one) if of_division else one)  # integers divided are no integers
        return Tensor(np.asarray(other if array.ndim else one, dtype)[()])


def _array(value: Any, where: str) -> Array:
    """`value` as an array of numbers, on the device where it is."""
    if isinstance(value, Node):
        raise TypeError(f"{where}: got a Tensor, wanted an array; use the Tensor itself, or its .data")
    is_array = isinstance(value, np.ndarray | np.generic) or device_of(value) != "cpu"
    array = value if is_array else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{where}: wanted an array or a number, got {type(value).__name__} (dtype {array.dtype})")
    return array


def _exponent(value: Any) -> float:
    if isinstance(value, Node) or np.ndim(value) or np.asarray(value).dtype.kind not in "biuf":
        raise TypeError(f"power: the exponent must be one plain number, got {type(value).__name__}")
    return value.item() if hasattr(value, "item") else value


def _one_by_one(sizes: Sequence[Any]) -> tuple[int, ...]:
    """Sizes or axes given one by one, or as one sequence."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], Sequence) else tuple(sizes)


def _bare(index: Any) -> Any:
    """An index whose tensors have become their arrays."""
    return tuple(map(_bare, index)) if isinstance(index, tuple) else index.data if isinstance(index, Tensor) else index
