"""The fast CPU kernels on both sides of every boundary: one less than a block, a whole one, one more, and none.

Sizes are taken from the constants of the kernels' loops, so they stay on the boundaries when a constant changes. Every
call is held against NumPy in float64; then its arrays are fenced, its memory is full of NaN, and its work is shared out
as to five threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from minisd_kernels import (
    adam,
    add,
    attention,
    conv2d,
    conv_transpose2d,
    cross_entropy,
    embedding,
    geglu,
    gelu,
    group_norm,
    layer_norm,
    linear,
    max_pool2d,
    mean_squared_error,
    relu,
    scratch,
    silu,
    softmax,
    upsample2d,
)
from minisd_kernels.adam.numba_cpu import _RUN
from minisd_kernels.add.numba_cpu import _ALONE
from minisd_kernels.attention import numba_cpu as attention_numba
from minisd_kernels.attention.numba_cpu import _KEYS, _PART, _QUERIES
from minisd_kernels.backends import use_backend
from minisd_kernels.compiling import CHUNKS
from minisd_kernels.conv2d import direct, numpy_ref, thin, winograd, winograd_weight
from minisd_kernels.conv2d import numba_cpu as conv2d_numba
from minisd_kernels.conv2d.numba_cpu import _THIN
from minisd_kernels.group_norm import numba_cpu as group_norm_numba
from minisd_kernels.linear import numba_cpu as linear_numba
from minisd_kernels.linear.numba_cpu import _BLOCK
from minisd_kernels.register_tile import COLUMNS, ROWS
from minisd_kernels.vectors import LANES
from strategies import ASYMMETRIC, Array, Arrays, Geometry, on_one_thread

MAKE = Arrays(0, np.float32)
Floats = tuple[Array, ...]


@pytest.fixture(autouse=True)
def the_same_numbers() -> None:
    """Whatever tests ran before."""
    MAKE.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


def around(size: int) -> list[int]:
    return [n for n in (size - 1, size, size + 1) if n > 0]


WIDTHS = sorted({1, *around(LANES), *around(COLUMNS), COLUMNS + LANES, 2 * COLUMNS + 1})


# ---- The check

FENCE = 64  # numbers before and behind an array, of which none may be written, nor read into a result
PARTS = 5  # into which what is for the threads is shared out
SHARING = (direct, winograd, winograd_weight, attention_numba, group_norm_numba)
_empty = np.empty


class Fences:
    """Makes arrays that lie between fences."""

    def __init__(self) -> None:
        self.made: list[Array] = []

    def filled(self, shape: Any, dtype: Any, value: Any) -> Array:
        size, kind = int(np.prod(shape)), np.dtype(dtype)
        around = _empty(size + 2 * FENCE, kind)
        around[:] = np.nan if kind.kind == "f" else 99
        self.made.append(around)
        inside = around[FENCE : FENCE + size]
        inside[:] = value
        return inside.reshape(shape)

    def empty(self, shape: Any, dtype: Any = float) -> Array:
        return self.filled(shape, dtype, np.nan if np.dtype(dtype).kind == "f" else 77)

    def zeros(self, shape: Any, dtype: Any = float) -> Array:
        return self.filled(shape, dtype, 0)

    def fenced(self, array: Any) -> Any:
        if not isinstance(array, np.ndarray) or not array.flags.carray:
            return array
        return self.filled(array.shape, array.dtype, array.reshape(-1))

    def stand(self) -> bool:
        edges = [edge for array in self.made for edge in (array[:FENCE], array[-FENCE:])]
        return all((np.isnan(edge) if edge.dtype.kind == "f" else edge == 99).all() for edge in edges)


def between_fences(function: Callable[..., Any], arrays: tuple[Any, ...]) -> list[Array]:
    fences = Fences()
    with pytest.MonkeyPatch.context() as patched:
        for module in SHARING:
            patched.setattr(module, "get_num_threads", lambda: PARTS)
        patched.setattr(scratch._kept, "arrays", {})
        patched.setattr(np, "empty", fences.empty)
        patched.setattr(np, "zeros", fences.zeros)
        found = as_list(on_one_thread(lambda: function(*map(fences.fenced, arrays))))  # the parts one after the other
    assert fences.stand()
    return found


def as_list(result: Any) -> list[Array]:
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def check(fast: Callable[..., Any], exact: Callable[..., Any], *arrays: Any, bound: float = 2e-5) -> None:
    """The fast function against the exact one of float64; both take the arrays, and one or some come back."""
    wide = [a.astype(float) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays]
    wanted, found = as_list(exact(*wide)), as_list(fast(*arrays))  # what is to be compiled is, before the fences
    for got, want in zip(found, wanted, strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max(initial=0) <= bound * np.abs(want).max(initial=1)
    for got, want in zip(between_fences(fast, arrays), found, strict=True):
        np.testing.assert_array_equal(got, want)


def agree(function: Callable[..., Any], *arrays: Any, **options: Any) -> None:
    """An operation on Numba against the same on NumPy."""

    def on(backend: str) -> Callable[..., Any]:
        def run(*arrays: Any) -> Any:
            with use_backend(backend):
                return function(*arrays, **options)

        return run

    check(on("numba"), on("numpy"), *arrays)


# ---- Products: rows of the register tile, blocks of rows, vectors, panels


@pytest.mark.parametrize(
    "rows",
    [[*range(1, 2 * ROWS + 2)], [*around(_BLOCK), 2 * _BLOCK + 1], [*around(CHUNKS * _BLOCK), 2 * CHUNKS * _BLOCK + 1]],
    ids=["tiles", "blocks", "chunks of blocks"],
)
def test_a_linear_layers_rows(rows: list[int]) -> None:
    weight, bias = MAKE(3, COLUMNS + 1), MAKE(COLUMNS + 1)
    for N in rows:
        x, grad = MAKE(N, 3), MAKE(N, COLUMNS + 1)
        agree(linear.forward, x, weight, bias)
        agree(linear.backward, grad, x, weight)


@pytest.mark.parametrize("C", WIDTHS)
def test_a_linear_layers_columns(C: int) -> None:
    for O in WIDTHS:
        x, weight, grad = MAKE(3, C), MAKE(C, O), MAKE(3, O)
        agree(linear.forward, x, weight, MAKE(O))
        agree(linear.backward, grad, x, weight)


# ---- Convolution: where windows begin and end, bands of rows, panels, groups of pictures

PLACES = [
    ASYMMETRIC,
    Geometry(size=(1, 1), window=(1, 1), stride=(2, 3), padding=(0, 0)),
    Geometry(size=(1, 1), window=(3, 5), stride=(2, 1), padding=(1, 2)),
    Geometry(size=(1, 6), window=(1, 3), stride=(2, 2), padding=(0, 1)),
    Geometry(size=(3, 4), window=(2, 3), stride=(2, 1), padding=(4, 3)),  # windows in the padding alone
    Geometry(size=(6, 5), window=(3, 3), stride=(1, 1), padding=((2, 0), (1, 3))),
    Geometry(size=(5, 6), window=(3, 3), stride=(1, 1), padding=((0, 3), (2, 0))),
    Geometry(size=(8, 6), window=(3, 3), stride=(2, 2), padding=((0, 1), (0, 1))),
    Geometry(size=(3, 4), window=(1, 1), stride=(1, 1), padding=((0, 1), (0, 2))),
    Geometry(size=(7, 8), window=(2, 1), stride=(3, 2), padding=(0, 0)),  # pixels between the windows
    Geometry(size=(9, 8), window=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 3)),  # taps of even rows alone
    Geometry(size=(9, 10), window=(3, 3), stride=(2, 3), padding=(2, 1), dilation=(3, 2)),
    Geometry(size=(14, 9), window=(4, 2), stride=(6, 4), padding=(2, 1), dilation=(4, 6)),  # half of a stride apart
]
READ_NOT = [  # rows, columns, both, or those between the windows
    Geometry(size=(8, 6), window=(3, 2), stride=(2, 2), padding=(0, 0)),
    Geometry(size=(6, 8), window=(2, 3), stride=(2, 2), padding=(0, 0)),
    Geometry(size=(8, 8), window=(3, 3), stride=(2, 2), padding=(0, 0)),
    Geometry(size=(6, 9), window=(2, 2), stride=(2, 3), padding=(0, 0)),
    Geometry(size=(9, 6), window=(2, 2), stride=(3, 2), padding=(0, 0)),
]
each_way = pytest.mark.parametrize("most_thin", [0, 1 << 20], ids=["direct", "thin"])


def options(geometry: Geometry) -> dict[str, Any]:
    return {"stride": geometry.stride, "padding": geometry.padding, "dilation": geometry.dilation}


def all_convolutions(geometry: Geometry, B: int, C: int, O: int) -> None:
    x, weight, grad = MAKE(B, *geometry.size, C), MAKE(*geometry.window, C, O), MAKE(B, *geometry.out, O)
    agree(conv2d.forward, x, weight, MAKE(O), **options(geometry))
    agree(conv2d.backward, grad, x, weight, **options(geometry))
    turned = weight.swapaxes(2, 3)
    if min(np.subtract(geometry.size, geometry.dropped)) > 0:  # else padding leaves nothing of the output
        spread = {"output_padding": geometry.dropped}
        agree(conv_transpose2d.forward, grad, turned, MAKE(C), **options(geometry), **spread)


@each_way
@pytest.mark.parametrize("geometry", PLACES)
def test_convolutions_windows(geometry: Geometry, most_thin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv2d_numba, "_THIN", most_thin)
    for B, C, O in ((1, 1, 1), (2, 3, COLUMNS + 1), (3, LANES + 1, 2)):
        all_convolutions(geometry, B, C, O)


@pytest.mark.parametrize("geometry", PLACES)
def test_bands_of_one_row_of_two_or_of_all(geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv2d_numba, "_THIN", 0)
    # Numbers that two rows of windows see.
    (high, _), (down, across), width = geometry.window, geometry.stride, geometry.out[1]
    high = (high - 1) * geometry.dilation[0] + 1
    wide = (width - 1) * across + (geometry.window[1] - 1) * geometry.dilation[1] + 1
    two = (down + high) * wide * 5
    x, weight, grad = MAKE(2, *geometry.size, 5), MAKE(*geometry.window, 5, 9), MAKE(2, *geometry.out, 9)
    for numbers in (1, two - 1, two):
        monkeypatch.setattr(direct, "_BAND", numbers)
        agree(conv2d.forward, x, weight, MAKE(9), **options(geometry))
        agree(conv2d.backward, grad, x, weight, **options(geometry))


@each_way
@pytest.mark.parametrize("geometry", READ_NOT)
def test_what_no_window_reads_may_be_infinite(
    geometry: Geometry, most_thin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conv2d_numba, "_THIN", most_thin)
    x, weight, grad = MAKE(2, *geometry.size, 3), MAKE(*geometry.window, 3, 4), MAKE(2, *geometry.out, 4)
    ones = np.ones_like(x)
    with use_backend("numpy"):
        seen, _, _ = conv2d.backward(np.ones_like(grad), ones, np.ones_like(weight), **options(geometry))
    unread = np.where(np.asarray(seen) == 0, np.float32(np.inf), x)
    assert np.isinf(unread).any()
    with use_backend("numba"):
        wanted = conv2d.forward(x, weight, **options(geometry)), *conv2d.backward(grad, x, weight, **options(geometry))
        found = (
            conv2d.forward(unread, weight, **options(geometry)),
            *conv2d.backward(grad, unread, weight, **options(geometry)),
        )
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("panels", [1, 2, 3, CHUNKS + 1])
def test_few_pictures_share_out_their_panels(panels: int) -> None:
    pair = Geometry(size=(2, 3), window=(1, 2), stride=(1, 1), padding=(0, 0))
    for B, O in product((1, 2, 3, *around(CHUNKS)), around(panels * COLUMNS)):
        x, weight, grad = MAKE(B, *pair.size, 3), MAKE(*pair.window, 3, O), MAKE(B, *pair.out, O)
        agree(conv2d.forward, x, weight, MAKE(O))
        if B in (1, CHUNKS + 1):
            agree(conv2d.backward, grad, x, weight)


@pytest.mark.parametrize("B", [*around(CHUNKS), *around(2 * CHUNKS), *around(3 * CHUNKS)])
def test_groups_of_pictures_full_or_not(B: int, monkeypatch: pytest.MonkeyPatch) -> None:
    square = Geometry(size=(3, 4), window=(2, 2), stride=(1, 1), padding=(0, 0))
    monkeypatch.setattr(conv2d_numba, "_THIN", 0)
    x, weight, grad = MAKE(B, *square.size, 3), MAKE(*square.window, 3, 9), MAKE(B, *square.out, 9)
    for pixels in (1, 11, 12, 13, 256):  # two pictures have 12
        monkeypatch.setattr(direct, "_PIXELS", pixels)
        agree(conv2d.backward, grad, x, weight)


@pytest.mark.parametrize("O", [*WIDTHS, 3 * COLUMNS, 5 * COLUMNS + 1])
def test_a_wide_weights_gradient_is_shared_out_by_panels(O: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv2d_numba, "_THIN", 0)
    monkeypatch.setattr(direct, "_WIDE", 0)
    for B in (1, 2, CHUNKS + 1):
        x, weight, grad = MAKE(B, 3, 4, 3), MAKE(2, 2, 3, O), MAKE(B, 2, 3, O)
        agree(conv2d.backward, grad, x, weight)


def test_a_weights_axes_may_lie_in_any_order() -> None:
    sides = {"padding": ((0, 1), (1, 1))}
    for order in permutations(range(4)):
        for window, C, O in (((2, 3), 3, 2), ((2, 3), 3, _THIN + 1), ((3, 3), 32, 33)):
            if O == 33 and order not in ((1, 0, 2, 3), (0, 1, 3, 2), (3, 2, 0, 1), (2, 1, 0, 3)):
                continue
            x, weight, grad = MAKE(1, 4, 5, C), MAKE(*window, C, O), MAKE(1, 6 - window[0], 5, O)
            laid = weight.transpose(order).copy().transpose(np.argsort(order))
            agree(conv2d.forward, x, laid, **sides)
            agree(conv2d.backward, grad, x, laid, **sides)


@pytest.mark.parametrize(
    ("window", "stride", "C", "O", "size", "way"),
    [
        ((1, 1), 1, 3, 3, (5, 5), "linear"),
        ((1, 1), 2, 3, _THIN + 1, (5, 5), "direct"),
        ((3, 3), 1, 3, _THIN, (5, 5), "thin"),
        ((3, 3), 1, 3, _THIN + 1, (5, 5), "direct"),
        ((3, 3), 1, 32, 32, (3, 3), "winograd"),  # of a tile's 16 outputs 9 lie in the picture
        ((3, 3), 1, 32, 32, (2, 4), "direct"),
        ((3, 3), 1, 32, 32, (4, 5), "winograd"),  # 20 of two tiles' 32
        ((3, 3), 1, 32, 32, (5, 3), "direct"),
        ((3, 3), 1, 31, 32, (4, 4), "direct"),
        ((3, 3), 1, 32, 31, (4, 4), "direct"),
        ((3, 3), 2, 32, 32, (4, 4), "direct"),
        ((3, 2), 1, 32, 32, (4, 4), "direct"),
    ],
)
def test_which_way_a_convolution_goes(
    window: tuple[int, int], stride: int, C: int, O: int, size: tuple[int, int], way: str, monkeypatch: Any
) -> None:
    ways: list[str] = []
    for name, module, function in (
        ("linear", linear_numba, "rows_times"),
        ("direct", direct, "forward"),
        ("thin", thin, "forward"),
        ("winograd", winograd, "forward"),
    ):
        monkeypatch.setattr(module, function, lambda *_, name=name: ways.append(name))
    high, wide = ((n - 1) * stride + k for n, k in zip(size, window, strict=True))
    with use_backend("numba"):
        conv2d.forward(MAKE(1, high, wide, C), MAKE(*window, C, O), stride=stride)
    assert ways == [way]


# ---- Winograd: tiles that are full and not, groups of tiles, panels of outputs, blocks of inputs

ONE = (1, 1)
Sides = tuple[tuple[int, int], tuple[int, int]]


@pytest.fixture(params=["narrow", "wide"])
def tiny_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three tiles a group, and a panel's channels a block."""
    for module in (winograd, winograd_weight):
        monkeypatch.setattr(module, "GROUP", 3)
        monkeypatch.setattr(module, "WIDE_GROUP", 3)
        monkeypatch.setattr(module, "DEPTH", COLUMNS)
        monkeypatch.setattr(module, "WIDE", -1 if request.param == "wide" else 1 << 40)
    yield


