"""What each operator of ONNX is as a layer: a function for each kind reads the node's numbers.

The onnx package has said how large the output is. A function gives the layer, and what the output's axes are made of.
Without a layer the axes say all: nodes that turn, fold or cut arrays, and products of two maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import onnx
from minisd_kernels.shapes import ShapeError

from minisd.shapes.onnx.axes import (
    Axes,
    Shape,
    axes_of,
    layout_of,
    letters_of,
    map_of,
    regrouped,
    resized,
    shape_of,
    together,
)
from minisd.shapes.onnx.values import Value
from minisd.shapes.report import layers
from minisd.shapes.report.layers import Layer, Map, Pair, Part


class Unsupported(Exception):
    """No layer is known to be what this node does; the message says what it is."""


class Outcome(NamedTuple):
    """What a node makes.

    Attributes:
        axes: None where it is not known what they are made of.
        layer: None where the axes say all that there is to the size.
    """

    axes: Axes | None = None
    layer: Layer | None = None
    multiply_adds: int | None = None
    sees_all: bool = False


@dataclass(frozen=True)
class Call:
    """A node with what it takes.

    Attributes:
        inputs: None where one is left out.
        outputs: what the onnx package infers of them.
        batch: pictures in the arrays.
    """

    node: Any
    inputs: Sequence[Value | None]
    outputs: Sequence[Value]
    batch: int

    @property
    def maps(self) -> list[Value]:
        return [value for value in self.inputs if value is not None and value.number is not None]

    def value(self, place: int) -> Value | None:
        return self.inputs[place] if place < len(self.inputs) else None

    def given(self, place: int) -> Shape:
        """The shape of an input."""
        value = self.value(place)
        if value is None or value.shape is None:
            raise Unsupported("of a size that is not known")
        return value.shape

    def made(self, place: int = 0) -> Shape:
        """The shape of an output."""
        shape = self.outputs[place].shape
        if shape is None:
            raise Unsupported("to a size that is not known")
        return shape

    @property
    def axes(self) -> Axes:
        """Those of the first input."""
        value = self.value(0)
        if value is None or value.axes is None:
            raise Unsupported("of an array that is no picture")
        return value.axes

    @property
    def picture(self) -> Map | None:
        """The first input where it is one, (N, C, H, W) as operators with windows want it."""
        value = self.value(0)
        return value.map if value is not None and value.axes is not None and layout_of(value.axes) == "NCHW" else None

    def attribute(self, name: str, default: Any = None) -> Any:
        """A number, a list as a tuple, or a text."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                found = onnx.helper.get_attribute_value(attribute)
                if isinstance(found, bytes):
                    return found.decode("utf-8", "replace")
                return found if isinstance(found, int | float) else tuple(found)
        return default

    def pair(self, name: str, default: Pair | None = None) -> Pair:
        found = self.attribute(name) or default
        if found is None or len(found) != 2:
            raise Unsupported(f"with {name} for other than two axes" if found else f"without {name}")
        return int(found[0]), int(found[1])

    def numbers(self, name: str, place: int) -> tuple[Any, ...] | None:
        """Numbers that older files have as an attribute and newer ones as an input; None where they are left out."""
        value, found = self.value(place), self.attribute(name)
        if value is None or found is not None:
            return found
        if value.numbers is None:
            raise Unsupported("with numbers that are not known")
        return tuple(value.numbers.ravel().tolist())

    def places(self, axes: Sequence[int] | None) -> list[int]:
        """Axes of the first input counted from 0; all of them where none are named."""
        rank = len(self.axes)
        return [range(rank)[axis] for axis in axes] if axes else list(range(rank))

    def part(self) -> bool:
        """Whether pictures meet whose sizes do not, so that the onnx package infers none; the report will say where."""
        alike = {layout_of(value.axes or ()) for value in self.maps}
        return (
            self.outputs[0].shape is None and len(self.maps) == len(self.inputs) > 1 and alike in ({"NCHW"}, {"NHWC"})
        )

    def work(self, shape: Shape, products: int) -> int:
        """Multiply-adds of so many products for each number of an array, for one picture."""
        return prod(shape) * products // (self.batch if shape and shape[0] % self.batch == 0 else 1)


def outcomes_of(call: Call) -> list[Outcome]:
    """The node's layers: one for each output; most often one.

    Raises:
        Unsupported: none is known.
    """
    if call.node.domain not in ("", "ai.onnx") or call.node.op_type not in OPERATORS:
        raise Unsupported("an operator that is not known")
    try:
        made = OPERATORS[call.node.op_type](call)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unsupported("in a form that is not known") from error
    return made if isinstance(made, list) else [made]


