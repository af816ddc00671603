"""A .cu file compiled for the CPU, with the calls of CuPy's RawModule.

The C++ compiler of the machine translates the file as it is, behind a header that explains CUDA's words to it
(cuda_on_cpu.h). One line is rewritten: ``extern __shared__ T name[];`` becomes a pointer. What is compiled is kept in
the user's cache folder under the hash of everything it was made from.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.emulator.array import EmulatedArray
from minisd_kernels.emulator.watching import current_watch

_FOLDER = Path(__file__).parent
_HEADERS = _FOLDER.parent / "cuda"
_COMMON = ("-std=gnu++17", "-fPIC", "-march=native", "-fno-strict-aliasing", f"-ffile-prefix-map={_HEADERS}/=")
_CHECKS = ("-fsanitize=bounds,alignment", "-w")
# Watched: every access to memory calls in, one for each that the source names.
_FAST, _WATCHED = ("-O3",), ("-O1", "-g", "-fno-inline-small-functions", "-fsanitize=thread")
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+|alignas\(\d+\)\s+)?([\w:]+)\s+(\w+)\s*\[\s*\]\s*;")
_REDZONE = 256  # bytes on both sides of a watched array, where nothing may be touched


class EmulationError(RuntimeError):
    """A kernel did what a GPU would not forgive; the message names the line of the .cu file."""


class EmulatedModule:
    """The kernels of one .cu file.

    Args:
        path: the file.
        instances: its kernels, templates with their arguments, as C++ writes them.
    """

    def __init__(self, path: Path, instances: Sequence[str]) -> None:
        self.path, self.instances = path, list(instances)
        self._libraries: dict[bool, ctypes.CDLL] = {}

    def get_function(self, instance: str) -> _Kernel:
        """The kernel, to be called with grid, block, arguments and bytes of dynamic shared memory."""
        return _Kernel(self, instance)

    def library(self, watched: bool) -> ctypes.CDLL:
        """The program, compiled if it has not been."""
        if watched not in self._libraries:
            library = ctypes.CDLL(str(_compiled(self.path, tuple(self.instances), watched)))
            library.emulator_launch.restype = ctypes.c_char_p
            library.emulator_counts.restype = ctypes.c_char_p
            self._libraries[watched] = library
        return self._libraries[watched]


_GLOBAL, _SHARED, _CONSTANT = 0, 1, 2  # kinds of memory, as watch.cc counts them
_SYMBOL = re.compile(r"(?P<address>[0-9a-f]+) (?P<size>[0-9a-f]+) (?P<kind>\w) (?P<name>.*)")
_RUNTIMES = ("emulator::", "std::", "guard variable", "vtable", "typeinfo", "__", "DW.ref", "_")
_BUILT_IN = ("threadIdx", "blockIdx", "blockDim", "gridDim")

_one_at_a_time = threading.Lock()  # a program has one running block


class _Kernel:
    def __init__(self, module: EmulatedModule, instance: str) -> None:
        self.module, self.instance = module, instance

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], arguments: Sequence[Any], shared_mem: int = 0
    ) -> None:
        watch = current_watch()
        library = self.module.library(watch is not None)
        entry = getattr(library, f"emulator_kernel_{self.module.instances.index(self.instance)}")
        shared = _aligned(shared_mem)
        with _one_at_a_time:
            taken = _Arguments(arguments, guarded=watch is not None)
            library.emulator_watch(*((True, watch.races, watch.counting) if watch is not None else (False,) * 3))
            for name, address, size, shared_by_block in _variables(library):
                _tell(library, name, address, size, _SHARED if shared_by_block else _CONSTANT)
            if watch is not None:
                _tell(library, "dynamic shared memory", shared.ctypes.data, shared_mem, _SHARED)
                for number, (_, copy) in enumerate(taken.guarded, start=1):
                    _tell(library, f"array {number} of the arguments", copy.ctypes.data, copy.nbytes, _GLOBAL)
            error = library.emulator_launch(
                entry,
                taken.pointers(),
                *((ctypes.c_uint * 3)(*extent) for extent in (grid, block)),
                ctypes.c_void_p(shared.ctypes.data),
                ctypes.c_size_t(shared_mem),
                watch is not None and watch.reversed,
            )
            for memory, copy in taken.guarded:
                memory.reshape(-1).view(np.uint8)[:] = copy
            if error is not None:
                raise EmulationError(f"{self.instance}: {_with_lines(error.decode(), library)}")
            if watch is not None and watch.counting:
                watch.add(self.instance, library.emulator_counts().decode(), lambda pc: line_of(library, pc))


class _Arguments:
    """A launch's arguments as the C side takes them. Watched arrays are copied between red zones and back."""

    def __init__(self, arguments: Sequence[Any], guarded: bool) -> None:
        self.guarded: list[tuple[Any, Any]] = []
        self._values = [self._value(argument, guarded) for argument in arguments]

    def pointers(self) -> Any:
        """A pointer to each value."""
        return (ctypes.c_void_p * max(1, len(self._values)))(*map(ctypes.addressof, self._values))

    def _value(self, argument: Any, guarded: bool) -> Any:
        if isinstance(argument, EmulatedArray):
            memory = argument.memory
            if not memory.flags.c_contiguous:
                raise EmulationError(f"a kernel takes contiguous arrays, got strides {memory.strides}")
            return ctypes.c_void_p((self._copy(memory) if guarded else memory).ctypes.data)
        scalar = np.asarray(argument)
        if scalar.shape != ():
            raise EmulationError("a kernel takes arrays of the emulated device, got a NumPy array; use to_device")
        return (ctypes.c_char * scalar.itemsize).from_buffer_copy(scalar.tobytes())

    def _copy(self, memory: Any) -> Any:
        for seen, copy in self.guarded:
            if seen.ctypes.data == memory.ctypes.data and seen.nbytes == memory.nbytes:
                return copy
        copy = _aligned(memory.nbytes + 2 * _REDZONE)[_REDZONE : _REDZONE + memory.nbytes]
        copy[:] = memory.reshape(-1).view(np.uint8)
        self.guarded.append((memory, copy))
        return copy


