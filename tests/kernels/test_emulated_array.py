"""The emulated device's arrays: NumPy's numbers, CuPy's manners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minisd_kernels.devices import counted_crossings
from minisd_kernels.emulator import array as emulator
from minisd_kernels.emulator.array import EmulatedArray, namespace

xp = namespace()
HOST = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def x() -> Any:
    return xp.asarray(HOST)


COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "operators": lambda np, x: (2 * x - x / 3) ** 2.0 + np.float32(0.5) * -x,
    "functions": lambda np, x: np.exp(x / 10) + np.maximum(x, 3) + np.sqrt(x),
    "reductions": lambda np, x: x.sum(axis=(0, 1), keepdims=True) + x.mean(axis=0) - x.max() + x.std(),
    "shapes": lambda np, x: np.concatenate([x.T.reshape(4, 3)[None], np.stack([x.T, x.T])]).swapaxes(0, 1),
    "conditions": lambda np, x: np.where((x > 4) & ~(x == 7), x, np.float32(0)),
    "slices": lambda np, x: x[1:, ::2, None] + x[0, 1] + x[..., -1:][1:, None],
    "places": lambda np, x: x[np.asarray([0, 2, 2]), x.astype(int)[0, :3]],
    "made there": lambda np, x: np.eye(3, 4, dtype=np.float32) @ x.T + np.arange(3) + np.zeros(3) + np.full(3, 2.0),
    "product": lambda np, x: np.matmul(x, x.T, out=np.empty((3, 3), np.float32)),
}


@pytest.mark.parametrize("what", COMPUTED)
def test_the_numbers_are_numpys(what: str, x: Any) -> None:
    with counted_crossings() as crossed:
        found = COMPUTED[what](xp, x)
    assert isinstance(found, EmulatedArray) and crossed.to_host == crossed.to_device == 0
    wanted = COMPUTED[what](np, HOST.copy())
    np.testing.assert_array_equal(found.get(), wanted, strict=True)


REFUSED: dict[str, tuple[type[Exception], Callable[[Any], Any]]] = {
    "a NumPy array beside it": (TypeError, lambda x: x + HOST),
    "a NumPy array before it": (TypeError, lambda x: HOST * x),
    "a NumPy array among others": (TypeError, lambda x: np.concatenate([x, HOST])),
    "a NumPy index": (TypeError, lambda x: x[np.array([0])]),
    "a NumPy array put in": (TypeError, lambda x: x.__setitem__(0, HOST[0])),
    "becoming a NumPy array": (TypeError, lambda x: np.asarray(x)),
    "becoming part of one": (TypeError, lambda x: np.array([x, x])),
    "NumPy memory as output": (TypeError, lambda x: np.exp(x, out=np.empty((3, 4), np.float32))),
    "a ufunc's method": (TypeError, lambda x: np.add.at(x, [0], 1)),
    "a function that CuPy lacks": (TypeError, lambda x: np.block([x, x])),
    "the same, by name": (AttributeError, lambda x: xp.block),
    "an option that CuPy lacks": (TypeError, lambda x: x.max(initial=0)),
    "a method that CuPy lacks": (AttributeError, lambda x: x.setflags(write=False)),
    "the memory": (AttributeError, lambda x: x.__array_interface__),
    "an index": (TypeError, lambda x: [1, 2][x.astype(int)[0, 0]]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cupy_refuses_is_refused(what: str, x: Any) -> None:
    error, call = REFUSED[what]
    with pytest.raises(error):
        call(x)
    np.testing.assert_array_equal(x.get(), HOST)


@pytest.mark.parametrize("read", [lambda x: float(x.sum()), lambda x: int(x[0, 1]), lambda x: bool((x > 3).any())])
def test_reading_a_number_is_counted(read: Callable[[Any], Any], x: Any) -> None:
    with counted_crossings() as crossed:
        assert read(x) == read(HOST)
    assert (crossed.to_device, crossed.to_host) == (0, 1)


def test_reading_many_is_counted(x: Any) -> None:
    with counted_crossings() as crossed:
        assert x.tolist() == HOST.tolist() and x[0, 1].item() == 1 and x.tobytes() == HOST.tobytes()
    assert (crossed.to_device, crossed.to_host) == (0, 3)


def test_in_place_stays_in_place(x: Any) -> None:
    same, view = x, x[1]
    x += 1
    x *= xp.ones(4, np.float32)
    view -= 1
    assert x is same
    np.testing.assert_array_equal(x.get(), HOST + np.array([[1], [0], [1]]))
    out = xp.empty((3, 4), np.float32)
    assert np.exp(x, out=out) is out
    wanted = np.exp(x.get())
    wanted[0, 1] += 10
    xp.add.at(out, (xp.asarray([0, 0]), xp.asarray([1, 1])), 5)
    np.testing.assert_array_equal(out.get(), wanted)


def test_a_view_knows_what_it_is_a_view_of(x: Any) -> None:
    for view in (x[1:], x[1:].reshape(-1), x.T, x.ravel(), x[0][1:]):
        assert view.base is x
    for fresh in (x, x + 0, x.copy(), x.sum(axis=0), x[xp.asarray([0])], x.T.reshape(-1)):
        assert fresh.base is None


def test_a_copy_is_made_both_ways_and_keeps_columns_together(x: Any) -> None:
    host = HOST.copy()
    there = xp.asarray(host)
    host[0] = -1
    there.get()[0] = -2
    np.testing.assert_array_equal(there.get(), HOST)
    assert xp.asarray(there) is there and xp.asarray(there, np.float64).dtype == np.float64
    assert xp.asarray(HOST.T).flags.f_contiguous and xp.asarray(HOST[:, ::2]).flags.c_contiguous  # as CuPy does


def test_what_is_said_to_be_missing_is_missing_in_cupy() -> None:
    cupy = pytest.importorskip("cupy")
    assert not {name for name in emulator._NO_FUNCTIONS if hasattr(cupy, name)}
    assert not {name for name in emulator._NO_METHODS if hasattr(cupy.ndarray, name)}
