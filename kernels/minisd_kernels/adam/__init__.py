"""AdamW on flat buffers, in place (Loshchilov & Hutter 2019, algorithm 2; Kingma & Ba 2015),
with the gradient's length and the weights' average.

    m <- beta1 m + (1 - beta1) grad
    v <- beta2 v + (1 - beta2) grad^2
    param <- param - lr ( m_hat / (sqrt(v_hat) + eps) + weight_decay param )
    m_hat = m / (1 - beta1^step),    v_hat = v / (1 - beta2^step)

Shapes: param, grad, m, v (N,).

>>> import numpy as np
>>> param, grad, m, v = np.array([1.0]), np.array([0.5]), np.zeros(1), np.zeros(1)
>>> step(param, grad, m, v, Update(step=1, lr=0.1))
>>> param.round(6).tolist()
[0.9]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.devices import to_host


class Update(NamedTuple):
    """The numbers of one update. `step` counts from 1, where m and v are zeros; the gradient counts `grad_scale` times,
    which is how a clipped one comes in without a pass of its own."""

    step: int
    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    grad_scale: float = 1.0

    def factors(self) -> tuple[float, ...]:
        """What a fast kernel multiplies by: both bias corrections and lr fold into one size of step and one factor of
        sqrt(v). In this order: size, scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, decay, grad_scale.
        """
        size, scale = self.lr / (1 - self.beta1**self.step), (1 - self.beta2**self.step) ** -0.5
        betas = self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2
        return (size, scale, *betas, self.eps, self.lr * self.weight_decay, self.grad_scale)


class Backend(Protocol):
    """What each backend's file defines."""

    def step(self, param: Array, grad: Array, m: Array, v: Array, update: Update) -> None: ...

    def squared_length(self, grad: Array) -> Array: ...

    def average(self, mean: Array, param: Array, rate: float) -> None: ...


def step(param: Array, grad: Array, m: Array, v: Array, update: Update) -> None:
    """Update param, m and v in place.

    Shapes: param, grad, m, v (N,); param, m and v contiguous.

    Raises:
        ShapeError: the buffers are not of one length.
        TypeError: they are not all float32 or all float64.
        ValueError: param, m or v cannot be updated in place, or update.step is below 1.
    """
    require_float("adam", param, grad, m, v)
    require_shape("adam grad", grad, "(N,)", (param.size,))
    for name, buffer in (("param", param), ("m", m), ("v", v)):
        _require_buffer(f"adam {name}", buffer, param.size)
    if update.step < 1:
        raise ValueError(f"adam step: wanted an int >= 1, got {update.step}; the first update is step 1")
    kernel(Backend, param).step(param, grad, m, v, update)


def squared_length(grad: Array) -> float:
    """The sum of grad^2, added in float64: what clipping by the gradient's length asks for.

    From a device this one number crosses to the host, which waits for it.

    Shapes: grad (N,) -> a float.

    Raises: as step.

    >>> import numpy as np
    >>> squared_length(np.array([3.0, 4.0], np.float32))
    25.0
    """
    require_float("adam", grad)
    require_shape("adam grad", grad, "(N,)", (None,))
    return float(to_host(kernel(Backend, grad).squared_length(grad)))


def average(mean: Array, param: Array, *, rate: float) -> None:
    """mean += rate (param - mean), in place: an exponential moving average of the weights.

    Shapes: mean, param (N,); mean contiguous.

    Raises: as step.

    >>> import numpy as np
    >>> mean = np.zeros(2)
    >>> average(mean, np.array([1.0, 2.0]), rate=0.5)
    >>> mean.tolist()
    [0.5, 1.0]
    """
    require_float("adam", mean, param)
    _require_buffer("adam mean", mean, mean.size)
    require_shape("adam param", param, "(N,)", (mean.size,))
    kernel(Backend, mean).average(mean, param, rate)


def _require_buffer(where: str, buffer: Array, size: int) -> None:
    require_shape(where, buffer, "(N,)", (size,))
    if not getattr(buffer.flags, "carray", buffer.flags.c_contiguous):  # CuPy's are never read-only or misaligned
        raise ValueError(
            f"{where}: a strided, read-only or misaligned view cannot be updated in place; pass the contiguous buffer"
        )


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.adam import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
