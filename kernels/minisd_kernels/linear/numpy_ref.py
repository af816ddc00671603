"""Linear layer, the reference: one matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    y: Array = x @ weight
    return y if bias is None else y + bias


def backward(grad: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    return grad @ weight.T, x.T @ grad, np.asarray(grad.sum(axis=0))
