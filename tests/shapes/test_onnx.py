"""ONNX files: every size against the onnx package's own shape inference, and files that are damaged or hostile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from minisd_kernels.shapes import ReceptiveField

from minisd.shapes.onnx import OnnxError, read_onnx
from minisd.shapes.onnx import model as onnx_model
from minisd.shapes.onnx.constants import Constant, compute
from minisd.shapes.onnx.model import MOST_NODES
from minisd.shapes.onnx.protobuf import MOST_FIELDS, WireError, fields, integers
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
    Stated,
    Unflatten,
    Upsampling,
)
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.sums import Report, examine

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.reference")
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


def read(content: Any, size: tuple[int, int] | None = None) -> Report:
    """Our report of a model, or of a file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return examine(read_onnx(path, size))


def inferred(of: Any) -> list[Map | None]:
    """What the onnx package infers of every array of floats that a node makes; None where it infers no size."""
    graph = onnx.shape_inference.infer_shapes(of, strict_mode=True, data_prop=True).graph
    types = {value.name: value.type.tensor_type for value in [*graph.value_info, *graph.output]}
    made = [types[name] for step in graph.node if step.op_type != "Constant" for name in step.output if name in types]
    lengths = [[axis.dim_value for axis in kind.shape.dim] for kind in made if kind.elem_type in (0, FLOAT)]
    return [as_map(shape) for shape in lengths]


def as_map(shape: list[int]) -> Map | None:
    if len(shape) not in (2, 4) or min(shape[1:]) < 1:
        return None
    return Map(1, 1, shape[1]) if len(shape) == 2 else Map(shape[2], shape[3], shape[1])


def check(of: Any, size: tuple[int, int] | None = None) -> Report:
    """Our sizes are the inferred ones."""
    report = read(of, size)
    assert report.problem is None and not report.unknown, (report.problem, report.unknown)
    theirs = inferred(of)
    assert [row.output for row in report.rows] == theirs
    for row in report.rows:
        for formula, out in zip(row.formulas, row.output or (), strict=False):
            if formula:
                assert eval(formula, {"floor": floor, "ceil": ceil}) == out, row
    return report


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
    assume(fits(attributes, height, width))
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
            assert inferred(of) == [Map(*wanted, 4)]


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


def test_joins() -> None:
    report = check(
        model(
            [
                node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
                node("Concat", "a x", "both", axis=1),
                node("Concat", "both a x", "three", axis=-3),
                node("Slice", "three zero four one", "first"),
                node("Add", "first a", "sum"),
                node("Sum", "sum a x", "sums"),
                node("GlobalAveragePool", "sums", "mean"),
                node("Mul", "sums mean", "gated"),
                node("Sub", "mean gated", "less"),
                node("Max", "less", "alone"),
                node("Concat", "alone", "lonely", axis=1),
                node("Div", "lonely x"),
            ],
            weight("w", 4, 4, 3, 3),
            whole("zero", 0),
            whole("four", 4),
            whole("one", 1),
        )
    )
    layers = [row.step.layer for row in report.rows]
    assert isinstance(layers[4], Addition) and isinstance(layers[8], Elementwise)
    assert [row.sees for row in report.rows[7:]] == ["all"] * 5  # each has to do with the mean


def test_a_map_that_meets_another_size() -> None:
    of = model([node("Conv", "x w", "a"), node("Add", "a x")], weight("w", 4, 4, 2, 1))
    problem = read(of).problem
    assert problem is not None and (problem.step, problem.axis) == (1, 0)
    assert problem.message == "height 8 meets 9: they must agree, or be 1"


def test_arithmetic_with_constants() -> None:
    report = check(
        model(
            [
                node("Mul", "x scale", "a"),
                node("Add", "shift a", "b"),
                node("Div", "b two", "c"),
                node("Pow", "c two", "d"),
                node("Sub", "d table", "e"),
            ],
            weight("scale", 4, 1, 1),
            weight("shift", 1, 4, 1, 1),
            fractions("two", 2),
            weight("table", 9, 11),
        )
    )
    assert [row.parameters for row in report.rows] == [4, 4, 0, 0, 99]
    assert report.network.one_size  # the table fits no other size
    larger = model([node("Add", "x table")], weight("table", 1, 4, 9, 11), shape=(1, 4, 1, 11))
    assert [step.text for step in read(larger).unknown] == ["Add: with a constant that is larger than the map"]


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