def all_of_winograd(B: int, out: tuple[int, int], padding: Sides, C: int, O: int) -> None:
    size = out[0] + 2 - sum(padding[0]), out[1] + 2 - sum(padding[1])
    x, weight, bias, grad = MAKE(B, *size, C), MAKE(3, 3, C, O), MAKE(O), MAKE(B, *out, O)

    def forward(x: Array, weight: Array, bias: Array) -> Array:
        y = np.empty((B, *out, O), np.float32)
        winograd.forward(x, weight, bias, y, padding)
        return y

    def input_gradient(grad: Array, weight: Array) -> Array:
        grad_x = np.empty((B, *size, C), np.float32)
        winograd.input_gradient(grad, weight, None, grad_x, padding)
        return grad_x

    def weight_gradient(grad: Array, x: Array) -> Floats:
        return winograd_weight.weight_gradient(grad, x, padding)

    check(
        forward,
        lambda x, weight, bias: numpy_ref.forward(x, weight, bias, out, ONE, padding, ONE),
        x,
        weight,
        bias,
        bound=4e-5,
    )
    check(
        input_gradient,
        lambda grad, weight: numpy_ref.input_gradient(grad, weight, None, size, ONE, padding, ONE),
        grad,
        weight,
        bound=4e-5,
    )
    check(
        weight_gradient,
        lambda grad, x: numpy_ref.weight_gradient(grad, x, (3, 3), ONE, padding, ONE),
        grad,
        x,
        bound=4e-5,
    )


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("out", [(1, 1), (3, 4), (4, 3), (4, 4), (4, 5), (5, 4), (5, 8), (9, 8)])
def test_winograds_tiles(out: tuple[int, int]) -> None:
    none, both, before, behind = (0, 0), (1, 1), (2, 0), (0, 2)
    for padding in ((none, none), (both, both), (before, behind), (behind, before)):
        if all(n + 2 - sum(sides) > 0 for n, sides in zip(out, padding, strict=True)):
            all_of_winograd(1, out, padding, 3, COLUMNS + 1)
    if out < (4, 1):  # a gradient whose border is cut off, and pictures smaller than their padding
        all_of_winograd(2, (out[0] + 4, out[1] + 4), ((3, 2), (2, 3)), 2, 2)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("C", WIDTHS)
