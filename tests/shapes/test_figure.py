"""The drawn network against the U-Net paper's figure 1; and that no net makes texts overlap or run off the sheet."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

from minisd.checkpoint import CheckpointError
from minisd.cli import main
from minisd.models.unet_classic import UNetClassicConfig
from minisd.shapes.figure import MOST_BOXES, Words, draw, save_figure
from minisd.shapes.figure.layout import Layout, lay_out
from minisd.shapes.figure.parts import boxes_and_arrows
from minisd.shapes.report.builtin import MODELS, unet_classic
from minisd.shapes.report.layers import (
    Concatenation,
    Convolution,
    Elementwise,
    GlobalPooling,
    Layer,
    Map,
    Pooling,
    Resizing,
    Slicing,
    Source,
    TransposedConvolution,
)
from minisd.shapes.report.network import Network, Step
from minisd.shapes.report.sums import Report, examine
from minisd.shapes.report.text import parse

CLASSIFIER = "28x28x1 conv3:32:p1 relu pool2 conv3:64:p1 relu pool2 flatten linear64 relu linear10"
RESNET = """
    32x32x3 conv3:16:p1 norm relu @a conv3:16:p1 norm relu conv3:16:p1 norm add@a relu
    @b conv3:32:p1:s2 norm relu conv3:32:p1 norm @c from@b conv1:32:s2 norm add@c relu
    @d conv3:32:p1 norm relu conv3:32:p1 norm add@d relu globalpool linear10 softmax