def test_a_classifier() -> None:
    report = check(
        model(
            [
                node("Conv", "x w", "a"),
                node("Flatten", "a", "flat"),
                node("Gemm", "flat w1 b1", "hidden", transB=1),
                node("Relu", "hidden", "active"),
                node("MatMul", "active w2", "product"),
                node("Add", "product b2", "sum"),
                node("Concat", "sum hidden", "both", axis=1),
                node("Softmax", "both"),
            ],
            weight("w", 2, 4, 3, 3),
            weight("w1", 5, 2 * 7 * 9),
            weight("b1", 5),
            weight("w2", 5, 6),
            weight("b2", 6),
        )
    )
    assert [row.parameters for row in report.rows] == [72, 0, 5 * 126 + 5, 0, 30, 6, 0, 0]
    assert report.rows[2].multiply_adds == 5 * 126


@pytest.mark.parametrize("target", [(1, -1), (-1, 396), (0, -1), (1, 396), (-1, 4, 9, 11), (0, 0, 0, 0)])
def test_reshapes(target: tuple[int, ...]) -> None:
    check(model([node("Reshape", "x shape")], whole("shape", *target)))


def test_a_vector_made_a_map_and_back() -> None:
    check(
        model(
            [
                node("Gemm", "x w", "long"),
                node("Reshape", "long shape", "map"),
                node("ConvTranspose", "map v", "larger", strides=[2, 2]),
                node("ReduceMean", "larger axes", "mean", keepdims=0),
                node("Unsqueeze", "mean axes", "pixel"),
                node("Squeeze", "pixel axes"),
            ],
            weight("w", 10, 96),
            whole("shape", -1, 8, 3, 4),
            weight("v", 8, 5, 2, 2),
            whole("axes", 2, 3),
            shape=("batch", 10),
        )
    )


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_means_over_all_pixels(operator: str, keepdims: int) -> None:
    check(model([node(operator, "x axes", keepdims=keepdims)], whole("axes", -1, -2)))
    check(model([node(operator, axes=[2, 3], keepdims=keepdims)], opset=11))
    check(model([node(f"Global{name}Pool") for name in ("Average",)]))


def test_a_group_norm_of_an_older_file() -> None:
    """A fold to (N, groups, the rest), an instance norm whose scale is one, and back; the real scale follows."""
    of = model(
        [
            node("Reshape", "x groups", "folded"),
            node("InstanceNormalization", "folded ones zeros", "normed"),
            node("Shape", "x", "shape"),
            node("Reshape", "normed shape", "back"),
            node("Mul", "back scale", "scaled"),
            node("Add", "scaled shift", "shifted"),
        ],
        whole("groups", 0, 2, -1),
        weight("ones", 2),
        weight("zeros", 2),
        weight("scale", 4, 1, 1),
        weight("shift", 4, 1, 1),
    )
    report = read(of)
    assert report.output == Map(9, 11, 4) and not report.unknown and not report.network.one_size
    assert sum(row.parameters for row in report.rows) == 8


def test_shuffled_channels() -> None:
    nodes = [
        node("Reshape", "x apart", "five"),
        node("Transpose", "five", "turned", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "turned together", "y"),
    ]
    report = read(model(nodes, whole("apart", 1, 2, 2, 9, 11), whole("together", 1, 4, 9, 11)))
    assert report.output == Map(9, 11, 4) and not report.unknown
    nodes[1] = node("Transpose", "five", "turned", perm=[0, 1, 2, 4, 3])  # here pixels change places, too
    report = read(model(nodes, whole("apart", 1, 2, 2, 9, 11), whole("together", 1, 4, 9, 11)))
    assert report.unknown[0].text == "Transpose: to an order of axes that is no map's"
    nodes[1:] = [node("Reshape", "five otherwise", "folded"), node("Conv", "folded w")]  # other than it was before
    tensors = [whole("apart", 1, 2, 2, 9, 11), whole("otherwise", 1, 2, 18, 11), weight("w", 3, 2, 1, 1)]
    assert read(model(nodes, *tensors)).unknown[0].text == "Conv: of an array that is not N, C, H, W"


