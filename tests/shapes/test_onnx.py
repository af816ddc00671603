"""ONNX files: every size against the onnx package's own inference, what exporters write, and files that are damaged."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from minisd_kernels.shapes import ReceptiveField

from minisd.shapes.onnx import OnnxError
from minisd.shapes.report import table
from minisd.shapes.report.check import check as check_with_kernels
from minisd.shapes.report.layers import (
    Addition,
    Border,
    Elementwise,
    Map,
    PixelShuffle,
    Resizing,
    Slicing,
    Upsampling,
)
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.sums import Report, Row, examine

onnx = pytest.importorskip("onnx")
from minisd.shapes.onnx.reader import read_onnx  # noqa: E402

helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
quick = settings(max_examples=60, deadline=None)


# ---- Files made and read


def weight(name: str, *shape: int, kind: int = FLOAT) -> Any:
    """Zeros; their bytes are there, as in a real file."""
    size = {FLOAT: 4, onnx.TensorProto.FLOAT16: 2, onnx.TensorProto.INT8: 1}[kind]
    count = size
    for length in shape:
        count *= length
    return helper.make_tensor(name, kind, shape, bytes(count), raw=True)


def whole(name: str, *numbers: int) -> Any:
    return helper.make_tensor(name, INT64, [len(numbers)], numbers)


def fractions(name: str, *numbers: float) -> Any:
    return helper.make_tensor(name, FLOAT, [len(numbers)], numbers)


def node(operator: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> Any:
    """One node; names stand apart by spaces, and a dash leaves an input out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), **attributes)


def model(nodes: Sequence[Any], *tensors: Any, shape: Any = (1, 4, 9, 11), opset: int = 21) -> Any:
    """A model with the input x, which makes what its last node makes."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def tensor(name: str, content: Any) -> Any:
    """A weight of the shape in a tuple, or the numbers in a list."""
    if isinstance(content, tuple):
        return weight(name, *content)
    return onnx.numpy_helper.from_array(np.array(content, np.float32 if isinstance(content[0], float) else None), name)


def net(text: str, tensors: dict[str, Any], **options: Any) -> Any:
    """A model in ONNX's own notation, a node a line; what stands behind a bar is not read."""
    nodes = [onnx.parser.parse_node(line.partition("|")[0]) for line in text.strip().splitlines()]
    return model(nodes, *(tensor(name, content) for name, content in tensors.items()), **options)


