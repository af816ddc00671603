"""The kernels of a .cu file, launched on the CPU, with the calls of CuPy's RawModule."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisd_kernels.emulator.array import EmulatedArray
from minisd_kernels.emulator.inspect.symbols import line_of, variables, with_lines
from minisd_kernels.emulator.inspect.watching import current_watch
from minisd_kernels.emulator.program import EmulationError, compiled

_REDZONE = 256  # bytes on both sides of a watched array, where nothing may be touched


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
            library = ctypes.CDLL(str(compiled(self.path, tuple(self.instances), watched)))
            library.emulator_launch.restype = ctypes.c_char_p
            library.emulator_counts.restype = ctypes.c_char_p
            self._libraries[watched] = library
        return self._libraries[watched]


_GLOBAL, _SHARED, _CONSTANT = 0, 1, 2  # kinds of memory, as watch.cc counts them
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
            for name, address, size, shared_by_block in variables(library):
                _tell(library, name, address, size, _SHARED if shared_by_block else _CONSTANT)
            if watch is not None:
                _tell(library, "dynamic shared memory", shared.ctypes.data, shared_mem, _SHARED)
                for number, (_, copy) in enumerate(taken.guarded, start=1):
                    _tell(library, f"array {number} of the arguments", copy.ctypes.data, copy.nbytes, _GLOBAL)
            error = library.emulator_launch(
                entry,
                taken.pointers(),
                *((ctypes.c_uint * 3)(*(*extent, 1, 1)[:3]) for extent in (grid, block)),
                ctypes.c_void_p(shared.ctypes.data),
                ctypes.c_size_t(shared_mem),
                watch is not None and watch.reversed,
            )
            for memory, copy in taken.guarded:
                memory.reshape(-1).view(np.uint8)[:] = copy
            if error is not None:
                raise EmulationError(f"{self.instance}: {with_lines(error.decode(), library)}")
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