def test_channels_last_for_a_while() -> None:
    nodes = [
        node("Conv", "x w", "a", strides=[2, 2]),
        node("Transpose", "a", "turned", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "turned s t", "normed"),
        node("MatMul", "normed v", "wide"),
        node("Add", "wide b", "biased"),
        node("Pad", "biased rows", "padded"),
        node("Slice", "padded one last first", "cut"),
        node("Split", "cut", "left right", axis=-1),
        node("Concat", "right left", "swapped", axis=3),
        node("Transpose", "swapped", "back", perm=[0, 3, 1, 2]),
        node("Conv", "back u"),
    ]
    tensors = [
        weight("w", 6, 4, 2, 2),
        weight("s", 6),
        weight("t", 6),
        weight("v", 6, 24),
        weight("b", 24),
        weight("u", 2, 24, 1, 1),
        whole("rows", 0, 1, 0, 0, 0, 0, 3, 0),
        *(whole("one", 1), whole("last", -1), whole("first", 2)),
    ]
    of = model(nodes, *tensors, opset=17)
    report = read(of)
    assert report.output == Map(5, 6, 2) == inferred(of)[-1] and not report.unknown
    assert [row.parameters for row in report.rows if row.parameters] == [96, 12, 144, 24, 48]


def test_a_picture_with_channels_last() -> None:
    nodes = [node("Transpose", "x", "turned", perm=[0, 3, 1, 2]), node("Conv", "turned w")]
    of = model(nodes, weight("w", 8, 3, 3, 3), shape=("n", "h", "w", 3))
    assert read(of, (30, 40)).network.input == Map(30, 40, 3)
    assert read(of, (30, 40)).output == Map(28, 38, 8)


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


COMPUTED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Add": ([[[1], [2]], [3, 4, 5]], {}),
    "Sub": ([[1, 2], 5], {}),
    "Mul": ([[2.5, 2.0], [-1.0, 4.0]], {}),
    "Max": ([[1, 7], [3, 4], [5, 0]], {}),
    "Min": ([[1, 7], [3, 4], [5, 0]], {}),
    "Mod": ([[7, -7], [3, 3]], {}),
    "Neg": ([[1, -2]], {}),
    "Abs": ([[1, -2]], {}),
    "Floor": ([[1.5, -1.5]], {}),
    "Ceil": ([[1.5, -1.5]], {}),
    "Round": ([[1.5, 2.5, -0.4]], {}),
    "Sqrt": ([[9.0]], {}),
    "Equal": ([[1, 2], [1, 3]], {}),
    "Less": ([[1, 2], [2, 1]], {}),
    "GreaterOrEqual": ([[1, 2], [1, 3]], {}),
    "Not": ([[True, False]], {}),
    "And": ([[True, True], [True, False]], {}),
    "Or": ([[False, True], [False, False]], {}),
    "Where": ([[True, False], [1, 2], [3, 4]], {}),
    "Cast": ([[1.7, -1.7]], {"to": INT64}),
    "Gather": ([[[1, 2, 3], [4, 5, 6]], [[0, -1]]], {"axis": 1}),
    "Slice": ([[[1, 2, 3], [4, 5, 6]], [-1, 0], [-9, 2], [1, 0], [-1, 1]], {}),
    "Concat": ([[1, 2], [3]], {"axis": 0}),
    "Transpose": ([[[[1, 2, 3]], [[4, 5, 6]]]], {"perm": [2, 0, 1]}),
    "Reshape": ([[1, 2, 3, 4, 5, 6], [2, -1]], {}),
    "Flatten": ([[[[1, 2, 3]], [[4, 5, 6]]]], {"axis": 2}),
    "Squeeze": ([[[[1, 2, 3]]], [0]], {}),
    "Unsqueeze": ([[1, 2], [0, -1]], {}),
    "Shape": ([[[1, 2, 3], [4, 5, 6]]], {"start": -1}),
    "ConstantOfShape": ([[2, 3]], {"value": whole("", 7)}),
    "Expand": ([[[1], [2]], [2, 1, 3]], {}),
    "Range": ([3, 12, 4], {}),
    "ReduceProd": ([[2, 3, 4]], {"keepdims": 0}),
    "Identity": ([[1, 2]], {}),
}


