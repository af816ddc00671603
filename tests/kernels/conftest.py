"""The CUDA kernels are compiled beside the other tests: NVRTC needs no Python, and the tests one core alone."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from minisd_kernels.cuda import nvrtc
from minisd_kernels.cuda.report import Compilation, all_sources, compile_source, file_of

Jobs = dict[tuple[str, int], Future[Compilation]]
_jobs = pytest.StashKey[Jobs]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin with what the tests that are to run will ask for, by file and architecture."""
    session.stash[_jobs] = jobs = {}
    if session.config.option.collectonly or nvrtc.missing_reason() is not None:
        return
    sources = {file_of(source): source for source in all_sources()}
    asked = [item.callspec.params for item in session.items if "compilation" in getattr(item, "fixturenames", ())]
    pool = ThreadPoolExecutor(os.cpu_count())
    for wanted in sorted({(params["file"], params["arch"]) for params in asked}):
        jobs[wanted] = pool.submit(compile_source, sources[wanted[0]], wanted[1])
    pool.shutdown(wait=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    for job in session.stash.get(_jobs, {}).values():
        job.cancel()


@pytest.fixture
def compilation(request: pytest.FixtureRequest, file: str, arch: int) -> Compilation:
    """Of the .cu file for the architecture that the test is parametrised with."""
    return request.session.stash[_jobs][file, arch].result()