def read(content: Any, size: tuple[int, int] | None = None) -> Report:
    """Our report of a model, or of a file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return examine(read_onnx(path, size))


def inferred(of: Any) -> list[tuple[int, ...] | None]:
    """The shape of every array of floats that a node makes, as the onnx package infers it; None where it does not."""
    graph = onnx.shape_inference.infer_shapes(of, strict_mode=True, data_prop=True).graph
    types = {value.name: value.type.tensor_type for value in [*graph.value_info, *graph.output]}
    made = [types[name] for step in graph.node if step.op_type != "Constant" for name in step.output if name in types]
    shapes = [tuple(axis.dim_value for axis in kind.shape.dim) for kind in made if kind.elem_type in (0, FLOAT)]
    return [shape if min(shape[1:], default=1) > 0 else None for shape in shapes]


def shown(row: Row) -> tuple[int, ...] | None:
    """What a row says of its array, the batch of one left out: channels first where it is a picture."""
    if row.step.array or row.output is None:
        return row.step.array
    height, width, channels = row.output
    return channels, height, width


def said(row: Row) -> str:
    """What the report says of a node: output, parameters, multiply-adds, how much of the picture a pixel sees."""
    out = "x".join(map(str, row.step.array or row.output or "?"))
    sees = row.sees if isinstance(row.sees, str) or row.sees is None else "x".join(str(axis.size) for axis in row.sees)
    counts = [f"{count} {what}" for count, what in ((row.parameters, "p"), (row.multiply_adds, "m")) if count]
    return ", ".join([f"({out})" if row.step.array else out, *counts, f"sees {sees or '?'}"])


def check(of: Any, size: tuple[int, int] | None = None) -> Report:
    """Our sizes are the inferred ones."""
    report = read(of, size)
    assert report.problem is None and not report.unknown, (report.problem, report.unknown)
    for row, theirs in zip(report.rows, inferred(of), strict=True):
        assert theirs is None or same_numbers(shown(row), theirs), (row.step, theirs)
        for formula, out in zip(row.formulas, row.output or (), strict=False):
            if formula:
                assert eval(formula, {"floor": floor, "ceil": ceil}) == out, row
    return report


def same_numbers(ours: tuple[int, ...] | None, theirs: tuple[int, ...]) -> bool:
    """Lengths of 1 may be left out, and (H, W, C) is shown as (C, H, W)."""
    if ours is None:
        return False
    left, right = [n for n in ours if n > 1], [n for n in theirs if n > 1]
    return left in (right, right[-1:] + right[:-1])


# ---- Whole networks: each line a node, and what the report says of it


NETS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "joins": (
        """
        a = Conv <pads=[1, 1, 1, 1]> (x, w)                   | 9x11x4, 144 p, 14256 m, sees 3x3
        both = Concat <axis=1> (a, x)                         | 9x11x8, sees 3x3
        three = Concat <axis=-3> (both, a, x)                 | 9x11x16, sees 3x3
        first = Slice (three, zero, four, one)                | 9x11x4, sees 3x3
        sum = Add (first, a)                                  | 9x11x4, sees 3x3
        sums = Sum (sum, a, x)                                | 9x11x4, sees 3x3
        mean = GlobalAveragePool (sums)                       | 1x1x4, sees 11x13
        gated = Mul (sums, mean)                              | 9x11x4, sees all
        less = Sub (mean, gated)                              | 9x11x4, sees all
        alone = Max (less)                                    | 9x11x4, sees all
        lonely = Concat <axis=1> (alone)                      | 9x11x4, sees all
        y = Div (lonely, x)                                   | 9x11x4, sees all
        """,
        {"w": (4, 4, 3, 3), "zero": [0], "four": [4], "one": [1]},
        {},
    ),
    "arithmetic with constants: behind a weight they are learned, before it they prepare the input": (
        """
        prepared = Mul (x, scale)                             | 9x11x4, sees 1x1
        x0 = Conv <group=4> (prepared, w)                     | 9x11x4, 4 p, 396 m, sees 1x1
        a = Mul (x0, scale)                                   | 9x11x4, 4 p, sees 1x1
        b = Add (shift, a)                                    | 9x11x4, 4 p, sees 1x1
        c = Div (b, two)                                      | 9x11x4, sees 1x1
        d = Pow (c, two)                                      | 9x11x4, sees 1x1
        e = Sub (d, scale)                                    | 9x11x4, sees 1x1
        f = Add (e, table)                                    | 9x11x4, 99 p, sees 1x1
        """,
        {"w": (4, 1, 1, 1), "scale": (4, 1, 1), "shift": (1, 4, 1, 1), "two": [2.0], "table": (9, 11)},
        {"one_size": True},  # the table fits no other
    ),
    "a classifier": (
        """
        a = Conv (x, w)                                       | 7x9x2, 72 p, 4536 m, sees 3x3
        flat = Flatten (a)                                    | 1x1x126, sees 9x11
        hidden = Gemm <transB=1> (flat, w1, b1)               | 1x1x5, 635 p, 630 m, sees 9x11
        active = Relu (hidden)                                | 1x1x5, sees 9x11
        product = MatMul (active, w2)                         | 1x1x6, 30 p, 30 m, sees 9x11
        sum = Add (product, b2)                               | 1x1x6, 6 p, sees 9x11
        both = Concat <axis=1> (sum, hidden)                  | 1x1x11, sees 9x11
        y = Softmax (both)                                    | 1x1x11, sees 9x11
        """,
        {"w": (2, 4, 3, 3), "w1": (5, 126), "b1": (5,), "w2": (5, 6), "b2": (6,)},
        {},
    ),
    "a vector made a map and back": (
        """
        long = Gemm (x, w)                                    | 1x1x96, 960 p, 960 m, sees 1x1
        map = Reshape (long, shape)                           | 3x4x8, sees all
        larger = ConvTranspose <strides=[2, 2]> (map, v)      | 6x8x5, 160 p, 1920 m, sees all
        mean = ReduceMean <keepdims=0> (larger, axes)         | 1x1x5, sees all
        pixel = Unsqueeze (mean, axes)                        | 1x1x5, sees all
        y = Squeeze (pixel, axes)                             | 1x1x5, sees all
        """,
        {"w": (10, 96), "shape": [-1, 8, 3, 4], "v": (8, 5, 2, 2), "axes": [2, 3]},
        {"shape": ("batch", 10)},
    ),
    "a group norm of an older file: a fold, an instance norm whose scale is one, and back; the real scale follows": (
        """
        folded = Reshape (x, groups)                          | (2x198), sees 1x1
        normed = InstanceNormalization (folded, ones, zeros)  | (2x198), sees 1x1
        back = Reshape (normed, whole)                        | 9x11x4, sees 1x1
        scaled = Mul (back, scale)                            | 9x11x4, 4 p, sees 1x1
        shifted = Add (scaled, shift)                         | 9x11x4, 4 p, sees 1x1
        """,
        {"groups": [0, 2, -1], "ones": (2,), "zeros": (2,), "whole": [0, 4, 9, 11], "scale": (4, 1, 1),
         "shift": (4, 1, 1)},
        {"one_size": True},
    ),
    "shuffled channels": (
        """
        five = Reshape (x, apart)                             | (2x2x9x11), sees 1x1
        turned = Transpose <perm=[0, 2, 1, 3, 4]> (five)      | (2x2x9x11), sees 1x1
        y = Reshape (turned, together)                        | 9x11x4, sees 1x1
        """,
        {"apart": [1, 2, 2, 9, 11], "together": [1, 4, 9, 11]},
        {"one_size": True},
    ),
    "shuffled pixels: rows take a factor of the channels in": (
        """
        five = Reshape (x, apart)                             | (2x2x9x11), sees 1x1
        turned = Transpose <perm=[0, 1, 3, 2, 4]> (five)      | (2x9x2x11), sees 1x1
        z = Reshape (turned, larger)                          | 18x11x2, sees ?
        y = Conv (z, w)                                       | 18x11x3, 6 p, 1188 m, sees ?
        """,
        {"apart": [1, 2, 2, 9, 11], "larger": [1, 2, 18, 11], "w": (3, 2, 1, 1)},
        {"one_size": True},
    ),
    "an attention as it is exported: pixels in a row, heads, scores of pixels by pixels, and back": (
        """
        row = Reshape (x, tokens)                             | (4x6), sees 1x1
        pixels = Transpose <perm=[0, 2, 1]> (row)             | (6x4), sees 1x1
        qkv = MatMul (pixels, w)                              | (6x12), 48 p, 288 m, sees 1x1
        apart = Reshape (qkv, heads)                          | (6x3x2x2), sees 1x1
        each = Transpose <perm=[2, 0, 3, 1, 4]> (apart)       | (3x1x2x6x2), sees 1x1
        q, k, v = Split <axis=0, num_outputs=3> (each)        | (1x2x6x2), sees ?
        turned = Transpose <perm=[0, 1, 2, 4, 3]> (k)         | (1x2x2x6), sees ?
        scores = MatMul (q, turned)                           | (1x2x6x6), 144 m, sees ?
        weights = Softmax (scores)                            | (1x2x6x6), sees ?
        mixed = MatMul (weights, v)                           | (1x2x6x2), 144 m, sees all
        together = Transpose <perm=[0, 1, 3, 2, 4]> (mixed)   | (1x6x2x2), sees all
        beside = Reshape (together, whole)                    | (6x4), sees all
        out = MatMul (beside, v2)                             | (6x4), 16 p, 96 m, sees all
        channels = Transpose <perm=[0, 2, 1]> (out)           | (4x6), sees all
        again = Reshape (channels, picture)                   | 2x3x4, sees all
        y = Conv (again, u)                                   | 2x3x2, 8 p, 48 m, sees all
        """,
        {"w": (4, 12), "v2": (4, 4), "u": (2, 4, 1, 1), "tokens": [0, 4, -1], "heads": [1, 6, 3, 2, 2],
         "whole": [1, 6, 4], "picture": [1, 4, 2, 3]},
        {"shape": (1, 4, 2, 3), "one_size": True},  # the scores grow with the picture
    ),
    "2 x 2 windows of 4 x 4, and a convolution over each of them": (
        """
        six = Reshape (x, apart)                              | (3x2x4x2x4), sees 1x1
        turned = Transpose <perm=[0, 2, 4, 1, 3, 5]> (six)    | (2x2x3x4x4), sees 1x1
        each = Reshape (turned, windows)                      | (4x3x4x4), sees 1x1
        y = Conv (each, w)                                    | (4x5x2x2), 135 p, 2160 m, sees ?
        """,
        {"apart": [1, 3, 2, 4, 2, 4], "windows": [4, 3, 4, 4], "w": (5, 3, 3, 3)},
        {"shape": (1, 3, 8, 8), "one_size": True},
    ),
    "channels that are flipped": (
        """
        front = Transpose <perm=[1, 0, 2, 3]> (x)             | (4x1x9x11), sees 1x1
        flipped = GatherND (front, indices)                   | (4x1x9x11), sees 1x1
        back = Transpose <perm=[1, 0, 2, 3]> (flipped)        | 9x11x4, sees 1x1
        some = Gather <axis=1> (back, two)                    | 9x11x2, sees ?
        y = Conv (some, w)                                    | 9x11x4, 8 p, 792 m, sees ?
        """,
        {"indices": [[3], [2], [1], [0]], "two": [1, 0], "w": (4, 2, 1, 1)},
        {"one_size": True},
    ),
    "circular padding, the last row before the first and the first behind the last; then the picture twice": (
        """
        below = Slice (x, last, end, two)                     | 1x11x4, sees 1x1
        above = Slice (x, zero, one, two)                     | 1x11x4, sees 1x1
        tall = Concat <axis=2> (below, x, above)              | 11x11x4, sees ?
        wide = Concat <axis=-1> (tall, tall)                  | 11x22x4, sees ?
        tiles = Tile (wide, repeats)                          | 22x22x4, sees ?
        y = Conv (tiles, w)                                   | 20x20x2, 72 p, 28800 m, sees ?
        """,
        {"last": [-1], "end": [2**63 - 1], "two": [2], "zero": [0], "one": [1], "repeats": [1, 1, 2, 1],
         "w": (2, 4, 3, 3)},
        {"one_size": True},
    ),
    "a mean over the width, then over the height": (
        """
        a = ReduceMean <axes=[3], keepdims=0> (x)             | (4x9), sees 1x11
        b = ReduceMean <axes=[2], keepdims=0> (a)             | 1x1x4, sees 9x11
        c = Relu (b)                                          | 1x1x4, sees 9x11
        y = MatMul (c, w)                                     | 1x1x7, 28 p, 28 m, sees 9x11
        """,
        {"w": (4, 7)},
        {"opset": 12},
    ),
    "a mean over the height, then over the width": (
        """
        a = ReduceMean <axes=[2], keepdims=1> (x)             | 1x11x4, sees 9x1
        b = ReduceMean <axes=[-1], keepdims=0> (a)            | (4x1), sees 9x11
        c = Squeeze (b)                                       | 1x1x4, sees 9x11
        y = MatMul (c, w)                                     | 1x1x7, 28 p, 28 m, sees 9x11
        """,
        {"w": (4, 7)},
        {"opset": 12},
    ),
    "channels last for a while": (
        """
        a = Conv <strides=[2, 2]> (x, w)                      | 4x5x6, 96 p, 1920 m, sees 2x2
        turned = Transpose <perm=[0, 2, 3, 1]> (a)            | 4x5x6, sees 2x2
        normed = LayerNormalization (turned, s, t)            | 4x5x6, 12 p, sees 2x2
        wide = MatMul (normed, v)                             | 4x5x24, 144 p, 2880 m, sees 2x2
        biased = Add (wide, b)                                | 4x5x24, 24 p, sees 2x2
        padded = Pad (biased, rows)                           | 5x8x24, sees 2x2
        cut = Slice (padded, one, last, first)                | 5x6x24, sees 2x2
        left, right = Split <axis=-1> (cut)                   | 5x6x12, sees 2x2
        swapped = Concat <axis=3> (right, left)               | 5x6x24, sees 2x2
        back = Transpose <perm=[0, 3, 1, 2]> (swapped)        | 5x6x24, sees 2x2
        y = Conv (back, u)                                    | 5x6x2, 48 p, 1440 m, sees 2x2
        """,
        {"w": (6, 4, 2, 2), "s": (6,), "t": (6,), "v": (6, 24), "b": (24,), "u": (2, 24, 1, 1),
         "rows": [0, 1, 0, 0, 0, 0, 3, 0], "one": [1], "last": [-1], "first": [2]},
        {"opset": 17},
    ),
    "a shared weight counts once": (
        """
        a = Conv <pads=[1, 1, 1, 1]> (x, w)                   | 9x11x4, 144 p, 14256 m, sees 3x3
        y = Conv <pads=[1, 1, 1, 1]> (a, w, b)                | 9x11x4, 4 p, 14256 m, sees 5x5
        """,
        {"w": (4, 4, 3, 3), "b": (4,)},
        {},
    ),
    "pixels out of channels, and back": (
        """
        a = SpaceToDepth <blocksize=2> (x)                    | 5x3x16, sees ?
        b = Conv (a, w)                                       | 5x3x32, 512 p, 7680 m, sees ?
        y = DepthToSpace <blocksize=4> (b)                    | 20x12x2, sees ?
        """,
        {"w": (32, 16, 1, 1)},
        {"shape": (1, 4, 10, 6), "one_size": True},
    ),
    "height and width change places: what comes first is the height": (
        """
        turned = Transpose <perm=[0, 1, 3, 2]> (x)            | 11x9x4, sees ?
        y = Conv (turned, w)                                  | 9x9x2, 24 p, 1944 m, sees ?
        """,
        {"w": (2, 4, 3, 1)},
        {"one_size": True},
    ),
    "rows that take parts of channels in are no picture, and their convolution is counted": (
        """
        rows = Reshape (x, whole)                             | (6x66), sees ?
        y = Conv (rows, w)                                    | (2x64), 36 p, 2304 m, sees ?
        """,
        {"whole": [1, 6, 66], "w": (2, 6, 3)},
        {},
    ),
    "a mean over no axis changes nothing": (
        """
        y = ReduceMean <noop_with_empty_axes=1> (x)           | 9x11x4, sees 1x1
        """,
        {},
        {},
    ),
    "a matrix that is turned": (
        """
        rows = Reshape (x, whole)                             | (9x44), sees ?
        y = Gemm <transA=1> (rows, w)                         | (44x5), 45 p, 1980 m, sees ?
        """,
        {"whole": [9, 44], "w": (9, 5)},
        {},
    ),
    "channels in two heads, mixed in each": (
        """
        last = Transpose <perm=[0, 2, 3, 1]> (x)              | 9x11x4, sees 1x1
        heads = Reshape (last, apart)                         | (9x11x2x2), sees 1x1
        mixed = MatMul (heads, w)                             | (9x11x2x3), 6 p, 1188 m, sees ?
        together = Reshape (mixed, whole)                     | 9x11x6, sees ?
        y = Transpose <perm=[0, 3, 1, 2]> (together)          | 9x11x6, sees ?
        """,
        {"apart": [1, 9, 11, 2, 2], "w": (2, 3), "whole": [1, 9, 11, 6]},
        {"one_size": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_what_is_said_of_each_node(name: str) -> None:
    text, tensors, options = NETS[name]
    options = dict(options)
    one_size = options.pop("one_size", False)
    report = check(net(text, tensors, **options))
    rows = iter(report.rows)
    for line in text.strip().splitlines():
        step, _, wanted = line.partition("|")
        outputs = onnx.parser.parse_node(step).output
        assert " / ".join(dict.fromkeys(said(next(rows)) for _ in outputs)) == wanted.strip(), step
    assert next(rows, None) is None
    assert report.network.one_size == one_size


def test_layers_of_joins() -> None:
    rows = check(net(*NETS["joins"][:2])).rows
    kinds = {row.step.text: type(row.step.layer) for row in rows}
    assert kinds["Add"] == kinds["Sum"] == Addition and kinds["Mul"] == kinds["Sub"] == Elementwise
    text, tensors, _ = next(of for name, of in NETS.items() if name.startswith("circular"))
    report = check(net(text, tensors))
    assert report.rows[2].formulas == ("1 + 9 + 1", "") and report.rows[3].formulas == ("", "11 + 11")
    with_kernels = check_with_kernels(report, "numpy")
    assert [result.got for result in with_kernels] == [(1, 11), (1, 11), (11, 11), (11, 22), None, (20, 20)]


def test_arrays_in_the_table() -> None:
    text, tensors, _ = next(of for name, of in NETS.items() if name.startswith("an attention"))
    report = check(net(text, tensors, shape=(1, 4, 2, 3)))
    assert "in brackets: no picture" in table.render(report) and "(6x4)" in table.render(report)
    values = table.as_json(report)["layers"]
    assert values[1]["output_size"] is None and values[1]["array"] == [6, 4] and values[-1]["output_size"] == [2, 3, 2]
    assert report.rows[1].output == Map(2, 3, 4)  # in a row, and still the picture
    text, tensors, _ = next(of for name, of in NETS.items() if name.startswith("2 x 2 windows"))
    assert check(net(text, tensors, shape=(1, 3, 8, 8))).rows[-1].bytes == 4 * 80


def test_a_table_as_large_as_the_picture() -> None:
    larger = read(net("y = Add (x, table)", {"table": (1, 4, 9, 11)}, shape=(1, 4, 1, 11)))
    assert larger.output == Map(9, 11, 4) and not larger.unknown


# ---- Windows

lengths = st.integers(1, 24)
pairs_of_1_to_3 = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def windows(draw: st.DrawFn, transposed: bool = False) -> dict[str, Any]:
    """The attributes of a convolution or a pooling, some of them left out, as exporters leave them out."""
    attributes: dict[str, Any] = {"kernel_shape": draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))}
    padding = draw(st.sampled_from(["", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", "rows", "rows"]))
    if padding == "rows":
        attributes["pads"] = draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    elif padding:
        attributes["auto_pad"] = padding
    for name in ("strides", "dilations"):
        if draw(st.booleans()):
            attributes[name] = draw(pairs_of_1_to_3)
    if transposed and draw(st.booleans()):
        attributes["output_padding"] = [draw(st.integers(0, s - 1)) for s in attributes.get("strides", (1, 1))]
    return attributes


def fits(attributes: dict[str, Any], height: int, width: int) -> bool:
    """Whether the window fits into the padded map. The onnx package rounds the negative room there is then up to 0."""
    if attributes.get("auto_pad", "").startswith("SAME"):
        return True
    pads, dilations = attributes.get("pads", (0, 0, 0, 0)), attributes.get("dilations", (1, 1))
    return all(
        size + pads[axis] + pads[axis + 2] > dilations[axis] * (attributes["kernel_shape"][axis] - 1)
        for axis, size in enumerate((height, width))
    )


@given(lengths, lengths, windows(), st.sampled_from([1, 2, 4]), st.integers(1, 3))
@quick
def test_convolutions(height: int, width: int, attributes: dict[str, Any], groups: int, filters: int) -> None:
    of = model(
        [node("Conv", "x w b", group=groups, **attributes)],
        weight("w", filters * groups, 4 // groups, *attributes["kernel_shape"]),
        weight("b", filters * groups),
        shape=(1, 4, height, width),
    )
    if fits(attributes, height, width):
        report = check(of)
        stored = sum(tensor.dims[0] * (1 if tensor.name == "b" else size(tensor)) for tensor in of.graph.initializer)
        assert report.rows[0].parameters == stored == report.rows[0].step.layer.parameters([Map(height, width, 4)])  # type: ignore[union-attr]
    else:
        problem = read(of).problem
        assert problem is not None and "does not fit" in problem.message


def size(tensor: Any) -> int:
    """Numbers of one filter."""
    return int(tensor.dims[1] * tensor.dims[2] * tensor.dims[3])


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@given(lengths, lengths, windows(), st.booleans())
@quick
def test_poolings(operator: str, height: int, width: int, attributes: dict[str, Any], ceil_mode: bool) -> None:
    pads, spans = attributes.get("pads", (0,) * 4), attributes["kernel_shape"] * 2
    assume(fits(attributes, height, width) and all(n < span for n, span in zip(pads, spans, strict=True)))
    check(model([node(operator, ceil_mode=int(ceil_mode), **attributes)], shape=(1, 4, height, width), opset=22))


@given(lengths, lengths, windows(transposed=True), st.sampled_from([1, 2]))
@example(5, 7, {"kernel_shape": (3, 4), "strides": (2, 3), "auto_pad": "SAME_UPPER", "output_padding": (1, 2)}, 1)
@quick
def test_transposed_convolutions(height: int, width: int, attributes: dict[str, Any], groups: int) -> None:
    of = model(
        [node("ConvTranspose", "x w", group=groups, **attributes)],
        weight("w", 4, 3, *attributes["kernel_shape"]),
        shape=(1, 4, height, width),
    )
    if attributes.get("auto_pad", "").startswith("SAME"):
        # The onnx package adds the output padding to the stride times the input; its standard and runtimes do not.
        names = {"strides": (1, 1), "output_padding": (0, 0), "dilations": (1, 1)}
        strides, extra, dilations = (attributes.get(name, default) for name, default in names.items())
        spans = [d * (window - 1) + 1 for window, d in zip(attributes["kernel_shape"], dilations, strict=True)]
        most = [s * (n - 1) + f + a for n, s, f, a in zip((height, width), strides, spans, extra, strict=True)]
        wanted = min(height * strides[0], most[0]), min(width * strides[1], most[1])
        assert read(of).output == Map(*wanted, 3 * groups)
    elif inferred(of) == [None]:
        assert read(of).problem is not None
    else:
        assert check(of).rows[0].parameters == 4 * 3 * windows_of(attributes)


def windows_of(attributes: dict[str, Any]) -> int:
    height, width = attributes["kernel_shape"]
    return int(height * width)


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@given(st.integers(1, 9), st.integers(2, 4), st.integers(1, 3), st.integers(-2, 1))
@quick
def test_a_transposed_convolution_as_large_as_the_file_says(
    auto_pad: str, length: int, window: int, stride: int, more: int
) -> None:
    natural = stride * (length - 1) + window
    assume(natural + more >= 1 and more < stride)
    wanted = [natural + more, natural + more]
    attributes = {"output_shape": wanted, "strides": [stride, stride], "auto_pad": auto_pad}
    of = model(
        [node("ConvTranspose", "x w", **attributes)], weight("w", 4, 3, window, window), shape=(1, 4, length, length)
    )
    report = read(of)
    assert report.rows[0].output == Map(*wanted, 3) and report.network.one_size
    (before, after), _ = report.rows[0].step.layer.padding  # type: ignore[union-attr]
    assert (before < after) == (auto_pad == "SAME_UPPER" and more < 0 and more % 2 == 1)


def test_the_odd_row_of_same_padding_goes_where_the_file_says() -> None:
    for auto_pad, sees in (("SAME_UPPER", (0, 2)), ("SAME_LOWER", (-1, 1))):
        of = model(
            [node("Conv", "x w", auto_pad=auto_pad, strides=[2, 2])], weight("w", 5, 4, 3, 3), shape=(1, 4, 8, 8)
        )
        height, _ = check(of).rows[0].sees  # type: ignore[misc]
        assert height.at(0) == sees  # type: ignore[union-attr]


# ---- Resizing


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@given(lengths, lengths, st.lists(st.sampled_from([0.5, 0.7, 1.0, 1.3, 1.5, 2.0, 2.1, 3.0]), min_size=2, max_size=2))
@quick
def test_resizing_by_factors(mode: str, height: int, width: int, factors: list[float]) -> None:
    products = [np.float32(size) * np.float32(factor) for size, factor in zip((height, width), factors, strict=True)]
    wanted = [floor(product) for product in products]
    assume(min(wanted) >= 1)
    every, two = fractions("scales", 1, 1, *factors), fractions("scales", *factors)
    shape = 1, 4, height, width
    files = [
        model([node("Resize", "x - scales", mode=mode)], every, shape=shape, opset=13),
        model([node("Resize", "x - scales", mode=mode, axes=[2, 3])], two, shape=shape),
    ]
    if mode != "cubic":
        files.append(model([node("Resize", "x scales", mode=mode)], every, shape=shape, opset=10))
        files += [model([node("Upsample", "x scales", mode=mode)], every, shape=shape, opset=9)] * (min(factors) >= 1)
    for of in files:
        assert read(of).output == Map(*wanted, 4)
        # The onnx package multiplies more exactly than runtimes and PyTorch: to it 10 * 0.7 is 6, to them and here 7.
        if all(f % 0.5 == 0 or product != round(product) for f, product in zip(factors, products, strict=True)):
            assert inferred(of) == [(1, 4, *wanted)]


@given(lengths, lengths, lengths, lengths, st.booleans())
@quick
def test_resizing_to_a_size(height: int, width: int, to_height: int, to_width: int, two_axes: bool) -> None:
    sizes = whole("sizes", to_height, to_width) if two_axes else whole("sizes", 1, 4, to_height, to_width)
    axes = {"axes": [2, 3]} if two_axes else {}
    report = check(model([node("Resize", "x - - sizes", mode="linear", **axes)], sizes, shape=(1, 4, height, width)))
    is_whole = to_height % height == 0 and to_width % width == 0
    assert isinstance(report.rows[0].step.layer, Upsampling if is_whole else Resizing)


def test_upsample_with_its_factors_in_an_attribute() -> None:
    check(model([node("Upsample", scales=[1.0, 1.0, 2.0, 3.0])], opset=8))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_what_resized_pixels_see(mode: str, scale: int) -> None:
    """By the standard's formula: the pixel at x = (o + 1/2) / scale - 1/2, rounded, or the two about it."""
    of = model([node("Resize", "x - scales", mode=mode)], fractions("scales", 1, 1, scale, 1), shape=(1, 4, 9, 9))
    height, _ = check(of).rows[0].sees  # type: ignore[misc]
    for out in range(9 * scale):
        doubled = 2 * out + 1 - scale  # 2 scale x
        seen = (doubled // (2 * scale), -(-doubled // (2 * scale)))
        if mode == "nearest":
            seen = (out // scale, out // scale)
        assert height.at(out) == seen  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "cubic"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"},
        {"mode": "nearest", "nearest_mode": "floor"},
    ],
)
def test_of_other_modes_the_size_alone_is_known(attributes: dict[str, str]) -> None:
    of = model([node("Resize", "x - scales", **attributes)], fractions("scales", 1, 1, 2, 2))
    assert check(of).rows[0].sees is None