def test_winograds_channels(C: int) -> None:
    all_of_winograd(1, (3, 4), ((1, 1), (1, 1)), C, COLUMNS + 1)
    all_of_winograd(1, (4, 5), ((1, 1), (1, 1)), 2, C)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 6, 7, 10])
def test_winograds_groups(tiles: int) -> None:
    all_of_winograd(1, (2, 4 * tiles), ((1, 1), (1, 1)), 2, COLUMNS + 1)
    all_of_winograd(tiles, (3, 3), ((1, 1), (0, 1)), COLUMNS + 1, 2)


def test_winograds_groups_as_large_as_they_are() -> None:
    for tiles in (*around(ROWS), *around(winograd.GROUP), *around(CHUNKS * ROWS)):
        all_of_winograd(1, (1, 4 * tiles), ((1, 1), (1, 1)), 2, 2)


# ---- Attention: blocks of queries and keys, a part of the queries, the diagonal


def all_of_attention(B: int, N: int, M: int, heads: int, d: int, causal: bool = False) -> None:
    query, key, value, grad = MAKE(B, N, heads, d), MAKE(B, M, heads, d), MAKE(B, M, heads, d), MAKE(B, N, heads, d)
    agree(attention.forward, query, key, value, causal=causal)
    with use_backend("numpy"):
        saved = attention.forward(query, key, value, causal=causal)
    agree(attention.backward, grad, query, key, value, *saved, causal=causal)


