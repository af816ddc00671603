"""Pictures as bytes 0..255, (N, H, W), and as numbers in [-1, 1], (N, H, W, 1): networks see the second."""

from __future__ import annotations

import numpy as np

from minisd.autograd.tape import Array


def to_unit_range(images: Array) -> Array:
    """Bytes to numbers in [-1, 1]; shapes (N, H, W) uint8 -> (N, H, W, 1) float32.

    >>> to_unit_range(np.array([[[0, 255]]], np.uint8)).ravel().tolist()
    [-1.0, 1.0]
    """
    return (images[..., None] / np.float32(127.5) - 1).astype(np.float32)


def to_bytes(x: Array) -> Array:
    """Numbers to bytes, rounded, what lies outside [-1, 1] clipped; shapes (N, H, W, 1) -> (N, H, W) uint8.

    >>> to_bytes(np.array([[[[-1.2], [0.0], [1.0]]]])).ravel().tolist()
    [0, 128, 255]
    """
    return np.rint((x[..., 0].clip(-1, 1) + 1) * 127.5).astype(np.uint8)