# ---- Borders and parts


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=4), st.sampled_from([2, 11, 18]))
@quick
def test_pads(rows: list[int], opset: int) -> None:
    every = [0, 0, rows[0], rows[1], 0, 0, rows[2], rows[3]]
    if opset == 2:
        report = check(model([node("Pad", pads=every, mode="reflect")], opset=7))
    elif opset == 11:
        report = check(model([node("Pad", "x rows")], whole("rows", *every), opset=11))
    else:
        report = check(model([node("Pad", "x rows - axes")], whole("rows", *rows), whole("axes", 2, -1), opset=18))
    assert report.rows[0].step.layer == Border(((rows[0], rows[2]), (rows[1], rows[3])))


@st.composite
def parts(draw: st.DrawFn, axis: int) -> tuple[int, int, int, int]:
    """Axis, start, stop and step of a part that is not empty."""
    axis, length = draw(st.sampled_from([axis, axis - 4])), (1, 4, 9, 11)[axis]
    start = draw(st.integers(0, length - 1))
    stop = draw(st.integers(start + 1, length))
    if draw(st.booleans()):  # the same, counted from the end
        start = draw(st.sampled_from([-length, -length - 3, -(2**63)])) if start == 0 else start - length
    if draw(st.booleans()):
        stop = draw(st.sampled_from([length + 3, 2**31 - 1, 2**63 - 1])) if stop == length else stop - length
    return axis, start, stop, draw(st.integers(1, 4))


