"""What every test run says first: the backends and devices that it covers, and why the others are missing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from minisd_kernels import backends, devices, notes, warm_up

MANY = 1000  # tests: for so many it pays to compile all of Numba's kernels ahead, on every core
DEVICES = {"gpu": "cuda", "emu": "emu"}  # what a marked test needs


settings.register_profile("whatever the machine's speed", deadline=None)
settings.load_profile("whatever the machine's speed")


@pytest.fixture
def numpy_backend() -> Iterator[None]:
    """The reference: it compiles nothing, and small arrays are through it before Numba has read its kernels."""
    with backends.use_backend("numpy"):
        yield


def pytest_configure(config: pytest.Config) -> None:
    notes.quiet = True  # what a test compiles is not told to whoever reads standard error
    config.addinivalue_line("markers", "gpu: runs on an NVIDIA GPU, and only where there is one")
    config.addinivalue_line("markers", "emu: runs the GPU's kernels on the CPU, where there is a C++ compiler")


def pytest_report_header() -> list[str]:
    missing = {name: backends.missing_reason(name) for name in backends.FILES}
    missing |= {device: devices.missing_device_reason(device) for device in DEVICES.values()}
    return [f"backends: {', '.join(name for name, reason in missing.items() if reason is None)}"] + [
        f"backend {name} is not tested: {reason}" for name, reason in missing.items() if reason
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a device that is missing; the header has said why."""
    missing = [marker for marker, device in DEVICES.items() if devices.missing_device_reason(device)]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in missing)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish(session: pytest.Session) -> None:
    running = [item for item in session.items if item.path.name != "test_floors.py"]  # many, and run nothing
    many = len(running) > MANY and not session.config.option.collectonly
    if not many or backends.missing_reason("numba") is not None:
        return
    with FileLock(Path(tempfile.gettempdir()) / "minisd-tests.lock"):  # of several processes one compiles, all wait
        if not warm_up.is_done():
            for _ in warm_up.compile_kernels(dtypes=("float32", "float64")):
                pass
