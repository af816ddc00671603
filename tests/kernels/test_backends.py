"""Which kernel runs: the default, the choice, what is missing; and NumPy, Numba and CUDA agree on every kernel."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minisd_kernels
import numpy as np
import pytest
from minisd_kernels import (
    adam,
    add,
    attention,
    backends,
    conv2d,
    conv_transpose2d,
    cross_entropy,
    embedding,
    gelu,
    group_norm,
    layer_norm,
    linear,
    max_pool2d,
    mean_squared_error,
    relu,
    scratch,
    silu,
    softmax,
    switches,
    upsample2d,
)
from minisd_kernels.backends import (
    BackendUnavailable,
    available_backends,
    current_backend,
    use_backend,
)
from minisd_kernels.devices import device_of, to_device, to_host
from minisd_kernels.emulator.array import EmulatedArray
from strategies import Array, Arrays, on_cuda, on_emu

# ---- The choice


@pytest.fixture(autouse=True)
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    backends.missing_reason.cache_clear()
    backends._load.cache_clear()
    yield
    backends.missing_reason.cache_clear()
    backends._load.cache_clear()


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let this machine seem not to have `packages`."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in packages else find_spec(name))


def module_for(array: Any) -> str:
    return backends.kernel("minisd_kernels.silu", array).__name__


def test_numba_is_the_default() -> None:
    assert current_backend() == "numba"
    assert module_for(np.ones(1)) == "minisd_kernels.silu.numba_cpu"


def test_use_backend_holds_inside_its_block_even_when_it_fails() -> None:
    with use_backend("numpy"):
        assert module_for(np.ones(1)) == "minisd_kernels.silu.numpy_ref"
        with use_backend("numba"):
            assert current_backend() == "numba"
        assert current_backend() == "numpy"
    with pytest.raises(KeyError), use_backend("numpy"):
        raise KeyError
    assert current_backend() == "numba"


def test_the_environment_chooses_and_use_backend_overrules_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISD_BACKEND", "numpy")
    assert module_for(np.ones(1)) == "minisd_kernels.silu.numpy_ref"
    with use_backend("numba"):
        assert current_backend() == "numba"
    monkeypatch.setenv("MINISD_BACKEND", "")
    assert current_backend() == "numba"


@pytest.mark.parametrize("name", ["torch", "Numba", " "])
def test_an_unknown_backend_is_refused_with_the_choices(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(BackendUnavailable, match="choose one of numpy, numba"), use_backend(name):
        pass
    monkeypatch.setenv("MINISD_BACKEND", name)
    with pytest.raises(BackendUnavailable, match="choose one of numpy, numba"):
        silu.forward(np.ones(1))


def test_a_missing_backend_names_the_line_that_installs_it_and_nothing_falls_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch, "numba")
    assert available_backends() == ["numpy"]
    with pytest.raises(BackendUnavailable, match=r"backend 'numba': numba is not installed: pip install numba"):
        silu.forward(np.ones(1))  # the default is numba: numpy has to be asked for
    with use_backend("numpy"):
        assert silu.forward(np.zeros(1)).tolist() == [0]


class FakeOnDevice:
    """What the dispatch sees of a CuPy array."""

    shape, dtype = (2, 3), np.dtype(np.float32)


FakeOnDevice.__module__ = "cupy._core.core"


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_an_array_of_a_device_never_runs_on_the_cpu(backend: str) -> None:
    with use_backend(backend):
        assert module_for(FakeOnDevice()) == "minisd_kernels.silu.cupy_gpu"
        assert module_for(EmulatedArray(np.ones(1))) == "minisd_kernels.silu.cupy_gpu"


def test_an_operation_without_a_kernel_for_a_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "minisd_kernels.silu.cupy_gpu")
    with pytest.raises(BackendUnavailable, match=r"silu has no kernel in cupy_gpu\.py yet"):
        backends.kernel("minisd_kernels.silu", FakeOnDevice())


# ---- Importing


@pytest.mark.parametrize("module", ["minisd", "minisd_kernels.shapes", "minisd.models.unet"])
def test_importing_starts_no_compiler_and_prints_nothing(module: str) -> None:
    code = f"import sys, {module}; assert not {{'numba', 'llvmlite', 'matplotlib', 'cupy'}} & sys.modules.keys()"
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# ---- Every kernel, forward and backward


@dataclass(frozen=True)
class OnDevice(Arrays):
    """Arrays that live on a device."""

    device: str = "cpu"

    def __call__(self, *shape: int) -> Any:
        return self.move(super().__call__(*shape))

    def move(self, array: Array) -> Any:
        return to_device(array, self.device)


def agree_adam(make: OnDevice) -> list[Array]:
    param, grad, m, v = make(9), make(9), make(9), make(9) ** 2
    adam.step(param, grad, m, v, step=3, lr=0.1, weight_decay=0.1, grad_scale=0.5)
    average = make(9)
    adam.average(average, param, 0.3)
    return [param, m, v, average]


def agree_add(make: OnDevice) -> list[Array]:
    total, part = make(100, 90), make(100, 90)
    y = add.forward(total, part)
    add.into(total, part)
    return [y, total, add.forward(make(3), make(3))]


def agree_attention(make: OnDevice) -> list[Array]:
    query, key, value, grad = make(2, 60, 2, 5), make(2, 70, 2, 5), make(2, 70, 2, 5), make(2, 60, 2, 5)
    out, logsumexp = attention.forward(query, key, value)
    return [out, logsumexp, *attention.backward(grad, query, key, value, out, logsumexp)]


def agree_conv2d(make: OnDevice) -> list[Array]:
    results = []
    # To few channels; to many, with stride and dilation; 3 x 3 of stride 1, which Winograd computes.
    for window, C, O, options in (
        ((3, 2), 5, 7, {"stride": (2, 1), "padding": (1, 0)}),
        ((3, 2), 5, 37, {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
        ((3, 3), 33, 37, {"padding": 1}),
    ):
        x, weight, bias = make(3, 9, 8, C), make(*window, C, O) / make.dtype(8), make(O)
        y = conv2d.forward(x, weight, bias, **options)
        grad_x, *others = conv2d.backward(make(*y.shape) / make.dtype(8), x, weight, **options)
        results += [y, grad_x, *others]
    return results


def agree_conv_transpose2d(make: OnDevice) -> list[Array]:
    x, weight, bias = make(3, 5, 4, 5), make(3, 2, 5, 7), make(7)
    y = conv_transpose2d.forward(x, weight, bias, stride=(2, 1), padding=(1, 0))
    return [y, *conv_transpose2d.backward(make(*y.shape), x, weight, stride=(2, 1), padding=(1, 0))]


def agree_cross_entropy(make: OnDevice) -> list[Array]:
    logits, weight, grad = make(9, 5), make(9), make(1)[0]
    results = []
    for target in (make.move(np.arange(9) % 5), abs(make(9, 5))):
        results += [cross_entropy.forward(logits, target, weight)]
        results += [cross_entropy.backward(grad, logits, target, weight)]
    return results


def agree_embedding(make: OnDevice) -> list[Array]:
    ids = make.move(np.array([[0, 4, 4], [2, 1, 4]]))
    return [embedding.forward(make(5, 3), ids), embedding.backward(make(2, 3, 3), ids, 5)]


def agree_gelu(make: OnDevice) -> list[Array]:
    x = make(4, 9)
    return [gelu.forward(x), gelu.backward(make(4, 9), x)]


def agree_group_norm(make: OnDevice) -> list[Array]:
    x, gamma, beta = make(2, 5, 4, 6), make(6), make(6)
    y, mean, rstd = group_norm.forward(x, gamma, beta, groups=3, silu=True)
    return [y, mean, rstd, *group_norm.backward(make(*x.shape), x, gamma, beta, mean, rstd, groups=3, silu=True)]


def agree_layer_norm(make: OnDevice) -> list[Array]:
    x, gamma, beta = make(2, 5, 17), make(17), make(17)
    y, mean, rstd = layer_norm.forward(x, gamma, beta)
    return [y, mean, rstd, *layer_norm.backward(make(*x.shape), x, gamma, mean, rstd)]


def agree_linear(make: OnDevice) -> list[Array]:
    x, weight = make(60, 5), make(5, 17)
    return [linear.forward(x, weight, make(17)), *linear.backward(make(60, 17), x, weight)]


def agree_max_pool2d(make: OnDevice) -> list[Array]:
    y, argmax = max_pool2d.forward(make(2, 9, 8, 3), window=(3, 2), stride=2, padding=(1, 0))
    grad_x = max_pool2d.backward(make(*y.shape), argmax, (2, 9, 8, 3), window=(3, 2), stride=2, padding=(1, 0))
    return [y, argmax, grad_x]


def agree_mean_squared_error(make: OnDevice) -> list[Array]:
    a, b = make(30, 7), make(30, 7)
    return [mean_squared_error.forward(a, b), mean_squared_error.backward(make(1)[0], a, b)]


def agree_relu(make: OnDevice) -> list[Array]:
    y = relu.forward(make(4, 9))
    return [y, relu.backward(make(4, 9), y)]


def agree_silu(make: OnDevice) -> list[Array]:
    x = make(4, 9)
    return [silu.forward(x), silu.backward(make(4, 9), x)]


def agree_softmax(make: OnDevice) -> list[Array]:
    y = softmax.forward(make(4, 9))
    return [y, softmax.backward(make(4, 9), y)]


def agree_upsample2d(make: OnDevice) -> list[Array]:
    return [upsample2d.forward(make(2, 3, 4, 3), (2, 3)), upsample2d.backward(make(2, 6, 12, 3), (2, 3))]


AGREE: dict[str, Callable[[OnDevice], list[Array]]] = {
    name.removeprefix("agree_"): function for name, function in list(globals().items()) if name.startswith("agree_")
}


NO_OPERATIONS = ("cuda", "emulator", "shapes")


@pytest.mark.parametrize("backend", ["numba", on_emu, on_cuda])
@pytest.mark.parametrize(
    "operation",
    [
        module.name
        for module in pkgutil.iter_modules(minisd_kernels.__path__)
        if module.ispkg and module.name not in NO_OPERATIONS
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_agree_on_every_kernel(operation: str, dtype: type[Any], backend: str) -> None:
    assert operation in AGREE, f"{operation}: no test holds its backends against each other; write agree_{operation}"
    with use_backend("numpy"):
        wanted = AGREE[operation](OnDevice(0, dtype))
    if backend == "numba":
        with use_backend(backend):
            found = AGREE[operation](OnDevice(0, dtype))
    else:
        with switches.tensor_cores.off():
            found = AGREE[operation](OnDevice(0, dtype, device=backend))
        assert {device_of(array) for array in found} == {backend}
    for reference, fast in zip(wanted, map(to_host, found), strict=True):
        assert fast.dtype == reference.dtype
        np.testing.assert_allclose(fast, reference, **Arrays(0, dtype).tolerance)


@pytest.mark.parametrize("operation", list(AGREE))
def test_what_lies_in_scratch_memory_does_not_matter(operation: str) -> None:
    with use_backend("numba"):
        first = AGREE[operation](OnDevice(0, np.float32))
        for left_there in scratch._kept.arrays.values():
            left_there.fill(np.nan)
        for got, want in zip(AGREE[operation](OnDevice(0, np.float32)), first, strict=True):
            assert np.isfinite(got).all()
            np.testing.assert_array_equal(got, want)


# ---- Other processors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "features"),
    [("haswell", "+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2,+popcnt"), ("generic", "")],
    ids=["AVX2", "no vector extensions"],
)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86-64 only")
def test_the_kernels_compile_for_lesser_processors_too(name: str, features: str, tmp_path: Path) -> None:
    """The vectors are 8 or 4 numbers wide there: the same test as above, compiled for such a processor."""
    code = """
import sys, numpy as np, pytest
from minisd_kernels import vectors
print(vectors.LANES)
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[1], "-k", "agree_on_every_kernel and numba"]))
"""
    compiler = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, env=os.environ | compiler
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert run.stdout.startswith("8" if features else "4") and " passed" in run.stdout