@given(st.permutations([1, 2, 3]), st.data())
@quick
def test_slices(order: list[int], data: st.DataObject) -> None:
    one, other = (data.draw(parts(axis)) for axis in order[:2])
    axes, starts, stops, steps = zip(one, other, strict=True)
    of = model(
        [node("Slice", "x starts stops axes steps")],
        whole("starts", *starts),
        whole("stops", *stops),
        whole("axes", *axes),
        whole("steps", *steps),
    )
    report = check(of)
    kept = range(9)[slice(*next((part[1:] for part in (one, other) if part[0] % 4 == 2), (0, 9, 1)))]
    height, _ = report.rows[0].sees  # type: ignore[misc]
    assert [height.at(i) for i in range(len(kept))] == [(row, row) for row in kept]  # type: ignore[union-attr]


def test_slices_of_older_files() -> None:
    check(model([node("Slice", starts=[1, 2], ends=[-1, 9], axes=[2, 3])], opset=9))
    check(model([node("Slice", starts=[0, 1, 2, 3], ends=[1, 3, 8, 9])], opset=9))


@pytest.mark.parametrize(
    ("axis", "pieces", "opset"), [(1, (1, 3), 13), (2, (4, 5), 13), (-1, (2, 3, 6), 13), (1, (2, 2), 11), (3, None, 18)]
)
def test_splits(axis: int, pieces: tuple[int, ...] | None, opset: int) -> None:
    outputs = " ".join(f"y{i}" for i in range(len(pieces or (0, 0, 0))))
    if pieces is None:
        check(model([node("Split", outputs=outputs, axis=axis, num_outputs=3)], opset=opset))
    elif opset < 13:
        check(model([node("Split", outputs=outputs, axis=axis, split=pieces)], opset=opset))
    else:
        check(model([node("Split", "x pieces", outputs, axis=axis)], whole("pieces", *pieces), opset=opset))


