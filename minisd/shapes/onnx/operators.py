"""Which layer a node is: a function for each kind reads its numbers. What else it does, its sizes alone say.

And which of the stored arrays are learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import prod
from typing import Any

from minisd.shapes.onnx.axes import layout_of, letters_of, shape_of
from minisd.shapes.onnx.call import Call
from minisd.shapes.onnx.carried import ARITHMETIC, OVER_PICTURES, POOLINGS, REDUCTIONS, RULES, reduced
from minisd.shapes.report import layers
from minisd.shapes.report.layers import Layer, Part

_ALL: Part = (0, 2**63 - 1, 1)


def layer_of(call: Call, place: int = 0) -> Layer | None:
    """The layer that makes an output of pictures and vectors; None where no formula is known to."""
    if call.operator in OVER_PICTURES and not (call.is_picture or call.operator in ("Resize", "Upsample")):
        return None
    try:
        if call.operator == "Split":
            return _piece(call, place)
        return LAYERS[call.operator](call)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a node in a form that is not known, or a damaged one


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


def _convolution(call: Call) -> Layer:
    outputs, inputs, height, width = call.given(1)
    groups = call.attribute("group", 1)
    return layers.Convolution(
        (height, width),
        **_window(call),
        odd_before=call.attribute("auto_pad") == "SAME_LOWER",
        outputs=outputs,
        groups=groups,
        inputs=inputs * groups,
        bias=call.value(2) is not None,
    )


def _transposed_convolution(call: Call) -> Layer:
    """What is not given as padding follows from the output, which is the stride times the input, or a given size.

    The onnx package adds the output padding to the former, but neither its standard nor runtimes do.
    """
    inputs, outputs, *window = call.given(1)
    options, groups = _window(call), call.attribute("group", 1)
    wanted, extra = call.attribute("output_shape"), list(call.pair("output_padding", (0, 0)))
    if options["padding"] is None or wanted:
        sides = []
        for axis, (size, stride) in enumerate(zip(call.picture[:2], options["stride"], strict=True)):
            most = stride * (size - 1) + options["dilation"][axis] * (window[axis] - 1) + 1 + extra[axis]
            rows = most - (wanted[axis] if wanted else size * stride)
            extra[axis] += max(0, -rows) if wanted else 0
            less, more = max(0, rows) // 2, max(0, rows) - max(0, rows) // 2
            sides.append((less, more) if call.attribute("auto_pad") == "SAME_UPPER" else (more, less))
        options["padding"] = tuple(sides)
    height, width = window
    return layers.TransposedConvolution(
        (height, width),
        **options,
        outputs=outputs * groups,
        output_padding=(extra[0], extra[1]),
        groups=groups,
        inputs=inputs,
        bias=call.value(2) is not None,
    )


def _pooling(call: Call) -> Layer:
    return layers.Pooling(
        call.pair("kernel_shape"),
        **_window(call),
        ceil=call.attribute("ceil_mode", 0) == 1,
        odd_before=call.attribute("auto_pad") == "SAME_LOWER",
        average=call.operator != "MaxPool",
    )


# ---- Maps that meet, means, vectors


def _elementwise(call: Call) -> Layer | None:
    if len(call.maps) == 1:
        return None
    alike = call.operator in ("Add", "Sum") and len({value.map for value in call.maps}) == 1
    return layers.Addition() if alike else layers.Elementwise()


def _concatenation(call: Call) -> Layer | None:
    if len(call.maps) < len(call.inputs) or len(call.inputs) == 1:
        return None
    place = call.attribute("axis", 1)
    letter = letters_of(call.axes[place]) or layout_of(call.axes)[place]
    return {"C": layers.Concatenation(), "H": layers.Stacking(0), "W": layers.Stacking(1)}.get(letter)


def _reduction(call: Call) -> Layer | None:
    """A mean or the like over all of the height, of the width or of the channels is a global pooling."""
    gone = "".join(letters_of(call.axes[place]) for place in reduced(call))
    over = tuple(axis for axis, letter in enumerate("HWC") if letter in gone)
    return layers.GlobalPooling(over) if over else None


def _linear(call: Call) -> Layer | None:
    """Gemm and MatMul by weights (C, O), for a Gemm also (O, C), over all channels that a pixel has."""
    second, gemm = call.inputs[1], call.operator == "Gemm"
    inputs, outputs = call.given(1)[::-1] if gemm and call.attribute("transB", 0) == 1 else call.given(1)
    whole = letters_of(call.axes[-1]) in ("", "C") and call.picture.channels == shape_of(call.axes)[-1]
    if not whole or second is None or second.number is not None:
        return None
    return layers.Linear(outputs, inputs=inputs, bias=gemm and len(call.inputs) > 2)


def _fold(call: Call) -> Layer | None:
    size, shape = call.picture, call.made()
    if size.values != size.channels and len(shape) == 2:
        return layers.Flatten()
    if size.values == size.channels and len(shape) == 4 and prod(shape[2:]) > 1:
        return layers.Unflatten((shape[2], shape[3]))
    return None


def multiply_adds_of(call: Call) -> int | None:
    """Those of arrays that are multiplied, which no layer counts; None of what only moves, adds or scales numbers."""
    try:
        match call.operator:
            case "Conv":
                return call.work(call.made(), prod(call.given(1)[1:]))
            case "ConvTranspose":
                return call.work(call.given(0), prod(call.given(1)[1:]))
            case "Gemm" | "MatMul":
                return call.work(call.made(), call.given(0)[-2 if call.attribute("transA", 0) == 1 else -1])
    except LookupError:
        pass
    return None


# ---- Parts, borders, sizes


def _slice(call: Call) -> Layer | None:
    starts, stops = call.numbers("starts", 1) or (), call.numbers("ends", 2) or ()
    steps, places = call.numbers("steps", 4) or (1,) * len(starts), call.numbers("axes", 3) or range(len(starts))
    return _part(call, dict(zip(call.places(places), zip(starts, stops, steps, strict=True), strict=True)))


def _piece(call: Call, place: int) -> Layer | None:
    """One output of a Split."""
    (axis,) = call.places([call.attribute("axis", 0)])
    start = sum(call.made(before)[axis] for before in range(place))
    return _part(call, {axis: (start, start + call.made(place)[axis], 1)})


def _part(call: Call, parts: dict[int, Part]) -> Layer | None:
    layout = layout_of(call.axes)
    named = {layout[place]: part for place, part in parts.items()}
    if min(step for _, _, step in named.values()) < 1:
        return None
    return layers.Slicing((named.get("H", _ALL), named.get("W", _ALL), named.get("C", _ALL)))


def _border(call: Call) -> Layer | None:
    rows, places = call.numbers("pads", 1) or (), call.places(call.numbers("axes", 3))
    layout = layout_of(call.axes)
    sides = {layout[place]: (rows[i], rows[i + len(places)]) for i, place in enumerate(places)}
    return layers.Border((sides.get("H", (0, 0)), sides.get("W", (0, 0))))


def _resizing(call: Call) -> Layer | None:
    """By factors, or to a size; whole factors repeat pixels or go linearly between them, in the usual modes.

    The factors of a Resize are its third input, or its second if that is the last; Upsample may have an attribute.
    """
    layout, size = layout_of(call.axes), call.picture
    factors = call.numbers("scales", 2 if len(call.inputs) > 2 else 1)
    if len(layout) != 4:
        return None
    rows, columns = layout.index("H"), layout.index("W")
    if factors:
        scaled = dict(zip(call.places(call.attribute("axes")), factors, strict=True))
        by = float(scaled.pop(rows, 1)), float(scaled.pop(columns, 1))
        if not all(math.isfinite(factor) and factor > 0 for factor in by) or set(scaled.values()) - {1}:
            return None
        layer: Layer = layers.Resizing(factor=by)
    else:
        to = call.made()[rows], call.made()[columns]
        by, layer = (to[0] / size.height, to[1] / size.width), layers.Resizing(to=to)
    if not _is_whole(call, by):
        return layer
    return layers.Upsampling((int(by[0]), int(by[1])), linear=call.attribute("mode") in ("linear", "bilinear"))


def _is_whole(call: Call, by: tuple[float, float]) -> bool:
    """Whether every pixel becomes a block of pixels: whole factors, and centres or corners where blocks have them."""
    older = call.operator == "Upsample" or len(call.inputs) < 3
    where = call.attribute("coordinate_transformation_mode", "asymmetric" if older else "half_pixel")
    rounding = call.attribute("nearest_mode", "floor" if older else "round_prefer_floor")
    mode = call.attribute("mode", "nearest")
    centred = where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    cornered = where == "asymmetric" and rounding == "floor"
    fits = cornered or (centred and rounding.startswith("round")) if mode == "nearest" else centred
    return fits and mode in ("nearest", "linear", "bilinear") and all(factor == int(factor) >= 1 for factor in by)


LAYERS: dict[str, Callable[[Call], Layer | None]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(POOLINGS, lambda call: layers.GlobalPooling() if "Global" in call.operator else _pooling(call)),
    **dict.fromkeys(ARITHMETIC, _elementwise),
    "Concat": _concatenation,
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(("Gemm", "MatMul"), _linear),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _fold),
    "Slice": _slice,
    "Pad": _border,
    **dict.fromkeys(("Resize", "Upsample"), _resizing),
    "DepthToSpace": lambda call: layers.PixelShuffle(call.attribute("blocksize")),
}
WORKS = {"Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul"}
KNOWN = RULES.keys() | {
    "RoiAlign", "MaxRoiPool", "MaxUnpool", "Col2Im", "TopK", "Compress", "OneHot", "AffineGrid", "Shape", "Size",
}  # fmt: skip
"""But for what works, these only move, compare, add or scale numbers: no multiply-adds are counted."""

# ---- Weights

LEARNED: dict[str, tuple[int, ...]] = {  # the inputs that are, of operators that may have others, too
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(("GroupNormalization", "LayerNormalization"), (1, 2)),
    **dict.fromkeys(("PRelu", "RMSNormalization"), (1,)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3)),
    **dict.fromkeys(("MatMul", "Gather"), (0, 1)),
    **dict.fromkeys(("Sub", "Div", "Pow", "Mod", "Max", "Min", "Where", "Equal", "Greater", "Less"), ()),
    **dict.fromkeys(("Resize", "Upsample", "Pad", "Clip", "QuantizeLinear", "DequantizeLinear"), ()),
}


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