def weights_of(call: Call, inline: set[str]) -> dict[str, int]:
    """The stored arrays whose numbers are parameters, and how many they have.

    Counted is what was stored for learning: weights, biases, scales and shifts; of a batch norm two of four vectors,
    its mean and variance being measured and not learned. Plain arithmetic on an input prepares it, and what is
    subtracted or divided by is a mean and a deviation; what stands `inline` among the nodes, or is a lone number, is
    part of a formula.
    """
    places = LEARNED.get(call.node.op_type)
    if call.node.op_type == "InstanceNormalization" and not (call.maps and layout_of(call.maps[0].axes or ())):
        return {}  # a group norm in disguise: the scale and shift here are ones and zeros, the real ones follow
    if places is None and all(value.raw for value in call.maps):
        return {}
    return {
        name: count
        for place, value in enumerate(call.inputs)
        if value is not None and (places is None or place in places)
        for name, count in value.weights
        if name not in inline and (count > 1 or places is not None)
    }


# ---- Windows


def _window(call: Call) -> dict[str, Any]:
    """What convolutions and poolings share; padding of None is "same"."""
    same = call.attribute("auto_pad", "NOTSET")
    top, left, bottom, right = (same == "NOTSET" and call.attribute("pads")) or (0, 0, 0, 0)
    return {
        "stride": call.pair("strides", (1, 1)),
        "padding": None if same.startswith("SAME") else ((top, bottom), (left, right)),
        "dilation": call.pair("dilations", (1, 1)),
    }


def _over_pictures(call: Call, layer: Layer) -> Outcome:
    """A layer that takes and makes (N, C, H, W)."""
    if call.picture is None:
        raise Unsupported("of an array that is not N, C, H, W")
    try:
        height, width, channels = layer.output([call.picture])
    except ShapeError:  # as the report will say
        return Outcome(None, layer)
    return Outcome(axes_of("NCHW", (call.batch, channels, height, width)), layer)


def _convolution(call: Call) -> Outcome:
    outputs, inputs, *window = call.given(1)
    groups = call.attribute("group", 1)
    if call.picture is None:
        return _convolved_array(call, call.made(), inputs * prod(window))
    height, width = window
    layer = layers.Convolution(
        (height, width),
        **_window(call),
        odd_before=call.attribute("auto_pad") == "SAME_LOWER",
        outputs=outputs,
        groups=groups,
        inputs=inputs * groups,
        bias=call.value(2) is not None,
    )
    return _over_pictures(call, layer)


def _transposed_convolution(call: Call) -> Outcome:
    """What is not given as padding follows from the output, which is the stride times the input, or a given size.

    The onnx package adds the output padding to the former, but neither its standard nor runtimes do.
    """
    inputs, outputs, *window = call.given(1)
    if call.picture is None:
        return _convolved_array(call, call.given(0), outputs * prod(window))
    height, width = window
    options, groups = _window(call), call.attribute("group", 1)
    extra = list(call.pair("output_padding", (0, 0)))
    if options["padding"] is None or call.attribute("output_shape"):
        sides = []
        natural = tuple(n * stride for n, stride in zip(call.picture[:2], options["stride"], strict=True))
        for axis, size in enumerate(call.attribute("output_shape") or natural):
            most = options["stride"][axis] * (call.picture[axis] - 1) + options["dilation"][axis] * (window[axis] - 1)
            rows = most + 1 + extra[axis] - size
            extra[axis] += max(0, -rows) if call.attribute("output_shape") else 0
            half = max(0, rows) // 2
            odd_before = call.attribute("auto_pad") != "SAME_UPPER"
            sides.append((max(0, rows) - half, half) if odd_before else (half, max(0, rows) - half))
        options["padding"] = tuple(sides)
    layer = layers.TransposedConvolution(
        (height, width),
        **options,
        outputs=outputs * groups,
        output_padding=(extra[0], extra[1]),
        groups=groups,
        inputs=inputs,
        bias=call.value(2) is not None,
    )
    return _over_pictures(call, layer)


def _convolved_array(call: Call, shape: Shape, products: int) -> Outcome:
    """Windows, sequences or volumes: their size is known, and what it costs."""
    return Outcome(resized(call.axes, call.made()), None, call.work(shape, products))


def _pooling(call: Call) -> Outcome:
    layer = layers.Pooling(
        call.pair("kernel_shape"),
        **_window(call),
        ceil=call.attribute("ceil_mode", 0) == 1,
        odd_before=call.attribute("auto_pad") == "SAME_LOWER",
        average=call.node.op_type != "MaxPool",
    )
    return _over_pictures(call, layer)