# ---- Joins


def test_a_map_that_meets_another_size() -> None:
    of = model([node("Conv", "x w", "a"), node("Add", "a x")], weight("w", 4, 4, 2, 1))
    problem = read(of).problem
    assert problem is not None and (problem.step, problem.axis) == (1, 0)
    assert problem.message == "height 8 meets 9: they must agree, or be 1"


# ---- What keeps every size

PLAIN = (
    "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Mish",
    "Gelu", "Softplus", "Softsign", "Tanh", "Softmax", "LogSoftmax", "Hardmax", "Clip", "Shrink", "Erf", "Exp",
    "Log", "Sqrt", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos",
    "MeanVarianceNormalization", "Dropout", "Identity", "LpNormalization",
)  # fmt: skip
POINTWISE: dict[str, list[Any]] = {
    **{operator: [] for operator in PLAIN},
    "PRelu": [weight("a", 4, 1, 1)],
    "BatchNormalization": [weight(name, 4) for name in "abcd"],
    "InstanceNormalization": [weight("a", 4), weight("b", 4)],
    "GroupNormalization": [weight("a", 4), weight("b", 4)],
    "LayerNormalization": [weight("a", 11), weight("b", 11)],
    "Cast": [],
    "CastLike": [fractions("a", 1.0)],
    "LRN": [],
}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "GroupNormalization": {"num_groups": 2},
    "Cast": {"to": FLOAT},
    "LRN": {"size": 3},
}
LEARNED = {"PRelu": 4, "BatchNormalization": 8, "InstanceNormalization": 8, "GroupNormalization": 8}


