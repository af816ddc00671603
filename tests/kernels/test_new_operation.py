"""A new operation is its folder: here one is added so, and everything finds it by itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import minisd_kernels
import numpy as np
import pytest
from minisd_kernels import warm_up
from minisd_kernels.backends import use_backend
from minisd_kernels.cuda.inspect.report import all_sources
from minisd_kernels.cuda.source import SOURCES
from minisd_kernels.devices import to_host
from minisd_kernels.emulator.inspect.trace import to_trace, trace
from minisd_kernels.examples import Make, examples, operations, outcome
from strategies import on_cuda, on_emu

from minisd.autograd import Array, Function, Tensor

FILES = {
    "__init__.py": """
from typing import Protocol
from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel

class Backend(Protocol):
    def forward(self, x: Array) -> Array: ...
    def backward(self, grad_y: Array, x: Array) -> Array: ...

def forward(x):
    require_float("square", x)
    return kernel(Backend, x).forward(x)

def backward(grad_y, x):
    require_float("square", grad_y, x)
    require_shape("square grad_y", grad_y, "the shape of x", x.shape)
    return kernel(Backend, x).backward(grad_y, x)
""",
    "numpy_ref.py": """
def forward(x): return x * x
def backward(grad_y, x): return 2 * x * grad_y
""",
    "numba_cpu.py": """
from minisd_kernels.compiling import contiguous, jit

@jit
def plain_forward(x):
    y = x.copy()
    for i in range(x.size): y[i] = x[i] * x[i]
    return y

@jit
def plain_backward(grad_y, x):
    grad_x = x.copy()
    for i in range(x.size): grad_x[i] = 2 * x[i] * grad_y[i]
    return grad_x

def forward(x): return plain_forward(contiguous(x))
def backward(grad_y, x): return plain_backward(contiguous(grad_y), contiguous(x))
""",
    "cupy_gpu.py": """
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import Source, c_type, contiguous, empty, of_each_type

SQUARE = Source(__file__, "square.cu", of_each_type("square_forward", "square_backward"))

def forward(x):
    x, y = contiguous(x), empty(x.shape, x)
    SQUARE.launch(f"square_forward<{c_type(x)}>", *four_a_thread(x.size), x, y, x.size)
    return y

def backward(grad_y, x):
    grad_y, x, grad_x = contiguous(grad_y), contiguous(x), empty(x.shape, x)
    SQUARE.launch(f"square_backward<{c_type(x)}>", *four_a_thread(x.size), grad_y, x, grad_x, x.size)
    return grad_x
""",
    "square.cu": """#include "elementwise.cuh"

template <typename T>
__global__ void square_forward(const T* __restrict__ x, T* __restrict__ y, int size) {
    each_element(size, y, [](T x) { return x * x; }, x);
}

template <typename T>
__global__ void square_backward(const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int n) {
    each_element(n, grad_x, [](T grad_y, T x) { return 2 * x * grad_y; }, grad_y, x);
}
""",
    "example.py": """
from minisd_kernels import square
from minisd_kernels.examples import Call, Example

def both_ways(make):
    x, grad_y = make(65), make(65)
    return {"forward": Call(square.forward, x), "backward": Call(square.backward, grad_y, x)}

EXAMPLES = (Example("65 numbers", both_ways),)
""",
}


@pytest.fixture(autouse=True)
def square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operation's folder, where minisd_kernels looks for its own."""
    (tmp_path / "square").mkdir()
    for name, text in FILES.items():
        (tmp_path / "square" / name).write_text(text)
    monkeypatch.setattr(minisd_kernels, "__path__", [*minisd_kernels.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    sources = list(SOURCES)
    yield
    SOURCES[:] = sources
    for name in [name for name in sys.modules if name.startswith("minisd_kernels.square")]:
        del sys.modules[name]
    vars(minisd_kernels).pop("square", None)


def test_it_is_found_and_compiled_ahead() -> None:
    assert "square" in operations() and ("square", 0) in warm_up.jobs()
    warm_up.compile_example("square", 0)
    assert sys.modules["minisd_kernels.square.numba_cpu"].plain_backward.signatures


@pytest.mark.parametrize("backend", ["numba", on_emu, on_cuda])
def test_its_backends_agree(backend: str) -> None:
    (example,) = examples("square")
    with use_backend("numpy"):
        wanted = [array for call in example.calls(Make()).values() for array in outcome(call)]
    with use_backend("numba"):
        calls = example.calls(Make("cpu" if backend == "numba" else backend))
        found = [to_host(array) for call in calls.values() for array in outcome(call)]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.emu
def test_its_kernels_are_weighed_and_traced() -> None:
    assert "square.cu" in [source.path.name for source in all_sources()]
    forward, backward = trace(*to_trace("square"))
    assert (forward.needed, backward.needed) == (2 * 65 * 4, 3 * 65 * 4)


def test_one_function_gives_it_a_gradient() -> None:
    kernel = importlib.import_module("minisd_kernels.square")

    class Square(Function):
        def forward(self, x: Array) -> Array:
            self.x = x
            return kernel.forward(x)

        def backward(self, grad: Array) -> tuple[Array]:
            return (kernel.backward(grad, self.x),)

    x = Tensor(np.array([3.0, -1.0]), requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [6, -2]
