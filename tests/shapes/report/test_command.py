"""minisd shapes as it is typed: answers, refusals, and how long it takes to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minisd.cli import main


def minisd(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["shapes", *map(str, arguments)])


def answered(*arguments: Any) -> str:
    result = minisd(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(*arguments: Any) -> str:
    """What was said; the exit status is 2, and there is no traceback."""
    result = minisd(*arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit) and "Error: " in result.stderr
    return result.stderr.partition("Error: ")[2]


def test_the_question_people_come_with() -> None:
    lines = answered("--unet", 572).splitlines()
    assert lines[3].split("  ")[-3:] == ["572 -> 570 -> 568", "568 - 88 - 88 = 392", "392 -> 390 -> 388"]
    assert lines[-3:] == [
        "Output 388 x 388: 184 less than the input, 92 on each side.",
        "572 fits: no pooling drops a row.",
        "Sizes that fit: 188, 204, 220, ... (steps of 16).",
    ]


def test_a_size_that_does_not_fit() -> None:
    output = answered("--unet", "256x252", "--depth", 4)
    assert "61 -> 59 -> 57, 1 unread" in output and "57 - 16 - 17 = 24" in output
    assert "256 does not fit: rows are dropped where an odd size is pooled. Nearest that fit: 252 and 268." in output
    assert "252 fits" in output
    assert "sizes that fit: 188, 204, 220" in refused("--unet", 100)


def test_padded_convolutions_keep_every_size() -> None:
    output = answered("--unet", 512, "--same")
    assert "32 -> 32 -> 32" in output and "Output 512 x 512." in output


@pytest.mark.parametrize("name", ["unet", "dit", "vae-encoder", "vae-decoder", "clip-image", "classifier"])
def test_minisds_own_networks_run_as_predicted(name: str) -> None:
    output = answered(name, "--check")
    for backend in ("numpy", "numba"):
        assert f"{backend:<6} " in output and "every size as the formula says" in output


def test_a_text_a_file_and_another_size(tmp_path: Path) -> None:
    text = "28x28x1 conv3:8  # first\npool2"
    file = tmp_path / "net.txt"
    file.write_text(text)
    assert answered(file) == answered(text)
    assert "28x30x1 -> 26x28x8" in answered(file, "--size", "28x30")


def test_sizes_that_part() -> None:
    result = minisd("24x23x3 @a conv3:8:p1 pool2 up2 concat@a")
    assert result.exit_code == 2
    assert "4  concat@a  <- here the width part: width 22 meets 23: they must agree" in result.stdout
    assert result.stderr == (
        "Error: layer 4, concat@a: width 22 meets 23: they must agree; nearest inputs that work: 24 x 22 or 24 x 24\n"
    )


def test_json() -> None:
    values = json.loads(answered("28x28x1 conv3:8 pool2", "--json", "--check"))
    assert values["output"] == [13, 13, 8] and set(values["check"]) == {"numpy", "numba"}
    result = minisd("24x23x3 @a pool2 up2 concat@a", "--json")
    assert result.exit_code == 2 and json.loads(result.stdout)["problem"]["axis"] == "width"
    assert json.loads(answered("--unet", 44, "--depth", 2, "--base", 4, "--json"))["output"] == [4, 4, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give NET or --unet"),
        (["unet", "--unet", 572], "Give NET or --unet"),
        (["unet-classic", "--depth", 3, "--same"], "Leave out --depth, --same: it is for --unet"),
        (["--unet", 572, "--size", 100], "Leave out --size: --unet has a size of its own"),
        (["unet-classical"], "is no file, and none of minisd's networks: unet-classic, fcn"),
        (["28x28x1 cnov3:8"], "'cnov3:8' is no layer; did you mean conv"),
        (["0x28x1 conv3:8"], "0 is too small: wanted at least 1"),
        (["28x28x1 conv30:8"], "a window that spans 30 does not fit an input of 28"),
        (["28x28x1 conv3:8 @a pad4 skip@a"], "the copy's height 26 is smaller than 34"),
        (["28x28x1" + " conv3:8:p1" * 10_001], "are more than the 10,000 layers"),
        (["28x28x1 relu", "--size", "0x3"], "'0x3' is no size; write 572, or 572x388"),
        (["--unet", "999999999999"], "is no size"),
        (["--unet", "-4"], "is no size"),
        (["31623x31623x1 conv3:8", "--check"], "a map of 999,887,641 pixels is too large to run"),
    ],
)
def test_what_it_refuses(arguments: list[Any], said: str) -> None:
    assert said in refused(*arguments)


def test_what_no_kernel_runs_is_not_said_to_be_right() -> None:
    ends = answered("5x5x1 pool2:ceil", "--check").splitlines()[-2:]
    assert ends == [f"{name}  0 of 1 layers run; no kernel here does the others" for name in ("numpy", "numba")]
    assert answered("5x5x1 pool2", "--check").endswith("1 of 1 layers run, every size as the formula says\n")


def test_a_billion_pixels_and_ten_thousand_layers_are_answered() -> None:
    assert "output 31623 x 31623 x 8" in answered("31623x31623x1 conv3:8:p1")
    assert "input 64 x 64 x 1" in answered("64x64x1" + " conv3:8:p1" * 10_000)
    assert "nothing is unread" in answered("31623x31623x1" + " conv3:8 pool2" * 10)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    binary, large = tmp_path / "net.bin", tmp_path / "large.txt"
    binary.write_bytes(bytes(range(128, 256)))
    large.write_text("28x28x1" + " relu" * 2**18)
    assert "is not UTF-8" in refused(binary)
    assert "is larger than 1,048,576 bytes" in refused(large)


def test_help_explains_the_notation_and_names_the_networks() -> None:
    output = answered("--help")
    assert "conv3x5:64:s2:p1:d2:g4:nobias" in output and "vae-decoder" in output
    assert max(map(len, output.splitlines())) <= 120


def test_a_long_network_starts_no_compiler() -> None:
    text = "572x572x1" + " conv3:64:p1 relu" * 50
    code = "import sys; from minisd.cli import main; main(standalone_mode=False); print('numba' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    arguments = [sys.executable, "-c", code, "shapes", text]
    result = subprocess.run(arguments, env=environment, text=True, capture_output=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[-1] == "False" and lines[150].split()[:2] == ["100", "relu"]  # each formula stands under its layer


def test_a_figure(tmp_path: Path) -> None:
    for name in ("net.png", "net.svg"):
        assert f"wrote {tmp_path / name}" in answered("--unet", 44, "--depth", 2, "--draw", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    assert "boxes" in refused("64x64x1" + " conv3:8:p1" * 200, "--draw", tmp_path / "long.png")
    assert "net.bmp" in refused("28x28x1 conv3:8", "--draw", tmp_path / "net.bmp")
    before = (tmp_path / name).read_bytes()
    assert "is there already" in refused("28x28x1 conv3:8", "--draw", tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    weight = make.make_tensor("w", FLOAT, (8, 1, 3, 3), [0.0] * 72)
    nodes = [
        make.make_node("Conv", ["x", "w"], ["y"]),
        make.make_node("Mystery", ["y"], ["z"]),
        make.make_node("MaxPool", ["y"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    open_size = [make.make_tensor_value_info("x", FLOAT, ["batch", 1, "height", "width"])]
    graph = make.make_graph(nodes, "net", open_size, [make.make_tensor_value_info("p", FLOAT, None)], [weight])
    file = tmp_path / "net.onnx"
    onnx.save(make.make_model(graph), file)
    output = answered(file, "--size", "29x30")
    assert "29x30x1 -> 27x28x8" in output and "27x28x8 -> 13x14x8" in output
    assert "not known, and so neither is what depends on it: Mystery" in output
    assert "--size" in refused(file)
    file.write_bytes(file.read_bytes()[:-9])
    assert str(file) in refused(file, "--size", 29)


def test_an_onnx_file_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "minisd.shapes.onnx.reader", raising=False)
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    assert refused(file) == "ONNX files are read with the onnx package: pip install 'minisd[onnx]'\n"