# ---- What keeps every size, and what joins


def _pointwise(call: Call) -> Outcome:
    return Outcome(call.axes, layers.Pointwise(call.node.op_type))


def _meeting(call: Call, place: int | None = None) -> Axes | None:
    """The axes of all maps together, but for the axis along which they are put one after the other."""
    shape, found = call.made(), []
    for value in call.maps:
        if value.axes is None:
            return None
        alone = [1 if i == place else size for i, size in enumerate(shape_of(value.axes))]
        found.append(value.axes if place is None else resized(value.axes, alone))
    axes = together(found, len(shape))
    return axes and resized(axes, shape)


def _elementwise(call: Call) -> Outcome:
    """With a constant a pointwise layer, whatever it does; of several maps their meeting."""
    if call.part():
        return Outcome(None, layers.Elementwise())
    axes = _meeting(call)
    if axes is None or len(call.maps) == 1:
        return Outcome(axes)
    alike = call.node.op_type in ("Add", "Sum") and len({value.map for value in call.maps}) == 1
    return Outcome(axes, layers.Addition() if alike else layers.Elementwise())


def _concatenation(call: Call) -> Outcome:
    if call.part():
        return Outcome(None, layers.Concatenation())
    place = range(len(call.made()))[call.attribute("axis", 1)]
    axes = _meeting(call, place)
    if axes is None or len(call.maps) < len(call.inputs) or len(call.inputs) == 1:
        return Outcome(axes)
    match letters_of(axes[place]):
        case "C":
            return Outcome(axes, layers.Concatenation())
        case "H" | "W" as letter:
            return Outcome(axes, layers.Stacking("HW".index(letter)))
    return Outcome(axes)


# ---- Means, vectors, products


def _reduction(call: Call) -> Outcome:
    """A mean or the like over all of the height, of the width or of the channels is a global pooling."""
    axes, given = call.axes, call.numbers("axes", 1) or call.attribute("axis")
    if not given and given != 0 and call.attribute("noop_with_empty_axes", 0):
        return _pointwise(call)
    places = call.places((given,) if isinstance(given, int) else given)
    keep = call.attribute("keepdims", 1)
    left = tuple(() if place in places else axis for place, axis in enumerate(axes) if keep or place not in places)
    before, after = map_of(axes), map_of(left)
    over = tuple(i for i in range(3) if before and after and after[i] != before[i])
    whole = after is not None and all(after[i] == 1 for i in over)
    return Outcome(left, layers.GlobalPooling(over) if over and whole else None)


def _linear(call: Call) -> Outcome:
    """Gemm and MatMul: weights (C, O), for a Gemm also (O, C); or matrices that both come of maps, as an attention's.

    Pixels that stand in the columns of a second map are what is attended to.
    """
    gemm, second = call.node.op_type == "Gemm", call.value(1)
    turned = gemm and call.attribute("transB", 0) == 1
    first = call.inputs[0]
    if first is not None and first.axes and second is not None and second.number is None and len(call.given(1)) == 2:
        inputs, outputs = call.given(1)[::-1] if turned else call.given(1)
        axes, size = call.axes, map_of(call.axes)
        if size and letters_of(axes[-1]) in ("", "C") and size.channels == shape_of(axes)[-1]:
            layer = layers.Linear(outputs, inputs=inputs, bias=gemm and len(call.inputs) > 2)
            fits = size.channels == inputs
            return Outcome((*axes[:-1], *axes_of("C", [outputs])) if fits else None, layer)
    shape = call.made()
    work = call.work(shape, call.given(0)[-2 if gemm and call.attribute("transA", 0) == 1 else -1])
    if first is None or first.axes is None:
        return Outcome(None, None, work)
    if second is None or second.axes is None:
        last = resized(call.axes[-1:], shape[-1:])  # of pixels or tokens their channels are mixed, or they themselves
        return Outcome((*call.axes[:-1], *last) if second and second.number is None else None, None, work)
    column = second.axes[-2 if turned else -1]
    lead = together([call.axes[:-2], second.axes[:-2]], len(shape) - 2)
    column = column if letters_of(column) in ("", "C") else (("L", shape[-1]),)
    return Outcome(None if lead is None else (*lead, call.axes[-2], column), None, work, sees_all=True)


# ---- Arrays turned, folded, cut


