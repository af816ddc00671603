"""Group normalisation (Wu & He 2018, eq. 1-2, 7): each image's channels, in groups, get mean 0 and variance 1.

    x_hat = (x - mean) rstd,    rstd = 1 / sqrt(variance + eps)
    z = gamma x_hat + beta,    y = z, or SiLU(z) = z sigmoid(z)
    grad_x = rstd (d - mean(d) - x_hat mean(d x_hat)),    d = grad_z gamma

Mean and variance run over all pixels and the C / groups neighbouring channels of a group. The networks that use it put
a SiLU behind nearly every group norm. On its own that one would read and write everything once more; here it is taken
on the way (silu=True).

Shapes: x (B, *spatial, C), gamma (C,), beta (C,) -> y (B, *spatial, C), mean (B, groups), rstd (B, groups).

>>> import numpy as np
>>> x = np.array([1.0, 3.0, 10.0, 30.0]).reshape(1, 1, 4)
>>> y, mean, rstd = forward(x, np.ones(4), np.zeros(4), groups=2)
>>> y.round(3).ravel().tolist(), mean.tolist()
([-1.0, 1.0, -1.0, 1.0], [[2.0, 20.0]])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_eps, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(
        self, x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool
    ) -> tuple[Array, Array, Array]: ...

    def backward(
        self, grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
    ) -> tuple[Array, Array, Array]: ...


def forward(
    x: Array, gamma: Array, beta: Array, *, groups: int, silu: bool = False, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Normalise every group of every image, and take its SiLU if asked to; mean and rstd are returned for backward.

    Shapes: x (B, *spatial, C), gamma (C,), beta (C,) -> y (B, *spatial, C), mean (B, groups), rstd (B, groups).

    Raises:
        ShapeError: gamma or beta is not (C,), or groups does not divide C.
        TypeError: the arrays are not all float32 or all float64.
        ValueError: eps is below 0, or no finite number.
    """
    require_float("group_norm", x, gamma, beta)
    _require_groups(x, groups)
    require_shape("group_norm gamma", gamma, "(C,)", x.shape[-1:])
    require_shape("group_norm beta", beta, "(C,)", x.shape[-1:])
    require_eps("group_norm", eps)
    y, mean, rstd = kernel(Backend, x).forward(x.reshape(_pixels(x)), gamma, beta, groups, eps, silu)
    return y.reshape(x.shape), mean, rstd


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, *, groups: int, silu: bool = False
) -> tuple[Array, Array, Array]:
    """The gradients in x, gamma and beta.

    Shapes: grad_y (B, *spatial, C), x likewise, gamma (C,), beta (C,), mean (B, groups), rstd (B, groups)
        -> grad_x (B, *spatial, C), grad_gamma (C,), grad_beta (C,).

    Raises:
        ShapeError: a shape is not as above.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("group_norm", grad_y, x, gamma, beta, mean, rstd)
    _require_groups(x, groups)
    require_shape("group_norm grad_y", grad_y, "(B, *spatial, C)", x.shape)
    require_shape("group_norm gamma", gamma, "(C,)", x.shape[-1:])
    require_shape("group_norm beta", beta, "(C,)", x.shape[-1:])
    require_shape("group_norm mean", mean, "(B, groups)", (x.shape[0], groups))
    require_shape("group_norm rstd", rstd, "(B, groups)", (x.shape[0], groups))
    pixels = _pixels(x)
    run = kernel(Backend, x).backward
    arrays = grad_y.reshape(pixels), x.reshape(pixels), gamma, beta, mean, rstd
    grad_x, grad_gamma, grad_beta = run(*arrays, groups, silu)
    return grad_x.reshape(x.shape), grad_gamma, grad_beta


def _require_groups(x: Array, groups: int) -> None:
    if x.ndim < 2:
        raise ShapeError(f"group_norm x: wanted shape (B, *spatial, C), got {tuple(x.shape)}")
    if 0 in x.shape[1:]:
        raise ShapeError(f"group_norm x: wanted at least one pixel and one channel, got shape {tuple(x.shape)}")
    C = x.shape[-1]
    if groups < 1 or C % groups:
        divisors = ", ".join(str(g) for g in range(1, C + 1) if C % g == 0)
        raise ShapeError(f"group_norm: {C} channels do not divide into {groups} groups; choose one of {divisors}")


def _pixels(x: Array) -> tuple[int, int, int]:
    """The shape with the spatial axes in one; said in numbers, for none can be found out of an empty array."""
    return x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.group_norm import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
