"""What each operator of ONNX is as a layer: a function for each kind reads the node's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import prod

from minisd.shapes.onnx.call import Call, Made, Outcome, Unsupported
from minisd.shapes.onnx.constants import (
    CannotTell,
    Constant,
    axes_of,
    axis_of,
    broadcast,
    parts_of,
    resolve_shape,
)
from minisd.shapes.report.layers import (
    Addition,
    Border,
    Concatenation,
    Convolution,
    Elementwise,
    Flatten,
    GlobalPooling,
    Linear,
    Pair,
    Part,
    PixelShuffle,
    Pointwise,
    Pooling,
    Resizing,
    Sides,
    Slicing,
    TransposedConvolution,
    Unflatten,
    Upsampling,
)

_EVERYTHING: Part = (0, 2**63 - 1, 1)


def layers_of(call: Call) -> list[Outcome]:
    """The node's layers: one for each output; most often one.

    Raises:
        Unsupported: none is known.
    """
    if call.node.operator not in OPERATORS:
        raise Unsupported("an operator that is not known")
    if any(made.number is None for made in call.maps):
        raise Unsupported("of what is no map of the picture")
    try:
        return OPERATORS[call.node.operator](call)
    except (CannotTell, ArithmeticError, ValueError, TypeError, IndexError) as error:
        raise Unsupported("with numbers that are not known, or do not fit") from error


def weights_of(call: Call) -> dict[str, int]:
    """The stored tensors whose numbers are parameters, and how many they have.

    Counted is what the file stores for learning: all weights, biases, scales and shifts; of a batch norm two of four
    vectors, its mean and variance being measured and not learned. A lone number in arithmetic is part of a formula.
    """
    places = _LEARNED.get(call.node.operator)
    if call.node.operator == "InstanceNormalization" and call.maps and call.maps[0].layout == "folded":
        return {}  # a group norm in disguise: the scale and shift here are ones and zeros, the real ones follow
    weights: dict[str, int] = {}
    for place, constant in enumerate(call.constants):
        if constant is None or not (place in places if places is not None else prod(constant.shape or ()) > 1):
            continue
        weights |= dict(constant.weights)
    return weights


_LEARNED: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(("GroupNormalization", "LayerNormalization"), (1, 2)),
    **dict.fromkeys(("PRelu", "RMSNormalization"), (1,)),
    "MatMul": (0, 1),
    **dict.fromkeys(("Resize", "Upsample", "Pad", "Clip", "QuantizeLinear", "DequantizeLinear"), ()),
}


def _convolution(call: Call) -> list[Outcome]:
    call.map("NCHW")
    outputs, inputs, *window = call.weights(1, axes=4)
    groups = call.integer("group", 1)
    if groups < 1 or call.pair("kernel_shape", (window[0], window[1])) != tuple(window):
        raise Unsupported("with weights that do not fit its window or groups")
    padding, odd_before = call.padding()
    layer = Convolution(
        (window[0], window[1]),
        stride=call.pair("strides", (1, 1)),
        padding=padding,
        dilation=call.pair("dilations", (1, 1)),
        odd_before=odd_before,
        outputs=outputs,
        groups=groups,
        inputs=inputs * groups,
        bias=call.has(2),
    )
    return [Outcome(layer, "NCHW")]


def _pooling(call: Call) -> list[Outcome]:
    call.map("NCHW")
    padding, odd_before = call.padding()
    layer = Pooling(
        call.pair("kernel_shape"),
        stride=call.pair("strides", (1, 1)),
        padding=padding,
        dilation=call.pair("dilations", (1, 1)),
        ceil=call.integer("ceil_mode", 0) == 1,
        odd_before=odd_before,
        average=call.node.operator != "MaxPool",
    )
    return [Outcome(layer, "NCHW")]


def _transposed_convolution(call: Call) -> list[Outcome]:
    """Padding that is not given makes the output the stride times the input, or as large as `output_shape` says.

    Where a window smaller than its stride makes less than the stride times the input there is nothing to pad off.
    """
    made = call.map("NCHW")
    inputs, outputs, *window = call.weights(1, axes=4)
    groups = call.integer("group", 1)
    stride, dilation = call.pair("strides", (1, 1)), call.pair("dilations", (1, 1))
    extra = call.pair("output_padding", (0, 0))
    padding, odd_before = call.padding()
    wanted = call.integers("output_shape", 2)
    spans = [dilation[axis] * (window[axis] - 1) + 1 for axis in (0, 1)]
    if wanted is not None:
        if made.size is None:
            raise Unsupported("of a map whose size is not known")
        call.one_size = True
        surplus = [stride[axis] * (made.size[axis] - 1) + spans[axis] + extra[axis] - wanted[axis] for axis in (0, 1)]
        padding = _split(surplus, odd_before=call.string("auto_pad", "NOTSET") != "SAME_UPPER")
        extra = extra[0] + max(0, -surplus[0]), extra[1] + max(0, -surplus[1])
    elif padding is None:
        padding = _split([spans[axis] + extra[axis] - stride[axis] for axis in (0, 1)], odd_before)
    if groups < 1 or max(extra[axis] - stride[axis] for axis in (0, 1)) >= 0:
        raise Unsupported("with an output padding of its stride or more")
    layer = TransposedConvolution(
        (window[0], window[1]),
        outputs=outputs * groups,
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
        groups=groups,
        inputs=inputs,
        bias=call.has(2),
    )
    return [Outcome(layer, "NCHW")]


def _split(surplus: list[int], odd_before: bool) -> Sides:
    """So many rows shared between before and after."""

    def sides(rows: int) -> Pair:
        return (rows - rows // 2, rows // 2) if odd_before else (rows // 2, rows - rows // 2)

    return sides(max(0, surplus[0])), sides(max(0, surplus[1]))


def _pointwise(call: Call) -> list[Outcome]:
    if not isinstance(call.values[0], Made):
        raise Unsupported("with a map in an unusual place")
    return _kept(call)


def _kept(call: Call) -> list[Outcome]:
    """The size stays, and the layout."""
    made = call.maps[0]
    return [Outcome(Pointwise(call.node.operator), made.layout, made.folded)]


def _elementwise(call: Call) -> list[Outcome]:
    """With a constant a pointwise layer, whatever it does; of several maps their meeting."""
    first, *others = sorted(call.maps, key=lambda made: made.layout == "?")
    for constant in call.constants:
        if constant is not None:
            _check_constant(call, first, constant)
    if any(made.layout not in (first.layout, "?") for made in others):
        raise Unsupported("of arrays in different layouts")
    if not others:
        return _kept(call)
    if first.layout == "folded" and any(made.folded != first.folded for made in others):
        raise Unsupported("of folded arrays of different shapes")
    sizes = [made.size for made in call.maps]
    if call.node.operator in ("Add", "Sum") and len(set(sizes)) == 1:
        return [Outcome(Addition(), first.layout, first.folded)]
    lone = any(made.whole and made.size is not None and made.size[:2] == (1, 1) for made in call.maps)
    meets_many = len({size and size[:2] for size in sizes}) > 1
    return [Outcome(Elementwise(sees_all=lone and meets_many), first.layout, first.folded)]


def _check_constant(call: Call, made: Made, constant: Constant) -> None:
    """A constant must fit the map without making it larger."""
    if constant.shape is None:
        raise Unsupported("with a constant that is computed")
    shape, layout = made.shape(call.batch), made.layout
    if shape is not None and broadcast([shape, constant.shape]) != shape:
        raise Unsupported("with a constant that is larger than the map")
    if layout in ("NCHW", "NHWC"):
        letters = layout[len(layout) - len(constant.shape) :]
        call.one_size |= any(n > 1 and letter in "HW" for n, letter in zip(constant.shape, letters, strict=True))


def _concatenation(call: Call) -> list[Outcome]:
    layouts = {made.layout for made in call.maps} - {"?"}
    if len(call.maps) < len(call.values):
        raise Unsupported("with a constant")
    if len(layouts) > 1 or "folded" in layouts:
        raise Unsupported("of arrays in different layouts")
    layout = layouts.pop() if layouts else "NCHW"
    if layout[axis_of(call.node, len(layout), 1)] != "C":
        raise Unsupported("along another axis than channels")
    if len(call.maps) == 1:
        return _kept(call)
    return [Outcome(Concatenation(), layout)]


def _global_pooling(call: Call) -> list[Outcome]:
    call.map("NCHW")
    return [Outcome(GlobalPooling(), "NCHW")]


def _reduction(call: Call) -> list[Outcome]:
    """A mean or the like over height and width is a global pooling; there are no layers for others."""
    made = call.map("NCHW", "NHWC")
    axes = call.numbers("axes", 1)
    if axes is None or made.layout == "?":
        raise Unsupported("over all axes" if axes is None else "of a map whose size is not known")
    if {made.layout[axis] for axis in axes_of(axes, 4)} != {"H", "W"}:
        raise Unsupported("over other axes than height and width")
    return [Outcome(GlobalPooling(), made.layout if call.integer("keepdims", 1) else "NC")]


def _flatten(call: Call) -> list[Outcome]:
    made = call.map("NCHW", "NHWC", "NC")
    rank = 4 if made.layout == "?" else len(made.layout)
    if axis_of(call.node, rank, 1) != 1:
        raise Unsupported("that keeps other axes than the batch")
    return [Outcome(Flatten(), "NC")]


def _reshape(call: Call) -> list[Outcome]:
    made, target = call.map("NCHW", "NHWC", "NC", "folded"), call.numbers("shape", 1)
    one_size, call.one_size = call.one_size, False  # most shapes say what they would for any size: a flattened map
    if target is None:
        raise Unsupported("without a shape")
    shape = made.shape(call.batch)
    if shape is None:
        if len(target) == 2 and made.layout != "?":
            return [Outcome(Flatten(), "NC")]
        raise Unsupported("of a map whose size is not known")
    shape, whole = resolve_shape(target, shape, call.integer("allowzero", 0) == 1), shape
    if shape == whole:
        return _kept(call)
    if made.layout == "folded" and shape == Made(None, "NCHW", made.size).shape(call.batch):
        return [Outcome(Pointwise("Reshape"), "NCHW")]
    if len(shape) == 2 and shape[0] == call.batch:
        return [Outcome(Flatten(), "NC")]
    if made.layout == "NC" and len(shape) == 4 and shape[0] == call.batch:
        call.one_size = one_size
        if shape[2:] == (1, 1):
            return [Outcome(Pointwise("Reshape"), "NCHW")]
        return [Outcome(Unflatten((shape[2], shape[3]), sees_all=made.whole), "NCHW")]
    if made.layout in ("NCHW", "folded"):
        return [Outcome(Pointwise("Reshape"), "folded", shape)]
    raise Unsupported("to a shape that is no map")


def _transpose(call: Call) -> list[Outcome]:
    made, order = call.map("NCHW", "NHWC", "NC", "folded"), call.node.attributes.get("perm")
    match made.layout, order:
        case ("NCHW", (0, 2, 3, 1)) | ("NHWC", (0, 1, 2, 3)):
            return [Outcome(Pointwise("Transpose"), "NHWC")]
        case ("NHWC", (0, 3, 1, 2)) | ("NCHW", (0, 1, 2, 3)):
            return [Outcome(Pointwise("Transpose"), "NCHW")]
        case "folded", (*front, height, width) if made.size is not None:
            rank = len(made.folded)
            rows_stay = made.folded[-2:] == made.size[:2] and (height, width) == (rank - 2, rank - 1)
            if rows_stay and sorted(front) == list(range(rank - 2)):  # only channels change places
                folded = (*(made.folded[int(axis)] for axis in front), *made.size[:2])
                return [Outcome(Pointwise("Transpose"), "folded", folded)]
    raise Unsupported("to an order of axes that is no map's")


def _squeeze(call: Call) -> list[Outcome]:
    made, axes = call.map("NCHW", "NHWC"), call.numbers("axes", 1)
    if made.size is None or axes is None or made.layout == "?":
        raise Unsupported("of a map whose size is not known")
    if {made.layout[axis] for axis in axes_of(axes, 4)} != {"H", "W"} or made.size[:2] != (1, 1):
        raise Unsupported("of other axes than height and width")
    return [Outcome(Flatten(), "NC")]


def _unsqueeze(call: Call) -> list[Outcome]:
    made, axes = call.map("NC"), call.numbers("axes", 1)
    if made.layout == "?" or axes is None or set(axes_of(axes, 4)) != {2, 3}:
        raise Unsupported("to a shape that is no map")
    return [Outcome(Pointwise("Unsqueeze"), "NCHW")]


def _linear(call: Call) -> list[Outcome]:
    """Gemm and MatMul: weights (C, O), for a Gemm also (O, C)."""
    gemm = call.node.operator == "Gemm"
    made = call.map("NC") if gemm else call.map("NC", "NHWC")
    inputs, outputs = call.weights(1, axes=2)
    if call.integer("transA", 0):
        raise Unsupported("of a turned matrix")
    if call.integer("transB", 0):
        inputs, outputs = outputs, inputs
    bias = gemm and call.has(2)
    return [Outcome(Linear(outputs, inputs=inputs, bias=bias), "NC" if gemm else made.layout)]


def _pad(call: Call) -> list[Outcome]:
    made = call.map("NCHW", "NHWC")
    rows, axes = call.numbers("pads", 1), call.numbers("axes", 3)
    layout = "NCHW" if made.layout == "?" else made.layout
    if rows is None:
        raise Unsupported("without rows")
    places = axes_of(axes, 4) if axes is not None else [0, 1, 2, 3]
    if len(rows) != 2 * len(places):
        raise Unsupported("with rows for other than four axes")
    sides = {layout[place]: (rows[i], rows[i + len(places)]) for i, place in enumerate(places)}
    if any(sides.get(letter, (0, 0)) != (0, 0) for letter in "NC"):
        raise Unsupported("of channels")
    return [Outcome(Border((sides.get("H", (0, 0)), sides.get("W", (0, 0)))), made.layout)]


def _slice(call: Call) -> list[Outcome]:
    made = call.map("NCHW", "NHWC", "NC")
    layout = "NCHW" if made.layout == "?" else made.layout
    parts: dict[str, Part] = {}
    call.one_size |= any(constant is not None and constant.moves for constant in call.constants)
    for axis, part in parts_of(call.node, call.constants, len(layout)).items():
        if part.step < 1:
            raise Unsupported("that goes backwards")
        parts[layout[axis]] = (part.start, part.stop, part.step)
    if "N" in parts and range(call.batch)[slice(*parts["N"])] != range(call.batch):
        raise Unsupported("of the batch")
    return [Outcome(_sliced(parts), made.layout)]


def _sliced(parts: dict[str, Part]) -> Slicing:
    height, width, channels = (parts.get(letter, _EVERYTHING) for letter in "HWC")
    return Slicing((height, width, channels))


def _parting(call: Call) -> list[Outcome]:
    """Split: every output is a slice."""
    made = call.map("NCHW", "NHWC", "NC")
    if made.size is None or made.layout == "?":
        raise Unsupported("of a map whose size is not known")
    letter = made.layout[axis_of(call.node, len(made.layout), 0)]
    if letter == "N":
        raise Unsupported("of the batch")
    total = made.size["HWC".index(letter)]
    pieces = call.numbers("split", 1)
    if pieces is None:
        count = len(call.node.outputs)
        each = -(-total // count)
        pieces = (*[each] * (count - 1), total - each * (count - 1))
        call.one_size |= letter in "HW"
    if sum(pieces) != total or min(pieces) < 1 or len(pieces) != len(call.node.outputs):
        raise Unsupported(f"into parts that do not add up to {total}")
    starts = [sum(pieces[:i]) for i in range(len(pieces))]
    return [
        Outcome(_sliced({letter: (start, start + piece, 1)}), made.layout)
        for start, piece in zip(starts, pieces, strict=True)
    ]


def _resize(call: Call) -> list[Outcome]:
    """By factors, or to a size; whole factors repeat pixels or go linearly between them, in the usual modes."""
    made = call.map("NCHW", "NHWC")
    layout = "NCHW" if made.layout == "?" else made.layout
    chosen = call.node.attributes.get("axes")
    axes = axes_of([int(axis) for axis in chosen], 4) if isinstance(chosen, tuple) else [0, 1, 2, 3]
    factors, sizes = _factors(call), call.numbers("sizes", 3)
    if call.string("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("that keeps the aspect ratio")
    if sizes:
        wanted = {layout[axis]: size for axis, size in zip(axes, sizes, strict=True)}
        if made.size is None:
            raise Unsupported("of a map whose size is not known")
        if wanted.get("C", made.size.channels) != made.size.channels or wanted.get("N", call.batch) != call.batch:
            raise Unsupported("of channels")
        to = wanted.get("H", made.size.height), wanted.get("W", made.size.width)
        by = to[0] / made.size.height, to[1] / made.size.width
        if not _is_whole(call, by):
            return [Outcome(Resizing(to=to), made.layout)]
        call.one_size = True
    elif factors:
        scaled = {layout[axis]: factor for axis, factor in zip(axes, factors, strict=True)}
        if scaled.get("C", 1) != 1 or scaled.get("N", 1) != 1:
            raise Unsupported("of channels")
        by = scaled.get("H", 1.0), scaled.get("W", 1.0)
        if not _is_whole(call, by):
            return [Outcome(Resizing(factor=by), made.layout)]
    else:
        raise Unsupported("to no size")
    linear = call.string("mode", "nearest") in ("linear", "bilinear")
    return [Outcome(Upsampling((int(by[0]), int(by[1])), linear=linear), made.layout)]


def _factors(call: Call) -> tuple[float, ...] | None:
    """The factors of a Resize: its third input, or its second if that is the last; Upsample may have an attribute."""
    factors = call.node.attributes.get("scales")
    if not isinstance(factors, tuple):
        place = 2 if len(call.values) > 2 else 1
        found = call.constants[place] if place < len(call.values) else None
        if found is None:
            return None
        if found.numbers is None:
            raise CannotTell
        call.one_size |= found.moves
        factors = tuple(float(number.value) for number in found.numbers)
    if not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise CannotTell
    return factors


def _is_whole(call: Call, by: tuple[float, float]) -> bool:
    """Whether every pixel becomes a block of pixels: whole factors, and centres or corners where blocks have them."""
    if not all(factor == int(factor) >= 1 for factor in by):
        return False
    older = call.node.operator == "Upsample" or len(call.values) < 3
    where = call.string("coordinate_transformation_mode", "asymmetric" if older else "half_pixel")
    rounding = call.string("nearest_mode", "floor" if older else "round_prefer_floor")
    centred = where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    match call.string("mode", "nearest"):
        case "nearest":
            return (centred and rounding.startswith("round")) or (where == "asymmetric" and rounding == "floor")
        case "linear" | "bilinear":
            return centred
    return False


def _pixel_shuffle(call: Call) -> list[Outcome]:
    call.map("NCHW")
    scale = call.integer("blocksize", 0)
    if scale < 1:
        raise Unsupported("without a block size")
    return [Outcome(PixelShuffle(scale), "NCHW")]


_POINTWISE = (
    "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish",
    "Swish", "Mish", "Gelu", "Softplus", "Softsign", "Tanh", "Softmax", "LogSoftmax", "Hardmax", "Clip", "Shrink",
    "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
    "LRN", "LpNormalization", "MeanVarianceNormalization", "Dropout", "Identity", "Cast", "CastLike",
    "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip

OPERATORS: dict[str, Callable[[Call], list[Outcome]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pooling),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pooling),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2"), _reduction),
    **dict.fromkeys(_POINTWISE, _pointwise),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean"), _elementwise),
    "Concat": _concatenation,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Pad": _pad,
    "Slice": _slice,
    "Split": _parting,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    **dict.fromkeys(("Gemm", "MatMul"), _linear),
    "DepthToSpace": _pixel_shuffle,
}
