"""An array of the emulated device: NumPy memory that NumPy may not touch by mistake.

It behaves like a CuPy array. NumPy's functions take it and give such arrays back, but mixing it with NumPy arrays, or
converting it silently, is a TypeError: what would be a hidden copy over the bus on a GPU is found without one. What
CuPy does not have is refused here, too. Reading one number, as ``float(x)`` does, is allowed as it is there, and
counted: it waits for the GPU.

>>> import numpy as np
>>> x = namespace().asarray(np.arange(4.0))
>>> (2 * x).sum().get().item()
12.0
>>> x + np.ones(4)
Traceback (most recent call last):
    ...
TypeError: add: an array of the emulated device meets a NumPy array; move one with to_device or to_host
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from minisd_kernels.crossings import note_to_host

_MIXED = "an array of the emulated device meets a NumPy array; move one with to_device or to_host"
# What CuPy 14 does not have, or not so: functions, methods, and options of reductions.
_NO_FUNCTIONS = frozenset(
    [
        "block",
        "einsum_path",
        "errstate",
        "frompyfunc",
        "geomspace",
        "histogram_bin_edges",
        "insert",
        "matvec",
        "nanpercentile",
        "nanquantile",
        "nditer",
        "spacing",
        "unstack",
        "vecdot",
        "vecmat",
    ]
)
_NO_METHODS = frozenset(["ctypes", "getfield", "resize", "setfield", "setflags", "to_device"])
_NO_OPTIONS = frozenset(("initial", "where"))
_TO_PYTHON = frozenset(("item", "tobytes", "tofile", "tolist"))  # these copy to the host


class EmulatedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Memory of the emulated device, with a NumPy array's methods.

    Attributes:
        memory: the NumPy array that holds it; for the emulator alone.
        base: the array that it is a view of; None if it is none.
    """

    __slots__ = ("base", "memory")

    def __init__(self, memory: npt.NDArray[Any], base: EmulatedArray | None = None) -> None:
        self.memory, self.base = memory, base

    @property
    def data(self) -> SimpleNamespace:
        """Where the memory lies: data.ptr is the first number's address."""
        return SimpleNamespace(ptr=self.memory.ctypes.data)

    def get(self) -> npt.NDArray[Any]:
        """A copy on the host."""
        return self.memory.copy()

    def _seen(self) -> npt.NDArray[Any]:
        """A copy on the host for who reads a number here and there, which counts: it waits for the GPU."""
        note_to_host(self.memory.nbytes)
        return self.get()

    def __array__(self, *args: Any, **options: Any) -> npt.NDArray[Any]:
        raise TypeError("an array of the emulated device does not become a NumPy array by itself; use to_host")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or ufunc.__name__ in _NO_FUNCTIONS:
            return NotImplemented
        return _run(ufunc.__name__, ufunc, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return (
            NotImplemented if function.__name__ in _NO_FUNCTIONS else _run(function.__name__, function, args, options)
        )

    def __getattr__(self, name: str) -> Any:
        if name in _NO_METHODS or name.startswith("__"):  # NumPy would read the memory through __array_interface__
            raise AttributeError(f"an array of the emulated device has no {name}, as CuPy's have none")
        if name in _TO_PYTHON:
            return getattr(self._seen(), name)
        found = getattr(self.memory, name)
        if not callable(found):
            return self._with_base(found)

        def method(*args: Any, **options: Any) -> Any:
            if refused := _NO_OPTIONS & options.keys():
                raise TypeError(f"{name}: CuPy's arrays know no option {', '.join(sorted(refused))}")
            return self._with_base(_run(name, found, args, options))

        return method

    def __getitem__(self, index: Any) -> Any:
        return self._with_base(np.asarray(self.memory[_bare("[]", index)]))

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory[_bare("[]", index)] = _bare("[]=", value)

    def __len__(self) -> int:
        return len(self.memory)

    def __bool__(self) -> bool:
        return bool(self._seen())

    def __int__(self) -> int:
        return int(self._seen())

    def __float__(self) -> float:
        return float(self._seen())

    def __repr__(self) -> str:
        return f"emulated {self.memory!r}"

    def _with_base(self, found: Any) -> Any:
        """What NumPy made of this array, as one of the device; if it shares its memory, it is a view of it."""
        found, root = _wrapped(found), self if self.base is None else self.base
        if isinstance(found, EmulatedArray) and found.base is None and found is not root:
            owner = found.memory.base
            if owner is not None and (owner is root.memory or owner is root.memory.base):
                found.base = root
        return found


def _bare(where: str, value: Any) -> Any:
    """The NumPy memory in `value`, and in the tuples, lists and dictionaries of it."""
    match value:
        case EmulatedArray():
            return value.memory
        case tuple() | list():
            return type(value)(_bare(where, part) for part in value)
        case dict():
            return {key: _bare(where, part) for key, part in value.items()}
        case np.ndarray():
            raise TypeError(f"{where}: {_MIXED}")
        case _:
            return value


def _wrapped(value: Any) -> Any:
    match value:
        case np.ndarray():
            return EmulatedArray(value)
        case np.generic() if value.dtype.kind in "fiub":  # a sum over everything is an array without axes, as CuPy's
            return EmulatedArray(np.asarray(value))
        case tuple() | list() if any(isinstance(part, np.ndarray) for part in value):
            return type(value)(_wrapped(part) for part in value)
        case _:
            return value


def _run(name: str, function: Callable[..., Any], args: Any, options: Any) -> Any:
    result = function(*_bare(name, args), **_bare(name, options))
    match options.get("out"):
        case EmulatedArray() as out:
            return out
        case (EmulatedArray() as out,):
            return out
        case _:
            return _wrapped(result)


class _Ufunc:
    """One of NumPy's element-wise functions, on arrays of the emulated device."""

    def __init__(self, ufunc: Any) -> None:
        self.ufunc = ufunc

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _run(self.ufunc.__name__, self.ufunc, args, options)

    def at(self, array: EmulatedArray, index: Any, *values: Any) -> None:
        _run(f"{self.ufunc.__name__}.at", self.ufunc.at, (array, index, *values), {})


class _Namespace:
    """NumPy's functions, giving arrays of the emulated device."""

    ndarray = EmulatedArray

    def __getattr__(self, name: str) -> Any:
        if name in _NO_FUNCTIONS:
            raise AttributeError(f"the emulated device has no {name}, as CuPy has none")
        found = getattr(np, name)
        if isinstance(found, np.ufunc):
            return _Ufunc(found)
        if not callable(found) or isinstance(found, type):
            return found
        return lambda *args, **options: _run(name, found, args, options)

    def asarray(self, array: Any, dtype: Any = None) -> EmulatedArray:
        """A copy of `array` on the emulated device; itself if it is there."""
        if isinstance(array, EmulatedArray):
            return array if dtype in (None, array.dtype) else EmulatedArray(array.memory.astype(dtype))
        columns_first = isinstance(array, np.ndarray) and array.flags.fnc
        return EmulatedArray(np.array(array, dtype=dtype, order="F" if columns_first else "C"))


_NAMESPACE = _Namespace()


def namespace() -> Any:
    """What stands for the module ``cupy``: namespace().zeros(3) is made on the emulated device."""
    return _NAMESPACE