@pytest.mark.parametrize("operator", COMPUTED)
def test_sums_are_those_of_the_onnx_package(operator: str) -> None:
    values, attributes = COMPUTED[operator]
    names = [f"i{place}" for place in range(len(values))]
    made = node(operator, " ".join(names), **attributes)
    inputs = [helper.make_tensor_value_info(name, 0, None) for name in names]
    graph = helper.make_graph([made], "sum", inputs, [helper.make_empty_tensor_value_info("y")])
    arrays = {name: np.array(value) for name, value in zip(names, values, strict=True)}
    (wanted,) = onnx.reference.ReferenceEvaluator(helper.make_model(graph)).run(None, arrays)
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    assert compute_as_file(made, tensors) == (wanted.shape, wanted.ravel().tolist())


def compute_as_file(made: Any, tensors: list[Any]) -> tuple[Any, Any]:
    """What we compute of a node of a file."""
    graph = onnx_model._model(memoryview(model([made], *tensors).SerializeToString()))
    (step,) = graph.nodes
    found = compute(step, [Constant.of_tensor(name, graph.tensors[name]) for name in step.inputs])
    return found.shape, None if found.numbers is None else [number.value for number in found.numbers]


def test_whole_numbers_are_divided_towards_zero() -> None:
    quotient = compute_as_file(node("Div", "a b"), [whole("a", 7, -7, 7, -7), whole("b", 2, 2, -2, -2)])
    assert quotient == ((4,), [3, -3, -3, 3])
    assert compute_as_file(node("Div", "a b"), [fractions("a", 7, -7), fractions("b", 2, 2)]) == ((2,), [3.5, -3.5])


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
    assert read(model(HOSTILE[name], *tensors)).unknown


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("MaxPool", kernel_shape=[2, 2], strides=[0, 1])], "stride 0"),
        ([node("MaxPool", kernel_shape=[2**40, 2])], "a window that spans 1099511627776 does not fit"),
        ([node("AveragePool", kernel_shape=[2, 2], pads=[2**62] * 4)], "more than 1,000,000,000"),
        ([node("Slice", starts=[5], ends=[5], axes=[2])], "the part 5:5 of 9 height is empty"),
        ([node("Resize", "x - thousandth")], "a height of 9 times 0.001 leaves nothing"),
        ([node("Resize", "x - - empty")], "a height of 9 resized to 0 leaves nothing"),
        ([node("Resize", "x - huge")], "more than 1,000,000,000"),
    ],
)
def test_sizes_that_cannot_be(nodes: list[Any], message: str) -> None:
    tensors = [
        whole("empty", 1, 4, 0, 22),
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
    graph = onnx.shape_inference.infer_shapes(of).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*graph.value_info, *graph.output]
    }
    maps = {value.name for value in of.graph.input} - {tensor.name for tensor in of.graph.initializer}
    made = []
    for step in of.graph.node:
        if maps & set(step.input):
            maps |= set(step.output)
            made.append(step.output[0])
    assert len(made) == len(report.rows)
    theirs = [shapes.get(name, []) for name in made]
    assert [row.output if len(shape) in (2, 4) else None for row, shape in zip(report.rows, theirs, strict=True)] == [
        as_map(shape) for shape in theirs
    ]
    assert LIGHT[name] in (None, sum(row.parameters for row in report.rows))


def test_a_shared_weight_counts_once() -> None:
    nodes = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Conv", "a w b", "y", pads=[1, 1, 1, 1])]
    report = check(model(nodes, weight("w", 4, 4, 3, 3), weight("b", 4)))
    assert [row.parameters for row in report.rows] == [144, 4]
    assert [row.multiply_adds for row in report.rows] == [144 * 99] * 2


