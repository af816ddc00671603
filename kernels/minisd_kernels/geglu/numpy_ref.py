"""GEGLU in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.gelu.numpy_ref import normal


def forward(x: Array) -> Array:
    value, gate = np.split(x, 2, axis=1)
    return value * (gate * normal(gate)[0])


def backward(grad_y: Array, x: Array) -> Array:
    value, gate = np.split(x, 2, axis=1)
    Phi, phi = normal(gate)
    return np.concatenate([grad_y * (gate * Phi), grad_y * value * (Phi + gate * phi)], axis=1)
