"""What the axes of a node's output are made of: height, width and channels, followed through the file.

The onnx package has said how long the axes are. Most operators leave them in their order; the others have a rule each.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from minisd.shapes.onnx.axes import (
    Axes,
    Shape,
    axes_of,
    letters_of,
    map_of,
    regrouped,
    resized,
    shape_of,
    together,
)
from minisd.shapes.onnx.call import Call

POINTWISE = {
    "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish",
    "Swish", "Mish", "Gelu", "Softplus", "Softsign", "Tanh", "Softmax", "LogSoftmax", "Hardmax", "Clip", "Shrink",
    "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos", "Not",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
    "LRN", "LpNormalization", "MeanVarianceNormalization", "Dropout", "Identity", "Cast", "CastLike", "CumSum", "Trilu",
    "QuantizeLinear", "DequantizeLinear", "IsNaN", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "ScatterND",
    "ScatterElements", "ReverseSequence",
}  # fmt: skip
ARITHMETIC = {
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Where", "Equal", "Less", "LessOrEqual",
    "Greater", "GreaterOrEqual", "And", "Or", "Xor",
}  # fmt: skip
LONGER_OR_SHORTER = {
    "Pad", "Slice", "Split", "Tile", "Expand", "GatherND", "GatherElements", "CenterCropPad", "Resize", "Upsample",
}  # fmt: skip
REDUCTIONS = {
    f"Reduce{what}" for what in ("Mean", "Max", "Min", "Sum", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
} | {"ArgMax", "ArgMin"}  # fmt: skip
POOLINGS = {"MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}
OVER_PICTURES = POOLINGS | {
    "Conv", "ConvTranspose", "DepthToSpace", "SpaceToDepth", "GridSample", "DeformConv", "Resize", "Upsample",
}  # fmt: skip
"""What takes an array of four axes as (N, C, H, W)."""


def carried(call: Call, place: int = 0) -> Axes | None:
    """The axes of an output; None where it is not known what they are made of."""
    try:
        return RULES[call.operator](call, call.made(place))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a node in a form that is not known, or a damaged one


def _in_order(call: Call, shape: Shape) -> Axes | None:
    """Those of the first input, some of them longer or shorter; there may be more before them."""
    return resized(((),) * (len(shape) - len(call.axes)) + call.axes, shape)


def _over_pictures(call: Call, shape: Shape) -> Axes | None:
    return axes_of("NCHW", shape) if call.is_picture else _in_order(call, shape)


def _met(call: Call, shape: Shape, along: int | None = None) -> Axes | None:
    """Those of all maps together, but for the axis along which they are put one after the other."""
    found = []
    for axes in (value.axes for value in call.maps):
        if axes is None:
            return None
        alone = [1 if i == along else size for i, size in enumerate(shape_of(axes))]
        found.append(axes if along is None else resized(axes, alone))
    axes = together(found, len(shape))
    return axes and resized(axes, shape)


def _reduced(call: Call, shape: Shape) -> Axes:
    given = reduced(call)
    keep = call.attribute("keepdims", 1)
    return tuple(() if place in given else axis for place, axis in enumerate(call.axes) if keep or place not in given)


def reduced(call: Call) -> list[int]:
    """The axes that a Reduce makes one number of."""
    given = call.numbers("axes", 1) or call.numbers("axis", len(call.inputs))
    return [] if not given and call.attribute("noop_with_empty_axes", 0) else call.places(given)


def _multiplied(call: Call, shape: Shape) -> Axes | None:
    """Weights mix the last axis; of two maps, as an attention's, the second gives it: pixels that are attended to."""
    second, last = call.inputs[1], call.axes[-1]
    if second is None or second.number is None:
        mixed = axes_of("C", shape[-1:]) if letters_of(last) in ("", "C") else resized((last,), shape[-1:])
        return (*call.axes[:-1], *mixed)
    if second.axes is None:
        return None
    column = second.axes[-2 if call.attribute("transB", 0) else -1]
    lead = together([call.axes[:-2], second.axes[:-2]], len(shape) - 2)
    column = column if letters_of(column) in ("", "C") else (("L", shape[-1]),)
    return None if lead is None else (*lead, call.axes[-2], column)


def _folded(call: Call, shape: Shape) -> Axes | None:
    """The same numbers in the same order; a vector of a whole picture is of channels."""
    size = map_of(call.axes)
    if size is not None and shape[:1] == (call.batch,) and prod(shape) == call.batch * size.values:
        if len(shape) == 2:
            return axes_of("NC", shape)
        if len(shape) == 4 and size.values == size.channels and prod(shape[2:]) > 1:
            return axes_of("NCHW", shape)
    return regrouped(call.axes, shape)


def _turned(call: Call, shape: Shape) -> Axes:
    """Where height and width change places, what comes first is the height."""
    order = call.attribute("perm") or range(len(call.axes))[::-1]
    axes = tuple(call.axes[place] for place in order)
    letters = [letters_of(axis) for axis in axes]
    if "W" in letters and "H" in letters and letters.index("W") < letters.index("H"):
        turned = {"H": "W", "W": "H"}
        axes = tuple(tuple((turned.get(letter, letter), size) for letter, size in axis) for axis in axes)
    return axes


def _gathered(call: Call, shape: Shape) -> Axes | None:
    """Rows picked out by their numbers: one, which drops the axis, or a list; of a table, an embedding."""
    indices = call.inputs[1]
    if indices is not None and indices.axes is not None and len(shape) == len(indices.axes) + 1:
        return (*indices.axes, *axes_of("C", shape[-1:]))
    if len(shape) == len(call.axes):
        return _in_order(call, shape)
    (place,) = call.places([call.attribute("axis", 0)])
    return None if call.given(1) else (*call.axes[:place], *call.axes[place + 1 :])


RULES: dict[str, Callable[[Call, Shape], Axes | None]] = {
    **dict.fromkeys(POINTWISE | LONGER_OR_SHORTER, _in_order),
    **dict.fromkeys(OVER_PICTURES - LONGER_OR_SHORTER, _over_pictures),
    **dict.fromkeys(ARITHMETIC, _met),
    "Concat": lambda call, shape: _met(call, shape, range(len(shape))[call.attribute("axis", 1)]),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(("Gemm", "MatMul"), _multiplied),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _folded),
    "Transpose": _turned,
    "Gather": _gathered,
}