@pytest.mark.parametrize("operator", POINTWISE)
def test_what_keeps_every_size(operator: str) -> None:
    names = " ".join(["x", *(tensor.name for tensor in POINTWISE[operator])])
    report = read(model([node(operator, names, **ATTRIBUTES.get(operator, {}))], *POINTWISE[operator]))
    assert report.output == Map(9, 11, 4) and not report.unknown
    assert report.rows[0].sees == (ReceptiveField.of_input(), ReceptiveField.of_input())
    assert report.rows[0].parameters == LEARNED.get(operator, 22 if operator == "LayerNormalization" else 0)


# ---- Vectors, and arrays that are turned or folded


@pytest.mark.parametrize("target", [(1, -1), (-1, 396), (0, -1), (1, 396), (-1, 4, 9, 11), (0, 0, 0, 0)])
def test_reshapes(target: tuple[int, ...]) -> None:
    check(model([node("Reshape", "x shape")], whole("shape", *target)))


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_means_over_all_pixels(operator: str, keepdims: int) -> None:
    check(model([node(operator, "x axes", keepdims=keepdims)], whole("axes", -1, -2)))
    check(model([node(operator, axes=[2, 3], keepdims=keepdims)], opset=11))
    check(model([node(f"Global{name}Pool") for name in ("Average",)]))


def test_a_branch_that_is_known() -> None:
    def branch(name: str, *nodes: Any) -> Any:
        return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(nodes[-1].output[0])])

    nodes = [
        node("Shape", "x", "shape"),
        node("Size", "shape", "rank"),
        node("Less", "rank four", "is_less"),
        helper.make_node(
            "If", ["is_less"], ["z"], then_branch=branch("then", node("Flatten", "x", "flat")),
            else_branch=branch("else", node("MaxPool", "x", "p", kernel_shape=[2, 2]), node("Relu", "p", "r")),
        ),
        node("Conv", "z w"),
    ]  # fmt: skip
    of = model(nodes, helper.make_tensor("four", INT64, [], [4]), weight("w", 3, 4, 1, 1))
    assert [str(row.output) for row in read(of).rows] == ["8 x 10 x 4", "8 x 10 x 4", "8 x 10 x 3"]
    of.graph.node[3].input[0] = "x"  # a condition that is not known
    assert [step.text for step in read(of).unknown] == ["If"]


def test_the_time_and_a_second_picture() -> None:
    of = model(
        [
            node("Cast", "time", "t", to=FLOAT),
            node("Unsqueeze", "t one", "column"),
            node("Mul", "column frequencies", "angles"),
            node("Sin", "angles", "sines"),
            node("Gemm", "sines v b", "shift", transB=1),
            node("Unsqueeze", "shift rows", "pixel"),
            node("Concat", "x mask", "both", axis=1),
            node("Conv", "both w", "a"),
            node("Add", "a pixel"),
        ],
        weight("frequencies", 1, 6), weight("v", 7, 6), weight("b", 7), weight("w", 7, 5, 3, 3),
        whole("one", 1), whole("rows", 2, 3),
        shape=("n", 4, 9, 11),
    )  # fmt: skip
    of.graph.input.insert(0, helper.make_tensor_value_info("time", INT64, ["n"]))
    of.graph.input.append(helper.make_tensor_value_info("mask", FLOAT, ["n", 1, 9, 11]))
    for size in (None, (12, 10)):
        report, (height, width) = read(of, size), size or (9, 11)
        assert not report.unknown and report.output == Map(height - 2, width - 2, 7)
        assert [row.parameters for row in report.rows if row.parameters] == [42 + 7, 7 * 45]
        assert [row.step.text for row in report.rows[:2]] == ["input time", "input mask"]
        assert [row.sees for row in report.rows[:8]] == ["nothing"] * 8
        assert report.rows[-1].sees[0].size == 3  # type: ignore[index, union-attr]


def test_a_picture_with_channels_last() -> None:
    nodes = [
        node("Cast", "x", "cast", to=FLOAT),
        node("Mul", "cast half", "scaled"),
        node("Pad", "scaled rows", "padded"),
        node("Transpose", "padded", "turned", perm=[0, 3, 1, 2]),
        node("Conv", "turned w"),
    ]
    tensors = [weight("w", 8, 3, 3, 3), fractions("half", 0.5), whole("rows", 0, 1, 0, 0, 0, 1, 2, 0)]
    of = model(nodes, *tensors, shape=("n", "h", "w", 3))
    assert read(of, (30, 40)).network.input == Map(30, 40, 3)
    assert read(of, (30, 40)).output == Map(30, 40, 8)
    nodes[2].input[1] = "none"
    for channels in (1, 3, 4, 9):  # nine could be rows as well: what the convolution takes says which
        last = model(
            nodes, weight("w", 8, channels, 3, 3), *tensors[1:], whole("none", *[0] * 8), shape=(1, 8, 6, channels)
        )
        assert read(last).network.input == Map(8, 6, channels) and read(last).output == Map(6, 4, 8)
    first = model([node("Conv", "x w")], weight("w", 8, 8, 3, 3), shape=(1, 8, 6, 3))
    assert read(first).network.input == Map(6, 3, 8) and read(first).output == Map(4, 1, 8)


def test_pixels_out_of_channels() -> None:
    of = model([node("DepthToSpace", blocksize=2)], shape=(1, 12, 5, 7))
    assert isinstance(check(of).rows[0].step.layer, PixelShuffle)
    problem = read(model([node("DepthToSpace", blocksize=3)], shape=(1, 12, 5, 7))).problem
    assert problem is not None and problem.message == "12 channels do not divide into 3 x 3 pixels"


# ---- Sums with sizes


def crop_to_half() -> Any:
    """What an exporter makes of x[:, :, (h - h // 2) // 2 : ...], its heights open."""
    nodes = [
        node("MaxPool", "x", "half", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", "x", "large"),
        node("Shape", "half", "small"),
        node("Gather", "large two", "height"),
        node("Gather", "small two", "wanted"),
        node("Sub", "height wanted", "difference"),
        helper.make_node("Constant", [], ["2"], value=helper.make_tensor("", INT64, [], [2])),
        node("Div", "difference 2", "before"),
        node("Add", "before wanted", "behind"),
        node("Unsqueeze", "before zero", "start"),
        node("Unsqueeze", "behind zero", "stop"),
        node("Slice", "x start stop axis", "cropped"),
        node("Slice", "half none everything third", "all"),
        node("Shape", "all", "sizes", start=2, end=3),
        node("Shape", "cropped", "columns", start=3),
        node("Concat", "batch sizes columns", "to", axis=0),
        node("Resize", "half - - to", "wide", mode="nearest"),
        node("Concat", "cropped wide", "y", axis=1),
    ]
    tensors = [helper.make_tensor("two", INT64, [], [2]), whole("zero", 0), whole("axis", 2), whole("none", 0)]
    tensors += [whole("everything", 2**63 - 1), whole("third", 3), whole("batch", 1, 4)]
    return model(nodes, *tensors, shape=("n", 4, "height", "width"))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 11), (21, 6)])
