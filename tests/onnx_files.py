"""ONNX files that tests make and read, with the onnx package's own answers beside ours; skipped where it is missing."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from math import ceil, floor, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from minisd.shapes.report.sums import Report, Row, examine

onnx = pytest.importorskip("onnx")
from minisd.shapes.onnx.reader import read_onnx  # noqa: E402

helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
quick = settings(max_examples=60, deadline=None)


def weight(name: str, *shape: int) -> Any:
    """Zeros; their bytes are there, as in a real file."""
    return helper.make_tensor(name, FLOAT, shape, bytes(4 * prod(shape)), raw=True)


def whole(name: str, *numbers: int) -> Any:
    return helper.make_tensor(name, INT64, [len(numbers)], numbers)


def fractions(name: str, *numbers: float) -> Any:
    return helper.make_tensor(name, FLOAT, [len(numbers)], numbers)


def node(operator: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> Any:
    """One node; names stand apart by spaces, and a dash leaves an input out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), **attributes)


def model(nodes: Sequence[Any], *tensors: Any, shape: Any = (1, 4, 9, 11), opset: int = 21) -> Any:
    """A model with the input x, which makes what its last node makes."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def tensor(name: str, content: Any) -> Any:
    """A weight of the shape in a tuple, or the numbers in a list."""
    if isinstance(content, tuple):
        return weight(name, *content)
    return onnx.numpy_helper.from_array(np.array(content, np.float32 if isinstance(content[0], float) else None), name)


def net(text: str, tensors: dict[str, Any], **options: Any) -> Any:
    """A model in ONNX's own notation, a node a line; what stands behind a bar is not read."""
    nodes = [onnx.parser.parse_node(line.partition("|")[0]) for line in text.strip().splitlines()]
    return model(nodes, *(tensor(name, content) for name, content in tensors.items()), **options)


def read(content: Any, size: tuple[int, int] | None = None) -> Report:
    """Our report of a model, or of a file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return examine(read_onnx(path, size))


def inferred(of: Any) -> list[tuple[int, ...] | None]:
    """The shape of every array of floats that a node makes, as the onnx package infers it; None where it does not."""
    graph = onnx.shape_inference.infer_shapes(of, strict_mode=True, data_prop=True).graph
    types = {value.name: value.type.tensor_type for value in [*graph.value_info, *graph.output]}
    made = [types[name] for step in graph.node if step.op_type != "Constant" for name in step.output if name in types]
    shapes = [tuple(axis.dim_value for axis in kind.shape.dim) for kind in made if kind.elem_type in (0, FLOAT)]
    return [shape if min(shape[1:], default=1) > 0 else None for shape in shapes]


def shown(row: Row) -> tuple[int, ...] | None:
    """What a row says of its array, the batch of one left out: channels first where it is a picture."""
    if row.step.array or row.output is None:
        return row.step.array
    height, width, channels = row.output
    return channels, height, width


def said(row: Row) -> str:
    """What the report says of a node: output, parameters, multiply-adds, how much of the picture a pixel sees."""
    out = "x".join(map(str, row.step.array or row.output or "?"))
    sees = row.sees if isinstance(row.sees, str) or row.sees is None else "x".join(str(axis.size) for axis in row.sees)
    counts = [f"{count} {what}" for count, what in ((row.parameters, "p"), (row.multiply_adds, "m")) if count]
    return ", ".join([f"({out})" if row.step.array else out, *counts, f"sees {sees or '?'}"])


def check(of: Any, size: tuple[int, int] | None = None) -> Report:
    """Our sizes are the inferred ones."""
    report = read(of, size)
    assert report.problem is None and not report.unknown, (report.problem, report.unknown)
    for row, theirs in zip(report.rows, inferred(of), strict=True):
        assert theirs is None or same_numbers(shown(row), theirs), (row.step, theirs)
        for formula, out in zip(row.formulas, row.output or (), strict=False):
            if formula:
                assert eval(formula, {"floor": floor, "ceil": ceil}) == out, row
    return report


def same_numbers(ours: tuple[int, ...] | None, theirs: tuple[int, ...]) -> bool:
    """Lengths of 1 may be left out, and (H, W, C) is shown as (C, H, W)."""
    if ours is None:
        return False
    left, right = [n for n in ours if n > 1], [n for n in theirs if n > 1]
    return left in (right, right[-1:] + right[:-1])
