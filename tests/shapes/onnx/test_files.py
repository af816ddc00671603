"""ONNX files: their inputs, files that are damaged or made to harm, and what is no file."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_files import FLOAT, fractions, helper, model, node, quick, read, weight, whole

from minisd.shapes.onnx import OnnxError
from minisd.shapes.onnx.reader import read_onnx
from minisd.shapes.report.layers import Map

HOSTILE = {
    "squares": [node("Mul", f"{i or 'big'} {i or 'big'}", str(i + 1)) for i in range(99)]
    + [node("Expand", "x 99"), node("Slice", "x big 99")],
    "long": [node("ConstantOfShape", "big", "a"), node("Reshape", "x a")],
    "range": [node("Range", "zero big one", "a"), node("Reshape", "x a")],
    "doubled": [node("Concat", f"{i or 'big'} {i or 'big'}", str(i + 1), axis=0) for i in range(99)]
    + [node("Reshape", "x 99")],
    "nothing": [node("Div", "big zero", "a"), node("Reshape", "x a")],
    "infinite": [node("Resize", "x - infinite")],
    "infinite attribute": [node("Upsample", "x", scales=[1.0, 1.0, float("inf"), 2.0])],
    "gathered": [node("Gather", "big big", "a"), node("Reshape", "x a")],
    "expanded": [node("Expand", "big big", "a"), node("Reshape", "x a")],
    "axes": [node("Unsqueeze", "big big", "a"), node("Reshape", "x a")],
    "pad": [node("Pad", "x big")],
    "perm": [node("Transpose", "x", perm=[0, 1, 2, 2])],
    "axis": [node("Concat", "x x", axis=9)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sums_that_lead_nowhere(name: str) -> None:
    tensors = [whole("big", 2**62), whole("zero", 0), whole("one", 1), fractions("infinite", 1, 1, float("inf"), 1)]
    report = read(model(HOSTILE[name], *tensors))
    assert report.unknown or name == "nothing"  # an array of 0 numbers, by the standard's letter


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("MaxPool", kernel_shape=[2, 2], strides=[0, 1])], "stride 0"),
        ([node("MaxPool", kernel_shape=[2**40, 2])], "a window that spans 1099511627776 does not fit"),
        ([node("AveragePool", kernel_shape=[2, 2], pads=[2**62] * 4)], "would hold whole windows of 2"),
        ([node("Pad", pads=[0, 0, 2**62, 0, 0, 0, 0, 0])], "more than 1,000,000,000"),
        ([node("Slice", starts=[5], ends=[5], axes=[2])], "the part 5:5 of 9 height is empty"),
        ([node("Resize", "x - thousandth")], "a height of 9 times 0.001 leaves nothing"),
        ([node("Resize", "x - huge")], "more than 1,000,000,000"),
    ],
)
def test_sizes_that_cannot_be(nodes: list[Any], message: str) -> None:
    tensors = [
        fractions("thousandth", 1, 1, 0.001, 1),
        fractions("huge", 1, 1, 3e38, 3e38),
    ]
    problem = read(model([*nodes, node("Relu", nodes[-1].output[0], "z")], *tensors, opset=9)).problem
    assert problem is not None and message in problem.message


# ---- Inputs


def test_a_batch_counts_as_one_picture() -> None:
    for batch in ("n", None, 7, 0):
        of = model([node("Flatten", "x", "a"), node("Gemm", "a w")], weight("w", 24, 5), shape=(batch, 4, 2, 3))
        assert read(of).output == Map(1, 1, 5) and read(of).rows[0].bytes == 96


def test_the_size_may_be_given() -> None:
    of = model([node("Relu")], shape=("n", 3, "height", "width"))
    assert read(of, (5, 6)).output == Map(5, 6, 3)
    with pytest.raises(
        OnnxError, match=r"its input 'x' \(n, 3, height, width\) leaves height and width open: give --size"
    ):
        read(of)
    assert read(model([node("Relu")]), (50, 60)).output == Map(50, 60, 4)  # or it takes the place of the file's
    vector = model([node("Relu")], shape=(1, 3))
    assert read(vector).network.input == Map(1, 1, 3)
    with pytest.raises(OnnxError, match="is a vector, which has no height and width"):
        read(vector, (5, 6))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 4), r"no input is a picture \(N, C, H, W\) or a vector \(N, C\); there is 'x' \(1, 3, 4\)"),
        (None, "there is 'x' of unknown shape"),
        (("n", "c", 4, 4), r"its input 'x' \(n, c, 4, 4\) leaves the number of channels open"),
        ((1, -1, 4, 4), "leaves the number of channels open"),
        ((1, 3, -1, 4), "leaves height and width open"),
        ((1, 3, 10**10, 4), "more than 1,000,000,000 is beyond any machine"),
    ],
)
def test_inputs_that_are_no_picture(shape: Any, message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        read(model([node("Relu")], shape=shape))


def test_two_vectors() -> None:
    of = model([node("Add", "x more", "a"), node("Gemm", "a w")], weight("w", 3, 5), shape=("n", 3))
    of.graph.input.append(helper.make_tensor_value_info("more", FLOAT, ["n", 3]))
    assert [row.output for row in read(of).rows] == [Map(1, 1, 3)] * 2 + [Map(1, 1, 5)]


def test_weights_that_are_listed_as_inputs() -> None:
    of = model([node("Conv", "x w")], weight("w", 4, 4, 3, 3))
    of.graph.input.insert(0, helper.make_tensor_value_info("w", FLOAT, [4, 4, 3, 3]))
    assert read(of).network.input == Map(9, 11, 4) and [row.output for row in read(of).rows] == [Map(7, 9, 4)]


def test_names_of_nodes() -> None:
    nodes = [
        node("Relu", "x", "a", name="/down/0/Relu"),
        node("Relu", "a", "b", name="Relu_7"),
        node("Relu", "b", "c"),
        node("Relu", "c", "d", name="act\x1b[2J\n"),
        node("Relu", "d", "y", name="l" * 1000),
    ]
    texts = [row.step.text for row in read(model(nodes)).rows]
    assert texts == ["Relu /down/0", "Relu_7", "Relu", "Relu act?[2J?", "Relu " + "l" * 200]


def test_a_value_that_nothing_makes() -> None:
    with pytest.raises(OnnxError, match="Relu takes 'z', which nothing before it makes"):
        read(model([node("Relu", "z")]))


# ---- Files that are damaged, and what is no file


def small_file() -> bytes:
    nodes = [
        node("Conv", "x w b", "a", strides=[2, 2], auto_pad="SAME_LOWER"),
        node("Shape", "a", "s"),
        node("Resize", "a - scales", "c", mode="linear"),
        node("Slice", "c one last two", "d"),
        node("Einsum", "d", "e", equation="abcd->abcd"),
        node("Flatten", "e", "f"),
        node("Gemm", "f v"),
    ]
    tensors = [weight("w", 2, 4, 3, 3), weight("b", 2), weight("v", 40, 3), fractions("scales", 1, 1, 1.5, 2)]
    of = model(nodes, *tensors, whole("one", 1), whole("last", -1), whole("two", 2))
    of.graph.value_info.append(helper.make_tensor_value_info("e", FLOAT, [1, 2, 5, 4]))
    return bytes(of.SerializeToString())


def survives(content: bytes) -> bool:
    """Whether the file is read; all else than an OnnxError is an error."""
    try:
        read(content)
    except OnnxError:
        return False
    return True


def test_a_file_cut_off_anywhere() -> None:
    content = small_file()
    assert survives(content)
    reads = [length for length in range(len(content)) if survives(content[:length])]
    # The network is complete before the last field, the version of the operators.
    assert all(length >= len(content) - 10 for length in reads)


def test_flipped_bits_and_bytes() -> None:
    content, rng = small_file(), random.Random(0)
    for _ in range(600):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            damaged[rng.randrange(len(damaged))] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        survives(bytes(damaged))


@given(st.binary(max_size=300))
@quick
def test_any_bytes(content: bytes) -> None:
    survives(content)
    survives(b"\x08\x08\x3a" + bytes([len(content) % 128]) + content)  # as a network


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.onnx", Path("/dev/zero")):
        with pytest.raises(OnnxError, match="this is no file"):
            read_onnx(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
        with pytest.raises(OnnxError, match="this is no file"):
            read_onnx(tmp_path / "pipe.onnx")
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(2**31 + 1)  # a hole: it takes no room
    with pytest.raises(OnnxError, match="the file has 2,147,483,649 bytes; an ONNX file has at most 2 GiB"):
        read_onnx(large)