def test_bounds_that_are_computed(height: int, width: int) -> None:
    report = read(crop_to_half(), (height, width))
    assert report.output == Map(height // 2, width, 8) and not report.unknown
    cropped = report.rows[1].step.layer
    assert isinstance(cropped, Slicing)
    before = (height - height // 2) // 2
    assert cropped.parts[0] == (before, before + height // 2, 1)


def test_sizes_that_are_computed_hold_for_one_input() -> None:
    report = read(crop_to_half(), (9, 9))
    assert report.network.one_size and any(row.unread for row in report.rows) and nearest_inputs(report) == ((), ())
    assert report.network.with_input(9, 9) == report.network
    with pytest.raises(ValueError, match="computed for 9 x 9 and does not hold for 10 x 8: read its file again"):
        report.network.with_input(10, 8)
    free = read(model([node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])], shape=(1, 4, 9, 9)))
    assert not free.network.one_size and nearest_inputs(free) == ((8, 10), (8, 10))


@pytest.mark.parametrize(("axis", "holds_for_one"), [(1, True), (2, True), (3, False), (0, False)])
def test_what_follows_the_input_and_what_does_not(axis: int, holds_for_one: bool) -> None:
    """A slice of channels, as many as an axis of the turned map is long."""
    nodes = [
        node("Transpose", "x", "turned", perm=[0, 2, 3, 1]),
        node("Shape", "turned", "shape", start=axis, end=axis + 1),
        node("Slice", "x zero shape one"),
    ]
    report = read(model(nodes, whole("zero", 0), whole("one", 1), shape=(2, 20, 9, 11)))
    assert report.output == Map(9, 11, (2, 9, 11, 20)[axis]) and report.network.one_size == holds_for_one


def test_sizes_near_the_input_fit_the_weights_of_vectors_too() -> None:
    nodes = [
        node("MaxPool", "x", "a", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "a", "b"),
        node("Gemm", "b w"),
    ]
    report = read(model(nodes, weight("w", 4 * 5 * 4, 2), shape=(1, 4, 11, 9)))
    assert nearest_inputs(report) == (
        (10,),
        (8,),
    )  # 12 x 9 leaves nothing unread of the height, but makes a longer vector


HOSTILE = {
    "squares": [node("Mul", f"{i or 'big'} {i or 'big'}", str(i + 1)) for i in range(99)]
    + [node("Expand", "x 99"), node("Slice", "x big 99")],
    "long": [node("ConstantOfShape", "big", "a"), node("Reshape", "x a")],
    "range": [node("Range", "zero big one", "a"), node("Reshape", "x a")],
    "doubled": [node("Concat", f"{i or 'big'} {i or 'big'}", str(i + 1), axis=0) for i in range(99)]
    + [node("Reshape", "x 99")],
    "nothing": [node("Div", "big zero", "a"), node("Reshape", "x a")],
    "infinite": [node("Resize", "x - infinite")],
    "infinite attribute": [node("Upsample", "x", scales=[1.0, 1.0, float("inf"), 2.0])],
    "gathered": [node("Gather", "big big", "a"), node("Reshape", "x a")],
    "expanded": [node("Expand", "big big", "a"), node("Reshape", "x a")],
    "axes": [node("Unsqueeze", "big big", "a"), node("Reshape", "x a")],
    "pad": [node("Pad", "x big")],
    "perm": [node("Transpose", "x", perm=[0, 1, 2, 2])],
    "axis": [node("Concat", "x x", axis=9)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sums_that_lead_nowhere(name: str) -> None:
    tensors = [whole("big", 2**62), whole("zero", 0), whole("one", 1), fractions("infinite", 1, 1, float("inf"), 1)]
    report = read(model(HOSTILE[name], *tensors))
    assert report.unknown or name == "nothing"  # an array of 0 numbers, by the standard's letter


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("MaxPool", kernel_shape=[2, 2], strides=[0, 1])], "stride 0"),
        ([node("MaxPool", kernel_shape=[2**40, 2])], "a window that spans 1099511627776 does not fit"),
        ([node("AveragePool", kernel_shape=[2, 2], pads=[2**62] * 4)], "would hold whole windows of 2"),
        ([node("Pad", pads=[0, 0, 2**62, 0, 0, 0, 0, 0])], "more than 1,000,000,000"),
        ([node("Slice", starts=[5], ends=[5], axes=[2])], "the part 5:5 of 9 height is empty"),
        ([node("Resize", "x - thousandth")], "a height of 9 times 0.001 leaves nothing"),
        ([node("Resize", "x - huge")], "more than 1,000,000,000"),
    ],
)
def test_sizes_that_cannot_be(nodes: list[Any], message: str) -> None:
    tensors = [
        fractions("thousandth", 1, 1, 0.001, 1),
        fractions("huge", 1, 1, 3e38, 3e38),
    ]
    problem = read(model([*nodes, node("Relu", nodes[-1].output[0], "z")], *tensors, opset=9)).problem
    assert problem is not None and message in problem.message


# ---- Parameters


LIGHT = {
    "bvlc_alexnet": 60_965_224,
    "densenet121": None,
    "inception_v1": None,
    "inception_v2": None,
    "resnet50": 25_557_032,
    "shufflenet": None,
    "squeezenet": 1_235_496,
    "vgg19": 143_667_240,
    "zfnet512": None,
}


@pytest.mark.parametrize("name", LIGHT)
def test_the_networks_that_come_with_the_onnx_package(name: str) -> None:
    """Their weights are filled with one number, and so not stored."""
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    if not path.is_file():
        pytest.skip("this version of the onnx package comes without them")
    report, of = examine(read_onnx(path)), onnx.load(path)
    assert report.problem is None and not report.unknown
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*onnx.shape_inference.infer_shapes(of).graph.value_info, *of.graph.output]
    }
    maps = {value.name for value in of.graph.input} - {tensor.name for tensor in of.graph.initializer}
    made = []
    for step in of.graph.node:
        if maps & set(step.input):
            maps |= set(step.output)
            made.append(step.output[0])
    for row, theirs in zip(report.rows, [shapes.get(name) for name in made], strict=True):
        assert theirs is None or same_numbers(shown(row), tuple(theirs)), (row.step, theirs)
    assert LIGHT[name] in (None, sum(row.parameters for row in report.rows))


# ---- Operators that are not known


def test_behind_an_unknown_operator_nothing_is_known_and_the_rest_is() -> None:
    nodes = [
        node("Odd", "x", "odd", domain="com.microsoft"),
        node("Conv", "odd w", "a"),
        node("Conv", "x w", "b"),
        node("Relu", "b", "c"),
        node("Gelu", "c", "d", domain="com.microsoft"),
        node("Concat", "a c", "y", axis=1),
    ]
    report = read(model(nodes, weight("w", 4, 4, 3, 3)))
    assert [(step.text, step.unknown) for step in report.unknown] == [
        ("com.microsoft.Odd", "an operator that is not known"),
        ("com.microsoft.Gelu", "an operator that is not known"),
    ]
    assert [row.output for row in report.rows] == [None, None, Map(7, 9, 4), Map(7, 9, 4), None, None]
    said = table.render(report)
    assert "not known, and so neither is what depends on it: com.microsoft.Gelu (an operator" in said
    reread = read(model([node("Einsum", equation="nchw->nhwc")]))
    assert "work not known, and not counted: Einsum (an operator that is not known)" in table.render(reread)
    assert [row.parameters for row in report.rows] == [0, 144, 0, 0, 0, 0]