"""
ODD = "7x7x4 conv3:64:p1 silu @a conv3:64:s2:p1 conv3:96:p1 up2 fit@a concat@a conv3:64:p1 silu conv3:4:p1"
OBLONG = "96x128x3 conv3:16 relu conv3:16 relu @a pool2 conv5x3:32 relu conv3:32 relu upconv2:16 skip@a conv3:16"
SIDE_BY_SIDE = "66x66x3 @a pool2 from@a pool3:s2 from@a pool3:s2"
FAILING = "47x47x1 conv3:16:p1 relu @a pool2:ceil conv3:32:p1 relu up2 concat@a conv3:16"

# Figure 1 of the paper: along each level the sizes and channels, and the crops.
PAPER = [
    [(572, 1), (570, 64), (568, 64), (392, 128), (390, 64), (388, 64), (388, 2)],
    [(284, 64), (282, 128), (280, 128), (200, 256), (198, 128), (196, 128)],
    [(140, 128), (138, 256), (136, 256), (104, 512), (102, 256), (100, 256)],
    [(68, 256), (66, 512), (64, 512), (56, 1024), (54, 512), (52, 512)],
    [(32, 512), (30, 1024), (28, 1024)],
]


def report(text: str) -> Report:
    return examine(parse(text))


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def layout(text: str) -> Layout:
    boxes, arrows, _ = boxes_and_arrows(report(text))
    return lay_out(boxes, arrows, 1.0, (1.0, 0.3))


def red(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if to_hex(text.get_color()) == "#e00000"]


def onnx_like(input: Map, *steps: tuple[Layer, tuple[int, ...]]) -> Report:
    return examine(Network(input, tuple(Step(type(layer).__name__, layer, inputs) for layer, inputs in steps)))


# ---- The paper's figure


def test_svg_has_every_number_of_the_papers_figure(tmp_path: Path) -> None:
    save_figure(tmp_path / "unet.svg", report(unet_classic(572, 572)))
    found = Counter(
        "".join(element.itertext()) for element in ElementTree.parse(tmp_path / "unet.svg").iter() if element.text
    )
    wanted = Counter(str(number) for level in PAPER for box in level for number in box)
    assert {number: found[number] for number in wanted} == dict(wanted)
    assert all(found[f"crop {crop}"] == 1 for crop in (88, 40, 16, 4))
    for words in (
        "572 x 572 x 1",
        "388 x 388 x 2",
        "conv 3 x 3, relu",
        "max pool 2 x 2",
        "up-conv 2 x 2",
        "copy and crop",
    ):
        assert found[words] == 1, words
    assert found["conv 1 x 1"] == 1


def test_boxes_lie_as_in_the_papers_figure() -> None:
    text = unet_classic(572, 572)
    boxes, _, _ = boxes_and_arrows(report(text))
    places = layout(text).places
    levels: list[list[tuple[int, int]]] = [[] for _ in PAPER]
    for box, place in zip(boxes, places, strict=True):
        assert box.size and box.size.height == box.size.width
        levels[place.level].append((box.size.height, box.size.channels))
    assert levels == PAPER
    assert [box.copies for box in boxes if box.copies] == [[512], [256], [128], [64]]


@pytest.mark.parametrize("text", [*MODELS.values(), CLASSIFIER, RESNET, ODD, OBLONG, FAILING])
def test_heights_are_to_scale_and_order_is_kept(text: str) -> None:
    boxes, _, _ = boxes_and_arrows(report(text))
    where = layout(text)
    for box, place in zip(boxes, where.places, strict=True):
        if box.size:
            assert place.height == pytest.approx(max(0.06, box.size.height * where.inches_per_row))
        assert place.left > 0 and place.right < where.width
        assert place.bottom > 0 and place.top < where.height
    for one, other in combinations(where.places, 2):
        if one.level == other.level:
            assert one.right + 0.3 < other.left and one.middle == other.middle
        else:
            higher, lower = (one, other) if one.level < other.level else (other, one)
            assert higher.bottom > lower.top


@pytest.mark.parametrize("text", [*MODELS.values(), CLASSIFIER, RESNET, ODD, OBLONG, FAILING])
def test_arrows_pass_through_no_box(text: str) -> None:
    where = layout(text)
    for route in where.routes:
        for (x, y), (u, v) in pairwise(route.points):
            assert x == pytest.approx(u) or y == v
            for place in where.places:
                beside = max(x, u) <= place.left + 1e-9 or min(x, u) >= place.right - 1e-9
                assert beside or max(y, v) <= place.bottom + 1e-9 or min(y, v) >= place.top - 1e-9


def test_copies_go_straight_where_they_can() -> None:
    boxes, arrows, _ = boxes_and_arrows(report(unet_classic(572, 572)))
    routes = lay_out(boxes, arrows, 1.0, (1.0, 0.3)).routes
    corners = {arrow.kind: len(route.points) for arrow, route in zip(arrows, routes, strict=True)}
    assert corners == {"conv": 2, "max pool": 2, "up-conv": 2, "copy and crop": 2, "conv 1 x 1": 2}
    boxes, arrows, _ = boxes_and_arrows(report(RESNET))
    routes = lay_out(boxes, arrows, 1.0, (1.0, 0.3)).routes
    assert [len(route.points) for arrow, route in zip(arrows, routes, strict=True) if arrow.kind == "add"] == [2, 4] * 3


def test_rectangles_are_drawn_where_the_layout_says() -> None:
    figure = draw(report("64x64x3 conv3:16 relu pool2 conv3:16"))
    heights = [patch.get_height() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 62 / 64, 31 / 64, 29 / 64])


def test_frame_of_a_crop_is_what_is_left() -> None:
    figure = draw(report("44x44x1 conv3:8 @a pool2 conv3:8 conv3:8 upconv2:8 skip@a"))
    rectangles = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    dashed = [patch for patch in rectangles if patch.get_linestyle() == "--"]
    copied, joined = rectangles[1], rectangles[-2]
    assert len(dashed) == 1
    assert (dashed[0].get_y(), dashed[0].get_height()) == pytest.approx((joined.get_y(), joined.get_height()))
    assert copied.get_x() < dashed[0].get_x() < copied.get_x() + copied.get_width()
    assert "crop 4" in texts(figure)


# ---- Losses and failures


def test_odd_maps_are_marked_where_they_lose_rows() -> None:
    odd = draw(report("47x46x1 conv3:8:p1 pool2"))
    assert red(odd) == ["drops 1 row"]
    assert red(draw(report("47x44x1 conv3:8:p1 pool3"))) == ["drops 2 rows", "drops 2 columns"]
    rectangles = [patch for patch in odd.axes[0].patches if isinstance(patch, Rectangle)]
    assert [to_hex(patch.get_facecolor()) == "#e00000" for patch in rectangles] == [False, False, False, True]


@pytest.mark.parametrize(
    "text", ["46x46x1 pool2", "46x46x1 conv3:8:s2:p1", "47x47x1 pool2:ceil", "47x47x1 pool2:psame"]
)
def test_padding_alone_is_no_loss(text: str) -> None:
    assert red(draw(report(text))) == []


def test_unequal_crops_are_written_for_each_side() -> None:
    assert "crop 0 + 1" in texts(draw(report(ODD)))
    assert "crop height 6, width 4" in texts(draw(report(OBLONG)))
    assert "crop height 0, width 0 + 1" in texts(draw(report("8x7x1 @a pool2x2:ceil up2 fit@a conv3:1")))


def test_a_failing_network_is_drawn_up_to_the_failure() -> None:
    figure = draw(report(FAILING))
    assert "".join(red(figure)).replace("\n", " ") == (
        "layer 7, concat@a: height 48 meets 47: they must agree; nearest inputs that work: "
        "46\u00a0x\u00a046 or 48\u00a0x\u00a048"
    )
    assert len(figure.axes[0].lines) == 1  # the cross
    assert {"47", "24", "48"} < set(texts(figure))
    assert not any("output" in text for text in texts(figure))


def test_a_long_message_is_shortened() -> None:
    failing = report("9x9x1 " + "pool2 " * 4)
    figure = draw(failing)
    assert len(red(figure)[-1]) <= 200 + 2


def test_too_many_boxes_are_refused(tmp_path: Path) -> None:
    layers = "64x64x3" + " conv3:8:p1 relu" * (MOST_BOXES - 1)
    save_figure(tmp_path / "long.png", report(layers))
    with pytest.raises(ValueError, match=f"{MOST_BOXES + 1} boxes cannot be read: at most {MOST_BOXES} fit"):
        save_figure(tmp_path / "longer.png", report(layers + " conv3:8:p1"))
    assert not (tmp_path / "longer.png").exists()


# ---- What becomes a box, and which


def boxes_of(found: Report) -> list[tuple[int, ...]]:
    """Each box's level, and its sizes."""
    boxes, arrows, _ = boxes_and_arrows(found)
    places = lay_out(boxes, arrows, 1.0, (1.0, 0.3)).places
    return [(place.level, *(box.size or ())) for box, place in zip(boxes, places, strict=True)]


