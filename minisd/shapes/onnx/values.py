"""What is known of each name in an ONNX file, and what the onnx package says of a node: shapes and sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnx.shape_inference

from minisd.shapes.onnx import OnnxError
from minisd.shapes.onnx.axes import Axes, Shape, map_of
from minisd.shapes.report.layers import Map

MOST_NUMBERS = 256
"""Arrays of more numbers are weights or maps: exporters write sizes and bounds in a few."""
_MOST_AXES = 16
_TYPES = onnx.TensorProto
FRACTIONS = {_TYPES.FLOAT, _TYPES.DOUBLE, _TYPES.FLOAT16, _TYPES.BFLOAT16}
_COUNTS = {  # types of numbers that count or choose, and are not learned
    _TYPES.BOOL, _TYPES.INT16, _TYPES.INT32, _TYPES.INT64, _TYPES.UINT16, _TYPES.UINT32, _TYPES.UINT64, _TYPES.STRING,
}  # fmt: skip
_SUMS = {  # what exporters do with sizes; other operators could make much out of little, or take long
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten",
    "Floor", "Gather", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul",
    "Neg", "Not", "Or", "Pow", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round",
    "Shape", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where", "Xor",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """What is known of an array.

    Attributes:
        shape: None where it is not known.
        kind: the type of its numbers, as onnx.TensorProto counts them.
        numbers: where they do not depend on what the network is given, and are few.
        weights: the stored arrays that it was made of, names and how many numbers they have.
        number: the number in the network of a map; None for a constant.
        axes: what a map's axes are made of; None where this is not known.
        raw: whether it is as the network was given it, but for plain arithmetic: no weight has met it yet.
    """

    shape: Shape | None = None
    kind: int = _TYPES.FLOAT
    numbers: Any = None
    weights: tuple[tuple[str, int], ...] = ()
    number: int | None = None
    axes: Axes | None = None
    raw: bool = False

    @property
    def map(self) -> Map | None:
        """The picture, however it lies; None for constants and for arrays that are none."""
        return map_of(self.axes) if self.axes is not None else None

    def stored_as(self, name: str) -> Value:
        """The same as an array of the file, with this name."""
        count = prod(self.shape or ())
        return replace(self, weights=() if self.shape is None or self.kind in _COUNTS else ((name, count),))


def stored(tensor: Any) -> Value:
    """A weight or another constant of the file; its numbers where they are few. Raises OnnxError if it is damaged."""
    shape = tuple(tensor.dims)
    if len(shape) > _MOST_AXES or min(shape, default=0) < 0:
        raise OnnxError(f"a tensor of shape {' x '.join(map(str, shape[: _MOST_AXES + 1]))} cannot be")
    numbers = None
    if prod(shape) <= MOST_NUMBERS and tensor.data_location != _TYPES.EXTERNAL:
        try:
            numbers = onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # whatever comes of a damaged tensor
            raise OnnxError(f"the tensor {printable(tensor.name)!r} is damaged: {error}") from error
    return Value(shape, tensor.data_type, numbers).stored_as(tensor.name)


def printable(name: str | bytes) -> str:
    """A name as it can be shown: damaged ones may hold anything, and a terminal obeys some of it."""
    name = name if isinstance(name, str) else name.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in name[:200])


class Arithmetic:
    """The onnx package's answers for one node at a time, in the versions of the operators that a file names."""

    def __init__(self, versions: Mapping[str, int]) -> None:
        self.versions = {"": 1, **versions}
        self.imports = [onnx.helper.make_opsetid(*version) for version in self.versions.items()]

    def inferred(self, node: Any, inputs: Sequence[Value | None]) -> list[Value]:
        """Shape and type of each output, where they follow from the inputs."""
        made: dict[str, Any] = {}
        with suppress(Exception):  # an operator that is not known, or a node that is damaged
            types, numbers = {}, {}
            for name, value in zip(node.input, inputs, strict=True):
                if value is not None:
                    types[name] = onnx.helper.make_tensor_type_proto(value.kind, value.shape)
                    if value.numbers is not None:
                        numbers[name] = onnx.numpy_helper.from_array(value.numbers, name)
            schema = onnx.defs.get_schema(node.op_type, self.versions[node.domain], node.domain)
            made = onnx.shape_inference.infer_node_outputs(schema, node, types, numbers, opset_imports=self.imports)
        return [described(made[name].tensor_type) if name in made else Value() for name in node.output]

    def evaluated(self, node: Any, inputs: Sequence[Any]) -> list[Any]:
        """The numbers that a node makes of numbers; None where they do not fit."""
        given = {name: numbers for name, numbers in zip(node.input, inputs, strict=True) if name}
        made = onnx.helper.make_function("", "sum", list(given), node.output, [node], self.imports)
        with suppress(Exception), np.errstate(all="ignore"):
            return [np.asarray(one) for one in onnx.reference.ReferenceEvaluator(made).run(None, given, {})]
        return [None] * len(node.output)

    def computed(self, node: Any, inputs: Sequence[Value | None]) -> list[Value]:
        """What a node makes of constants."""
        outputs, numbers = self.inferred(node, inputs), [value and value.numbers for value in inputs]
        few = all(output.shape is not None and prod(output.shape) <= MOST_NUMBERS for output in outputs)
        known = all(one is not None for value, one in zip(inputs, numbers, strict=True) if value is not None)
        if node.op_type in _SUMS and few and known:
            made = zip(outputs, self.evaluated(node, numbers), strict=True)
            outputs = [value if one is None else replace(value, shape=one.shape, numbers=one) for value, one in made]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            inputs = inputs[:1]  # not the scale, which was not learned
        weights = tuple(dict.fromkeys(weight for value in inputs if value is not None for weight in value.weights))
        return [replace(output, weights=weights) for output in outputs]


def described(kind: Any) -> Value:
    """What a type of the file says, as far as it has numbers."""
    shape = tuple(axis.dim_value if axis.HasField("dim_value") else -1 for axis in kind.shape.dim)
    known = kind.HasField("shape") and min(shape, default=0) >= 0
    return Value(shape if known else None, kind.elem_type or _TYPES.FLOAT)
