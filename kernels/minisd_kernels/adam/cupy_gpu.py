"""AdamW on the GPU: a thread takes four elements.

`size` is lr / (1 - beta1^step), `scale` 1 / sqrt(1 - beta2^step), `decay` lr weight_decay.
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import OLDEST, Source, c_type, empty, of_each_type
from minisd_kernels.cuda.sums import empty_parts

ADAM = Source(
    __file__,
    "adam.cu",
    of_each_type("adam_step", "adam_squares", "adam_average") | {"adam_squared_length": OLDEST},
)


def step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    size: float,
    scale: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    grad_scale: float,
) -> None:
    numbers = (size, scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, decay, grad_scale)
    ADAM.launch(
        f"adam_step<{c_type(param)}>", *four_a_thread(param.size),
        param, grad, m, v, param.size, *(param.dtype.type(number) for number in numbers),
    )  # fmt: skip


def squared_length(grad: Any) -> Any:
    parts, total = empty_parts(grad), empty((), grad, "float64")
    ADAM.launch(f"adam_squares<{c_type(grad)}>", parts.size, 256, grad, parts, grad.size)
    ADAM.launch("adam_squared_length", 1, 256, parts, total, parts.size)
    return total


def average(mean: Any, param: Any, rate: float) -> None:
    ADAM.launch(
        f"adam_average<{c_type(mean)}>", *four_a_thread(mean.size), mean, param, mean.size, mean.dtype.type(rate)
    )