@pytest.mark.parametrize("N", [1, *around(LANES), *around(_QUERIES), 2 * _QUERIES, 2 * _QUERIES + 1])
def test_blocks_of_queries_and_keys(N: int) -> None:
    all_of_attention(1, N, N, 2, 3, causal=True)
    for M in (1, LANES + 1, *around(_KEYS), 2 * _KEYS + 1):
        all_of_attention(1, N, M, 1, 3)


@pytest.mark.parametrize("d", [*WIDTHS, 3 * COLUMNS + 1, *around(_QUERIES)])
def test_widths_of_heads(d: int) -> None:
    all_of_attention(1, _QUERIES + 1, _QUERIES + 1, 1, d, causal=True)
    all_of_attention(2, 3, 2, 3, d)


@pytest.mark.parametrize("N", [*around(_PART), _PART + _QUERIES + 1])
def test_parts_of_the_queries(N: int) -> None:
    all_of_attention(1, N, 3, 1, 2)
    if N > _PART + 1:
        all_of_attention(1, N, N, 1, 2, causal=True)


# ---- Norms: blocks of pixels, slices of channels, chunks of rows


def all_of_group_norm(B: int, N: int, C: int, groups: int, with_silu: tuple[bool, ...] = (False, True)) -> None:
    x, gamma, beta, grad = MAKE(B, N, C), MAKE(C), MAKE(C), MAKE(B, N, C)
    for silu_too in with_silu:
        with use_backend("numpy"):
            _, *saved = group_norm.forward(x, gamma, beta, groups=groups, eps=0.1, silu=silu_too)
        agree(group_norm.forward, x, gamma, beta, groups=groups, eps=0.1, silu=silu_too)
        agree(group_norm.backward, grad, x, gamma, beta, *saved, groups=groups, silu=silu_too)


