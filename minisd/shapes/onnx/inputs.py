"""What a network must be given: the picture, and what stands beside it, such as the time, a prompt or a mask."""

from __future__ import annotations

from typing import Any, NamedTuple

import onnx

from minisd.shapes.onnx import OnnxError
from minisd.shapes.onnx.axes import axes_of
from minisd.shapes.onnx.values import FRACTIONS, Value, printable
from minisd.shapes.report.layers import Map
from minisd.shapes.report.sums import LARGEST_SIZE


class Input(NamedTuple):
    """An input of the file; where an axis has no number its name stands, and None where there are no axes."""

    name: str
    sizes: tuple[int | str, ...] | None
    kind: int

    def __str__(self) -> str:
        sizes = "of unknown shape" if self.sizes is None else f"({', '.join(map(str, self.sizes))})"
        return f"{printable(self.name)!r} {sizes}"


class Given(NamedTuple):
    """What is known before the first node.

    Attributes:
        batch: pictures in the arrays.
        is_own_size: whether the picture is as large as the file has it.
        values: the arrays by name, the picture's first.
    """

    picture: Map
    batch: int
    is_own_size: bool
    values: dict[str, Value]


def inputs_of(graph: Any) -> list[Input]:
    """What must be given, without the weights."""
    stored, found = {tensor.name for tensor in graph.initializer}, []
    for value in graph.input:
        if value.name not in stored:
            kind = value.type.tensor_type
            sizes = tuple(axis.dim_value or printable(axis.dim_param) or "?" for axis in kind.shape.dim)
            known = kind.HasField("shape")
            found.append(Input(value.name, sizes if known else None, kind.elem_type or onnx.TensorProto.FLOAT))
    return found


def layouts_of(graph: Any) -> list[str]:
    """How the picture may lie, the likelier way first."""
    pictures = [one.sizes for one in inputs_of(graph) if one.sizes and len(one.sizes) == 4]
    _, first, second, last = pictures[0] if pictures else (1, 1, 1, 1)
    few = isinstance(last, int) and 1 <= last <= 4
    rows_before = first > 4 if isinstance(first, int) else isinstance(second, str)
    return ["NHWC", "NCHW"] if few and rows_before else ["NCHW", "NHWC"]


def given_to(graph: Any, layout: str, size: tuple[int, int] | None) -> Given:
    """The inputs for a picture of that size. Raises OnnxError if there is none, or its size is open and not given."""
    inputs = inputs_of(graph)
    picture = next((one for rank in (4, 2) for one in inputs if one.sizes and len(one.sizes) == rank), None)
    if picture is None or picture.sizes is None:
        wanted = f"no input is a picture (N, C, H, W) or a vector (N, C); there is {', '.join(map(str, inputs[:5]))}"
        raise OnnxError(wanted if inputs else "the network has no input")
    named = dict(zip(layout if len(picture.sizes) == 4 else "NC", picture.sizes, strict=True))
    found = _picture_size(picture, named, size)
    batch = _length(named["N"]) or 1
    lengths: dict[str, int] = {"N": batch, "H": found.height, "W": found.width, "C": found.channels}
    whole = tuple(lengths[letter] for letter in named)
    lengths |= {name: lengths[letter] for letter, name in named.items() if isinstance(name, str) and name != "?"}
    values = {picture.name: Value(whole, picture.kind, number=0, axes=axes_of("".join(named), whole), raw=True)}
    for one in inputs:
        if one is not picture:
            values[one.name] = _beside(one, layout, named, lengths)
    return Given(found, batch, found[:2] == (named.get("H", 1), named.get("W", 1)), values)


def _beside(one: Input, layout: str, named: dict[str, int | str], lengths: dict[str, int]) -> Value:
    """Another input: what has the name of a picture's axis, or is a map of its size in the file, is as long as it."""
    if one.sizes is None:
        return Value(None, one.kind, raw=True)
    shape = tuple(lengths.get(str(n), _length(n) or 1) for n in one.sizes)
    letters = {1: "N", 2: "NC" if one.kind in FRACTIONS else "NL", 3: "NLC", 4: layout}.get(len(shape), "")
    if letters == "".join(named):
        its = dict(zip(named, one.sizes, strict=True))
        if (its.get("H"), its.get("W")) == (named.get("H"), named.get("W")):
            shape = tuple(lengths[axis] if axis in "HW" else n for axis, n in zip(named, shape, strict=True))
    fits = len(letters) == len(shape) and shape[:1] in ((), (lengths["N"],))
    return Value(shape, one.kind, axes=axes_of(letters, shape) if fits else None, raw=True)


def _picture_size(picture: Input, axes: dict[str, int | str], size: tuple[int, int] | None) -> Map:
    channels = _length(axes["C"])
    if channels is None:
        raise OnnxError(f"its input {picture} leaves the number of channels open, and so nothing can be said of it")
    if "H" not in axes:
        if size is not None:
            raise OnnxError(f"its input {picture} is a vector, which has no height and width: leave --size out")
        return Map(1, 1, channels)
    height, width = size or (_length(axes["H"]), _length(axes["W"]))
    if height is None or width is None:
        raise OnnxError(f"its input {picture} leaves height and width open: give --size HxW, such as --size 224x224")
    found = Map(height, width, channels)
    if max(found) > LARGEST_SIZE:
        raise OnnxError(f"its input {picture} would be {found}: more than {LARGEST_SIZE:,} is beyond any machine")
    return found


def _length(size: int | str) -> int | None:
    """The length of an axis that has one; 0 and -1 stand for open ones in older files."""
    return size if isinstance(size, int) and size > 0 else None