def _reshape(call: Call) -> Outcome:
    """Flatten, Reshape, Squeeze, Unsqueeze: the same numbers in the same order."""
    axes, shape, size = call.axes, call.made(), map_of(call.axes)
    if size is not None and shape[:1] == (call.batch,) and prod(shape) == call.batch * size.values:
        vector = size.values == size.channels
        if len(shape) == 2 and not vector:
            return Outcome(axes_of("NC", shape), layers.Flatten())
        if len(shape) == 4 and vector and prod(shape[2:]) > 1:
            return Outcome(axes_of("NCHW", shape), layers.Unflatten((shape[2], shape[3])))
    return Outcome(regrouped(axes, shape))


def _transpose(call: Call) -> Outcome:
    order = call.attribute("perm") or range(len(call.axes))[::-1]
    axes = tuple(call.axes[place] for place in order)
    if sorted(order) != list(range(len(call.axes))):
        raise Unsupported("to an order of axes that is none")
    letters = [letters_of(axis) for axis in axes]
    if "W" in letters and "H" in letters and letters.index("W") < letters.index("H"):
        turned = {"H": "W", "W": "H"}  # height and width have changed places: what comes first is the height
        axes = tuple(tuple((turned.get(letter, letter), size) for letter, size in axis) for axis in axes)
    return Outcome(axes)


def _stretched(call: Call) -> Outcome:
    """Tile, Expand, GatherND and others that leave the axes in their order."""
    shape = call.made()
    return Outcome(resized(((),) * (len(shape) - len(call.axes)) + call.axes, shape))


def _gather(call: Call) -> Outcome:
    """Rows picked out by their numbers: one, which drops the axis, or a list; of a table, an embedding."""
    shape, indices = call.made(), call.value(1)
    if indices is not None and indices.axes is not None and len(shape) == len(indices.axes) + 1:
        return Outcome((*indices.axes, *axes_of("C", shape[-1:])))
    if len(shape) == len(call.axes):
        return _stretched(call)
    (place,) = call.places([call.attribute("axis", 0)])
    return Outcome((*call.axes[:place], *call.axes[place + 1 :]) if not call.given(1) else None)


def _slice(call: Call) -> Outcome:
    starts, stops = call.numbers("starts", 1) or (), call.numbers("ends", 2) or ()
    steps, places = call.numbers("steps", 4) or (1,) * len(starts), call.numbers("axes", 3) or range(len(starts))
    return _part(call, 0, dict(zip(call.places(places), zip(starts, stops, steps, strict=True), strict=True)))


def _parting(call: Call) -> list[Outcome]:
    """Split: every output is a slice."""
    (place,), start, outcomes = call.places([call.attribute("axis", 0)]), 0, []
    for number in range(len(call.outputs)):
        stop = start + call.made(number)[place]
        outcomes.append(_part(call, number, {place: (start, stop, 1)}))
        start = stop
    return outcomes


def _part(call: Call, output: int, parts: dict[int, Part]) -> Outcome:
    """A part of the first input along some axes; a Slicing where they are all of the height, width or channels."""
    axes, shape = resized(call.axes, call.made(output)), call.made(output)
    layout, named = layout_of(call.axes), {"H": _ALL, "W": _ALL, "C": _ALL}
    for place, part in parts.items():
        if not layout or layout[place] == "N" or part[2] < 1:
            if part[2] < 1 or shape[place] != shape_of(call.axes)[place]:
                return Outcome(axes)
        else:
            named[layout[place]] = part
    layer = layers.Slicing((named["H"], named["W"], named["C"]))
    return Outcome(axes if all(shape) else None, layer)


def _pad(call: Call) -> Outcome:
    rows, places = call.numbers("pads", 1), call.places(call.numbers("axes", 3))
    axes, layout, sides = resized(call.axes, call.made()), layout_of(call.axes), {"H": (0, 0), "W": (0, 0)}
    for i, place in enumerate(places):
        side = (rows or ())[i], (rows or ())[i + len(places)]
        if side != (0, 0):
            sides[layout[place] if layout else ""] = side
    return Outcome(axes, layers.Border((sides["H"], sides["W"])) if len(sides) == 2 and layout else None)


def _resize(call: Call) -> Outcome:
    """By factors, or to a size; whole factors repeat pixels or go linearly between them, in the usual modes.

    The factors of a Resize are its third input, or its second if that is the last; Upsample may have an attribute.
    """
    layout, size = layout_of(call.axes), map_of(call.axes)
    factors = call.numbers("scales", 2 if len(call.inputs) > 2 else 1)
    if size is None or len(layout) != 4 or call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("in a form that is not known")
    rows, columns = layout.index("H"), layout.index("W")
    if factors:
        scaled = dict(zip(call.places(call.attribute("axes")), factors, strict=True))
        by = float(scaled.pop(rows, 1)), float(scaled.pop(columns, 1))
        if not all(math.isfinite(factor) and factor > 0 for factor in by) or set(scaled.values()) - {1}:
            raise Unsupported("of more than height and width")
        layer: Layer = layers.Resizing(factor=by)
    else:
        to = call.made()[rows], call.made()[columns]
        by, layer = (to[0] / size.height, to[1] / size.width), layers.Resizing(to=to)
    if _is_whole(call, by):
        layer = layers.Upsampling((int(by[0]), int(by[1])), linear=call.attribute("mode") in ("linear", "bilinear"))
    try:
        height, width, _ = layer.output([size])
    except ShapeError:  # as the report will say
        return Outcome(None, layer)
    lengths = {"N": call.batch, "C": size.channels, "H": height, "W": width}
    return Outcome(axes_of(layout, [lengths[letter] for letter in layout]), layer)


