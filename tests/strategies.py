"""What the tests draw: backends, array layouts and window geometries."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from minisd_kernels.backends import BackendUnavailable, available_backends, use_backend
from minisd_kernels.devices import DEVICES, device_of, to_device, to_host
from minisd_kernels.shapes import effective_window, window_output_size
from minisd_kernels.switches import tensor_cores

from minisd.autograd import Tensor
from minisd.nn import Module

Array = npt.NDArray[Any]

# What computes: backends of the CPU, and the devices that CUDA kernels run on; conftest.py leaves out what is missing.
on_emu, on_cuda = pytest.param("emu", marks=pytest.mark.emu), pytest.param("cuda", marks=pytest.mark.gpu)
each_backend = pytest.mark.parametrize("backend", [*available_backends(), on_emu, on_cuda])

# Few and small examples: the time goes to compiling kernels, and the whole run must stay short.
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(backend: str, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call the operation on `backend`: arrays travel to its device, results back; no tensor cores round there."""
    if backend not in DEVICES:
        with use_backend(backend):
            return operation(*arguments, **options)
    moved = [to_device(a, backend) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        with tensor_cores.off():
            result = operation(*moved, **options)
    except BackendUnavailable as missing:
        pytest.skip(str(missing))
    return tuple(map(to_host, result)) if isinstance(result, tuple) else to_host(result)


# The same numbers, lying otherwise in memory: of NumPy's arrays, or a device's.


def transposed(array: Any) -> Any:
    return array.swapaxes(0, -1).copy().swapaxes(0, -1) if array.ndim else array.copy()


def backwards(array: Any) -> Any:
    back = (*(slice(None, None, -1),) * array.ndim, ...)
    return array[back].copy()[back]


def strided(array: Any) -> Any:
    """Every other number of a larger array; what lies between them must not be read."""
    between = np.full([2 * n for n in array.shape], np.nan if array.dtype.kind == "f" else 99).astype(array.dtype)
    view = to_device(between, device_of(array))[(*(slice(1, None, 2),) * array.ndim, ...)]
    view[...] = array
    return view


def read_only(array: Array) -> Array:
    kept = array.copy()
    kept.flags.writeable = False
    return kept


def misaligned(array: Array) -> Array:
    moved = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


ON_DEVICES: dict[str, Callable[[Any], Any]] = {
    "contiguous": lambda array: array.copy(),
    "Fortran order": lambda array: array.T.copy().T,
    "transposed": transposed,
    "backwards": backwards,
    "strided": strided,
}
LAYOUTS = ON_DEVICES | {"read-only": read_only, "misaligned": misaligned}


@dataclass(frozen=True)
class Arrays:
    """Normal random arrays of one dtype and one memory layout: arrays(2, 3) has shape (2, 3)."""

    seed: int
    dtype: type[np.floating[Any]]
    layout: str = "contiguous"
    rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rng", np.random.default_rng(self.seed))

    def __call__(self, *shape: int) -> Array:
        values: Array = self.rng.standard_normal(shape).astype(self.dtype)
        return values if self.layout == "contiguous" else LAYOUTS[self.layout](values)

    @property
    def tolerance(self) -> dict[str, Any]:
        """What rounding may change, for assert_allclose: float32 keeps 7 digits, float64 16."""
        return {"rtol": 1e-4, "atol": 1e-4} if self.dtype is np.float32 else {"rtol": 1e-9, "atol": 1e-9}

    @property
    def gradient_tolerance(self) -> dict[str, Any]:
        """The same against central differences, which are right to about 9 digits."""
        return {"rtol": 1e-3, "atol": 1e-3} if self.dtype is np.float32 else {"rtol": 1e-6, "atol": 1e-6}


arrays = st.builds(
    Arrays, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]), st.sampled_from(list(LAYOUTS))
)
contiguous_arrays = st.builds(Arrays, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))


def on_one_thread(function: Callable[[], Any]) -> Any:
    """The result of `function` when Numba has a single thread."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return function()
    finally:
        numba.set_num_threads(threads)


@dataclass(frozen=True)
class Geometry:
    """A window operation's sizes, each (vertical, horizontal)."""

    size: tuple[int, int]
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int | tuple[int, int], int | tuple[int, int]]  # each alike on both sides, or (before, after)
    dilation: tuple[int, int] = (1, 1)

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The padding as ((top, bottom), (left, right))."""
        vertical, horizontal = ((p, p) if isinstance(p, int) else p for p in self.padding)
        return vertical, horizontal

    @property
    def out(self) -> tuple[int, int]:
        """The predicted output size."""
        axes = zip(self.size, self.window, self.stride, self.padding, self.dilation, strict=True)
        vertical, horizontal = (window_output_size(*axis) for axis in axes)
        return vertical, horizontal

    @property
    def used(self) -> tuple[int, int]:
        """How many rows and columns of the input some window reaches; the floor drops the others."""
        axes = zip(self.size, self.window, self.stride, self.sides, self.dilation, self.out, strict=True)
        rows, columns = (
            max(0, min(i, s * (o - 1) + effective_window(f, d) - before)) for i, f, s, (before, _), d, o in axes
        )
        return rows, columns

    @property
    def dropped(self) -> tuple[int, int]:
        """How many rows and columns at the end of the padded input are too few for another window."""
        axes = zip(self.size, self.window, self.stride, self.sides, self.dilation, strict=True)
        rows, columns = ((i + sum(p) - effective_window(f, d)) % s for i, f, s, p, d in axes)
        return rows, columns


# H != W, kh != kw, one stride and padding per axis, and a row and a column that the floor drops.
ASYMMETRIC = Geometry(size=(8, 7), window=(3, 2), stride=(2, 3), padding=(1, 0))


@st.composite
def geometries(draw: st.DrawFn, max_dilation: int = 1, uneven: bool = False) -> Geometry:
    """Windows that fit, padding below the window (`uneven`: other before than after), down to size 1."""

    def axis() -> tuple[int, int, int, int | tuple[int, int], int]:
        window, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        before, dilation = draw(st.integers(0, window - 1)), draw(st.integers(1, max_dilation))
        after = draw(st.integers(0, window - 1)) if uneven else before
        padding = before if before == after else (before, after)
        smallest = max(1, effective_window(window, dilation) - before - after)
        return draw(st.integers(smallest, smallest + 5)), window, stride, padding, dilation

    return Geometry(*zip(axis(), axis(), strict=True))


def defaults(of: Callable[..., Any]) -> dict[str, Any]:
    """What a public function does unless told otherwise, a promise like any other: tests hold it against the source."""
    return {p.name: p.default for p in inspect.signature(of).parameters.values() if p.default is not p.empty}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(*shape: int) -> Array:
    """Float64; the same shape has the same numbers."""
    return rng(sum(shape)).standard_normal(shape)


def normal_tensor(*shape: int, seed: int = 0) -> Tensor:
    """Float32."""
    return Tensor(rng(seed).standard_normal(shape).astype(np.float32))


AnyModule = TypeVar("AnyModule", bound=Module)


def in_float64(module: AnyModule, seed: int = 0) -> AnyModule:
    """The module with weights that hide nothing: norms' gains from 0.5 to 1.5, no bias and no weight 0, in float64."""
    generator = rng(seed)
    for name, parameter in module.named_parameters():
        shape = parameter.shape
        if name.endswith("gamma"):
            values = generator.uniform(0.5, 1.5, shape)
        elif name.endswith(("beta", "bias")):
            values = 0.1 * generator.standard_normal(shape)
        else:
            values = generator.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        parameter.data = values
    return module
