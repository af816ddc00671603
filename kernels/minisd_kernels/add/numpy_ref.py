"""The sum in NumPy."""

from __future__ import annotations

from minisd_kernels.arguments import Array


def forward(a: Array, b: Array) -> Array:
    return a + b
