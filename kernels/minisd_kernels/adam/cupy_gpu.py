"""AdamW on the GPU: a thread takes four elements."""

from __future__ import annotations

from minisd_kernels.adam import Update
from minisd_kernels.arguments import Array
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import OLDEST, Source, c_type, contiguous, empty, of_each_type
from minisd_kernels.cuda.sums import empty_parts

ADAM = Source(
    __file__,
    "adam.cu",
    of_each_type("adam_step", "adam_squares", "adam_average") | {"adam_squared_length": OLDEST},
)


def step(param: Array, grad: Array, m: Array, v: Array, update: Update) -> None:
    factors = (param.dtype.type(factor) for factor in update.factors())
    kernel = f"adam_step<{c_type(param)}>"
    ADAM.launch(kernel, *four_a_thread(param.size), param, contiguous(grad), m, v, param.size, *factors)


def squared_length(grad: Array) -> Array:
    parts, total = empty_parts(grad), empty((), grad, "float64")
    ADAM.launch(f"adam_squares<{c_type(grad)}>", parts.size, 256, contiguous(grad), parts, grad.size)
    ADAM.launch("adam_squared_length", 1, 256, parts, total, parts.size)
    return total


def average(mean: Array, param: Array, rate: float) -> None:
    kernel, rate = f"adam_average<{c_type(mean)}>", mean.dtype.type(rate)
    ADAM.launch(kernel, *four_a_thread(mean.size), mean, contiguous(param), mean.size, rate)