def test_a_classifier_goes_down_and_ends_in_vectors() -> None:
    vectors = [(2, 1, 1, 3136), (2, 1, 1, 64), (2, 1, 1, 10)]
    assert boxes_of(report(CLASSIFIER)) == [
        (0, 28, 28, 1), (0, 28, 28, 32), (1, 14, 14, 32), (1, 14, 14, 64), (2, 7, 7, 64), *vectors,
    ]  # fmt: skip
    assert {"flatten", "linear"} < set(texts(draw(report(CLASSIFIER))))


def test_sums_are_boxes_with_two_arrows() -> None:
    boxes, arrows, legend = boxes_and_arrows(report(RESNET))
    sums = [[arrow.source for arrow in arrows if arrow.kind == "add" and arrow.target == i] for i in range(len(boxes))]
    assert [sources for sources in sums if sources] == [[3, 1], [7, 6], [10, 8]]
    assert legend["add"] == "add, relu" and legend["conv 1 x 1"] == "conv 1 x 1, stride 2, norm"


def test_up_convolutions_beside_copies_are_one_box_only_where_nobody_else_takes_them() -> None:
    start = "8x8x1 conv3:4:p1 @a pool2 upconv2:4"
    assert len(boxes_of(report(f"{start} relu concat@a"))) == 4
    assert len(boxes_of(report(f"{start} @b relu concat@a conv3:4:p1 concat@b"))) == 6


def test_legend_has_the_common_window_and_arrows_the_others() -> None:
    figure = draw(report("32x32x1 conv3:8:p1 relu conv3:8:p1 relu conv5:8:p2:g2 relu conv3:8:d2 relu"))
    assert {"conv 3 x 3, relu", "5 x 5, 2 groups", "3 x 3, dilation 2"} < set(texts(figure))
    assert "3 x 3" not in texts(figure)


