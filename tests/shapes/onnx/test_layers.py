"""One operator at a time: every size against the onnx package's own inference, in the forms that exporters write."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from minisd_kernels.shapes import ReceptiveField
from onnx_files import FLOAT, check, fractions, inferred, model, node, quick, read, weight, whole

from minisd.shapes.report.layers import Border, Map, Resizing, Upsampling

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


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_resizing_that_keeps_the_proportions(policy: str) -> None:
    resize = node("Resize", "x - - sizes", mode="linear", axes=[2, 3], keep_aspect_ratio_policy=policy)
    report = check(model([resize], whole("sizes", 18, 33)))
    assert report.output == (Map(18, 22, 4) if policy == "not_larger" else Map(27, 33, 4))


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
