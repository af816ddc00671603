"""Copy and crop: the U-Net's skip connection (Ronneberger et al. 2015, figure 1)."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from minisd_kernels.shapes import crop_offset

from minisd.autograd import Array, Function, Tensor


class _Concatenate(Function):
    def forward(self, *arrays: Array, axis: int) -> Array:
        self.axis, self.cuts = axis, list(accumulate(array.shape[axis] for array in arrays[:-1]))
        return np.concatenate(arrays, axis=axis)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(np.split(grad, self.cuts, axis=self.axis))


def concatenate(tensors: list[Tensor], axis: int = -1) -> Tensor:
    """The tensors side by side along `axis`."""
    if not tensors:
        raise ValueError("concatenate: wanted one tensor or more, got none")
    return _Concatenate.apply(*tensors, axis=axis)


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The centre of x, `height` x `width` pixels; nothing happens where the size fits already."""
    _, H, W, _ = x.shape
    if (height, width) == (H, W):
        return x
    top, left = crop_offset(H, height), crop_offset(W, width)
    return x[:, top : top + height, left : left + width]


def copy_and_crop(x: Tensor, skip: Tensor) -> Tensor:
    """Put the skip's channels behind x's, both cropped to the size that they share.

    With valid convolutions the skip is the larger one (64 against 56 in the paper); with padding and an odd size the
    upsampled x is (8 against 7): 7 is halved to 4, and 4 doubled is 8. Where sizes agree nothing is cropped.
    """
    height, width = min(x.shape[1], skip.shape[1]), min(x.shape[2], skip.shape[2])
    return concatenate([crop(x, height, width), crop(skip, height, width)])
