"""The predicted sizes against running kernels: the whole network on one picture, its channels cut down to a few.

Sizes do not depend on channels, so a convolution runs with one filter; concatenations really put channels together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import ShapeError

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.shapes.report.layers import (
    Addition,
    Border,
    Concatenation,
    Convolution,
    CopyAndCrop,
    Elementwise,
    FitTo,
    GlobalPooling,
    Layer,
    PixelShuffle,
    Pooling,
    Resizing,
    Slicing,
    Stacking,
    Stated,
    TransposedConvolution,
    Unflatten,
    Upsampling,
    Window,
)
from minisd.shapes.report.sums import Report

MOST_PIXELS = 2**25
"""Largest map that is run: 128 MiB of float32 for each channel."""


@dataclass(frozen=True)
class Checked:
    """One layer run.

    Attributes:
        step: the layer's number.
        wanted, got: predicted and actual height and width; `got` is None where no kernel can run the layer.
    """

    step: int
    wanted: tuple[int, int]
    got: tuple[int, int] | None

    @property
    def agrees(self) -> bool:
        return self.got is None or self.got == self.wanted


def check(report: Report, backend: str) -> list[Checked]:
    """Run the network's layers on a backend, as far as the report goes.

    Raises:
        ShapeError: a map is too large to be run.
        BackendUnavailable: the backend is not here.
    """
    largest = max((row.output.height * row.output.width for row in report.rows if row.output), default=0)
    if max(largest, report.network.input.height * report.network.input.width) > MOST_PIXELS:
        raise ShapeError(f"a map of {largest:,} pixels is too large to run; give --size something smaller")
    results = []
    with use_backend(backend), no_grad():
        maps = [_picture(*report.network.input[:2])]
        for number, row in enumerate(report.rows):
            if row.output is None:
                maps.append(_picture(1, 1))  # nothing takes it whose size is known
                continue
            wanted = row.output.height, row.output.width
            made = _run(row.step.layer, [maps[i] for i in row.step.inputs])
            results.append(Checked(number, wanted, None if made is None else (made.shape[1], made.shape[2])))
            maps.append(_picture(*wanted) if made is None else made)
    return results


def _picture(height: int, width: int) -> Tensor:
    return Tensor(np.zeros((1, height, width, 1), np.float32))


def _weight(window: tuple[int, int], x: Tensor) -> Tensor:
    return Tensor(np.zeros((*window, x.shape[3], 1), np.float32))


def _run(layer: Layer | None, inputs: list[Tensor]) -> Tensor | None:
    """The layer's output; None where minisd has no kernel for it."""
    if layer is None or not inputs:
        return None
    x = inputs[0]
    match layer:
        case Window():
            (top, bottom), (left, right) = sides = layer.sides(0, x.shape[1]), layer.sides(1, x.shape[2])
            average = isinstance(layer, Pooling) and layer.average  # a convolution with equal weights
            if isinstance(layer, Convolution) or (average and not layer.ceil):
                weight = _weight(layer.window, x)
                return ops.conv2d(x, weight, stride=layer.stride, padding=sides, dilation=layer.dilation)
            if layer.ceil or layer.dilation != (1, 1):
                return None
            if (top, left) != (bottom, right):  # a maximum is padded on both sides alike
                x, top, left = _bordered(x, *sides), 0, 0
            return ops.max_pool2d(x, window=layer.window, stride=layer.stride, padding=(top, left))
        case TransposedConvolution():
            return ops.conv_transpose2d(
                x, _weight(layer.window, x), stride=layer.stride, padding=layer.padding, dilation=layer.dilation,
                output_padding=layer.output_padding,
            )  # fmt: skip
        case Upsampling():
            return None if layer.linear else ops.upsample2d(x, scale=layer.scale)
        case Border():
            return _bordered(x, *layer.sides)
        case FitTo():
            return ops.crop(x, inputs[1].shape[1], inputs[1].shape[2])
        case CopyAndCrop():
            return ops.copy_and_crop(x, inputs[1])
        case Addition() | Elementwise():
            return reduce(add, (map[..., :1] for map in inputs))
        case Concatenation():
            return ops.concatenate(inputs)
        case GlobalPooling():
            rows, columns = (1 if axis in layer.over else x.shape[1 + axis] for axis in (0, 1))
            return x.reshape(1, rows, columns, -1)
        case Stacking():
            narrow = min(map.shape[3] for map in inputs)
            return Tensor(np.concatenate([map.data[..., :narrow] for map in inputs], 1 + layer.along))
        case Slicing():
            height, width, _ = (slice(*part) for part in layer.parts)
            return x[:, height, width]
        case PixelShuffle() | Resizing() | Unflatten() | Stated():
            return None
        case _:  # what keeps every size
            return x


def _bordered(x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Zeros put on, or rows cut off."""
    array = np.pad(x.data, ((0, 0), *(tuple(max(0, side) for side in sides) for sides in (rows, columns)), (0, 0)))
    (top, bottom), (left, right) = ([max(0, -side) for side in sides] for sides in (rows, columns))
    return Tensor(array[:, top : array.shape[1] - bottom, left : array.shape[2] - right])
