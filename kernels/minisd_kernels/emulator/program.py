"""A .cu file compiled for the CPU.

The C++ compiler of the machine translates the file as it is, behind a header that explains CUDA's words to it
(machine/cuda_on_cpu.h). One line is rewritten: ``extern __shared__ T name[];`` becomes a pointer. What is compiled is
kept in the user's cache folder under the hash of everything it was made from.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.folders import made_writable, user_cache
from minisd_kernels.notes import say

_MACHINE = Path(__file__).with_name("machine")
_HEADERS = Path(__file__).parents[1] / "cuda"
_COMMON = ("-std=gnu++17", "-fPIC", "-march=native", "-fno-strict-aliasing", f"-ffile-prefix-map={_HEADERS}/=")
_CHECKS = ("-fsanitize=bounds,alignment", "-w")
# Watched: every access to memory calls in, one for each that the source names.
_FAST, _WATCHED = ("-O2",), ("-O1", "-g", "-fno-inline-small-functions", "-fsanitize=thread")
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+|alignas\(\d+\)\s+)?([\w:]+)\s+(\w+)\s*\[\s*\]\s*;")


class EmulationError(RuntimeError):
    """A kernel did what a GPU would not forgive; the message names the line of the .cu file."""


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


@cache
def _cache_folder() -> Path:
    if made_writable(folder := user_cache() / "emulator"):
        return folder
    own = tempfile.TemporaryDirectory(prefix="minisd-emulator-")  # for this process alone
    atexit.register(own.cleanup)
    return Path(own.name)


def compiled(path: Path, instances: Sequence[str], watched: bool) -> Path:
    """The program of a .cu file with an entry for each instance: emulator_kernel_0, emulator_kernel_1, ...

    Raises:
        EmulationError: the compiler refuses the file; the message is its own.
    """
    text = _DYNAMIC.sub(r"\1* \2 = static_cast<\1*>(emulator::dynamic_shared());", path.read_text(encoding="utf-8"))
    entries = "".join(
        f'extern "C" void emulator_kernel_{i}(void** values) {{ emulator::call(&{name}, values); }}\n'
        for i, name in enumerate(instances)
    )
    flags = (*_COMMON, *(_WATCHED if watched else _FAST), *_CHECKS, *_includes(path), "-include", "cuda_on_cpu.h")
    runtime = [_object(_MACHINE / name) for name in ("scheduler.cc", "watch.cc")]
    return _build(path.name, f"{text}\n{entries}", flags, ("-shared", *map(str, runtime)))


def _object(source: Path) -> Path:
    text = source.read_text(encoding="utf-8")
    return _build(source.name, text, (*_COMMON, "-O2", f"-I{_MACHINE}"))


def _includes(path: Path) -> tuple[str, ...]:
    return tuple(f"-I{folder}" for folder in (_MACHINE, _MACHINE / "include", _HEADERS, path.parent))


def _build(name: str, program: str, flags: Sequence[str], link: Sequence[str] = ()) -> Path:
    """Compile `program` unless it lies in the cache already."""
    about = [compiler(), _compiler_version(), program, *flags, *link, *_headers(flags)]
    target = _cache_folder() / f"{sha256(chr(0).join(about).encode()).hexdigest()[:32]}-{name}{'.so' if link else '.o'}"
    if target.exists():
        return target
    say("compiling CUDA kernels for the emulator, once: some seconds for each operation")
    with tempfile.TemporaryDirectory(dir=_cache_folder()) as folder:
        source, made = Path(folder) / name, Path(folder) / "program.o"
        source.write_text(program, encoding="utf-8")
        run(compiler(), *flags, f"-ffile-prefix-map={folder}/=", "-x", "c++", "-c", str(source), "-o", str(made))
        if link:  # without the sanitizers' own runtime: the emulator answers their calls
            linked = made.with_suffix(".so")
            run(compiler(), str(made), *link, "-o", str(linked))
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
    return run(compiler(), "-march=native", "-E", "-v", "-x", "c++", os.devnull)


def run(*command: str) -> str:
    """What a program of the compiler's prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EmulationError(f"{Path(command[0]).name} failed:\n{done.stderr.strip()}")
    return done.stderr + done.stdout
