"""Convolution on the GPU: a ladder of four steps, and the rule that chooses among them.

    plain        a thread an output; float64, too
    tiled        an implicit matrix product, tiles in shared memory; float64, too; forward alone
    registers    64 outputs of a thread in its registers, copies that run ahead
    tensor       tensor cores; factors rounded to TF32

A 1 x 1 window is no special case: its implicit product is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.cuda.column_sums import column_sums
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.source import (
    OLDEST,
    TENSOR_CORES,
    Source,
    blocks,
    c_type,
    capability,
    contiguous,
    empty,
    of_each_type,
)
from minisd_kernels.devices import device_of
from minisd_kernels.switches import tensor_cores

STEPS = ("plain", "tiled", "registers", "tensor")


# ---- The kernels


@dataclass(frozen=True)
class Tile:
    """The outputs of a block, and of a warp of step 4."""

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    vector_a: int = 4
    vector_b: int = 4

    def instance(self, step: str, of: str) -> str:
        warp = f", {self.warp_rows}, {self.warp_columns}" if step == "tensor" else ""
        return f"conv2d_{step}<{of}, {self.rows}, {self.columns}{warp}, {self.vector_a}, {self.vector_b}>"

    def threads(self, step: str) -> int:
        outputs = self.rows * self.columns
        return outputs // (self.warp_rows * self.warp_columns) * 32 if step == "tensor" else outputs // 64

    def shared(self, of: str) -> int:
        """Bytes that step 4 needs for its four tiles of each factor; how they lie is told in gather.cuh."""
        k_slow = 16 * (self.rows + 8), 16 * (self.columns + 8)
        k_fast = 20 * self.rows, 20 * self.columns
        a = k_slow[0] if of == "weight_gradient" else k_fast[0]
        b = k_fast[1] if of == "input_gradient" else k_slow[1]
        return 4 * 4 * (a + b)

    def blocks(self, M: int, N: int) -> int:
        return blocks(M, self.rows) * blocks(N, self.columns)


SUMS = ("forward", "input_gradient", "weight_gradient")
# From the largest to the smallest. Large tiles read a number less often, small ones make more blocks of a small output.
TILES = (Tile(128, 128, 64, 64), Tile(128, 64, 64, 32), Tile(64, 64, 32, 32))
NARROW = Tile(128, 32, 32, 32)
NARROW_ODD = Tile(128, 32, 32, 32, 4, 1)  # for a last layer's one channel
ODD = Tile(64, 64, 32, 32, 1, 1)  # for all channels that are no multiples of 4

_OF_TILES = dict.fromkeys((*TILES, NARROW, ODD), SUMS) | {NARROW_ODD: ("forward", "weight_gradient")}
_PLAIN = Source(
    __file__,
    "conv2d_plain.cu",
    of_each_type("conv2d_plain_forward", "conv2d_plain_input_gradient", "conv2d_plain_weight_gradient"),
)
_TILED = Source(__file__, "conv2d_tiled.cu", of_each_type("conv2d_tiled_forward"))
_REGISTERS = Source(
    __file__,
    "conv2d_registers.cu",
    {tile.instance("registers", of): OLDEST for tile, sums in _OF_TILES.items() for of in sums},
)
_TENSOR = Source(
    __file__,
    "conv2d_tensor.cu",
    {tile.instance("tensor", of): TENSOR_CORES for tile, sums in _OF_TILES.items() for of in sums},
    shared={tile.instance("tensor", of): tile.shared(of) for tile, sums in _OF_TILES.items() for of in sums},
)
_PARTS = Source(__file__, "conv2d_parts.cu", of_each_type("conv2d_bias_parts") | {"conv2d_add_parts": OLDEST})

_WINDOW = np.dtype([(name, np.int32) for name in (
    "B", "H", "W", "C", "P", "Q", "kh", "kw", "stride_h", "stride_w", "first_h", "first_w", "step_h", "step_w",
)])  # fmt: skip


def _window(x: Array, size: Pair, taps: Pair, stride: Pair, first: Pair, step: Pair) -> Array:
    """The struct of window.cuh."""
    return np.array((*x.shape, *size, *taps, *stride, *first, *step), _WINDOW)


# ---- The rule

FEW_PRODUCTS = 16  # of an output: fewer, as from a first layer's one channel, do not fill a tile's 16 steps of k
# Blocks that keep a GPU busy: two on each of the 132 multiprocessors of an H100. How many this GPU has is not asked:
# how often a sum is split, and with it the last bits, must not depend on that. It does depend on the batch.
BUSY = 264
LEAST = 512  # products of an output that make it worth while to split off a part
MOST_NUMBERS = 2**31 - 1024  # of an array: the kernels count them with 32 bits


def step_for(x: Array, products: int) -> str:
    """The step that computes outputs of `products` products each, of the type and on the device of x."""
    if x.dtype == np.float64 or products < FEW_PRODUCTS:
        return "plain"
    return "tensor" if tensor_cores and capability(device_of(x)) >= TENSOR_CORES else "registers"


def tile_for(M: int, N: int, K: int, vector_a: int, vector_b: int) -> Tile:
    """The largest tile that makes enough blocks of an M x N output."""
    if (vector_a, vector_b) != (4, 4):
        return NARROW_ODD if vector_a == 4 and NARROW_ODD.columns >= N else ODD
    if NARROW.columns >= N:
        return NARROW
    tiles = [tile for tile in TILES if tile.columns < 2 * N]
    return next((t for t in tiles if t.blocks(M, N) * parts_for(t, M, N, K) >= BUSY // 2), TILES[-1])


def parts_for(tile: Tile, M: int, N: int, K: int) -> int:
    """How many parts the sums over K are made in."""
    return max(1, min(BUSY // max(1, tile.blocks(M, N)), K // LEAST))


# ---- The three sums


def forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    kh, kw, C, _ = weight.shape
    return forward_by(step_for(x, kh * kw * C), x, weight, bias, size, stride, padding, dilation)


def forward_by(
    step: str, x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """The forward sum by one step of the ladder.

    Raises:
        ValueError: there is no such step, or it has no float64, or an array is too large.
    """
    x, weight, bias = map(contiguous, (x, weight, bias))
    _require(step, STEPS, x)
    kh, kw, _, O = weight.shape
    y = empty((x.shape[0], *size, O), x)
    _require_countable(x, weight, y)
    window = _window(x, size, (kh, kw), stride, (-padding[0][0], -padding[1][0]), dilation)
    if step == "plain":
        _PLAIN.launch(f"conv2d_plain_forward<{c_type(x)}>", blocks(y.size, 256), 256, x, weight, bias, y, window, O)
    elif step == "tiled":
        grid = blocks(x.shape[0] * size[0] * size[1], 16), blocks(O, 16)
        _TILED.launch(f"conv2d_tiled_forward<{c_type(x)}>", grid, (16, 16), x, weight, bias, y, window, O)
    else:
        _product(step, "forward", x, weight, bias, y, window)
    return y


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    kh, kw, _, O = weight.shape
    step = step_for(grad_y, kh * kw * O)
    return input_gradient_by(step, grad_y, weight, bias, size, stride, padding, dilation)


def input_gradient_by(
    step: str,
    grad_y: Array,
    weight: Array,
    bias: Array | None,
    size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
) -> Array:
    """The same by one step of the ladder: plain, registers or tensor."""
    grad_y, weight, bias = map(contiguous, (grad_y, weight, bias))
    _require(step, ("plain", "registers", "tensor"), grad_y)
    kh, kw, C, O = weight.shape
    grad_x = empty((grad_y.shape[0], *size, C), grad_y)
    _require_countable(grad_y, weight, grad_x)
    if step == "plain":
        out = (grad_y.shape[1], grad_y.shape[2])
        window = _window(grad_x, out, (kh, kw), stride, (-padding[0][0], -padding[1][0]), dilation)
        grid, name = blocks(grad_x.size, 256), f"conv2d_plain_input_gradient<{c_type(grad_y)}>"
        _PLAIN.launch(name, grid, 256, grad_y, weight, bias, grad_x, window, O)
        return grad_x
    for down in _phases(size[0], kh, stride[0], padding[0][0], dilation[0]):
        for right in _phases(size[1], kw, stride[1], padding[1][0], dilation[1]):
            taps = contiguous(weight[down.taps, right.taps])
            if taps.size == 0:
                grad_x[:, down.pixels, right.pixels] = 0 if bias is None else bias
                continue
            part = grad_x if stride == (1, 1) else empty((grad_y.shape[0], down.count, right.count, C), grad_y)
            first, tap_step = (down.first, right.first), (down.step, right.step)
            window = _window(grad_y, (down.count, right.count), taps.shape[:2], (1, 1), first, tap_step)
            _product(step, "input_gradient", grad_y, taps, bias, part, window)
            if part is not grad_x:
                grad_x[:, down.pixels, right.pixels] = part
    return grad_x


@dataclass(frozen=True)
class _Phase:
    """Every stride-th pixel along an axis, and the taps that meet an output pixel there. For pixel number p and tap
    number i of these, that is the output's pixel p + first + i step.
    """

    pixels: slice
    count: int
    taps: slice
    first: int
    step: int


def _phases(size: int, window: int, stride: int, padding: int, dilation: int) -> Iterator[_Phase]:
    """With a stride, the input's gradient falls into phases; each is a sum like the forward one, with stride 1.

    Pixel h meets tap i at the output's pixel (h + padding - i dilation) / stride, if that is a whole number.
    """
    for h in range(min(stride, size)):
        taps = [i for i in range(window) if (h + padding - i * dilation) % stride == 0]
        start, apart = (taps[0] if taps else window), (taps[1] - taps[0] if len(taps) > 1 else stride)
        first, step = (h + padding - start * dilation) // stride, -apart * dilation // stride
        yield _Phase(slice(h, None, stride), blocks(size - h, stride), slice(start, None, apart), first, step)


def weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    B, P, Q, _ = grad_y.shape
    step = step_for(x, B * P * Q)
    return weight_gradient_by(step, grad_y, x, window, stride, padding, dilation), bias_gradient(grad_y)


def weight_gradient_by(
    step: str, grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """The gradient of the weight alone, by one step of the ladder: plain, registers or tensor."""
    grad_y, x = contiguous(grad_y), contiguous(x)
    _require(step, ("plain", "registers", "tensor"), x)
    C, O = x.shape[3], grad_y.shape[3]
    grad_weight = empty((*window, C, O), x)
    _require_countable(grad_y, x, grad_weight)
    where = _window(x, grad_y.shape[1:3], window, stride, (-padding[0][0], -padding[1][0]), dilation)
    if step == "plain":
        grid, name = blocks(grad_weight.size, 256 // 32), f"conv2d_plain_weight_gradient<{c_type(x)}>"
        _PLAIN.launch(name, grid, 256, grad_y, x, grad_weight, where, O)
    else:
        _product(step, "weight_gradient", x, grad_y, None, grad_weight, where)
    return grad_weight


def bias_gradient(grad_y: Array) -> Array:
    """The sum over all pixels."""
    grad_y = contiguous(grad_y)
    B, P, Q, O = grad_y.shape
    M = B * P * Q
    parts = empty((1, max(1, min(BUSY, M // 64)), O), grad_y)
    grid = blocks(O, 32), parts.shape[1]
    _PARTS.launch(f"conv2d_bias_parts<{c_type(grad_y)}>", grid, 256, grad_y, parts, M, O)
    return column_sums(parts)[0]


def _product(step: str, of: str, a: Array, b: Array, bias: Array | None, y: Array, window: Array) -> None:
    """y = bias + A b, where A is gathered from a (gather.cuh)."""
    pixels, taps = int(window["B"] * window["P"] * window["Q"]), int(window["kh"] * window["kw"] * window["C"])
    M, K = (taps, pixels) if of == "weight_gradient" else (pixels, taps)
    N = y.shape[-1]
    vector_a, vector_b = (4 if fits_float4(factor) else 1 for factor in (a, b))
    if of == "input_gradient" and (vector_a != vector_b or N % 4 != 0):
        vector_a = vector_b = 1
    tile = tile_for(M, N, K, vector_a, vector_b)
    parts = parts_for(tile, M, N, K)
    source, instance = _REGISTERS if step == "registers" else _TENSOR, tile.instance(step, of)
    grid, threads = (tile.blocks(M, N), parts), tile.threads(step)
    if parts == 1:
        source.launch(instance, grid, threads, a, b, bias, y, window, N)
        return
    of_parts = empty((parts, M, N), y)
    source.launch(instance, grid, threads, a, b, None, of_parts, window, N)
    if parts > 32 and bias is None:  # many parts of a few numbers
        y[...] = column_sums(of_parts.reshape(1, parts, M * N)).reshape(y.shape)
    else:
        _PARTS.launch("conv2d_add_parts", blocks(y.size, 256), 256, of_parts, bias, y, parts, y.size, N)


def _require(step: str, steps: tuple[str, ...], x: Array) -> None:
    if step not in steps:
        raise ValueError(f"conv2d: there is no step {step!r} here; choose one of {', '.join(steps)}")
    if x.dtype == np.float64 and step in ("registers", "tensor"):
        raise ValueError(f"conv2d: the step {step!r} takes float32, got float64; take plain or tiled, or .astype(...)")


def _require_countable(*arrays: Array) -> None:
    for array in arrays:
        if array.size > MOST_NUMBERS:
            raise ValueError(
                f"conv2d: an array of shape {tuple(array.shape)} is too large: the GPU's kernels take at most "
                f"{MOST_NUMBERS} numbers; split the batch"
            )
