"""The representative calls of every operation, written once, in ``example.py`` of its folder, and found there.

They are what is compiled ahead (warm_up.py), run watched and counted on the emulator, and held against NumPy on every
backend and device, and by the plain loops, by the tests. Nothing but its folder names an operation.

    def both_ways(make: Make) -> Calls:
        x, grad_y = make(64, 65), make(64, 65)
        return {"forward": Call(silu.forward, x), "backward": Call(silu.backward, grad_y, x)}

    EXAMPLES = (Example("(64, 65)", both_ways),)
"""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import minisd_kernels
from minisd_kernels.devices import to_device

Call = partial[Any]  # an operation's function with its arguments: arrays first, in their order
Calls = dict[str, Call]


class Make:
    """Makes the arrays of an example: make(2, 3) holds normal random numbers.

    Args:
        device: where they live: cpu, cuda or emu.
        dtype: np.float32 or np.float64.

    >>> make = Make()
    >>> make(2, 3).dtype, make.integers(10, 5).shape
    (dtype('float32'), (5,))
    """

    def __init__(self, device: str = "cpu", dtype: Any = np.float32) -> None:
        self.device, self.dtype, self._rng = device, dtype, np.random.default_rng(0)

    def __call__(self, *shape: int) -> Any:
        return to_device(np.asarray(self._rng.standard_normal(shape), self.dtype), self.device)

    def integers(self, below: int, *shape: int) -> Any:
        """Random class numbers or ids in 0..below - 1."""
        return to_device(self._rng.integers(below, size=shape), self.device)


@dataclass(frozen=True)
class Example:
    """Some calls of an operation on small arrays.

    Calls that run the same compiled kernels belong to one example, other kernels to one of their own: each example is
    compiled in a process of its own.

    Attributes:
        shapes: what the arrays are, in words.
        calls: makes the arrays and gives the calls by their names, such as "forward" and "backward".
        ladder: whether the calls are the steps of a ladder of CUDA kernels; they take float32 arrays of a device.
        products: multiply-adds that the equation has, in each call; 0 where they are not what matters.
    """

    shapes: str
    calls: Callable[[Make], Calls]
    ladder: bool = False
    products: int = 0


def operations() -> list[str]:
    """The name of every operation, which is its folder's."""
    folders = [module.name for module in pkgutil.iter_modules(minisd_kernels.__path__) if module.ispkg]
    return [name for name in folders if importlib.util.find_spec(f"minisd_kernels.{name}.numpy_ref") is not None]


def examples(operation: str, *, ladder: bool = False) -> list[Example]:
    """An operation's examples; of its ladder alone, if asked to."""
    found = importlib.import_module(f"minisd_kernels.{operation}.example").EXAMPLES
    return [example for example in found if example.ladder is ladder]


def outcome(call: Call) -> list[Any]:
    """Do the call; what it returns, or, if it returns nothing, its arrays, which it has changed."""
    result = call()
    return arrays_in(call.args if result is None else result)


def arrays_in(value: Any) -> list[Any]:
    """The arrays in a value, or in a tuple of them."""
    parts = value if isinstance(value, tuple) else (value,)
    return [part for part in parts if hasattr(part, "nbytes") or isinstance(part, float)]


def least_bytes(call: Call) -> int:
    """Do the call; how many bytes of arrays it must have read or written at least, each once.

    >>> x, y = np.ones(3, np.float32), np.zeros(3, np.float32)
    >>> least_bytes(Call(np.add, x, x)), least_bytes(Call(np.copyto, y, x))  # y is read, for all that is known
    (36, 36)
    """
    given = [*arrays_in(call.args), *arrays_in(tuple(call.keywords.values()))]
    before = [np.array(_host(array)) for array in given]
    result = arrays_in(call())
    changed = [array for array, old in zip(given, before, strict=True) if not np.array_equal(_host(array), old)]
    return sum(array.nbytes for array in (*given, *result, *changed) if hasattr(array, "nbytes"))


def _host(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else array
