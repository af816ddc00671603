"""Pictures as bytes 0..255, (N, H, W) grey or (N, H, W, 3) in colour, and as numbers in [-1, 1], (N, H, W, C).

Files and people have the first, networks see the second, with C = 1 or C = 3: red, green and blue.
"""

from __future__ import annotations

import numpy as np

from minisd.autograd.tape import Array

LUMA = np.array([0.299, 0.587, 0.114])  # how light red, green and blue look (ITU-R BT.601)


def picture_shape(images: Array) -> tuple[int, int, int]:
    """H, W and C of pictures (N, H, W) or (N, H, W, 3).

    Raises:
        ValueError: they are neither.

    >>> picture_shape(np.zeros((5, 28, 28), np.uint8)), picture_shape(np.zeros((5, 16, 24, 3), np.uint8))
    ((28, 28, 1), (16, 24, 3))
    """
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[3] == 3):
        raise ValueError(f"pictures: wanted (N, H, W) or (N, H, W, 3), got {images.shape}")
    H, W = images.shape[1:3]
    return H, W, images.shape[3] if images.ndim == 4 else 1


def to_unit_range(images: Array) -> Array:
    """Bytes to numbers in [-1, 1]; shapes (N, H, W) or (N, H, W, 3) uint8 -> (N, H, W, C) float32.

    >>> to_unit_range(np.array([[[0, 255]]], np.uint8)).ravel().tolist()
    [-1.0, 1.0]
    """
    return (images.reshape(len(images), *picture_shape(images)) / np.float32(127.5) - 1).astype(np.float32)


def to_bytes(x: Array) -> Array:
    """Numbers to bytes, rounded, what lies outside [-1, 1] clipped; shapes as ``to_unit_range``, backwards.

    >>> to_bytes(np.array([[[[-1.2], [0.0], [1.0]]]])).ravel().tolist()
    [0, 128, 255]
    """
    grey = x[..., 0] if x.shape[-1] == 1 else x
    return np.rint((grey.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def dark_on_light(image: Array) -> bool:
    """Whether a picture (H, W) or (H, W, 3) uint8 has a light ground, judged by its edge.

    >>> dark_on_light(np.full((3, 3), 255, np.uint8)), dark_on_light(np.zeros((3, 3, 3), np.uint8))
    (True, False)
    """
    return bool(np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])) > 127)
