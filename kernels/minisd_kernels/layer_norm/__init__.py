"""Layer normalisation (Ba et al. 2016, eq. 3): every row, such as a token, gets mean 0 and variance 1.

    x_hat = (x - mean) rstd,    rstd = 1 / sqrt(variance + eps)
    y = gamma x_hat + beta
    grad_x = rstd (d - mean(d) - x_hat mean(d x_hat)),    d = grad_y gamma

Shapes: x (..., D), gamma (D,), beta (D,) -> y (..., D), mean (...), rstd (...).

>>> import numpy as np
>>> y, mean, rstd = forward(np.array([[1.0, 3.0], [10.0, 30.0]]), np.ones(2), np.zeros(2))
>>> y.round(3).tolist(), mean.tolist()
([[-1.0, 1.0], [-1.0, 1.0]], [2.0, 20.0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_eps, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]: ...

    def backward(
        self, grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array
    ) -> tuple[Array, Array, Array]: ...


def forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """Normalise every row; mean and rstd are returned for backward.

    Shapes: x (..., D), gamma (D,), beta (D,) -> y (..., D), mean (...), rstd (...).

    Raises:
        ShapeError: x has no axis, or gamma or beta is not (D,).
        TypeError: the arrays are not all float32 or all float64.
        ValueError: eps is below 0, or no finite number.
    """
    require_float("layer_norm", x, gamma, beta)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ShapeError(f"layer_norm x: wanted shape (..., D) with D >= 1, got {tuple(x.shape)}")
    D = x.shape[-1]
    require_shape("layer_norm gamma", gamma, "(D,)", (D,))
    require_shape("layer_norm beta", beta, "(D,)", (D,))
    require_eps("layer_norm", eps)
    y, mean, rstd = kernel(Backend, x).forward(x.reshape(-1, D), gamma, beta, eps)
    return y.reshape(x.shape), mean.reshape(x.shape[:-1]), rstd.reshape(x.shape[:-1])


def backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """The gradients in x, gamma and beta.

    Shapes: grad_y (..., D), x (..., D), gamma (D,), mean (...), rstd (...)
        -> grad_x (..., D), grad_gamma (D,), grad_beta (D,).

    Raises:
        ShapeError: a shape is not as above.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("layer_norm", grad_y, x, gamma, mean, rstd)
    D = x.shape[-1]
    require_shape("layer_norm grad_y", grad_y, "(..., D)", x.shape)
    require_shape("layer_norm gamma", gamma, "(D,)", (D,))
    require_shape("layer_norm mean", mean, "(...)", x.shape[:-1])
    require_shape("layer_norm rstd", rstd, "(...)", x.shape[:-1])
    rows = grad_y.reshape(-1, D), x.reshape(-1, D)
    grad_x, grad_gamma, grad_beta = kernel(Backend, x).backward(*rows, gamma, mean.reshape(-1), rstd.reshape(-1))
    return grad_x.reshape(x.shape), grad_gamma, grad_beta


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.layer_norm import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
