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
from minisd.shapes.onnx.operators import KNOWN, LEARNED, WORKS, layer_of, multiply_adds_of, weights_of
from minisd.shapes.onnx.values import FRACTIONS, Arithmetic, Value, printable, stored
from minisd.shapes.report.layers import Layer, Map, Pointwise, Source, Stated
from minisd.shapes.report.network import Network, Step
from minisd.shapes.report.sums import LARGEST_SIZE

LARGEST_FILE = 2**31  # bytes: a message can be no larger
MOST_NODES = 50_000
_LARGER = (1, 13)  # pixels more: see _holds_for_one

_OURS = {"Resize", "Upsample", "ConvTranspose"}
"""Where the onnx package differs from runtimes: they round factors as float32; see `_transposed_convolution`."""

_Sizes = tuple[int | str, ...]  # of an input; where an axis has no number its name stands


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
    _, first, second, last = next(
        (sizes for _, sizes in _inputs(model.graph) if sizes and len(sizes) == 4), (1, 1, 1, 1)
    )
    few = isinstance(last, int) and 1 <= last <= 4
    rows_before = first > 4 if isinstance(first, int) else isinstance(second, str)
    layouts = ["NHWC", "NCHW"] if few and rows_before else ["NCHW", "NHWC"]
    try:
        return _Walk(model, layouts[0], size).network()
    except _Misread:
        return _Walk(model, layouts[1], size, sure=True).network()


def _holds_for_one(model: Any, network: Network) -> bool:
    """Whether the layers are others for larger pictures: then their numbers were computed for this size."""
    height, width, _ = network.input
    has_picture = any(sizes and len(sizes) == 4 for _, sizes in _inputs(model.graph))
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


def _inputs(graph: Any) -> list[tuple[Any, _Sizes | None]]:
    """What must be given, without the weights."""
    tensors = {tensor.name for tensor in graph.initializer}
    return [
        (value, tuple(axis.dim_value or printable(axis.dim_param) or "?" for axis in value.type.tensor_type.shape.dim)
         if value.type.tensor_type.HasField("shape") else None)
        for value in graph.input if value.name not in tensors
    ]  # fmt: skip


_IMPOSSIBLE = "its sizes cannot be"


