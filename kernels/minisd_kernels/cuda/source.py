"""A CUDA source file, and the launch of its kernels: by CuPy on a GPU, by the emulator on the CPU.

RELU = Source(__file__, "relu.cu", of_each_type("relu_forward", "relu_backward"))
RELU.launch(f"relu_forward<{c_type(x)}>", blocks(x.size, 256), 256, x, y, x.size)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisd_kernels.devices import device_of, namespace

OLDEST = 75  # compute capability 7.5, Turing: what CUDA 13 still compiles for
TENSOR_CORES = 80  # compute capability 8.0, Ampere: the first with TF32
ALWAYS_THERE = 48 * 1024  # bytes of shared memory that a block gets without asking for more first
_C_TYPES = {"float32": "float", "float64": "double", "int64": "long long", "int32": "int", "uint8": "unsigned char"}

SOURCES: list[Source] = []  # every one that has been imported

Extent = int | Sequence[int]


class Source:
    """A .cu file beside the Python file that launches it.

    Attributes:
        path: the file.
        instances: each kernel, with its template's arguments, and the oldest compute capability that it compiles for.
        shared: bytes of dynamic shared memory, for those that take the same at every launch.
    """

    def __init__(
        self, beside: str, file: str, instances: Mapping[str, int], shared: Mapping[str, int] | None = None
    ) -> None:
        self.path = Path(beside).with_name(file)
        self.instances = dict(instances)
        self.shared = dict(shared or {})
        self._modules: dict[str, Any] = {}
        self._kernels: dict[tuple[str, str], Any] = {}
        SOURCES.append(self)

    def launch(self, instance: str, grid: Extent, block: Extent, *arguments: Any, shared: int | None = None) -> None:
        """Run the kernel `instance` on `grid` blocks of `block` threads, each up to three numbers (x, y, z).

        Arguments are arrays of one device, None for a null pointer, and numbers: a Python int is passed as int, a
        float as float; say np.int64(n) or np.float64(x) for others. Arrays must be contiguous.

        Args:
            shared: bytes of dynamic shared memory, where the source does not say; ALWAYS_THERE at most.
        """
        device = next(device_of(a) for a in arguments if hasattr(a, "shape") and not isinstance(a, np.generic))
        grid, block = _three(grid), _three(block)
        if 0 in grid:
            return
        shared = self.shared.get(instance, 0) if shared is None else shared
        self._kernel(device, instance)(grid, block, tuple(map(_argument, arguments)), shared_mem=shared)

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def _kernel(self, device: str, instance: str) -> Any:
        """The kernel, asked for once: CuPy asks the driver every time."""
        if (device, instance) not in self._kernels:
            kernel = self._kernels[device, instance] = self._module(device).get_function(instance)
            if device == "cuda" and self.shared.get(instance, 0) > ALWAYS_THERE:
                kernel.max_dynamic_shared_size_bytes = self.shared[instance]
        return self._kernels[device, instance]

    def _module(self, device: str) -> Any:
        if device not in self._modules:
            if device == "cuda":
                from minisd_kernels.cuda.gpu import compile_for_this_gpu

                self._modules[device] = compile_for_this_gpu(self.text(), self.instances)
            elif device == "emu":
                from minisd_kernels.emulator.module import EmulatedModule

                self._modules[device] = EmulatedModule(self.path, list(self.instances))
            else:
                raise TypeError(f"{self.path.name}: a CUDA kernel takes arrays of a device, got NumPy's; use to_device")
        return self._modules[device]


def _three(extent: Extent) -> tuple[int, int, int]:
    x, y, z = (*((extent,) if isinstance(extent, int) else extent), 1, 1)[:3]
    return int(x), int(y), int(z)


def _argument(value: Any) -> Any:
    match value:
        case None:
            return np.uintp(0)
        case np.generic():  # before float, which NumPy's float64 is
            return value
        case bool():
            return np.bool_(value)
        case int():
            return np.int32(value)
        case float():
            return np.float32(value)
        case _:
            return value


def capability(device: str) -> int:
    """The GPU's compute capability, 90 for 9.0. The emulator can all that the kernels use."""
    if device == "emu":
        return 90
    from minisd_kernels.cuda.gpu import capability as of_this_gpu

    return of_this_gpu()


def of_each_type(*kernels: str) -> dict[str, int]:
    """Instances of templates of one type: name<float> and name<double>."""
    return {f"{kernel}<{of}>": OLDEST for kernel in kernels for of in ("float", "double")}


def c_type(array: Any) -> str:
    """What C++ calls the type of the array's numbers."""
    return _C_TYPES[array.dtype.name]


def blocks(count: int, threads: int) -> int:
    """How many blocks of `threads` threads `count` items need."""
    return -(-count // threads)


def contiguous(array: Any) -> Any:
    """The array itself if it is C-contiguous, else a copy that is. None, a bias left out, stays None."""
    if array is None or array.flags.c_contiguous:
        return array
    return namespace(device_of(array)).ascontiguousarray(array)


def empty(shape: Iterable[int], like: Any, dtype: Any = None) -> Any:
    """A new array on the device of `like`, of its type unless given; its numbers are not set."""
    return namespace(device_of(like)).empty(tuple(shape), dtype or like.dtype)