def test_crops_before_a_concatenation_are_a_copy_and_crop() -> None:
    """As exporters write it: two slices, of rows and of columns, when the map from below is made already."""
    conv, whole = Convolution((3, 3), outputs=4), (0, 10**9, 1)
    exported = onnx_like(
        Map(20, 22, 1), (conv, (0,)), (Pooling((2, 2), (2, 2)), (1,)), (conv, (2,)),
        (TransposedConvolution((2, 2), 4, (2, 2)), (3,)), (Slicing(((2, 16, 1), whole, whole)), (1,)),
        (Slicing((whole, (2, 18, 1), whole)), (5,)), (Concatenation(), (6, 4)),
    )  # fmt: skip
    boxes, arrows, _ = boxes_and_arrows(exported)
    assert [str(box.size) for box in boxes[3:]] == ["7 x 8 x 4", "14 x 16 x 8"]
    assert (arrows[-1].kind, arrows[-1].source, arrows[-1].crop) == ("copy and crop", 1, ((2, 2), (2, 2)))
    assert arrows[-1].text == "crop 2" and boxes[-1].copies == [4]


def test_a_gate_and_a_resized_map_come_back_to_their_level() -> None:
    gated = onnx_like(
        Map(9, 9, 4), (GlobalPooling(), (0,)), (Convolution((1, 1), outputs=4), (1,)), (Elementwise(), (0, 2))
    )
    assert boxes_of(gated) == [(0, 9, 9, 4), (1, 1, 1, 4), (1, 1, 1, 4), (0, 9, 9, 4)]
    resized = onnx_like(Map(9, 9, 4), (Pooling((2, 2), (2, 2)), (0,)), (Resizing((9, 9)), (1,)))
    assert boxes_of(resized) == [(0, 9, 9, 4), (1, 4, 4, 4), (0, 9, 9, 4)]


def test_unknown_layers_have_empty_boxes() -> None:
    network = parse("8x8x1 conv3:4 relu conv3:4")
    unknown = Network(network.input, (network.steps[0], Step(r"Odd$\frac$ at/7", None, (1,)), *network.steps[2:]))
    figure = draw(examine(unknown))
    figure.draw_without_rendering()
    assert texts(figure).count("?") == 2 and r"Odd$\frac$" in texts(figure) and "output\nnot known" in texts(figure)


def test_scales_are_products_of_strides() -> None:
    boxes, _, _ = boxes_and_arrows(report("64x64x1 pool2x1 conv3:4:s2:p1 upconv2:4 up2x4 pool3:s1:p1"))
    assert [box.scale for box in boxes] == [1, 2, 8, 2, Fraction(1, 4), Fraction(1, 4)]


# ---- The sheet


@st.composite
def networks(draw: st.DrawFn) -> str:
    """Any text that can be read: most of these fail somewhere, and are drawn up to there."""
    layers = [
        "conv3:64:psame", "conv3:8", "conv1:4", "conv3:8:s2:p1", "conv5x3:1024:psame relu", "pool2", "pool3:s2",
        "avgpool2:ceil", "up2", "upconv2:8", "upconv4:100:s2:p1", "crop1x2", "pad1", "flatten", "linear10",
        "transformer", "globalpool", "relu norm", "shift4", "transformer8:t4",
    ]  # fmt: skip
    words, names = [draw(st.sampled_from(["64x64x3", "30x100x1", "7x7x4", "572x572x1"]))], 0
    for kind in draw(st.lists(st.sampled_from(["layer", "layer", "layer", "name", "join"]), max_size=14)):
        if kind == "name":
            words.append(f"@n{names}")
            names += 1
        elif kind == "join" and names:
            verb = draw(st.sampled_from(["from", "skip", "concat", "add", "fit"]))
            words.append(f"{verb}@n{draw(st.integers(0, names - 1))}")
        else:
            words.append(draw(st.sampled_from(layers)))
    return " ".join([*words, "relu"])


def assert_readable(figure: Any) -> None:
    """All on the sheet, and no text on another or on a box."""
    figure.draw_without_rendering()
    written = [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]

    def overlap(a: Any, b: Any) -> bool:
        return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1

    for text, place in written:
        assert min(place.x0, place.y0) >= 0, text
        assert place.x1 <= figure.bbox.width and place.y1 <= figure.bbox.height, text
        assert not any(overlap(place, box) for box in boxes), text
    for (text, place), (other, there) in combinations(written, 2):
        assert not overlap(place, there), (text, other)


