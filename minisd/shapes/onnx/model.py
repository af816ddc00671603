"""What an ONNX file says: nodes, weights' shapes, inputs. The fields are those of onnx.proto; the rest is passed over.

Weights are not read, only their shapes, so that files of any size, and those whose weights lie in files of their own,
are read at once; small tensors, in which exporters write sizes and bounds, give their numbers when asked.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from pathlib import Path

from minisd.shapes.onnx.protobuf import Value, WireError, bytes_of, fields, integer, integers, text

LARGEST_FILE = 2**31  # bytes: a message can be no larger
MOST_NODES = 50_000
MOST_NUMBERS = 64
"""Tensors of more numbers are weights, and stay unread."""
_MOST_AXES = 16
_LONGEST_NAME = 200

# TensorProto.DataType: the types whose numbers are read, as `struct` writes them; and those that weights have.
_FLOAT, _FLOAT16, _DOUBLE = 1, 10, 11
_FORMATS = {_FLOAT: "f", 6: "i", 7: "q", 9: "?", _FLOAT16: "e", _DOUBLE: "d"}
_WEIGHTS = {_FLOAT, 2, 3, _FLOAT16, _DOUBLE, 16, 17, 18, 19, 20, 21, 22, 23}  # floats, and quantised to 8 bits or fewer


class OnnxError(ValueError):
    """The file is no ONNX file of a network over pictures: the message says what is the matter."""


@dataclass(frozen=True)
class Tensor:
    """A weight or another constant: `data` holds (field, bytes) of its numbers as far as they lie in the file."""

    name: str
    shape: tuple[int, ...]
    kind: int
    data: tuple[tuple[int, Value], ...] = field(default=(), repr=False)

    @property
    def is_weight(self) -> bool:
        """Whether its numbers may have been learned."""
        return self.kind in _WEIGHTS

    def numbers(self) -> tuple[float, ...] | None:
        """All numbers in the order of memory; None where they are many, of a rare type, or in another file.

        Raises:
            WireError: there are more or fewer than the shape says.
        """
        count = prod(self.shape)
        if count > MOST_NUMBERS or self.kind not in _FORMATS or (count and not self.data):
            return None
        found: list[float] = []
        for number, value in self.data:
            if number in (_RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA):
                letter = {_FLOAT_DATA: "f", _DOUBLE_DATA: "d"}.get(number, _FORMATS[self.kind])
                found += _unpacked(letter, bytes_of(value))
            else:
                found += islice(integers(value), count + 1)
            if len(found) > count:
                break
        if len(found) != count:
            more = " and more" if len(found) > count else ""
            raise WireError(f"a tensor of {count} numbers, by its shape, holds {len(found)}{more}")
        if self.kind == _FLOAT16 and self.data and self.data[0][0] == _INT32_DATA:  # the bits as whole numbers
            return tuple(struct.unpack("<e", struct.pack("<H", int(bits) % 2**16))[0] for bits in found)
        return tuple(found)


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Tensor


@dataclass(frozen=True)
class Node:
    """One operator, and the names of what it takes and makes; "" where something that it could take is left out."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Graph:
    """The whole network.

    Attributes:
        inputs: what must be given, without the weights: name and shape; None where the file gives none. Where an axis
            has no number yet, its name stands instead, "?" if it has none.
        stated: shapes of other values, as far as the file gives them.
    """

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    inputs: dict[str, tuple[int | str, ...] | None]
    stated: dict[str, tuple[int | str, ...] | None]


def read_graph(path: Path) -> Graph:
    """Read the file.

    Raises:
        OnnxError: it cannot be read, or is too large.
        WireError: it is damaged, or no ONNX file.
    """
    try:
        if not path.is_file():
            raise OnnxError("this is no file")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise OnnxError(f"the file has {size:,} bytes; an ONNX file has at most 2 GiB")
        if size == 0:
            raise OnnxError("the file is empty")
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # weights never leave the disk
    except OSError as error:
        raise OnnxError(f"the file cannot be read: {error.strerror or error}") from error
    return _model(memoryview(content))


# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE, _GRAPH_SPARSE = 1, 5, 11, 12, 13, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_TENSOR_DIMS, _TENSOR_KIND, _TENSOR_NAME = 1, 2, 8
_FLOAT_DATA, _INT32_DATA, _INT64_DATA, _RAW_DATA, _DOUBLE_DATA = 4, 5, 7, 9, 10
_VALUE_NAME, _VALUE_TYPE = 1, 2


