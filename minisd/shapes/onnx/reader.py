"""A network from an ONNX file: which layer takes which map, and how large the input is.

The nodes are walked in their order. Nodes that compute sizes are computed; each of the others becomes a step, of a
layer that is known (`operators.py`) or of none. The sizes are those that the onnx package infers: a layer that would
make another one is not the layer that it was taken for.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from minisd_kernels.shapes import ShapeError

from minisd.shapes.onnx import OnnxError

try:
    import onnx
    import onnx.inliner
except ImportError as error:
    raise OnnxError("ONNX files are read with the onnx package: pip install 'minisd[onnx]'") from error

from minisd.shapes.onnx.axes import Axes, Shape, axes_of, layout_of, letters_of, map_of, shape_of
from minisd.shapes.onnx.call import Call
from minisd.shapes.onnx.carried import ARITHMETIC, OVER_PICTURES, POINTWISE, carried
from minisd.shapes.onnx.inputs import given_to, inputs_of, layouts_of
from minisd.shapes.onnx.operators import KNOWN, LEARNED, WORKS, layer_of, multiply_adds_of, weights_of
from minisd.shapes.onnx.values import Arithmetic, Value, printable, stored
from minisd.shapes.report.layers import Layer, Map, Pointwise, Source, Stated
from minisd.shapes.report.network import Network, Step
from minisd.shapes.report.sums import LARGEST_SIZE

LARGEST_FILE = 2**31  # bytes: a message can be no larger
MOST_NODES = 50_000
_LARGER = (1, 13)  # pixels more: see _holds_for_one

_OURS = {"Resize", "Upsample", "ConvTranspose"}
"""Where the onnx package differs from runtimes: they round factors as float32; see `_transposed_convolution`."""


class _Misread(Exception):
    """What was taken for the channels of the file's picture is its height or width."""


def read_onnx(path: Path, size: tuple[int, int] | None = None) -> Network:
    """Read a network that takes pictures (N, C, H, W) or (N, H, W, C), or vectors (N, C).

    Of several inputs the first with four axes is the picture. A batch is taken for one picture, and an axis of another
    input that the file leaves open for a length of 1.

    Unlike a model's weights, a file's nodes are taken into memory as objects: one that was made to harm takes some 80
    times its size. A limit would refuse networks that are only large: files of strangers belong under a limit of the
    system, such as ``ulimit -v``.

    Args:
        size: height and width of the input, whether the file leaves them open or not.

    Raises:
        OnnxError: the file is no ONNX file or damaged, or its input is no picture, or leaves its size open and `size`
            is not given.
    """
    try:
        model = _parsed(path)
        network = _network(model, size)
        return replace(network, one_size=_holds_for_one(model, network))
    except OnnxError as error:
        raise OnnxError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise OnnxError(f"{path}: the file is damaged: a name in it is no text") from error


def _parsed(path: Path) -> Any:
    try:
        if not path.is_file():
            raise OnnxError("this is no file")
        length = path.stat().st_size
        if length > LARGEST_FILE:
            raise OnnxError(f"the file has {length:,} bytes; an ONNX file has at most 2 GiB")
        content = path.read_bytes()
    except OSError as error:
        raise OnnxError(f"the file cannot be read: {error.strerror or error}") from error
    try:
        model = onnx.ModelProto.FromString(content)  # weights in files of their own stay there
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the parser's own, and whatever comes of damaged functions
        raise OnnxError(f"this is no ONNX file, or it is damaged: {error}") from error
    if not model.graph.node:
        raise OnnxError("this is no ONNX file, or it holds a network without nodes")
    return model


def _network(model: Any, size: tuple[int, int] | None) -> Network:
    """The network, its picture taken as its shape suggests, and otherwise if it then is taken apart otherwise."""
    likelier, other = layouts_of(model.graph)
    try:
        return _Walk(model, likelier, size).network()
    except _Misread:
        return _Walk(model, other, size, sure=True).network()


def _holds_for_one(model: Any, network: Network) -> bool:
    """Whether the layers are others for larger pictures: then their numbers were computed for this size."""
    height, width, _ = network.input
    has_picture = any(one.sizes and len(one.sizes) == 4 for one in inputs_of(model.graph))
    for more in _LARGER if has_picture else ():
        try:
            larger = _network(model, (height + more, width + more))
        except OnnxError:
            return True
        for step, other in zip(network.steps, larger.steps, strict=False):
            if other.unknown == _IMPOSSIBLE:
                break  # such as a vector that got longer
            if (step.layer, step.multiply_adds) != (other.layer, other.multiply_adds):
                return True
    return False


_IMPOSSIBLE = "its sizes cannot be"


