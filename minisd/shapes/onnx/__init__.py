"""A network from an ONNX file, without the onnx package: which layer takes which map, and how large the input is.

The nodes are walked in their order. Nodes that compute sizes are computed; each of the others becomes a step, of a
layer that is known (`operators.py`) or of none. Sizes are followed along the way, since nodes ask for them.
"""

from __future__ import annotations

from pathlib import Path

from minisd_kernels.shapes import ShapeError

from minisd.shapes.onnx.call import Call, Layout, Made, Unsupported
from minisd.shapes.onnx.constants import Constant, compute, cut_shape, of_attribute
from minisd.shapes.onnx.model import Graph, Node, OnnxError, read_graph
from minisd.shapes.onnx.operators import layers_of, weights_of
from minisd.shapes.onnx.protobuf import WireError
from minisd.shapes.report.layers import GlobalPooling, Layer, Map, Stated
from minisd.shapes.report.network import Network, Step
from minisd.shapes.report.sums import LARGEST_SIZE

__all__ = ["OnnxError", "read_onnx"]


def read_onnx(path: Path, size: tuple[int, int] | None = None) -> Network:
    """Read a network that takes pictures (N, C, H, W), or vectors (N, C).

    An operator that is not known becomes a step without a layer; where the file states the shape behind it, sizes go on
    from there. A batch is taken for one picture. Of several inputs the first with four axes is the picture.

    Args:
        size: height and width of the input, whether the file leaves them open or not.

    Raises:
        OnnxError: the file is no ONNX file or damaged, or its input is no picture, or leaves its size open and `size`
            is not given.
    """
    try:
        return _Walk(read_graph(path), size).network()
    except WireError as error:
        raise OnnxError(f"{path} is no ONNX file, or is damaged: {error}") from error
    except OnnxError as error:
        raise OnnxError(f"{path}: {error}") from error


class _Walk:
    """The values known so far, by name, and the steps."""

    def __init__(self, graph: Graph, size: tuple[int, int] | None) -> None:
        self.graph = graph
        name, shape = _picture(graph)
        layout: Layout = "NC" if len(shape) == 2 else "NHWC" if _is_turned(graph, name) else "NCHW"
        axes = dict(zip(layout, shape, strict=True))
        self.input = _input_size(name, axes, size)
        batch = axes["N"]
        self.batch = batch if isinstance(batch, int) and batch > 0 else 1
        self.is_own_size = self.input[:2] == (axes.get("H", 1), axes.get("W", 1))
        self.values: dict[str, Made | Constant] = {other: Made(None) for other in graph.inputs}
        self.values[name] = Made(0, layout, self.input)
        self.maps: list[Map | None] = [self.input]
        self.steps: list[Step] = []
        self.counted: set[str] = set()
        self.one_size = False

    def network(self) -> Network:
        for node in self.graph.nodes:
            self._take(node)
        if not self.steps:
            raise OnnxError("no node takes its input")
        return Network(self.input, tuple(self.steps), self.one_size)

    def _take(self, node: Node) -> None:
        values = [self._value(name, node) for name in node.inputs]
        maps = [value for value in values if isinstance(value, Made)]
        made: Made | Constant
        if not node.outputs:
            return
        if node.operator == "Constant":
            made = of_attribute(node)
        elif not maps:
            made = compute(node, [value for value in values if not isinstance(value, Made)])
        elif node.operator == "Shape":
            sizes = maps[0].sizes(self.batch)
            made = Constant() if sizes is None else cut_shape(node, sizes)
        else:
            self._step(Call(node, values, self.batch))
            return
        self.values |= dict.fromkeys(node.outputs, made)

    def _value(self, name: str, node: Node) -> Made | Constant | None:
        if not name:
            return None
        if name not in self.values:
            if name not in self.graph.tensors:
                raise OnnxError(f"{_label(node)} takes {name[:80]!r}, which nothing before it makes")
            self.values[name] = Constant.of_tensor(name, self.graph.tensors[name])
        return self.values[name]

    def _step(self, call: Call) -> None:
        """Append the node's layers, and give its outputs their sizes."""
        takes = tuple(made.number for made in call.maps if made.number is not None)
        parameters = self._parameters(weights_of(call))
        try:
            outcomes = layers_of(call)
        except Unsupported as reason:
            self._unknown_step(call.node, f"{call.node.operator}: {reason}", takes, parameters)
            return
        self.one_size |= call.one_size
        self.values |= dict.fromkeys(call.node.outputs, Made(None))  # such as a norm's mean, or where a maximum was
        for name, outcome in zip(call.node.outputs, outcomes, strict=False):
            size = _size_behind(outcome.layer, [self.maps[number] for number in takes])
            number = self._append(Step(_label(call.node), outcome.layer, takes, parameters), size)
            whole = isinstance(outcome.layer, GlobalPooling) or any(made.whole for made in call.maps)
            self.values[name] = Made(number, outcome.layout, size, outcome.folded, whole)
            parameters = 0

    def _unknown_step(self, node: Node, text: str, takes: tuple[int, ...], parameters: int) -> None:
        """Append a step without a layer, or with the size that the file states for this size of the input."""
        layout, size = _map_of(self.graph.stated.get(node.outputs[0])) if self.is_own_size else ("?", None)
        layer: Layer | None = None
        if size is not None:
            layer, self.one_size = Stated(size), True
            takes = tuple(number for number in takes if self.maps[number] is not None) or (0,)
        number = self._append(Step(text, layer, takes, parameters), size)
        self.values |= dict.fromkeys(node.outputs, Made(number)) | {node.outputs[0]: Made(number, layout, size)}

    def _append(self, step: Step, size: Map | None) -> int:
        self.steps.append(step)
        self.maps.append(size)
        return len(self.steps)

    def _parameters(self, weights: dict[str, int]) -> int:
        """The numbers that were not counted before: several layers may share a weight."""
        new = {name: count for name, count in weights.items() if name not in self.counted}
        self.counted |= set(new)
        return sum(new.values())


