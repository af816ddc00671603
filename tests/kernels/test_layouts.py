"""However an array lies in memory, only its numbers count, and nobody but its owner writes to it; and an array may be
empty. Held against every operation's examples, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import use_backend
from minisd_kernels.compiling import contiguous
from minisd_kernels.devices import DEVICES, to_host
from minisd_kernels.examples import Call, Calls, Make, arrays_in, examples, operations
from minisd_kernels.switches import tensor_cores
from strategies import LAYOUTS, ON_DEVICES, Array, each_backend, on_cuda, on_emu

each_operation = pytest.mark.parametrize("operation", operations())


def computing(backend: str) -> Any:
    return use_backend("numba" if backend in DEVICES else backend)


def device(backend: str) -> str:
    return backend if backend in DEVICES else "cpu"


def on_host(arrays: Any) -> list[Array]:
    return [np.array(to_host(array)) for array in arrays_in(arrays)]


# ---- The same numbers, lying otherwise


def laid(call: Call, lay: Callable[[Any], Any]) -> Call:
    """The call with copies of its arrays that lie so."""
    return Call(call.func, *(lay(a) if getattr(a, "shape", ()) else a for a in call.args), **call.keywords)


@each_backend
@each_operation
def test_only_the_numbers_count(operation: str, backend: str) -> None:
    make = Make(device(backend))
    with computing(backend), tensor_cores.off():
        for call in [call for example in examples(operation) for call in example.calls(make).values()]:
            given, result = on_host(call.args), laid(call, LAYOUTS["contiguous"])()
            if result is None:  # it works in place, on contiguous arrays alone: test_adam.py
                continue
            for layout, lay in (ON_DEVICES if backend in DEVICES else LAYOUTS).items():
                odd = laid(call, lay)
                for got, want in zip(on_host(odd()), on_host(result), strict=True):
                    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5, err_msg=layout)
                for after, before in zip(on_host(odd.args), given, strict=True):
                    np.testing.assert_array_equal(after, before, err_msg=f"{layout}: an input was written to")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_meet_one_layout_alone(layout: str) -> None:
    for array in (np.ones((2, 3)), np.ones(3, np.float32), np.ones((0, 2))):
        assert contiguous(LAYOUTS[layout](array)).flags.carray


# ---- Nothing at all


class Without(Make):
    """Makes arrays that are empty on every axis of one size: among the first axes, the batch, or among the last two."""

    def __init__(self, device: str, size: int, axes: slice) -> None:
        super().__init__(device)
        self.size, self.axes = size, axes

    def _emptied(self, shape: tuple[int, ...]) -> list[int]:
        chosen = range(len(shape))[self.axes]
        return [0 if n == self.size and axis in chosen else n for axis, n in enumerate(shape)]

    def __call__(self, *shape: int) -> Any:
        return super().__call__(*self._emptied(shape))

    def integers(self, below: int, *shape: int) -> Any:
        return super().integers(below, *self._emptied(shape))


def answers(calls: Callable[[Make], Calls], make: Make) -> list[Any]:
    """What each call gives, or how it refuses."""
    found: list[Any] = []
    try:
        for call in calls(make).values():
            found.append(on_host(call()))
    except (ValueError, IndexError) as refused:
        found.append(repr(refused))
    return found


@pytest.mark.parametrize("axes", [slice(1), slice(-2, None)], ids=["batch", "channels"])
@pytest.mark.parametrize("backend", ["numba", on_emu, on_cuda])
@each_operation
def test_what_is_empty_is_as_in_numpy(operation: str, backend: str, axes: slice) -> None:
    for example in examples(operation):
        sizes = {n for call in example.calls(Make()).values() for a in arrays_in(call.args) for n in np.shape(a)[axes]}
        for size in sorted(sizes):
            with use_backend("numpy"):
                wanted = answers(example.calls, Without("cpu", size, axes))
            with computing(backend), tensor_cores.off():
                found = answers(example.calls, Without(device(backend), size, axes))
            if "IndexError" in str(wanted) and backend in DEVICES:  # a device's ids are not looked at
                continue
            for got, want in zip(found, wanted, strict=True):
                if isinstance(want, str):
                    assert got == want
                    continue
                for one, right in zip(got, want, strict=True):
                    assert one.shape == right.shape and one.dtype == right.dtype
                    np.testing.assert_allclose(one, right, rtol=1e-5, atol=1e-5)