def _aligned(size: int) -> Any:
    """That many bytes, at an address that is a multiple of 256 as the GPU's allocations are."""
    memory = np.empty(size + 256, np.uint8)
    start = -memory.ctypes.data % 256
    return memory[start : start + size]


def _tell(library: ctypes.CDLL, name: str, address: int, size: int, kind: int) -> None:
    library.emulator_range(name.encode(), ctypes.c_void_p(address), ctypes.c_size_t(size), kind)


# ---- From the source to a program


@cache
def compiler() -> str:
    """The machine's C++ compiler.

    Raises:
        BackendUnavailable: there is none.
    """
    for name in filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++")):
        if (found := shutil.which(name)) is not None:
            return found
    raise BackendUnavailable("device 'emu': no C++ compiler was found: install g++ or clang, or name one in CXX")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "minisd" / "emulator"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="minisd-emulator-"))  # for this process alone


_keep = cache(_cache_folder)


def _compiled(path: Path, instances: tuple[str, ...], watched: bool) -> Path:
    text = _DYNAMIC.sub(r"\1* \2 = static_cast<\1*>(emulator::dynamic_shared());", path.read_text(encoding="utf-8"))
    entries = "".join(
        f'extern "C" void emulator_kernel_{i}(void** values) {{ emulator::call(&{name}, values); }}\n'
        for i, name in enumerate(instances)
    )
    flags = (*_COMMON, *(_WATCHED if watched else _FAST), *_CHECKS, *_includes(path), "-include", "cuda_on_cpu.h")
    runtime = [_object(_FOLDER / name) for name in ("scheduler.cc", "watch.cc")]
    return _build(path.name, f"{text}\n{entries}", flags, ("-shared", *map(str, runtime)))


