"""Pictures made larger and smaller by whole factors: bicubic, by area, and with pixels laid into channels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minisd.autograd.tape import Array


def bicubic(images: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Larger pictures by cubic convolution, a = -1/2 (Keys 1981); the border's pixels go on outside.

    Shapes: (N, H, W) -> (N, factor H, factor W), not rounded, and a little beyond the range at edges.

    >>> bicubic(np.array([[[0, 16]]]), 2)[0].tolist()
    [[-1.125, 3.25, 12.75, 17.125], [-1.125, 3.25, 12.75, 17.125]]
    """
    H, W = images.shape[1:]
    large: NDArray[np.float32] = bicubic_matrix(H, factor) @ images.astype(np.float32) @ bicubic_matrix(W, factor).T
    return large


@lru_cache(maxsize=64)
def bicubic_matrix(size: int, factor: int) -> NDArray[np.float32]:
    """What ``bicubic`` does along one axis, (factor size, size); every row sums to 1."""
    centres = (np.arange(factor * size) + 0.5) / factor - 0.5
    taps = np.floor(centres)[:, None] + np.arange(-1, 3)
    t = np.abs(centres[:, None] - taps)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    matrix = np.zeros((factor * size, size))
    rows = np.arange(factor * size)[:, None]
    np.add.at(matrix, (rows, taps.clip(0, size - 1).astype(int)), np.where(t < 1, near, np.where(t < 2, far, 0)))
    return matrix.astype(np.float32)


def area_mean(images: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Smaller pictures: each pixel the mean of factor x factor; shapes (N, factor H, factor W) -> (N, H, W).

    >>> area_mean(np.array([[[0, 8], [0, 8]]]), 2).tolist()
    [[[4.0]]]
    """
    N, H, W = images.shape
    blocks = images.reshape(N, H // factor, factor, W // factor, factor)
    mean: NDArray[np.float32] = blocks.mean((2, 4), dtype=np.float32)
    return mean


def space_to_depth(x: Array) -> Array:
    """Every 2 x 2 pixels become the channels of one; shapes (B, 2H, 2W, C) -> (B, H, W, 4C).

    >>> space_to_depth(np.array([[[[0], [1]], [[2], [3]]]])).tolist()
    [[[[0, 1, 2, 3]]]]
    """
    B, H, W, C = x.shape
    return x.reshape(B, H // 2, 2, W // 2, 2, C).transpose(0, 1, 3, 2, 4, 5).reshape(B, H // 2, W // 2, 4 * C)


def depth_to_space(x: Array) -> Array:
    """The way back from ``space_to_depth``; shapes (B, H, W, 4C) -> (B, 2H, 2W, C)."""
    B, H, W, C = x.shape
    return x.reshape(B, H, W, 2, 2, C // 4).transpose(0, 1, 3, 2, 4, 5).reshape(B, 2 * H, 2 * W, C // 4)
