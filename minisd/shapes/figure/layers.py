"""What a network's figure says of one layer: its kind, the numbers beside it, what it crops and what it drops."""

from __future__ import annotations

from minisd_kernels.shapes import crop_offset

from minisd.shapes.report.layers import (
    Addition,
    Border,
    Convolution,
    CopyAndCrop,
    Elementwise,
    FitTo,
    Flatten,
    GlobalPooling,
    Linear,
    Pair,
    PixelShuffle,
    Pointwise,
    Pooling,
    Resizing,
    Sides,
    Slicing,
    Transformer,
    TransposedConvolution,
    Unflatten,
    Upsampling,
    Window,
)
from minisd.shapes.report.sums import Row

NO_CROP: Sides = ((0, 0), (0, 0))
_LONGEST_NAME = 18


def kind_and_text(row: Row) -> tuple[str, str]:
    """The legend's entry, and the text beside it."""
    match row.step.layer:
        case Convolution() as layer:
            texts = [_by(layer.window)]
            texts += [f"stride {_pair(layer.stride)}"] if layer.stride != (1, 1) else []
            texts += [f"dilation {_pair(layer.dilation)}"] if layer.dilation != (1, 1) else []
            texts += [f"{layer.groups} groups"] if layer.groups > 1 else []
            return "conv" if layer.window != (1, 1) else "conv 1 x 1", ", ".join(texts)
        case Pooling() as layer:
            return "average pool" if layer.average else "max pool", _with_stride(layer.window, layer.stride)
        case TransposedConvolution() as layer:
            return "up-conv", _with_stride(layer.window, layer.stride)
        case Upsampling() as layer:
            return "upsampling", _by(layer.scale)
        case Addition():
            return "add", ""
        case Elementwise():
            return "elementwise", name_of(row)
        case FitTo() | Border() | Slicing() if only_crops(row):
            return "", f"crop {sides_text(sides_cut(row))}"
        case Border() as layer:
            return "", f"pad {sides_text(layer.sides)}"
        case FitTo() | Slicing():
            return "", "cut out"
        case PixelShuffle() as layer:
            return "", f"shuffle {layer.scale} x {layer.scale}"
        case Resizing():
            return "", "resize"
        case Unflatten():
            return "", "unflatten"
        case Flatten():
            return "", "flatten"
        case GlobalPooling():
            return "", "global pool"
        case Linear():
            return "", "linear"
        case Transformer():
            return "", "attention"
    return "", name_of(row)


def name_of(row: Row) -> str:
    """What a pointwise layer, or one that is not known, is called: without the place in the file behind it."""
    name = row.step.layer.name if isinstance(row.step.layer, Pointwise) else row.step.text.partition(" ")[0]
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _by(pair: Pair) -> str:
    return f"{pair[0]} x {pair[1]}"


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else _by(pair)


def _with_stride(window: Pair, stride: Pair) -> str:
    return _by(window) + (f", stride {_pair(stride)}" if stride != window else "")


def sides_text(sides: Sides) -> str:
    """4 for all sides, 4 + 5 for before and after; height and width each where they differ."""
    height, width = (str(before) if before == after else f"{before} + {after}" for before, after in sides)
    return height if height == width else f"height {height}, width {width}"


def sides_cut(row: Row) -> Sides:
    """What the layer cuts off its map, or off the copy."""
    return _crop(row, 0), _crop(row, 1)


def _crop(row: Row, axis: int) -> Pair:
    """Rows or columns cut off, before and after."""
    sizes = [map[axis] for map in row.inputs]
    match row.step.layer if row.output else None:
        case Border() as layer:
            before, after = layer.sides[axis]
            return max(0, -before), max(0, -after)
        case Slicing() as layer:
            kept = range(sizes[0])[slice(*layer.parts[axis])]
            return (kept.start, sizes[0] - kept.stop) if kept.step == 1 else (0, 0)
        case CopyAndCrop() as layer:
            return layer.crop(axis, sizes)
        case FitTo():
            before = crop_offset(*sizes)
            return before, sizes[0] - sizes[1] - before
    return 0, 0


def dropped(row: Row) -> Pair:
    """Unread rows and columns of the map itself: where only padding goes unread, nothing is lost."""
    layer = row.step.layer
    if not isinstance(layer, Window) or not row.output:
        return 0, 0
    height, width = (max(0, row.unread[axis] - layer.sides(axis, row.inputs[0][axis])[1]) for axis in (0, 1))
    return height, width


def only_crops(row: Row) -> bool:
    """Whether the output is the layer's map without what it cuts off."""
    if not isinstance(row.step.layer, FitTo | Border | Slicing) or not row.output:
        return False
    height, width, channels = row.inputs[0]
    rows, columns = sides_cut(row)
    return row.output == (height - sum(rows), width - sum(columns), channels)