class _Walk:
    """The values known so far, by name, and the steps."""

    def __init__(self, model: Any, layout: str, size: tuple[int, int] | None, sure: bool = False) -> None:
        self.graph, self.sure, self.left = model.graph, sure, MOST_NODES
        self.arithmetic = Arithmetic({entry.domain: entry.version for entry in model.opset_import})
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        for sparse in self.graph.sparse_initializer:
            tensor = onnx.TensorProto(name=sparse.values.name, data_type=sparse.values.data_type, dims=sparse.dims)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            self.tensors[tensor.name] = tensor
        self.keeps_weights_apart = any(len(tensor.dims) > 1 < prod(tensor.dims) for tensor in self.tensors.values())
        self.inline, self.counted = set[str](), set[str]()
        given = given_to(self.graph, layout, size)
        self.batch, self.is_own_size = given.batch, given.is_own_size
        (picture, value), *others = given.values.items()
        self.values, self.maps, self.steps = {picture: value}, list[Map | None]([given.picture]), list[Step]()
        for name, value in others:
            layer = Source(value.map) if value.map is not None else None
            number = self._append(Step(f"input {printable(name)}", layer, ()), value.shape, value.axes)
            self.values[name] = replace(value, number=number)

    def network(self) -> Network:
        sources = len(self.steps)
        for node in self.graph.node:
            self._take(node)
        if len(self.steps) == sources:
            raise OnnxError("no node takes its input")
        assert self.maps[0] is not None
        return Network(self.maps[0], tuple(self.steps))

    # ---- Nodes

    def _take(self, node: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise OnnxError(f"networks of more than {MOST_NODES:,} nodes are not read")
        inputs = [self._value(name, node) if name else None for name in node.input]
        inner = [name for attribute in node.attribute for step in attribute.g.node for name in step.input]
        takes = [value for value in inputs if value is not None] + [self.values[n] for n in inner if n in self.values]
        numbers = [value.number for value in takes if value.number is not None]
        first = inputs[0] if inputs else None
        if node.op_type == "If" and first is not None and first.numbers is not None:
            self._branch(node, "then_branch" if np.all(first.numbers) else "else_branch")
        elif numbers and not (node.op_type in ("Shape", "Size") and first is not None and first.shape is not None):
            self._step(node, inputs, tuple(numbers))
        else:
            self.values |= dict(zip(node.output, self._constants(node, inputs), strict=True))

    def _value(self, name: str, node: Any) -> Value:
        if name not in self.values:
            if name not in self.tensors:
                raise OnnxError(f"{_label(node)} takes {printable(name)[:80]!r}, which nothing before it makes")
            self.values[name] = stored(self.tensors[name])
        return self.values[name]

    def _branch(self, node: Any, wanted: str) -> None:
        """An If whose condition is known: the nodes of one branch stand in its place."""
        for attribute in node.attribute:
            if attribute.name == wanted:
                self.tensors |= {tensor.name: tensor for tensor in attribute.g.initializer}
                for inner in attribute.g.node:
                    self._take(inner)
                for name, value in zip(node.output, attribute.g.output, strict=False):
                    self.values[name] = self._value(value.name, node)

    def _constants(self, node: Any, inputs: list[Value | None]) -> list[Value]:
        """What does not depend on the picture's numbers."""
        if node.op_type in ("Shape", "Size") and inputs and inputs[0] is not None and inputs[0].shape is not None:
            numbers = self.arithmetic.evaluated(node, [np.broadcast_to(np.float32(0), inputs[0].shape)])
            return [Value(None if one is None else one.shape, onnx.TensorProto.INT64, one) for one in numbers]
        made = self.arithmetic.computed(node, inputs)
        for place, name in enumerate(node.output):
            value = made[place]
            if node.op_type in ("Constant", "ConstantOfShape"):
                self.inline.add(name)
                made[place] = value.stored_as(name)
            elif node.op_type == "Identity" and value.weights and prod(value.shape or ()) == max(value.shape or (0,)):
                made[place] = value.stored_as(name)  # exporters store equal arrays once: equal vectors are two weights
        return made

    # ---- Steps

    def _step(self, node: Any, inputs: list[Value | None], takes: tuple[int, ...]) -> None:
        """Append the node's layers, and give its outputs their shapes and axes."""
        call = self._sized(Call(node, inputs, self.arithmetic.inferred(node, inputs), self.batch))
        if call.operator in OVER_PICTURES and not call.is_picture and inputs[0] is not None:
            call = replace(call, inputs=[self._as_picture(node.input[0], inputs[0]), *inputs[1:]])
        parameters = self._new(weights_of(call, self.inline if self.keeps_weights_apart else set()))
        raw = all(value.raw for value in call.maps) and not LEARNED.get(node.op_type)
        maps = [self.maps[number] for number in takes]
        for place, (name, output) in enumerate(zip(node.output, call.outputs, strict=True)):
            if place and call.operator != "Split":  # such as a norm's mean, or where a maximum was
                self.values[name] = replace(output, number=len(self.steps))
                continue
            axes, layer, unknown = self._layer(call, place, [size for size in maps if size], known=None not in maps)
            shape = None if unknown else shape_of(axes) if axes is not None else output.shape
            work = None if layer and not isinstance(layer, Stated) else multiply_adds_of(call)
            if not all(value.shape is not None for value in call.maps):
                unknown = ""
            elif call.operator not in KNOWN:
                unknown = "an operator that is not known"
            elif shape is None:
                unknown = unknown or "to a size that is not known"
            elif not layer and work is None and call.operator in WORKS:
                unknown = "in a form that is not known"
            number = self._append(Step(_label(node), layer, takes, parameters, work, unknown=unknown), shape, axes)
            self.values[name] = Value(shape, output.kind, number=number, axes=axes, raw=raw)
            parameters = 0

    def _sized(self, call: Call) -> Call:
        """With the shapes that the onnx package does not infer, but its standard or the file states."""
        outputs = list(call.outputs)
        for place, output in enumerate(outputs):
            if output.shape is None:
                same = call.value(0) if place == 0 and call.operator in POINTWISE else None
                outputs[place] = replace(output, shape=same.shape if same else self._stated(call.node.output[place]))
        return replace(call, outputs=outputs)

    def _layer(self, call: Call, place: int, maps: list[Map], known: bool) -> tuple[Axes | None, Layer | None, str]:
        """The axes of an output, the layer that makes it, and why there can be none.

        A layer that would make another size than the one inferred is not the layer that it was taken for.
        """
        shape, axes, layer = call.outputs[place].shape, carried(call, place), layer_of(call, place)
        if axes is not None and (shape_of(axes) != shape or not all(shape)):
            axes = None
        if layer is not None and known:
            try:
                made = layer.output(maps)
            except ShapeError:  # as the report will say; but arrays may meet otherwise than maps do
                if not (shape and call.operator in ARITHMETIC):
                    return None, layer, _IMPOSSIBLE
            else:
                if call.operator in _OURS:
                    sizes = {"N": self.batch, "H": made.height, "W": made.width, "C": made.channels}
                    layout = layout_of(call.axes)
                    return axes_of(layout, [sizes[letter] for letter in layout]), layer, ""
                if axes is not None and map_of(axes) == made:
                    return axes, layer, ""
        size = map_of(axes) if axes is not None else None
        mixes = call.operator in ("Gemm", "MatMul") and len(call.maps) > 1  # as an attention does
        if size and known and maps == [size] and call.operator not in WORKS:  # which may mix pixels
            return axes, Pointwise(printable(call.node.op_type)), ""
        return axes, Stated(size, mixes) if size else None, ""

    def _append(self, step: Step, shape: Shape | None, axes: Axes | None) -> int:
        size = map_of(axes) if axes is not None else None
        array = shape if axes is None or not layout_of(axes) else None
        if array and len(array) > 1 and array[0] == self.batch:
            array = array[1:]
        if isinstance(step.layer, Stated):
            step = replace(step, inputs=tuple(number for number in step.inputs if self.maps[number] is not None))
        self.steps.append(replace(step, array=array))
        self.maps.append(size if size and max(size) <= LARGEST_SIZE else None)
        return len(self.steps)

    def _as_picture(self, name: str, value: Value) -> Value:
        """What an operator over pictures takes is one: then its maker made one, though it did not look like it."""
        letters = [letters_of(axis) for axis in value.axes or ()]
        if len(letters) == 4 and not self.sure and letters[0] in ("", "N") and max(map(len, letters)) <= 1:
            raise _Misread
        size = map_of(axes_of("NCHW", value.shape)) if value.shape is not None and len(value.shape) == 4 else None
        if value.shape is None or size is None or value.shape[0] != self.batch or not value.number or not all(size):
            return value
        step, number = self.steps[value.number - 1], value.number
        takes = tuple(i for i in step.inputs if self.maps[i] is not None)
        self.steps[number - 1] = replace(step, layer=Stated(size), inputs=takes, array=None)
        self.maps[number] = size
        self.values[name] = replace(value, axes=axes_of("NCHW", value.shape))
        return self.values[name]

    def _new(self, weights: dict[str, int]) -> int:
        """The numbers that were not counted before: several layers may share a weight."""
        new = {name: count for name, count in weights.items() if name not in self.counted}
        self.counted |= set(new)
        return sum(new.values())

    def _stated(self, name: str) -> Shape | None:
        """The shape that the file itself states, for its own size of the input."""
        for value in (*self.graph.value_info, *self.graph.output) if self.is_own_size else ():
            if value.name == name:
                sizes = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
                sizes[:1] = [size or self.batch for size in sizes[:1]]
                return tuple(sizes) if sizes and min(sizes) > 0 else None
        return None


def _label(node: Any) -> str:
    """Operator and name: exporters' names often end with the operator, "/down/0/Conv", or begin with it, "Conv_7"."""
    operator, name = printable(node.op_type), printable(node.name)
    if node.domain not in ("", "ai.onnx"):
        operator = f"{printable(node.domain)}.{operator}"
    if name.startswith(operator):
        return name
    return f"{operator} {name.removesuffix(operator).rstrip('/_.')}".strip()
