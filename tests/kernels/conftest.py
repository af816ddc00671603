"""What compilers make of the CUDA kernels is begun with the first test: they need no Python, and the tests one core."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from minisd_kernels.cuda.inspect import nvrtc
from minisd_kernels.cuda.inspect.report import Compilation, all_sources, compile_source, file_of
from minisd_kernels.devices import missing_device_reason
from minisd_kernels.emulator.program import compiled

MANY = 1000  # tests: so many need the emulator's programs for every kernel
Jobs = dict[Any, Future[Any]]
_jobs = pytest.StashKey[Jobs]()


def pytest_collection_finish(session: pytest.Session) -> None:
    session.stash[_jobs] = jobs = {}
    if session.config.option.collectonly:
        return
    sources, pool = {file_of(source): source for source in all_sources()}, ThreadPoolExecutor(os.cpu_count())
    if len(session.items) > MANY and missing_device_reason("emu") is None:
        for file, source in sources.items():
            for watched in (False, True):
                jobs[file, watched] = pool.submit(compiled, source.path, tuple(source.instances), watched)
    if nvrtc.missing_reason() is None:
        asked = [item.callspec.params for item in session.items if "compilation" in getattr(item, "fixturenames", ())]
        for file, arch in sorted({(params["file"], params["arch"]) for params in asked}):
            jobs[file, arch] = pool.submit(compile_source, sources[file], arch)
    pool.shutdown(wait=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    for job in session.stash.get(_jobs, {}).values():
        job.cancel()


@pytest.fixture
def compilation(request: pytest.FixtureRequest, file: str, arch: int) -> Compilation:
    """Of the .cu file for the architecture that the test is parametrised with."""
    made: Compilation = request.session.stash[_jobs][file, arch].result()
    return made
