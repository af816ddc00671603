"""Whole networks from ONNX files: each node's size against the onnx package's inference, parameters, what it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from onnx_files import (
    FLOAT,
    INT64,
    check,
    fractions,
    helper,
    model,
    net,
    node,
    onnx,
    read,
    said,
    same_numbers,
    shown,
    weight,
    whole,
)

from minisd.shapes.onnx.reader import read_onnx
from minisd.shapes.report import table
from minisd.shapes.report.check import check as check_with_kernels
from minisd.shapes.report.layers import Addition, Elementwise, Linear, Map, PixelShuffle, Slicing
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.sums import Report, examine

# ---- Whole networks: each line a node, and what the report says of it


class Net(NamedTuple):
    """A network in ONNX's own notation, what the report says of a node behind each; its weights and stored numbers.

    In short: p parameters, m multiply-adds, in brackets an array that is no picture.
    """

    text: str
    tensors: dict[str, Any]
    shape: tuple[int | str, ...] = (1, 4, 9, 11)
    opset: int = 21
    one_size: bool = False

    def report(self) -> Report:
        return check(net(self.text, self.tensors, shape=self.shape, opset=self.opset))


NETS = {
    "joins": Net(
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
    ),
    "arithmetic with constants": Net(  # behind a weight they are learned, before it they prepare the input
        """
        prepared = Mul (x, scale)                             | 9x11x4, sees 1x1
        x0 = Conv <group=4> (prepared, w)                     | 9x11x4, 4 p, 396 m, sees 1x1
        a = Mul (x0, scale)                                   | 9x11x4, 4 p, sees 1x1
        b = Add (shift, a)                                    | 9x11x4, 4 p, sees 1x1
        c = Div (b, two)                                      | 9x11x4, sees 1x1
        d = Pow (c, two)                                      | 9x11x4, sees 1x1
        e = Sub (d, scale)                                    | 9x11x4, sees 1x1
        f = Add (e, table)                                    | 9x11x4, 99 p, sees 1x1
        g = Mul (f, half)                                     | 9x11x4, sees 1x1
        """,
        {"w": (4, 1, 1, 1), "scale": (4, 1, 1), "shift": (1, 4, 1, 1), "two": [2.0], "half": [0.5], "table": (9, 11)},
        one_size=True,  # the table fits no other
    ),
    "a classifier": Net(
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
    ),
    "a vector made a map and back": Net(
        """
        long = Gemm (x, w)                                    | 1x1x96, 960 p, 960 m, sees 1x1
        map = Reshape (long, shape)                           | 3x4x8, sees all
        larger = ConvTranspose <strides=[2, 2]> (map, v)      | 6x8x5, 160 p, 1920 m, sees all
        mean = ReduceMean <keepdims=0> (larger, axes)         | 1x1x5, sees all
        pixel = Unsqueeze (mean, axes)                        | 1x1x5, sees all
        y = Squeeze (pixel, axes)                             | 1x1x5, sees all
        """,
        {"w": (10, 96), "shape": [-1, 8, 3, 4], "v": (8, 5, 2, 2), "axes": [2, 3]},
        shape=("batch", 10),
    ),
    "a group norm of an older file": Net(  # a fold, an instance norm by ones, and back; the real scale follows
        """
        folded = Reshape (x, groups)                          | (2x198), sees 1x1
        normed = InstanceNormalization (folded, ones, zeros)  | (2x198), sees 1x1
        back = Reshape (normed, whole)                        | 9x11x4, sees 1x1
        scaled = Mul (back, scale)                            | 9x11x4, 4 p, sees 1x1
        shifted = Add (scaled, shift)                         | 9x11x4, 4 p, sees 1x1
        """,
        {"groups": [0, 2, -1], "ones": (2,), "zeros": (2,), "whole": [0, 4, 9, 11], "scale": (4, 1, 1),
         "shift": (4, 1, 1)},
        one_size=True,
    ),
    "shuffled channels": Net(
        """
        five = Reshape (x, apart)                             | (2x2x9x11), sees 1x1
        turned = Transpose <perm=[0, 2, 1, 3, 4]> (five)      | (2x2x9x11), sees 1x1
        y = Reshape (turned, together)                        | 9x11x4, sees 1x1
        """,
        {"apart": [1, 2, 2, 9, 11], "together": [1, 4, 9, 11]},
        one_size=True,
    ),
    "shuffled pixels": Net(  # rows take a factor of the channels in
        """
        five = Reshape (x, apart)                             | (2x2x9x11), sees 1x1
        turned = Transpose <perm=[0, 1, 3, 2, 4]> (five)      | (2x9x2x11), sees 1x1
        z = Reshape (turned, larger)                          | 18x11x2, sees ?
        y = Conv (z, w)                                       | 18x11x3, 6 p, 1188 m, sees ?
        """,
        {"apart": [1, 2, 2, 9, 11], "larger": [1, 2, 18, 11], "w": (3, 2, 1, 1)},
        one_size=True,
    ),
    "an attention": Net(  # as it is exported: pixels in a row, heads, scores of pixels by pixels, and back
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
        shape=(1, 4, 2, 3), one_size=True,  # the scores grow with the picture
    ),
    "windows": Net(  # 2 x 2 of 4 x 4, and a convolution over each
        """
        six = Reshape (x, apart)                              | (3x2x4x2x4), sees 1x1
        turned = Transpose <perm=[0, 2, 4, 1, 3, 5]> (six)    | (2x2x3x4x4), sees 1x1
        each = Reshape (turned, windows)                      | (4x3x4x4), sees 1x1
        y = Conv (each, w)                                    | (4x5x2x2), 135 p, 2160 m, sees ?
        """,
        {"apart": [1, 3, 2, 4, 2, 4], "windows": [4, 3, 4, 4], "w": (5, 3, 3, 3)},
        shape=(1, 3, 8, 8), one_size=True,
    ),
    "channels that are flipped": Net(
        """
        front = Transpose <perm=[1, 0, 2, 3]> (x)             | (4x1x9x11), sees 1x1
        flipped = GatherND (front, indices)                   | (4x1x9x11), sees 1x1
        back = Transpose <perm=[1, 0, 2, 3]> (flipped)        | 9x11x4, sees 1x1
        some = Gather <axis=1> (back, two)                    | 9x11x2, sees ?
        y = Conv (some, w)                                    | 9x11x4, 8 p, 792 m, sees ?
        """,
        {"indices": [[3], [2], [1], [0]], "two": [1, 0], "w": (4, 2, 1, 1)},
        one_size=True,
    ),
    "circular padding": Net(  # the last row before the first, the first behind the last; then the picture twice
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
        one_size=True,
    ),
    "a mean over the width, then over the height": Net(
        """
        a = ReduceMean <axes=[3], keepdims=0> (x)             | (4x9), sees 1x11
        b = ReduceMean <axes=[2], keepdims=0> (a)             | 1x1x4, sees 9x11
        c = Relu (b)                                          | 1x1x4, sees 9x11
        y = MatMul (c, w)                                     | 1x1x7, 28 p, 28 m, sees 9x11
        """,
        {"w": (4, 7)},
        opset=12,
    ),
    "a mean over the height, then over the width": Net(
        """
        a = ReduceMean <axes=[2], keepdims=1> (x)             | 1x11x4, sees 9x1
        b = ReduceMean <axes=[-1], keepdims=0> (a)            | (4x1), sees 9x11
        c = Squeeze (b)                                       | 1x1x4, sees 9x11
        y = MatMul (c, w)                                     | 1x1x7, 28 p, 28 m, sees 9x11
        """,
        {"w": (4, 7)},
        opset=12,
    ),
    "channels last for a while": Net(
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
        opset=17,
    ),
    "a shared weight counts once": Net(
        """
        a = Conv <pads=[1, 1, 1, 1]> (x, w)                   | 9x11x4, 144 p, 14256 m, sees 3x3
        y = Conv <pads=[1, 1, 1, 1]> (a, w, b)                | 9x11x4, 4 p, 14256 m, sees 5x5
        """,
        {"w": (4, 4, 3, 3), "b": (4,)},
    ),
    "pixels out of channels, and back": Net(
        """
        a = SpaceToDepth <blocksize=2> (x)                    | 5x3x16, sees ?
        b = Conv (a, w)                                       | 5x3x32, 512 p, 7680 m, sees ?
        y = DepthToSpace <blocksize=4> (b)                    | 20x12x2, sees ?
        """,
        {"w": (32, 16, 1, 1)},
        shape=(1, 4, 10, 6), one_size=True,
    ),
    "height and width change places": Net(  # what comes first is the height
        """
        turned = Transpose <perm=[0, 1, 3, 2]> (x)            | 11x9x4, sees ?
        active = Relu (turned)                                | 11x9x4, sees ?
        y = Conv (active, w)                                  | 9x9x2, 24 p, 1944 m, sees ?
        """,
        {"w": (2, 4, 3, 1)},
        one_size=True,
    ),
    "uneven rows": Net(  # they take parts of channels in and are no picture; their convolution is counted
        """
        rows = Reshape (x, whole)                             | (6x66), sees ?
        y = Conv (rows, w)                                    | (2x64), 36 p, 2304 m, sees ?
        """,
        {"whole": [1, 6, 66], "w": (2, 6, 3)},
    ),
    "a mean over no axis changes nothing": Net(
        """
        y = ReduceMean <noop_with_empty_axes=1> (x)           | 9x11x4, sees 1x1
        """,
        {},
    ),
    "a matrix that is turned": Net(
        """
        rows = Reshape (x, whole)                             | (9x44), sees ?
        y = Gemm <transA=1> (rows, w)                         | (44x5), 45 p, 1980 m, sees ?
        """,
        {"whole": [9, 44], "w": (9, 5)},
    ),
    "pixels mixed with pixels": Net(
        """
        row = Reshape (x, whole)                              | (4x99), sees 1x1
        y = MatMul (row, w)                                   | (4x99), 9801 p, 39204 m, sees ?
        """,
        {"whole": [0, 4, -1], "w": (99, 99)},
        one_size=True,
    ),
    "channels in two heads, mixed in each": Net(
        """
        last = Transpose <perm=[0, 2, 3, 1]> (x)              | 9x11x4, sees 1x1
        heads = Reshape (last, apart)                         | (9x11x2x2), sees 1x1
        mixed = MatMul (heads, w)                             | (9x11x2x3), 6 p, 1188 m, sees ?
        together = Reshape (mixed, whole)                     | 9x11x6, sees ?
        y = Transpose <perm=[0, 3, 1, 2]> (together)          | 9x11x6, sees ?
        """,
        {"apart": [1, 9, 11, 2, 2], "w": (2, 3), "whole": [1, 9, 11, 6]},
        one_size=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_what_is_said_of_each_node(name: str) -> None:
    report = NETS[name].report()
    rows = iter(report.rows)
    for line in NETS[name].text.strip().splitlines():
        step, _, wanted = line.partition("|")
        outputs = onnx.parser.parse_node(step).output
        assert " / ".join(dict.fromkeys(said(next(rows)) for _ in outputs)) == wanted.strip(), step
    assert next(rows, None) is None and report.network.one_size == NETS[name].one_size


def test_layers_of_joins() -> None:
    kinds = {row.step.text: type(row.step.layer) for row in NETS["joins"].report().rows}
    assert kinds["Add"] == kinds["Sum"] == Addition and kinds["Mul"] == kinds["Sub"] == Elementwise
    report = NETS["circular padding"].report()
    assert report.rows[2].formulas == ("1 + 9 + 1", "") and report.rows[3].formulas == ("", "11 + 11")
    with_kernels = check_with_kernels(report, "numpy")
    assert [result.got for result in with_kernels] == [(1, 11), (1, 11), (11, 11), (11, 22), None, (20, 20)]


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_has_the_bias_that_the_file_has(bias: bool) -> None:
    of = net("y = Gemm (x, w, b)" if bias else "y = Gemm (x, w)", {"w": (4, 5), "b": (5,)}, shape=(1, 4))
    assert check(of).rows[0].step.layer == Linear(5, inputs=4, bias=bias)


def test_products_of_a_batch_are_counted_for_one_picture() -> None:
    text, tensors = "row = Reshape (x, whole)\ny = MatMul (row, w)", {"whole": [0, 4, -1], "w": (99, 5)}
    assert [read(net(text, tensors, shape=(n, 4, 9, 11))).rows[1].multiply_adds for n in (1, 2)] == [4 * 99 * 5] * 2


def test_arrays_in_the_table() -> None:
    report = NETS["an attention"].report()
    assert "in brackets: no picture" in table.render(report) and "(6x4)" in table.render(report)
    values = table.as_json(report)["layers"]
    assert values[1]["output_size"] is None and values[1]["array"] == [6, 4] and values[-1]["output_size"] == [2, 3, 2]
    assert report.rows[1].output == Map(2, 3, 4)  # in a row, and still the picture
    assert NETS["windows"].report().rows[-1].bytes == 4 * 80


def test_a_table_as_large_as_the_picture() -> None:
    larger = read(net("y = Add (x, table)", {"table": (1, 4, 9, 11)}, shape=(1, 4, 1, 11)))
    assert larger.output == Map(9, 11, 4) and not larger.unknown


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