_Axes = tuple[int | str, ...]


def _picture(graph: Graph) -> tuple[str, _Axes]:
    """Name and shape of the input that is followed."""
    for axes in (4, 2):
        for name, shape in graph.inputs.items():
            if shape is not None and len(shape) == axes:
                return name, shape
    if not graph.inputs:
        raise OnnxError("the network has no input")
    described = ", ".join(f"{name[:80]!r} {_shown(shape)}" for name, shape in list(graph.inputs.items())[:5])
    raise OnnxError(f"no input is a picture (N, C, H, W) or a vector (N, C); there is {described}")


def _shown(shape: _Axes | None) -> str:
    return "of unknown shape" if shape is None else f"({', '.join(map(str, shape))})"


def _is_turned(graph: Graph, name: str) -> bool:
    """Whether the input is (N, H, W, C), as TensorFlow has it: then the file turns it first."""
    return any(
        node.operator == "Transpose" and node.inputs[:1] == (name,) and node.attributes.get("perm") == (0, 3, 1, 2)
        for node in graph.nodes
    )


def _input_size(name: str, axes: dict[str, int | str], size: tuple[int, int] | None) -> Map:
    shown = f"its input {name[:80]!r} {_shown(tuple(axes.values()))}"
    channels = axes["C"]
    if not _is_length(channels):
        raise OnnxError(f"{shown} leaves the number of channels open, and so nothing can be said of it")
    if "H" not in axes:
        if size is not None:
            raise OnnxError(f"{shown} is a vector, which has no height and width: leave --size out")
        return Map(1, 1, int(channels))
    height, width = size or (axes["H"], axes["W"])
    if not (_is_length(height) and _is_length(width)):
        raise OnnxError(f"{shown} leaves height and width open: give --size HxW, such as --size 224x224")
    found = Map(int(height), int(width), int(channels))
    if max(found) > LARGEST_SIZE:
        raise OnnxError(f"{shown} would be {found}: more than {LARGEST_SIZE:,} is beyond any machine")
    return found


def _is_length(size: int | str) -> bool:
    """Whether an axis has a length; 0 and -1 stand for open ones in older files."""
    return isinstance(size, int) and size > 0


def _map_of(shape: _Axes | None) -> tuple[Layout, Map | None]:
    """Layout and size of an array of this shape, where it is a map's and has no open axis besides the batch."""
    if shape is None or not all(_is_length(size) for size in shape[1:]):
        return "?", None
    match [int(size) for size in shape[1:]]:
        case [channels, height, width]:
            layout: Layout = "NCHW"
            found = Map(height, width, channels)
        case [channels]:
            layout, found = "NC", Map(1, 1, channels)
        case _:
            return "?", None
    return (layout, found) if max(found) <= LARGEST_SIZE else ("?", None)


def _size_behind(layer: Layer, inputs: list[Map | None]) -> Map | None:
    """The layer's output; None where it is not known, or where there can be none, as the report will say."""
    known = [size for size in inputs if size is not None]
    if len(known) < len(inputs):
        return None
    try:
        size = layer.output(known)
    except ShapeError:
        return None
    return size if max(size) <= LARGEST_SIZE else None


def _label(node: Node) -> str:
    """Operator and name: exporters' names often end with the operator, "/down/0/Conv", or begin with it, "Conv_7"."""
    if node.name.startswith(node.operator):
        return node.name
    return f"{node.operator} {node.name.removesuffix(node.operator).rstrip('/_.')}".strip()