def test_weights_stored_otherwise() -> None:
    """In a Constant node, in 16 or 8 bits, turned, or in another file."""
    constant = helper.make_node("Constant", [], ["c"], value=weight("", 4, 4, 1, 1))
    elsewhere = weight("e", 4, 4, 1, 1)
    elsewhere.ClearField("raw_data")
    elsewhere.data_location = onnx.TensorProto.EXTERNAL
    elsewhere.external_data.add(key="location", value="weights.bin")
    nodes = [
        constant,
        node("Conv", "x c", "a"),
        node("DequantizeLinear", "q scale", "dequantised"),
        node("Conv", "a dequantised", "b"),
        node("Cast", "h", "single", to=FLOAT),
        node("Conv", "b single", "d"),
        node("Conv", "d e", "f"),
        node("Flatten", "f", "g"),
        node("Transpose", "t", "turned", perm=[1, 0]),
        node("MatMul", "g turned"),
    ]
    tensors = [weight("q", 4, 4, 2, 2, kind=onnx.TensorProto.INT8), fractions("scale", 1.0), elsewhere]
    tensors += [weight("h", 4, 4, 1, 1, kind=onnx.TensorProto.FLOAT16), weight("t", 3, 4 * 8 * 10)]
    report = read(model(nodes, *tensors))
    assert [row.parameters for row in report.rows] == [16, 64, 16, 16, 0, 960]
    assert report.output == Map(1, 1, 3)


def test_numbers_in_every_encoding() -> None:
    kinds = {INT64: 8, onnx.TensorProto.INT32: 4}
    for kind, width in kinds.items():
        raw = b"".join(int(n).to_bytes(width, "little", signed=True) for n in (1, -1))
        for tensor in (
            helper.make_tensor("shape", kind, [2], raw, raw=True),
            helper.make_tensor("shape", kind, [2], [1, -1]),
        ):
            report = read(model([node("Cast", "shape", "cast", to=INT64), node("Reshape", "x cast")], tensor))
            assert report.output == Map(1, 1, 396)
    for kind in (FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16):
        tensor = helper.make_tensor("scales", kind, [4], [1.0, 1.0, 2.0, 1.5])
        report = read(model([node("Cast", "scales", "cast", to=FLOAT), node("Resize", "x - cast")], tensor))
        assert report.output == Map(18, 16, 4)


# ---- Operators that are not known


def test_behind_an_unknown_operator_nothing_is_known_and_the_rest_is() -> None:
    nodes = [
        node("Einsum", "x", "odd", equation="abcd->abdc"),
        node("Conv", "odd w", "a"),
        node("Conv", "x w", "b"),
        node("Relu", "b", "c"),
        node("Gelu", "c", "d", domain="com.microsoft"),
        node("Concat", "a c", "y", axis=1),
    ]
    report = read(model(nodes, weight("w", 4, 4, 3, 3)))
    assert [step.text for step in report.unknown] == [
        "Einsum: an operator that is not known",
        "com.microsoft.Gelu: an operator that is not known",
    ]
    assert [row.output for row in report.rows] == [None, None, Map(7, 9, 4), Map(7, 9, 4), None, None]
    assert [row.parameters for row in report.rows] == [0, 144, 0, 0, 0, 0]


def test_a_size_that_the_file_states() -> None:
    nodes = [
        node("Einsum", "x", "odd", equation="abcd->abdc"),
        node("Relu", "odd", "a"),
        node("Einsum", "a", "b", equation="abcd->ab"),
    ]
    of = model([*nodes, node("Relu", "b", "c")])
    of.graph.value_info.extend(
        [
            helper.make_tensor_value_info("odd", FLOAT, ["n", 4, 11, 9]),
            helper.make_tensor_value_info("b", FLOAT, [1, 4]),
        ]
    )
    report = read(of)
    assert [row.output for row in report.rows] == [Map(11, 9, 4), Map(11, 9, 4), Map(1, 1, 4), Map(1, 1, 4)]
    assert isinstance(report.rows[0].step.layer, Stated) and len(report.unknown) == 2 and report.network.one_size
    assert read(of, (9, 11)).unknown == report.unknown
    assert [row.output for row in read(of, (18, 11)).rows] == [None] * 4  # what is stated is so for 9 x 11