def _is_whole(call: Call, by: tuple[float, float]) -> bool:
    """Whether every pixel becomes a block of pixels: whole factors, and centres or corners where blocks have them."""
    older = call.node.op_type == "Upsample" or len(call.inputs) < 3
    where = call.attribute("coordinate_transformation_mode", "asymmetric" if older else "half_pixel")
    rounding = call.attribute("nearest_mode", "floor" if older else "round_prefer_floor")
    mode = call.attribute("mode", "nearest")
    centred = where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    cornered = where == "asymmetric" and rounding == "floor"
    fits = cornered or (centred and rounding.startswith("round")) if mode == "nearest" else centred
    return fits and mode in ("nearest", "linear", "bilinear") and all(factor == int(factor) >= 1 for factor in by)


_ALL: Part = (0, 2**63 - 1, 1)
_POINTWISE = (
    "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish",
    "Swish", "Mish", "Gelu", "Softplus", "Softsign", "Tanh", "Softmax", "LogSoftmax", "Hardmax", "Clip", "Shrink",
    "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos", "Not",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
    "LRN", "LpNormalization", "MeanVarianceNormalization", "Dropout", "Identity", "Cast", "CastLike", "CumSum", "Trilu",
    "QuantizeLinear", "DequantizeLinear", "IsNaN", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "ScatterND",
    "ScatterElements", "ReverseSequence",
)  # fmt: skip
_ARITHMETIC = (
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Where", "Equal", "Less", "LessOrEqual",
    "Greater", "GreaterOrEqual", "And", "Or", "Xor",
)  # fmt: skip
_REDUCTIONS = ("Mean", "Max", "Min", "Sum", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")

OPERATORS: dict[str, Callable[[Call], Outcome | list[Outcome]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("Gemm", "MatMul"), _linear),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pooling),
    **dict.fromkeys(
        ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
        lambda call: _over_pictures(call, layers.GlobalPooling()),
    ),
    **dict.fromkeys((*(f"Reduce{name}" for name in _REDUCTIONS), "ArgMax", "ArgMin"), _reduction),
    **dict.fromkeys(_POINTWISE, _pointwise),
    **dict.fromkeys(_ARITHMETIC, _elementwise),
    "Concat": _concatenation,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Pad": _pad,
    "Slice": _slice,
    "Split": _parting,
    "Gather": _gather,
    **dict.fromkeys(("Tile", "Expand", "GatherND", "GatherElements", "CenterCropPad"), _stretched),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    "DepthToSpace": lambda call: _over_pictures(call, layers.PixelShuffle(call.attribute("blocksize"))),
}
OVER_PICTURES = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool",
    "DepthToSpace", "SpaceToDepth", "Resize", "Upsample", "GridSample", "DeformConv",
}  # fmt: skip
"""What takes an array of four axes as (N, C, H, W)."""
MOVES = set(OPERATORS) - {"Conv", "ConvTranspose", "Gemm", "MatMul"} | {
    "SpaceToDepth", "GridSample", "RoiAlign", "MaxRoiPool", "MaxUnpool", "Col2Im", "TopK", "Compress", "OneHot",
    "AffineGrid", "Shape", "Size",
}  # fmt: skip
"""What only moves, compares, adds or scales numbers: no multiply-adds are counted."""

# The inputs that are learned, of operators that may have others, too.
LEARNED: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(("GroupNormalization", "LayerNormalization"), (1, 2)),
    **dict.fromkeys(("PRelu", "RMSNormalization"), (1,)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3)),
    **dict.fromkeys(("MatMul", "Gather"), (0, 1)),
    **dict.fromkeys(("Sub", "Div", "Pow", "Mod", "Max", "Min", "Where", "Equal", "Greater", "Less"), ()),
    **dict.fromkeys(("Resize", "Upsample", "Pad", "Clip", "QuantizeLinear", "DequantizeLinear"), ()),
}
