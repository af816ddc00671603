"""NVRTC, NVIDIA's compiler for CUDA C++, as a library: it compiles for any GPU on a machine without one."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.cuda import toolkit

INSTALL = "pip install 'minisd[nvrtc]', or 'minisd[gpu]' to run the kernels, too"
# What CuPy adds to the options that it is given: denormal numbers become 0, and functions run on the GPU unless they
# say otherwise.
CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")
_FIGURES = re.compile(r"ptxas (info\b|\s+\.)")


class CompileError(RuntimeError):
    """NVRTC or its assembler refused a file; the message is its log, with the file and the line."""


@dataclass(frozen=True)
class Compiled:
    """What NVRTC has made of a file for one architecture.

    Attributes:
        cubin: the machine code, an ELF file.
        ptx: what ptxas, the assembler, has made it from.
        warnings: of the compiler and of ptxas, with the file and the line; empty if there are none.
        figures: what ptxas tells of each kernel, if it is asked to.
        lowered: what each name expression is called in the machine code.
    """

    cubin: bytes
    ptx: str
    warnings: str
    figures: str
    lowered: dict[str, str]


@cache
def missing_reason() -> str | None:
    """Why nothing can be compiled on this machine, with what to do; None when it can."""
    if toolkit.compiler() is None:
        return f"NVRTC, the compiler of CUDA kernels, is not installed: {INSTALL}"
    folder = toolkit.headers()
    if folder is None or not (folder / "mma.h").is_file() or not (folder / "crt" / "mma.h").is_file():
        return f"CUDA's headers (mma.h, crt/mma.h) are not installed: {INSTALL}"
    return None


@cache
def version() -> str:
    """The compiler's version, as it writes it into PTX.

    Raises:
        BackendUnavailable: NVRTC or CUDA's headers are not installed.
    """
    return compile("", "empty.cu", 80).ptx.partition(", V")[2].split()[0]


def compile(
    text: str, name: str, arch: int, name_expressions: Sequence[str] = (), options: Iterable[str] = ()
) -> Compiled:
    """Machine code of the CUDA C++ in `text`, for the GPUs of one architecture.

    Args:
        name: the file's, for messages.
        arch: the compute capability, 80 for 8.0.
        name_expressions: the kernels wanted, templates with their arguments: "silu_forward<float>".

    Raises:
        BackendUnavailable: NVRTC or CUDA's headers are not installed.
        CompileError: the text does not compile.
    """
    library, program = _library(), ctypes.c_void_p()
    _check(library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None))
    try:
        for expression in name_expressions:
            _check(library.nvrtcAddNameExpression(program, expression.encode()))
        told = [option.encode() for option in (*options, f"-arch=sm_{arch}")]
        status = library.nvrtcCompileProgram(program, len(told), (ctypes.c_char_p * len(told))(*told))
        log = _output(program, "ProgramLog").decode(errors="replace").rstrip("\0").splitlines(keepends=True)
        complaints = "".join(line for line in log if not _FIGURES.match(line)).strip()
        if status:
            raise CompileError(f"{name} does not compile for sm_{arch}:\n{complaints or _message(status)}")
        return Compiled(
            cubin=_output(program, "CUBIN"),
            ptx=_output(program, "PTX").decode().rstrip("\0"),
            warnings=complaints,
            figures="".join(filter(_FIGURES.match, log)),
            lowered={expression: _lowered(program, expression) for expression in name_expressions},
        )
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


@cache
def _library() -> ctypes.CDLL:
    if (reason := missing_reason()) is not None:
        raise BackendUnavailable(reason)
    library = ctypes.CDLL(str(toolkit.compiler()))
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library


def _message(status: int) -> str:
    return str(_library().nvrtcGetErrorString(status).decode())


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"NVRTC: {_message(status)}")


def _output(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(getattr(_library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(_library(), f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _lowered(program: ctypes.c_void_p, expression: str) -> str:
    lowered = ctypes.c_char_p()
    _check(_library().nvrtcGetLoweredName(program, expression.encode(), ctypes.byref(lowered)))
    return (lowered.value or b"").decode()
