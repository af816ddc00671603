"""What has been compiled is kept, but never longer than its sources; no damaged file or full disk stops a kernel."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from minisd_kernels import compiling, kernel_cache, notes
from numba import config

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
HELPER = "from minisd_kernels.compiling import jit\n@jit\ndef twice(x):\n    return FACTOR * x\n"
KERNEL = "from helper import twice\n" + HELPER.replace("twice(x)", "kernel(x)").replace("FACTOR * x", "twice(x)")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of kernels of its own: kernel.py inlines a function of helper.py."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "helper.py").write_text(HELPER.replace("FACTOR", "2"))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(kernel_cache, "_PACKAGE", folder)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(notes, "quiet", False)
    monkeypatch.setattr(notes, "_said", set())
    kernel_cache.folder.cache_clear()
    yield folder
    kernel_cache.folder.cache_clear()


def started(package: Path) -> Any:
    """The kernel as a new process finds it."""
    kernel_cache.folder.cache_clear()
    importlib.invalidate_caches()
    for name in ("helper", "kernel"):
        sys.modules.pop(name, None)
        spec = importlib.util.spec_from_file_location(name, package / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module: ModuleType = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        exec(compile((package / f"{name}.py").read_text(), package / f"{name}.py", "exec"), module.__dict__)
    return sys.modules["kernel"].kernel


def compiled_forms() -> list[Path]:
    folder = kernel_cache.folder()
    assert folder is not None
    return sorted(folder.rglob("kernel.kernel*.nb?"))


def test_what_is_compiled_is_found_again(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = started(package)
    assert kernel(3.0) == 6 and not kernel.stats.cache_hits
    assert capsys.readouterr().err == f"minisd: {compiling.COMPILING}\n"  # not a minute of silence
    kernel = started(package)
    assert kernel(3.0) == 6 and kernel.stats.cache_hits
    assert capsys.readouterr().err == ""


def test_another_helper_is_another_kernel_and_the_old_ones_go(package: Path) -> None:
    assert started(package)(3.0) == 6
    old = kernel_cache.folder()
    (package / "helper.py").write_text(HELPER.replace("FACTOR", "5"))
    assert started(package)(3.0) == 15
    assert old is not None and not old.exists() and len(list(old.parent.iterdir())) == 1


def test_a_contract_is_in_no_kernel(package: Path) -> None:
    before = kernel_cache.stamp()
    for name in ("__init__.py", "numpy_ref.py", "cupy_gpu.py", "example.py"):
        (package / name).write_text("# another")
    assert kernel_cache.stamp() == before
    (package / "tile.py").write_text("# another")
    assert kernel_cache.stamp() != before


def test_the_sources_are_those_that_kernels_are_made_of() -> None:
    names = {path.name for path in kernel_cache.sources()}
    assert {"register_tile.py", "vectors.py", "numba_cpu.py", "direct.py", "compiling.py"} <= names
    assert not {"numpy_ref.py", "source.py", "program.py"} & names


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an empty index": lambda path: path.suffix == ".nbi" and path.write_bytes(b""),
    "a truncated index": lambda path: path.suffix == ".nbi" and path.write_bytes(path.read_bytes()[:-20]),
    "truncated code": lambda path: path.suffix == ".nbc" and path.write_bytes(path.read_bytes()[:1000]),
    "other bytes": lambda path: path.write_bytes(b"no pickle"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_set_aside_and_compiled_again(
    damage: str, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started(package)(3.0)
    for path in compiled_forms():
        DAMAGE[damage](path)
    capsys.readouterr()
    assert started(package)(3.0) == 6
    assert capsys.readouterr().err.count("were damaged") == 1
    kernel = started(package)
    assert kernel(3.0) == 6 and kernel.stats.cache_hits


def test_a_disk_that_is_full_stops_nothing(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling._FunctionCache, "save_overload", full)
    kernel = started(package)
    assert kernel(3.0) == 6 and kernel(3) == 6
    assert capsys.readouterr().err.count("could not be kept (No space left on device)") == 1


def test_where_nothing_can_be_written_kernels_run(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "made_writable", lambda folder: False)
    assert started(package)(3.0) == 6 and kernel_cache.folder() is None


def test_a_kernel_for_one_signature_is_compiled_when_it_is_defined(package: Path) -> None:
    (package / "kernel.py").write_text(KERNEL.replace("@jit", "import numba\n@jit(numba.float64(numba.float64))"))
    kernel = started(package)
    assert len(kernel.overloads) == 1 and kernel(np.float32(3)) == 6.0