@pytest.mark.parametrize(
    "text", [*MODELS.values(), CLASSIFIER, RESNET, ODD, OBLONG, FAILING, SIDE_BY_SIDE, "9x9x1 conv11:1"]
)
def test_figures_are_readable(text: str) -> None:
    assert_readable(draw(report(text)))


@pytest.mark.parametrize("config", [UNetClassicConfig(same_padding=True), UNetClassicConfig(depth=2)])
@pytest.mark.parametrize("size", [(512, 512), (1001, 300)])
def test_unets_of_any_size_are_readable(config: UNetClassicConfig, size: tuple[int, int]) -> None:
    assert_readable(draw(report(unet_classic(*size, config))))


@settings(max_examples=25, deadline=None)
@given(networks())
def test_any_figure_is_readable(text: str) -> None:
    assert_readable(draw(report(text)))


# ---- Files


def test_files_are_what_their_names_say(tmp_path: Path) -> None:
    drawn = report("44x44x1 conv3:8 pool2")
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")):
        path = tmp_path / f"net{suffix}"
        save_figure(path, drawn)
        first = path.read_bytes()
        assert first.startswith(start)
        save_figure(path, drawn)
        assert path.read_bytes() == first
    with Image.open(tmp_path / "net.png") as picture:
        edges = picture.convert("L")
        for box in ((0, 0, edges.width, 1), (0, edges.height - 1, *edges.size), (0, 0, 1, edges.height)):
            assert edges.crop(box).getextrema() == (255, 255)  # nothing is cut off


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"ends in \.png, \.svg, \.pdf"):
        save_figure(tmp_path / "net.gif", report("8x8x1 conv3:4"))
    with pytest.raises(CheckpointError):
        save_figure(tmp_path / "none" / "net.png", report("8x8x1 conv3:4"))


def test_importing_the_figure_is_cheap() -> None:
    code = "import sys; import minisd.shapes.figure; print('matplotlib' in sys.modules)"
    path = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_another_input_stands_by_itself() -> None:
    """Nothing leads to the time: a box of its own, and an arrow to where it is added."""
    steps = (Step("input t", Source(Map(1, 1, 2)), ()), Step("Add", Elementwise(), (0, 1)))
    boxes, arrows, _ = boxes_and_arrows(examine(Network(Map(8, 8, 2), steps)))
    assert [box.size for box in boxes] == [Map(8, 8, 2), Map(1, 1, 2), Map(8, 8, 2)]
    assert {(arrow.source, arrow.target) for arrow in arrows} == {(0, 2), (1, 2)}


def test_the_u_net_is_told_the_time_and_the_text() -> None:
    told = Words("noisy latent z_t", shift="time t", context="text")
    figure = draw(report(MODELS["unet"]), told)
    assert [texts(figure).count(word) for word in ("time t", "text", "noisy latent z_t\n7 x 7 x 4")] == [5, 4, 1]
    assert {"time t", "text"}.isdisjoint(texts(draw(report(MODELS["unet"]))))
    figure.draw_without_rendering()
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    for text in figure.axes[0].texts:
        if text.get_text() in ("time t", "text"):  # in a box, and in one alone
            place = text.get_window_extent()
            around = [box for box in boxes if box.overlaps(place)]
            assert len(around) == 1 and around[0].y0 < place.y0 < place.y1 < around[0].y1


def test_the_command_names_what_it_knows(tmp_path: Path) -> None:
    for net, words in (("unet", ("noisy latent z_t", "time t", "text")), ("vae-decoder", ("latent z",)),
                       ("dit", ("noisy latent z_t", "text")),
                       ("classifier", ("input image",))):  # fmt: skip
        result = CliRunner().invoke(main, ["shapes", net, "--draw", str(tmp_path / f"{net}.svg")])
        assert result.exit_code == 0
        svg = (tmp_path / f"{net}.svg").read_text(encoding="utf-8")
        assert all(f">{word}<" in svg for word in words)