def _object(source: Path) -> Path:
    text = source.read_text(encoding="utf-8")
    return _build(source.name, text, (*_COMMON, "-O2", f"-I{_FOLDER}"))


def _includes(path: Path) -> tuple[str, ...]:
    return tuple(f"-I{folder}" for folder in (_FOLDER, _FOLDER / "include", _HEADERS, path.parent))


def _build(name: str, program: str, flags: Sequence[str], link: Sequence[str] = ()) -> Path:
    """Compile `program` unless it lies in the cache already."""
    about = [compiler(), _compiler_version(), program, *flags, *link, *_headers(flags)]
    target = _keep() / f"{sha256(chr(0).join(about).encode()).hexdigest()[:32]}-{name}{'.so' if link else '.o'}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=_keep()) as folder:
        source, made = Path(folder) / name, Path(folder) / "program.o"
        source.write_text(program, encoding="utf-8")
        _run(compiler(), *flags, f"-ffile-prefix-map={folder}/=", "-x", "c++", "-c", str(source), "-o", str(made))
        if link:  # without the sanitizers' own runtime: the emulator answers their calls
            linked = made.with_suffix(".so")
            _run(compiler(), str(made), *link, "-o", str(linked))
            made = linked
        made.replace(target)
    return target


def _headers(flags: Sequence[str]) -> list[str]:
    """The text of every header that a program may include: another header is another program."""
    folders = [Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    suffixes = (".h", ".cuh", ".cc")
    return [p.read_text(encoding="utf-8") for f in folders for p in sorted(f.iterdir()) if p.suffix in suffixes]


@cache
def _compiler_version() -> str:
    return _run(compiler(), "-march=native", "-E", "-v", "-x", "c++", os.devnull)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EmulationError(f"the C++ compiler refused a kernel:\n{done.stderr.strip()}")
    return done.stderr + done.stdout


# ---- From the program back to the source


@cache
def _variables(library: ctypes.CDLL) -> tuple[tuple[str, int, int, bool], ...]:
    """Name, address and size of the kernels' shared variables, and of what else they may read; whether it is shared."""
    symbols = []
    for line in _run("nm", "-S", "-C", "--defined-only", library._name).splitlines():
        if (match := _SYMBOL.match(line)) is not None:
            symbols.append((match["name"], match["kind"], int(match["address"], 16), int(match["size"], 16)))
    base = _base(library)
    return tuple(
        (name.rpartition("::")[2], base + address, size, kind in "bBdDuVv" and "::" in name)
        for name, kind, address, size in symbols
        if not name.startswith(_RUNTIMES) and (kind in "rR" or "::" in name or name in _BUILT_IN)
        if kind not in "tTwWiI"
    )


@cache
def line_of(library: ctypes.CDLL, address: int) -> str:
    """The line of the .cu file that an address of the program was made from; of a header if there is no other."""
    said = _run("addr2line", "-i", "-e", library._name, f"{address - _base(library) - 1:x}").splitlines()
    places = [Path(place.split(" ")[0]).name for place in said]
    return next((place for end in (".cu:", ".cuh:") for place in places if end in place), places[0])


@cache
def _base(library: ctypes.CDLL) -> int:
    """Where in memory the program was loaded."""
    lines = _run("nm", "--defined-only", library._name).splitlines()
    offset = next(int(line.split()[0], 16) for line in lines if line.endswith(" emulator_launch"))
    return (ctypes.cast(library.emulator_launch, ctypes.c_void_p).value or 0) - offset


def _with_lines(message: str, library: ctypes.CDLL) -> str:
    """The message with the addresses that it holds replaced by lines of the .cu file, which goes without its folder."""
    message = re.sub(r"@([0-9a-f]+)@", lambda found: line_of(library, int(found[1], 16)), message)
    return re.sub(r"[^\s]*/([\w.]+\.cuh?:)", r"\1", message)
