"""What the compiler makes of every CUDA kernel, for every architecture: registers, shared memory, what is spilled.

A kernel that wants more registers than a thread can have spills: it keeps numbers in memory, and waits for them. An
array of a thread's own is in memory, too, on the stack, if the compiler does not know which of its numbers is wanted.
"""

from __future__ import annotations

import importlib
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from minisd_kernels.backends import CUDA_FILE
from minisd_kernels.cuda import toolkit
from minisd_kernels.cuda.inspect import nvrtc, sass
from minisd_kernels.cuda.inspect.occupancy import LIMITS, occupancy
from minisd_kernels.cuda.source import SOURCES, Source
from minisd_kernels.examples import operations

ARCHITECTURES = tuple(LIMITS)
THREADS = 256  # of a block, where a kernel's launch bounds do not say

_PACKAGE = Path(__file__).parents[2]
_KERNEL = re.compile(r"Compiling entry function '(\w+)'")
_ENTRY = re.compile(r"^\.(?:visible|weak) \.entry (\w+)", re.MULTILINE)
_BOUNDS = re.compile(r"^\.maxntid (\d+)(?:, (\d+), (\d+))?", re.MULTILINE)
_DYNAMIC = re.compile(r"^\.extern \.shared .* (\w+)\[\];", re.MULTILINE)


@dataclass(frozen=True)
class Figures:
    """One kernel on one architecture.

    Attributes:
        file: the .cu file, from the package's folder.
        instance: the kernel, a template with its arguments.
        arch: the compute capability, 80 for 8.0.
        registers: of a thread.
        shared: bytes of static shared memory of a block.
        spill_stores, spill_loads: bytes that a thread moves to memory and back for want of registers.
        stack: bytes of a thread's own memory: spilled numbers, and arrays that are not kept in registers.
        threads: the most that a block may have by the kernel's launch bounds, if it has any.
        dynamic: bytes of dynamic shared memory of a block; None if every launch says how much.
        instructions: which of the special ones it uses (sass.py).
    """

    file: str
    instance: str
    arch: int
    registers: int
    shared: int
    spill_stores: int
    spill_loads: int
    stack: int
    threads: int | None
    dynamic: int | None
    instructions: list[str]

    @property
    def spilled(self) -> int:
        return self.spill_stores + self.spill_loads

    @property
    def all_shared(self) -> int:
        """Static and dynamic, as far as it is known."""
        return self.shared + (self.dynamic or 0)

    @property
    def occupancy(self) -> float:
        """With blocks as large as the launch bounds allow, else of THREADS; at most this if `dynamic` is None."""
        return occupancy(self.arch, self.threads or THREADS, self.registers, self.all_shared)


@dataclass(frozen=True)
class Compilation:
    """One file on one architecture.

    Attributes:
        figures: of every instance that the architecture can run; none if the file does not compile.
        problem: the compiler's errors or warnings, with the file and the line; empty if there are none.
    """

    source: Source
    arch: int
    figures: list[Figures]
    problem: str


def all_sources() -> list[Source]:
    """The CUDA file of every operation that has one."""
    files = [importlib.import_module(f"minisd_kernels.{name}.{CUDA_FILE}").__file__ for name in operations()]
    folders = {_PACKAGE / "cuda", *(Path(str(file)).parent for file in files)}
    return sorted((s for s in SOURCES if s.path.parent in folders), key=lambda source: source.path)


def file_of(source: Source) -> str:
    """How reports name the file: from the package's folder, if it is there."""
    return source.path.relative_to(_PACKAGE).as_posix() if _PACKAGE in source.path.parents else source.path.name


def compile_all(
    sources: Iterable[Source], architectures: Collection[int] = ARCHITECTURES, disassemble: Collection[int] = ()
) -> Iterator[Compilation]:
    """Compile every file for every architecture, as many at once as there are cores.

    Args:
        disassemble: the architectures whose machine code is searched for special instructions; that takes longer than
            compiling.

    Raises:
        BackendUnavailable: NVRTC or CUDA's headers are not installed.
    """
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        jobs = [
            pool.submit(compile_source, source, arch, arch in disassemble)
            for source in sources
            for arch in architectures
        ]
        for job in jobs:
            yield job.result()
    finally:
        pool.shutdown(cancel_futures=True)


def compile_source(source: Source, arch: int, disassemble: bool = False) -> Compilation:
    """Compile the file's instances for one architecture, as CuPy would on such a GPU."""
    instances = [name for name, oldest in source.instances.items() if oldest <= arch]
    if not instances:
        return Compilation(source, arch, [], problem="")
    options = (*toolkit.options(), *nvrtc.CUPY_OPTIONS, "--ptxas-options=-v")
    try:
        compiled = nvrtc.compile(source.text(), str(source.path), arch, instances, options)
    except nvrtc.CompileError as error:
        return Compilation(source, arch, [], str(error))
    told, ptx = _by_name(_KERNEL, compiled.figures), _by_name(_ENTRY, compiled.ptx)
    dynamic = re.compile(rf"\b({'|'.join(_DYNAMIC.findall(compiled.ptx)) or '(?!)'})\b")  # the array's name
    instructions = sass.special_instructions(compiled.cubin) if disassemble else {}
    figures = []
    for instance in instances:
        name = compiled.lowered[instance]
        bounds = _BOUNDS.search(ptx[name])
        figures.append(
            Figures(
                file=file_of(source),
                instance=instance,
                arch=arch,
                registers=_sum(r"Used (\d+) registers", told[name]),
                shared=_sum(r"(\d+) bytes smem", told[name]),
                spill_stores=_sum(r"(\d+) bytes spill stores", told[name]),
                spill_loads=_sum(r"(\d+) bytes spill loads", told[name]),
                stack=_sum(r"(\d+) bytes stack frame", told[name]),
                threads=math.prod(int(n) for n in bounds.groups() if n) if bounds else None,
                dynamic=source.shared.get(instance, None if dynamic.search(ptx[name]) else 0),
                instructions=instructions.get(name, []),
            )
        )
    return Compilation(source, arch, figures, compiled.warnings)


def _by_name(title: re.Pattern[str], text: str) -> dict[str, str]:
    """What follows each title in the text, by the name that the title has."""
    _, *parts = title.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _sum(pattern: str, text: str) -> int:
    return sum(int(number) for number in re.findall(pattern, text))