@pytest.mark.parametrize("C", [1, *around(LANES), *around(2 * LANES), *around(128), *around(256)])
def test_group_norms_blocks_of_pixels(C: int) -> None:
    block = group_norm_numba._block.py_func(C)
    for N in {1, *around(block), *around(2 * block)}:
        all_of_group_norm(2, N, C, 1)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_group_norms_slices_of_channels(groups: int) -> None:
    for width in (1, LANES // 2, *around(LANES), 3 * LANES // 2, 2 * LANES):
        for B in (1, 2):
            all_of_group_norm(B, 3, groups * width, groups, with_silu=(B == 1,))


@pytest.mark.parametrize("N", [1, *around(CHUNKS), *around(2 * CHUNKS)])
def test_layer_norms_rows_and_columns(N: int) -> None:
    for D in WIDTHS:
        x, gamma, beta, grad = MAKE(N, D), MAKE(D), MAKE(D), MAKE(N, D)
        with use_backend("numpy"):
            _, *saved = layer_norm.forward(x, gamma, beta, eps=0.1)
        agree(layer_norm.forward, x, gamma, beta, eps=0.1)
        agree(layer_norm.backward, grad, x, gamma, *saved)


# ---- Pooling and upsampling

POOLS = [
    ASYMMETRIC,
    *(Geometry((h, w), (2, 3), (2, 3), (0, 0)) for h, w in product((2, 3, 4, 5), (3, 5, 6, 8))),  # apart
    Geometry(size=(4, 6), window=(2, 2), stride=(2, 2), padding=(1, 1)),
    Geometry(size=(4, 6), window=(2, 2), stride=(2, 2), padding=(0, 1)),
    Geometry(size=(6, 5), window=(2, 3), stride=(3, 2), padding=(0, 0)),
    Geometry(size=(7, 5), window=(2, 3), stride=(3, 4), padding=(1, 2)),  # pixels between the windows
    Geometry(size=(5, 6), window=(3, 4), stride=(1, 2), padding=(2, 3)),
    Geometry(size=(1, 1), window=(3, 2), stride=(1, 1), padding=(2, 1)),
    Geometry(size=(1, 1), window=(1, 1), stride=(1, 2), padding=(0, 0)),
    Geometry(size=(3, 257), window=(1, 255), stride=(1, 1), padding=(0, 0)),
    Geometry(size=(17, 17), window=(16, 16), stride=(1, 1), padding=(0, 0)),  # the most places that a byte holds
    Geometry(size=(1, 258), window=(1, 257), stride=(1, 1), padding=(0, 0)),
]


@pytest.mark.parametrize("geometry", POOLS)
def test_pooling(geometry: Geometry) -> None:
    sizes = {"window": geometry.window, "stride": geometry.stride, "padding": geometry.padding}
    for B, C in ((1, 1), (2, LANES - 1), (1, LANES), (2, LANES + 1), (1, 2 * LANES + 1)):
        x, grad = MAKE(B, *geometry.size, C), MAKE(B, *geometry.out, C)
        agree(max_pool2d.forward, x, **sizes)
        with use_backend("numpy"):
            _, argmax = max_pool2d.forward(x, **sizes)
        agree(max_pool2d.backward, grad, argmax, x_shape=x.shape, **sizes)


def test_upsampling() -> None:
    for shape, scale in product(
        ((1, 1, 1, 1), (2, 1, 3, 2), (2, 3, 1, 1), (3, 2, 4, 3)), ((1, 1), (1, 3), (3, 1), (2, 3))
    ):
        x = MAKE(*shape)
        agree(upsample2d.forward, x, scale=scale)
        agree(upsample2d.backward, MAKE(shape[0], shape[1] * scale[0], shape[2] * scale[1], shape[3]), scale=scale)


# ---- Numbers, rows and classes: vectors, and chunks of them

COUNTS = [1, 2, *around(CHUNKS), *around(LANES), 2 * CHUNKS + 1, *around(2 * LANES)]


@pytest.mark.parametrize("size", [*COUNTS, *around(_ALONE)])
def test_element_by_element(size: int) -> None:
    x, grad = MAKE(size), MAKE(size)
    agree(add.forward, x, grad)
    agree(relu.forward, x)
    agree(relu.backward, grad, np.maximum(x, 0))
    agree(silu.forward, x)
    agree(silu.backward, grad, x, slope=1.702)
    for exact in (False, True):
        agree(gelu.forward, x, exact=exact)
        agree(gelu.backward, grad, x, exact=exact)
    agree(mean_squared_error.forward, x, grad)
    agree(mean_squared_error.backward, np.array(0.7, np.float32), x, grad)


@pytest.mark.parametrize("size", [*COUNTS, *around(CHUNKS * _RUN), 2 * CHUNKS * _RUN + 1])
def test_adams_runs(size: int) -> None:
    def update(param: Array, grad: Array, m: Array, v: Array, mean: Array) -> Floats:
        param, m, v, mean = param.copy(), m.copy(), v.copy(), mean.copy()
        adam.step(param, grad, m, v, adam.Update(step=3, lr=0.1, eps=1e-2, weight_decay=0.1, grad_scale=0.5))
        adam.average(mean, param, rate=0.3)
        return param, m, v, mean, np.asarray(adam.squared_length(grad))

    agree(update, MAKE(size), MAKE(size), MAKE(size), MAKE(size) ** 2, MAKE(size))


@pytest.mark.parametrize("D", COUNTS)
def test_rows(D: int) -> None:
    for N in (1, 3, CHUNKS + 1):
        x, grad = MAKE(N, D), MAKE(N, D)
        agree(softmax.forward, x)
        agree(softmax.backward, grad, x)
        agree(geglu.forward, MAKE(N, 2 * D))
        agree(geglu.backward, grad, MAKE(N, 2 * D))
        ids = MAKE.rng.integers(0, 3, N)
        agree(embedding.forward, MAKE(3, D), ids)
        agree(embedding.backward, grad, ids, vocabulary=3)


@pytest.mark.parametrize("N", [1, 2, *around(CHUNKS), 2 * CHUNKS + 1])
def test_classes(N: int) -> None:
    for V in (1, 2, *around(LANES), 2 * LANES + 1):
        logits, weight, one = 3 * MAKE(N, V), np.abs(MAKE(N)), np.array(0.7, np.float32)
        for target in (MAKE.rng.integers(0, V, N), np.abs(MAKE(N, V))):
            agree(cross_entropy.forward, logits, target, weight)
            agree(cross_entropy.backward, one, logits, target, weight)


@pytest.mark.parametrize("V", [1, 2, *around(LANES), *around(2 * LANES)])
def test_the_largest_may_stand_anywhere_in_a_row(V: int) -> None:
    logits = MAKE(V, V) + np.float32(1e3) * np.eye(V, dtype=np.float32)
    classes = np.arange(V)[::-1].copy()
    agree(softmax.forward, logits)
    agree(cross_entropy.forward, logits, classes)
    agree(cross_entropy.backward, np.ones((), np.float32), logits, classes)