class _Walk:
    """The values known so far, by name, and the steps."""

    def __init__(self, model: Any, layout: str, size: tuple[int, int] | None, sure: bool = False) -> None:
        self.graph, self.layout, self.sure, self.left = model.graph, layout, sure, MOST_NODES
        self.arithmetic = Arithmetic({entry.domain: entry.version for entry in model.opset_import})
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        for sparse in self.graph.sparse_initializer:
            tensor = onnx.TensorProto(name=sparse.values.name, data_type=sparse.values.data_type, dims=sparse.dims)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            self.tensors[tensor.name] = tensor
        self.keeps_weights_apart = any(len(tensor.dims) > 1 < prod(tensor.dims) for tensor in self.tensors.values())
        self.inline, self.counted = set[str](), set[str]()
        self.steps, self.maps, self.values = list[Step](), list[Map | None](), dict[str, Value]()
        self._give(_inputs(self.graph), size)

    def network(self) -> Network:
        sources = len(self.steps)
        for node in self.graph.node:
            self._take(node)
        if len(self.steps) == sources:
            raise OnnxError("no node takes its input")
        assert self.maps[0] is not None
        return Network(self.maps[0], tuple(self.steps))

    # ---- Inputs

    def _give(self, given: list[tuple[Any, _Sizes | None]], size: tuple[int, int] | None) -> None:
        """The picture, and a step for each other input."""
        pictures = [(value, sizes) for rank in (4, 2) for value, sizes in given if sizes and len(sizes) == rank]
        if not pictures:
            described = ", ".join(f"{printable(value.name)!r} {_shown(sizes)}" for value, sizes in given[:5])
            wanted = f"no input is a picture (N, C, H, W) or a vector (N, C); there is {described}"
            raise OnnxError(wanted if given else "the network has no input")
        picture, sizes = pictures[0]
        layout = self.layout if len(sizes) == 4 else "NC"
        named = dict(zip(layout, sizes, strict=True))
        found = _input_size(printable(picture.name), named, size)
        self.batch = _length(named["N"]) or 1
        lengths = {"N": self.batch, "H": found.height, "W": found.width, "C": found.channels}
        self.is_own_size = found[:2] == (named.get("H", 1), named.get("W", 1))
        lengths |= {name: lengths[letter] for letter, name in named.items() if isinstance(name, str) and name != "?"}
        self.maps.append(found)
        for value, sizes_here in given:
            kind = value.type.tensor_type.elem_type or onnx.TensorProto.FLOAT
            if value is picture:
                whole = tuple(lengths[letter] for letter in layout)
                self.values[value.name] = Value(whole, kind, number=0, axes=axes_of(layout, whole), raw=True)
                continue
            # What has the name of one of the picture's axes, or is a map of its size in the file, is as long as it.
            shape = None
            if sizes_here is not None:
                shape = tuple(lengths.get(str(axis), _length(axis) or 1) for axis in sizes_here)
            letters = {1: "N", 2: "NC" if kind in FRACTIONS else "NL", 3: "NLC", 4: self.layout}.get(
                len(shape or ()), ""
            )
            if shape and sizes_here and "H" in named and letters == layout:
                row, column = letters.index("H"), letters.index("W")
                if (sizes_here[row], sizes_here[column]) == (named["H"], named["W"]):
                    shape = (*shape[:row], found.height, found.width, *shape[column + 1 :])
            fits = shape is not None and len(letters) == len(shape) and shape[:1] in ((), (self.batch,))
            axes = axes_of(letters, shape) if shape is not None and fits else None
            made = map_of(axes) if axes is not None else None
            step = Step(f"input {printable(value.name)}", made and Source(made), ())
            self.values[value.name] = Value(shape, kind, number=self._append(step, shape, axes), axes=axes, raw=True)

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
        if size and known and maps == [size]:
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
            if value.name == name and value.type.tensor_type.HasField("shape"):
                first, *others = value.type.tensor_type.shape.dim or [None]
                first_size = self.batch if first is not None and not first.dim_value else first and first.dim_value
                shape = [first_size, *(axis.dim_value for axis in others)]
                return tuple(shape) if first is not None and all(size and size > 0 for size in shape) else None
        return None


def _shown(sizes: _Sizes | None) -> str:
    return "of unknown shape" if sizes is None else f"({', '.join(map(str, sizes))})"


def _input_size(name: str, axes: dict[str, int | str], size: tuple[int, int] | None) -> Map:
    shown = f"its input {name!r} {_shown(tuple(axes.values()))}"
    channels = _length(axes["C"])
    if channels is None:
        raise OnnxError(f"{shown} leaves the number of channels open, and so nothing can be said of it")
    if "H" not in axes:
        if size is not None:
            raise OnnxError(f"{shown} is a vector, which has no height and width: leave --size out")
        return Map(1, 1, channels)
    height, width = size or (_length(axes["H"]), _length(axes["W"]))
    if height is None or width is None:
        raise OnnxError(f"{shown} leaves height and width open: give --size HxW, such as --size 224x224")
    found = Map(height, width, channels)
    if max(found) > LARGEST_SIZE:
        raise OnnxError(f"{shown} would be {found}: more than {LARGEST_SIZE:,} is beyond any machine")
    return found


def _length(size: int | str) -> int | None:
    """The length of an axis that has one; 0 and -1 stand for open ones in older files."""
    return size if isinstance(size, int) and size > 0 else None


def _label(node: Any) -> str:
    """Operator and name: exporters' names often end with the operator, "/down/0/Conv", or begin with it, "Conv_7"."""
    operator, name = printable(node.op_type), printable(node.name)
    if node.domain not in ("", "ai.onnx"):
        operator = f"{printable(node.domain)}.{operator}"
    if name.startswith(operator):
        return name
    return f"{operator} {name.removesuffix(operator).rstrip('/_.')}".strip()