def test_a_size_stated_behind_what_is_not_known_at_all() -> None:
    of = model(
        [
            node("Einsum", "x", "a", equation="abcd->b"),
            node("Einsum", "a", "b", equation="b->b"),
            node("Relu", "b", "y"),
        ]
    )
    of.graph.value_info.append(helper.make_tensor_value_info("b", FLOAT, [1, 4, 2, 3]))
    assert [row.output for row in read(of).rows] == [None, Map(2, 3, 4), Map(2, 3, 4)]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (node("Conv", "x w3"), "Conv: with weights of shape 4 x 4 x 3"),
        (node("Conv", "x w2", kernel_shape=[3, 3]), "Conv: with weights that do not fit its window or groups"),
        (node("Conv", "x w2", group=0), "Conv: with weights that do not fit its window or groups"),
        (node("Conv", "x x"), "Conv: of several maps"),
        (
            node("ConvTranspose", "x w2", output_padding=[1, 0]),
            "ConvTranspose: with an output padding of its stride or more",
        ),
        (node("MaxPool", kernel_shape=[2]), "MaxPool: with kernel_shape for other than two axes"),
        (node("MaxPool"), "MaxPool: without kernel_shape"),
        (node("Concat", "x x", axis=2), "Concat: along another axis than channels"),
        (node("Concat", "x w2", axis=1), "Concat: with a constant"),
        (node("Pad", "x channels"), "Pad: of channels"),
        (node("Resize", "x - channels"), "Resize: of channels"),
        (node("Slice", "x zero zero zero"), "Slice: of the batch"),
        (node("Slice", "x one zero one minus"), "Slice: that goes backwards"),
        (node("ReduceMean", "x one"), "ReduceMean: over other axes than height and width"),
        (node("ReduceMean"), "ReduceMean: over all axes"),
        (node("Flatten", axis=2), "Flatten: that keeps other axes than the batch"),
        (node("Transpose", perm=[0, 1, 3, 2]), "Transpose: to an order of axes that is no map's"),
        (node("MatMul", "w2 x"), "MatMul: with a map in an unusual place"),
        (node("Gemm", "x w"), "Gemm: of an array that is not N, C"),
        (node("Squeeze", "x zero"), "Squeeze: of other axes than height and width"),
        (node("Split", "x five", "y z", axis=1), "Split: into parts that do not add up to 4"),
        (node("Resize", "x"), "Resize: to no size"),
        (node("Resize", "x - - nine", keep_aspect_ratio_policy="not_larger"), "Resize: that keeps the aspect ratio"),
        (node("Reshape", "x five"), "Reshape: with numbers that are not known, or do not fit"),
    ],
)
def test_forms_that_are_not_known_are_named(made: Any, text: str) -> None:
    tensors = [weight("w3", 4, 4, 3), weight("w2", 4, 4, 2, 2), weight("w", 4, 4), whole("zero", 0), whole("one", 1)]
    tensors += [
        whole("minus", -1),
        whole("five", 5),
        whole("nine", 1, 4, 9, 9),
        whole("channels", 0, 1, 0, 0, 0, 0, 0, 0),
    ]
    channels = fractions("channels", 1, 2, 1, 1)
    tensors = [channels if made.op_type == "Resize" and t.name == "channels" else t for t in tensors]
    assert [step.text for step in read(model([made], *tensors)).unknown] == [text]


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