def test_a_size_that_the_file_states() -> None:
    nodes = [
        node("Odd", "x", "odd", domain="com.microsoft"),
        node("Relu", "odd", "a"),
        node("Conv", "a w", "b"),
        node("Odd", "b", "c", domain="com.microsoft"),
        node("MatMul", "c v"),
    ]
    of = model(nodes, weight("w", 5, 4, 2, 2), weight("v", 4, 6))
    of.graph.value_info.extend(
        [
            helper.make_tensor_value_info("odd", FLOAT, ["n", 4, 11, 9]),
            helper.make_tensor_value_info("c", FLOAT, [1, 4]),
        ]
    )
    report = read(of)
    assert [row.step.array for row in report.rows] == [(4, 11, 9), None, None, (4,), (6,)]
    assert [row.output for row in report.rows] == [None, Map(11, 9, 4), Map(10, 8, 5), None, None]
    assert len(report.unknown) == 2 and report.network.one_size
    assert [row.bytes for row in read(of, (9, 11)).rows] == [row.bytes for row in report.rows]
    assert not any(row.bytes for row in read(of, (18, 11)).rows)  # what is stated is so for 9 x 11


# ---- Inputs


def test_a_batch_counts_as_one_picture() -> None:
    for batch in ("n", None, 7, 0):
        of = model([node("Flatten", "x", "a"), node("Gemm", "a w")], weight("w", 24, 5), shape=(batch, 4, 2, 3))
        assert read(of).output == Map(1, 1, 5) and read(of).rows[0].bytes == 96


def test_the_size_may_be_given() -> None:
    of = model([node("Relu")], shape=("n", 3, "height", "width"))
    assert read(of, (5, 6)).output == Map(5, 6, 3)
    with pytest.raises(
        OnnxError, match=r"its input 'x' \(n, 3, height, width\) leaves height and width open: give --size"
    ):
        read(of)
    assert read(model([node("Relu")]), (50, 60)).output == Map(50, 60, 4)  # or it takes the place of the file's
    vector = model([node("Relu")], shape=(1, 3))
    assert read(vector).network.input == Map(1, 1, 3)
    with pytest.raises(OnnxError, match="is a vector, which has no height and width"):
        read(vector, (5, 6))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 4), r"no input is a picture \(N, C, H, W\) or a vector \(N, C\); there is 'x' \(1, 3, 4\)"),
        (None, "there is 'x' of unknown shape"),
        (("n", "c", 4, 4), r"its input 'x' \(n, c, 4, 4\) leaves the number of channels open"),
        ((1, -1, 4, 4), "leaves the number of channels open"),
        ((1, 3, -1, 4), "leaves height and width open"),
        ((1, 3, 10**10, 4), "more than 1,000,000,000 is beyond any machine"),
    ],
)
def test_inputs_that_are_no_picture(shape: Any, message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        read(model([node("Relu")], shape=shape))


def test_weights_that_are_listed_as_inputs() -> None:
    of = model([node("Conv", "x w")], weight("w", 4, 4, 3, 3))
    of.graph.input.insert(0, helper.make_tensor_value_info("w", FLOAT, [4, 4, 3, 3]))
    assert read(of).network.input == Map(9, 11, 4) and [row.output for row in read(of).rows] == [Map(7, 9, 4)]


def test_names_of_nodes() -> None:
    nodes = [
        node("Relu", "x", "a", name="/down/0/Relu"),
        node("Relu", "a", "b", name="Relu_7"),
        node("Relu", "b", "c"),
        node("Relu", "c", "d", name="act\x1b[2J\n"),
        node("Relu", "d", "y", name="l" * 1000),
    ]
    texts = [row.step.text for row in read(model(nodes)).rows]
    assert texts == ["Relu /down/0", "Relu_7", "Relu", "Relu act?[2J?", "Relu " + "l" * 200]


def test_a_value_that_nothing_makes() -> None:
    with pytest.raises(OnnxError, match="Relu takes 'z', which nothing before it makes"):
        read(model([node("Relu", "z")]))


# ---- Files that are damaged, and what is no file


def small_file() -> bytes:
    nodes = [
        node("Conv", "x w b", "a", strides=[2, 2], auto_pad="SAME_LOWER"),
        node("Shape", "a", "s"),
        node("Resize", "a - scales", "c", mode="linear"),
        node("Slice", "c one last two", "d"),
        node("Einsum", "d", "e", equation="abcd->abcd"),
        node("Flatten", "e", "f"),
        node("Gemm", "f v"),
    ]
    tensors = [weight("w", 2, 4, 3, 3), weight("b", 2), weight("v", 40, 3), fractions("scales", 1, 1, 1.5, 2)]
    of = model(nodes, *tensors, whole("one", 1), whole("last", -1), whole("two", 2))
    of.graph.value_info.append(helper.make_tensor_value_info("e", FLOAT, [1, 2, 5, 4]))
    return bytes(of.SerializeToString())


def survives(content: bytes) -> bool:
    """Whether the file is read; all else than an OnnxError is an error."""
    try:
        read(content)
    except OnnxError:
        return False
    return True


def test_a_file_cut_off_anywhere() -> None:
    content = small_file()
    assert survives(content)
    reads = [length for length in range(len(content)) if survives(content[:length])]
    # The network is complete before the last field, the version of the operators.
    assert all(length >= len(content) - 10 for length in reads)


def test_flipped_bits_and_bytes() -> None:
    content, rng = small_file(), random.Random(0)
    for _ in range(600):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            damaged[rng.randrange(len(damaged))] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        survives(bytes(damaged))


@given(st.binary(max_size=300))
@quick
def test_any_bytes(content: bytes) -> None:
    survives(content)
    survives(b"\x08\x08\x3a" + bytes([len(content) % 128]) + content)  # as a network


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.onnx", Path("/dev/zero")):
        with pytest.raises(OnnxError, match="this is no file"):
            read_onnx(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
        with pytest.raises(OnnxError, match="this is no file"):
            read_onnx(tmp_path / "pipe.onnx")
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(2**31 + 1)  # a hole: it takes no room
    with pytest.raises(OnnxError, match="the file has 2,147,483,649 bytes; an ONNX file has at most 2 GiB"):
        read_onnx(large)


# ---- In the report


def test_kernels_run_what_they_can() -> None:
    of = crop_to_half()
    of.graph.node.append(node("Einsum", "y", "z", equation="abcd->abdc"))
    of.graph.node.append(node("Relu", "z", "a"))
    report = read(of, (9, 12))
    results = check_with_kernels(report, "numpy")
    assert [result.step for result in results] == [0, 1, 2, 3, 4]
    assert all(result.got == result.wanted for result in results)
    linear = read(model([node("Resize", "x - scales", mode="linear")], fractions("scales", 1, 1, 2, 2)))
    assert [result.got for result in check_with_kernels(linear, "numpy")] == [None]


def test_the_table_says_what_holds_for_one_size_only() -> None:
    report = read(crop_to_half(), (9, 12))
    assert "rows are left unread by 1 MaxPool: give another --size to look at another input" in table.render(report)
    apart = crop_to_half()
    apart.graph.node.append(node("Add", "y x", "z"))
    assert table.problem_text(read(apart, (9, 12))) == "layer 6, Add: height 4 meets 9: they must agree, or be 1"
