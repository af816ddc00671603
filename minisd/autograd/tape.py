"""The tape: every operation leaves a Function behind that knows its inputs and how to carry a gradient back.

``backward`` walks from the result to the leaves and applies the chain rule once at every Function:

    d loss / d input = (d loss / d output) (d output / d input)

Where a node was used several times, the gradients of its uses add up. No operation is named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import numpy as np
from minisd_kernels.devices import device_of

Array = Any  # a NumPy array, or one of a device that behaves like it: see minisd_kernels.devices

AnyNode = TypeVar("AnyNode", bound="Node")

# How many no_grad blocks are open, in this thread. A number, not a switch: blocks may close in any order.
_open_blocks: ContextVar[int] = ContextVar("no_grad blocks", default=0)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without a tape, in this thread: nothing is kept for a backward pass.

    >>> from minisd.autograd import Tensor
    >>> x = Tensor(np.ones(2), requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    _open_blocks.set(_open_blocks.get() + 1)
    try:
        yield
    finally:
        _open_blocks.set(_open_blocks.get() - 1)


class Node:
    """An array that remembers how it was made. Operations work on its subclass, the Tensor.

    Attributes:
        data: the array.
        grad: after ``backward``, d loss / d data of a leaf with requires_grad; gradients of several passes add up.
        requires_grad: whether gradients flow here.
        function: the Function that made it; None for a leaf.
        version: how often ``data`` was written in place.

    A backward pass takes the arrays as forward saw them. ``x.data = other`` in between leaves those as they are, and
    the gradient is that of the forward pass. ``x.data += 1`` writes into them: it counts as a new version, and backward
    refuses; so do optimisers and whatever else calls ``changed``. ``x.data[0] = 1`` NumPy does not tell: call
    ``changed`` behind it.
    """

    __slots__ = ("__weakref__", "_data", "function", "grad", "requires_grad", "version")

    def __init__(self, data: Array, requires_grad: bool = False) -> None:
        self._data, self.requires_grad = data, requires_grad
        self.grad: Array | None = None
        self.function: Function | None = None
        self.version = 0

    @property
    def data(self) -> Array:
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        if array is self._data:  # x.data += 1 gives back the array that it has written to
            self.changed()
        self._data = array

    def changed(self) -> None:
        """Say that ``data`` was written in place: a tape that saw it before can no longer go back."""
        self.version += 1

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def device(self) -> str:
        """Where the array lives: cpu, cuda or emu."""
        return device_of(self._data)

    def result(self, data: Array) -> Self:
        """The node that an operation on this one makes."""
        raise NotImplementedError

    @staticmethod
    def plus(a: Array, b: Array) -> Array:
        """The sum of two gradients."""
        return a + b

    def backward(self, grad: Any = None) -> None:
        """Add d self / d leaf to the ``grad`` of every leaf, and free the tape.

        Args:
            grad: the gradient of the final loss by this node, an array or a node; 1 for a single number.

        Raises:
            RuntimeError: nothing to differentiate; or the tape was freed by an earlier call, or its arrays changed.
            ValueError: `grad` is missing for several numbers, or of another shape.
            TypeError: `grad` is of another device.
        """
        grads: dict[Node, Array] = {self: self._upstream(grad)}
        for node in reversed(_inputs_first(self)):
            if node.function is not None:  # else a leaf: its gradient stays in `grads`
                for source, part in node.function.run_backward(grads.pop(node, None)):
                    accumulate(grads, source, part)
        for leaf, total in grads.items():
            leaf.grad = total if leaf.grad is None else leaf.plus(leaf.grad, total)

    def _upstream(self, grad: Any) -> Array:
        """The gradient to begin with, in memory of its own."""
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor was made without a tape (requires_grad is False)")
        if grad is None:
            if self.data.size != 1:
                raise ValueError(f"backward: a tensor of shape {self.shape} needs a gradient; or take .sum() first")
            return np.ones_like(self.data)
        grad = grad.data if isinstance(grad, Node) else grad if hasattr(grad, "dtype") else np.asarray(grad)
        if tuple(grad.shape) != self.shape:
            raise ValueError(f"backward: wanted a gradient of shape {self.shape}, got {tuple(grad.shape)}")
        if device_of(grad) != self.device:
            raise TypeError(f"backward: the gradient lives on {device_of(grad)}, the tensor on {self.device}")
        return grad.astype(self.dtype)  # a copy


def accumulate(grads: dict[Node, Array], node: Node, part: Array) -> None:
    """One more use of the node has given its part of the gradient: the parts add up."""
    grads[node] = node.plus(grads[node], part) if node in grads else part


def _inputs_first(result: AnyNode) -> list[AnyNode]:
    """All nodes behind `result` that need gradients, each after its inputs; a stack instead of recursion."""
    order: list[AnyNode] = []
    seen: set[AnyNode] = set()
    stack = [(result, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen and node.requires_grad:
            seen.add(node)
            stack.append((node, True))
            if node.function is not None:
                stack.extend((source, False) for source in node.function.unchanged_inputs())
    return order


class Function:
    """One differentiable operation.

    A subclass writes ``forward(*arrays, **options)``, which returns the output array and keeps in ``self`` what
    ``backward(grad)`` needs; ``backward`` returns a tuple, one gradient per input array (None where there is none).
    ``self.needs`` says which inputs want one.
    """

    inputs: tuple[Any, ...]  # nodes
    versions: tuple[int, ...]  # of the inputs, when forward saw them
    needs: tuple[bool, ...]
    freed = False

    def forward(self, *arrays: Array, **options: Any) -> Array:
        raise NotImplementedError

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        raise NotImplementedError

    @classmethod
    def apply(cls, *inputs: AnyNode, **options: Any) -> AnyNode:
        """Run forward, and put the Function on the tape if any input needs a gradient.

        Raises:
            TypeError: the inputs live on several devices, or are no tensors.
        """
        function, recording = cls(), _open_blocks.get() == 0
        try:
            function.needs = tuple([node.requires_grad and recording for node in inputs])
        except AttributeError:
            got = ", ".join(type(node).__name__ for node in inputs if not isinstance(node, Node))
            raise TypeError(f"{function}: wanted tensors, got {got}; an array becomes one by Tensor(array)") from None
        arrays = [node._data for node in inputs]
        if len(set(map(type, arrays))) > 1:
            function._require_one_device(inputs)
        result = inputs[0].result(function.forward(*arrays, **options))
        if True in function.needs:
            function.inputs, function.versions = inputs, tuple([node.version for node in inputs])
            result.requires_grad, result.function = True, function
        return result

    def run_backward(self, grad: Array | None) -> list[tuple[Node, Array]]:
        """Each input that wants a gradient, with its part; without `grad` none does.

        What forward kept is forgotten: a tape serves one backward pass.
        """
        parts = () if grad is None else self.backward(grad)
        if grad is not None and not (isinstance(parts, tuple) and len(parts) == len(self.inputs)):
            wanted = f"a tuple of {len(self.inputs)} gradients, one per input"
            raise TypeError(f"{self}.backward: wanted {wanted}; got {parts!r}")
        found = []
        for source, part in zip(self.inputs, parts, strict=False):
            if part is None or not source.requires_grad:
                continue
            if part.shape != source.shape:
                raise ValueError(f"{self}.backward: wanted a gradient of shape {source.shape}, got {part.shape}")
            if part.dtype != source.dtype:
                part = part.astype(source.dtype)
            elif source.function is None and self._is_shared(part, grad, parts):
                part = part.copy()  # a leaf keeps it
            found.append((source, part))
        vars(self).clear()
        self.freed = True
        return found

    def _is_shared(self, part: Array, grad: Array, parts: tuple[Array | None, ...]) -> bool:
        """Whether something else than this gradient has its memory."""
        others = (grad, *parts, *vars(self).values())
        return part.base is not None or [part is other for other in others].count(True) > 1

    def unchanged_inputs(self) -> tuple[Any, ...]:
        """The inputs, if a backward pass may still use them."""
        if self.freed:
            raise RuntimeError(
                "backward: this tape was freed by an earlier backward pass; run the forward pass again, "
                "or add the losses and go back once"
            )
        for node, version in zip(self.inputs, self.versions, strict=True):
            if node.version != version:
                raise RuntimeError(
                    f"backward: an input of {self}, of shape {node.shape}, was written in place after the forward "
                    "pass; go back first, or run the forward pass again"
                )
        return self.inputs

    def _require_one_device(self, inputs: tuple[Node, ...]) -> None:
        places = {node.device for node in inputs if node.requires_grad or not isinstance(node.data, np.generic)}
        if len(places) > 1:  # a plain number goes with all
            where = " and ".join(sorted(places))
            raise TypeError(f"{self}: its inputs live on {where}; move them to one device, with .to(device)")

    def __str__(self) -> str:
        return type(self).__name__.lstrip("_")


def recorded(result: AnyNode) -> list[AnyNode]:
    """Every node that was computed on the way to `result`, each behind its inputs; ``node.function`` made it.

    The tape holds them all for the backward pass, so a network's maps can be looked at without opening the network:

    >>> from minisd.autograd import Tensor
    >>> x = Tensor(np.ones((2, 3)), requires_grad=True)
    >>> [(type(tensor.function).__name__, tensor.shape) for tensor in recorded((x * 2).sum(axis=1).exp())]
    [('Multiply', (2, 3)), ('Sum', (2,)), ('Exp', (2,))]
    """
    return [node for node in _inputs_first(result) if node.function is not None]