def test_weights_listed_as_inputs_and_a_second_input() -> None:
    of = model(
        [node("Gemm", "time v", "t"), node("Conv", "x w", "a"), node("Add", "a t")],
        weight("w", 4, 4, 3, 3),
        weight("v", 8, 4),
    )
    for place, (name, shape) in enumerate({"time": [1, 8], "w": [4, 4, 3, 3]}.items()):
        of.graph.input.insert(place, helper.make_tensor_value_info(name, FLOAT, shape))
    report = read(of)
    assert report.network.input == Map(9, 11, 4) and report.rows[1].output == Map(7, 9, 4)
    assert [step.text for step in report.unknown] == ["Gemm: of what is no map of the picture"]
    assert report.output is None


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "net.onnx: the file is empty"),
        (b"hello, this is no network", "is no ONNX file, or is damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is no ONNX file, or is damaged"),
        (bytes(1000), "there is no field number 0"),
        (b"\x08\x08", "it holds no network"),
        (b"\x08\x08\x3a\x00", "it holds a network without nodes"),
        (b"\x3a\x00\x3a\x00", "it holds 2 networks"),
        (b"\x0b" * 10_000, "of type 3, which is none of"),
        (b"\x08\x01" * (MOST_FIELDS + 1), "a message of more than 200,000 fields is not read"),
        (b"\xff" * 20, "a number has no end"),
        (b"\x3a\x80", "it ends in the middle of a number"),
        (b"\x3a\xff\xff\xff\xff\x0f", "bytes behind its message's end"),
        (b"\x38\x05", "the number 5 stands where bytes should"),
    ],
)
def test_what_is_no_onnx_file(content: bytes, message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        read(content)


def test_a_network_that_takes_nothing() -> None:
    of = model([node("Relu")])
    of.graph.ClearField("input")
    with pytest.raises(OnnxError, match="the network has no input"):
        read(of)
    with pytest.raises(OnnxError, match="no node takes its input"):
        read(model([node("Relu", "w")], weight("w", 3)))
    with pytest.raises(OnnxError, match="a tensor of 3 numbers, by its shape, holds 2"):
        read(model([node("Reshape", "x t")], onnx.TensorProto(name="t", data_type=INT64, dims=[3], int64_data=[1, 2])))


def test_too_many_nodes_are_refused_before_they_are_read() -> None:
    one = node("Relu", "x", "x").SerializeToString()
    graph = (b"\x0a" + bytes([len(one)]) + one) * (MOST_NODES + 1)
    lengths = [len(graph) >> shift & 127 | 128 for shift in (0, 7, 14)] + [len(graph) >> 21]
    with pytest.raises(OnnxError, match="onnx: networks of more than 50,000 nodes are not read"):
        read(b"\x3a" + bytes(lengths) + graph)


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


# ---- The wire format


@given(
    st.lists(
        st.tuples(st.integers(1, 2**29 - 1), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=200))), max_size=9
    )
)
@quick
def test_fields_are_read_as_they_were_written(written: list[tuple[int, int | bytes]]) -> None:
    def varint(number: int) -> bytes:
        groups = [number >> shift & 127 for shift in range(0, max(1, number.bit_length()), 7)]
        return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])

    message = b"".join(
        varint(number * 8) + varint(value)
        if isinstance(value, int)
        else varint(number * 8 + (5 if len(value) == 4 else 1 if len(value) == 8 else 2))
        + (b"" if len(value) in (4, 8) else varint(len(value)))
        + value
        for number, value in written
    )
    found = [(number, v if isinstance(v, int) else bytes(v)) for number, v in fields(memoryview(message))]
    assert found == written
    numbers = [value for _, value in written if isinstance(value, int)]
    packed = memoryview(b"".join(map(varint, numbers)))
    assert [number % 2**64 for number in integers(packed)] == numbers


def test_numbers_of_more_than_64_bits_are_refused() -> None:
    assert list(fields(memoryview(b"\x08" + b"\xff" * 9 + b"\x01"))) == [(1, 2**64 - 1)]
    with pytest.raises(WireError, match="more than 64 bits"):
        list(fields(memoryview(b"\x08" + b"\xff" * 9 + b"\x02")))


# ---- What it takes


def test_neither_onnx_nor_arrays_are_imported() -> None:
    """The package's own front door imports NumPy, so it is left out here."""
    code = (
        "import sys, types, importlib.util as util; package = types.ModuleType('minisd'); "
        "package.__path__ = util.find_spec('minisd').submodule_search_locations; sys.modules['minisd'] = package; "
        "import minisd.shapes.onnx; "
        "print([name for name in ('numpy', 'numba', 'onnx', 'google.protobuf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: Unflatten((2, 5)).channels([Map(1, 1, 12)]), "12 numbers do not fill 2 x 5 pixels evenly"),
        (lambda: Elementwise().channels([Map(1, 1, 2), Map(1, 1, 3)]), "the number of channels 2 meets 3"),
    ],
)
def test_layers_that_cannot_be(layer: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer()


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
