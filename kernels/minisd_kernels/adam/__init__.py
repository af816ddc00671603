"""AdamW on flat buffers, in place (Loshchilov & Hutter 2019, algorithm 2; Kingma & Ba 2015),
with the gradient's length and the weights' average.

    m <- beta1 m + (1 - beta1) grad
    v <- beta2 v + (1 - beta2) grad^2
    param <- param - lr ( m_hat / (sqrt(v_hat) + eps) + weight_decay param )
    m_hat = m / (1 - beta1^step),    v_hat = v / (1 - beta2^step)

Shapes: param, grad, m, v (N,).

>>> import numpy as np
>>> param, grad, m, v = np.array([1.0]), np.array([0.5]), np.zeros(1), np.zeros(1)
>>> step(param, grad, m, v, step=1, lr=0.1)
>>> param.round(6).tolist()
[0.9]
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.devices import to_host


def step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """Update param, m and v in place; `step` counts from 1, m and v start as zeros.

    The gradient counts `grad_scale` times, which is how a clipped one comes in without a pass of its own.

    Shapes: param, grad, m, v (N,), C-contiguous.

    Raises:
        ShapeError: the buffers are not of one length.
        TypeError: they are not all float32 or all float64.
        ValueError: a buffer is not contiguous, or step is below 1.
    """
    require_float("adam.step", param, grad, m, v)
    for name, buffer in (("param", param), ("grad", grad), ("m", m), ("v", v)):
        _require_buffer(f"adam.step {name}", buffer, param.size)
    if step < 1:
        raise ValueError(f"adam.step: wanted step >= 1, got {step}; the first update is step 1")
    # Both bias corrections and lr fold into one size of step and one factor of sqrt(v).
    first, second = 1 - beta1**step, 1 - beta2**step
    kernel(__name__, param).step(
        param, grad, m, v, lr / first, second**-0.5, beta1, beta2, eps, lr * weight_decay, grad_scale
    )


def squared_length(grad: Any) -> float:
    """The sum of grad^2, added in float64: what clipping by the gradient's length asks for.

    From a device this one number crosses to the host, which waits for it.

    >>> import numpy as np
    >>> squared_length(np.array([3.0, 4.0], np.float32))
    25.0
    """
    require_float("adam.squared_length", grad)
    _require_buffer("adam.squared_length grad", grad, grad.size)
    return float(to_host(kernel(__name__, grad).squared_length(grad)))


def average(mean: Any, param: Any, rate: float) -> None:
    """mean += rate (param - mean), in place: an exponential moving average of the weights.

    >>> import numpy as np
    >>> mean = np.zeros(2)
    >>> average(mean, np.array([1.0, 2.0]), 0.5)
    >>> mean.tolist()
    [0.5, 1.0]
    """
    require_float("adam.average", mean, param)
    for name, buffer in (("mean", mean), ("param", param)):
        _require_buffer(f"adam.average {name}", buffer, mean.size)
    kernel(__name__, mean).average(mean, param, rate)


def _require_buffer(where: str, buffer: Any, size: int) -> None:
    require_shape(where, buffer, "(N,)", (size,))
    if not buffer.flags.c_contiguous:
        raise ValueError(f"{where}: a strided view cannot be updated in place; pass the contiguous buffer")