def _model(message: memoryview) -> Graph:
    graphs = [bytes_of(value) for number, value in fields(message) if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise WireError("it holds no network" if not graphs else f"it holds {len(graphs)} networks")
    nodes: list[Node] = []
    tensors: dict[str, Tensor] = {}
    values: dict[int, dict[str, tuple[int | str, ...] | None]] = {_GRAPH_INPUT: {}, _GRAPH_OUTPUT: {}, _GRAPH_VALUE: {}}
    for number, value in fields(graphs[0]):
        if number == _GRAPH_NODE:
            if len(nodes) == MOST_NODES:
                raise OnnxError(f"networks of more than {MOST_NODES:,} nodes are not read")
            nodes.append(_node(bytes_of(value)))
        elif number == _GRAPH_TENSOR:
            tensor = _tensor(bytes_of(value))
            tensors[tensor.name] = tensor
        elif number == _GRAPH_SPARSE:
            tensor = _sparse(bytes_of(value))
            tensors[tensor.name] = tensor
        elif number in values:
            name, shape = _value(bytes_of(value))
            values[number][name] = shape
    if not nodes:
        raise WireError("it holds a network without nodes")
    given = {name: shape for name, shape in values[_GRAPH_INPUT].items() if name not in tensors}
    return Graph(tuple(nodes), tensors, given, values[_GRAPH_VALUE] | values[_GRAPH_OUTPUT])


def _node(message: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Attribute] = {}
    operator = name = domain = ""
    for number, value in fields(message):
        if number == _NODE_INPUT:
            inputs.append(text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(text(value))
        elif number == _NODE_NAME:
            name = _printable(text(value))
        elif number == _NODE_OPERATOR:
            operator = _printable(text(value))
        elif number == _NODE_DOMAIN:
            domain = _printable(text(value))
        elif number == _NODE_ATTRIBUTE:
            key, attribute = _attribute(bytes_of(value))
            if attribute is not None:
                attributes[key] = attribute
    if domain not in ("", "ai.onnx"):  # another operator, even where it has the same name
        operator = f"{domain}.{operator}"
    return Node(operator, name, tuple(inputs), tuple(outputs), attributes)


def _attribute(message: memoryview) -> tuple[str, Attribute | None]:
    """Name and value; None for kinds that no operator over pictures needs, such as graphs inside of nodes."""
    name, kind = "", 0
    whole, fraction, string = 0, 0.0, ""
    many: list[int] = []
    fractions: list[float] = []
    tensor = None
    for number, value in fields(message):
        match number:
            case 1:
                name = text(value)
            case 2:
                fraction, kind = _unpacked("f", bytes_of(value))[0], kind or 1
            case 3:
                whole, kind = integer(value), kind or 2
            case 4:
                string, kind = text(value), kind or 3
            case 5:
                tensor, kind = _tensor(bytes_of(value)), kind or 4
            case 7:
                fractions += _unpacked("f", bytes_of(value)) if len(fractions) <= MOST_NUMBERS else ()
                kind = kind or 6
            case 8:
                many += islice(integers(value), MOST_NUMBERS + 1 - len(many))
                kind = kind or 7
            case 20:
                kind = integer(value)
    values: dict[int, Attribute | None] = {
        1: fraction,
        2: whole,
        3: string,
        4: tensor,
        6: tuple(fractions) if len(fractions) <= MOST_NUMBERS else None,
        7: tuple(many) if len(many) <= MOST_NUMBERS else None,
    }
    return name, values.get(kind)


def _tensor(message: memoryview) -> Tensor:
    name, kind = "", 0
    shape: list[int] = []
    data = []
    for number, value in fields(message):
        if number == _TENSOR_DIMS:
            for size in integers(value):
                shape.append(size)
                if size < 0 or len(shape) > _MOST_AXES:
                    raise WireError(f"a tensor of {len(shape)} axes, the last of {size}, cannot be")
        elif number == _TENSOR_KIND:
            kind = integer(value)
        elif number == _TENSOR_NAME:
            name = text(value)
        elif number in (_FLOAT_DATA, _INT32_DATA, _INT64_DATA, _RAW_DATA, _DOUBLE_DATA):
            data.append((number, value))
    return Tensor(name, tuple(shape), kind, tuple(data))


def _sparse(message: memoryview) -> Tensor:
    """A weight that is mostly zeros: 1 holds the others, as a tensor with its name, and 3 the axes of the whole."""
    few, shape = Tensor("", (), 0), list[int]()
    for number, value in fields(message):
        if number == 1:
            few = _tensor(bytes_of(value))
        elif number == 3:
            shape += islice(integers(value), _MOST_AXES)
    return Tensor(few.name, tuple(max(0, size) for size in shape), few.kind)


def _value(message: memoryview) -> tuple[str, tuple[int | str, ...] | None]:
    """Name and shape of a ValueInfoProto, whose type is nested: type 2, tensor 1, shape 2, axis 1."""
    name, shape = "", None
    for number, value in fields(message):
        if number == _VALUE_NAME:
            name = text(value)
        elif number == _VALUE_TYPE:
            tensors = [bytes_of(kind) for which, kind in fields(bytes_of(value)) if which == 1]
            shapes = [bytes_of(axes) for tensor in tensors for which, axes in fields(tensor) if which == 2]
            if shapes:
                shape = tuple(_axis(bytes_of(axis)) for which, axis in fields(shapes[-1]) if which == 1)
    return name, shape


def _axis(message: memoryview) -> int | str:
    """An axis is as long as a number says, or has a name as long as its length is open."""
    size: int | str = "?"
    for number, value in fields(message):
        if number == 1:
            size = integer(value)
        elif number == 2:
            size = _printable(text(value)) or "?"
    return size


def _unpacked(letter: str, data: memoryview) -> tuple[float, ...]:
    """Little-endian numbers of a type of `struct`; of many numbers no more than tell that they are many."""
    size = struct.calcsize(letter)
    if len(data) % size:
        raise WireError(f"{len(data)} bytes are no whole number of {size}-byte numbers")
    return tuple(number for (number,) in struct.iter_unpack(f"<{letter}", data[: size * (MOST_NUMBERS + 1)]))


def _printable(name: str) -> str:
    """A name as it can be shown: damaged ones may hold anything, and a terminal obeys some of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])
