"""Which kernel runs: the default, the choice, what is missing; and NumPy, Numba and CUDA agree on every kernel."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minisd_kernels import backends, scratch, silu, switches
from minisd_kernels.backends import (
    BackendUnavailable,
    available_backends,
    current_backend,
    use_backend,
)
from minisd_kernels.devices import device_of, to_host
from minisd_kernels.emulator.array import EmulatedArray
from minisd_kernels.examples import Make, examples, operations, outcome
from strategies import Arrays, on_cuda, on_emu

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
    return backends.kernel(silu.Backend, array).__name__


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
    with pytest.raises(BackendUnavailable, match="numba is not installed: pip install numba; or take NumPy"):
        silu.forward(np.ones(1))  # the default is numba: numpy has to be asked for
    with use_backend("numpy"):
        assert silu.forward(np.zeros(1)).tolist() == [0]


def test_a_forked_process_says_that_its_threads_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_forked_from_threads", False)
    for threads_run in (False, True):
        parallel = SimpleNamespace(_is_initialized=threads_run)
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "numba.np.ufunc.parallel", parallel)  # type: ignore[arg-type]
            backends._note_fork()
        with use_backend("numpy"):
            silu.forward(np.ones(1))
        if threads_run:
            with pytest.raises(BackendUnavailable, match=r'get_context\("spawn"\), or take NumPy'):
                silu.forward(np.ones(1))
        else:
            silu.forward(np.ones(1))


@pytest.mark.parametrize(("limit", "missing"), [(400_000_000, True), (2_000_000_000, False), (-1, False)])
def test_too_few_addresses_for_the_compiler_are_named(
    limit: int, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda kind: (limit, limit))
    reason = backends.missing_reason("numba")
    assert (reason is not None) is missing
    assert not missing or "may use 400 MB of addresses (ulimit -v)" in str(reason)


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
        backends.kernel(silu.Backend, FakeOnDevice())


# ---- Importing


@pytest.mark.parametrize("module", ["minisd", "minisd_kernels.shapes", "minisd.models.unet"])
def test_importing_starts_no_compiler_and_prints_nothing(module: str) -> None:
    code = f"import sys, {module}; assert not {{'numba', 'llvmlite', 'matplotlib', 'cupy'}} & sys.modules.keys()"
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# ---- Every operation's examples


@pytest.mark.parametrize("backend", ["numba", on_emu, on_cuda])
@pytest.mark.parametrize("operation", operations())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_agree_on_every_kernel(operation: str, dtype: type[Any], backend: str) -> None:
    for example in examples(operation):
        with use_backend("numpy"):
            wanted = example.calls(Make("cpu", dtype))
            reference = [array for call in wanted.values() for array in outcome(call)]
        with switches.tensor_cores.off(), use_backend("numba"):
            calls = example.calls(Make("cpu" if backend == "numba" else backend, dtype))
            found = [array for call in calls.values() for array in outcome(call)]
        if backend != "numba":
            assert {device_of(array) for array in found if not isinstance(array, float)} == {backend}
        for fast, right in zip(map(to_host, found), reference, strict=True):
            assert np.shape(fast) == np.shape(right) and np.asarray(fast).dtype == np.asarray(right).dtype
            np.testing.assert_allclose(fast, right, **Arrays(0, dtype).tolerance)


@pytest.mark.parametrize("operation", operations())
def test_what_lies_in_scratch_memory_does_not_matter(operation: str) -> None:
    def results() -> list[Any]:
        calls = [call for example in examples(operation) for call in example.calls(Make()).values()]
        return [array for call in calls for array in outcome(call)]

    with use_backend("numba"):
        first = results()
        for left_there in scratch._kept.arrays.values():
            left_there.fill(np.nan)
        for got, want in zip(results(), first, strict=True):
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
