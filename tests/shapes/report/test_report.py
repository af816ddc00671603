"""Reports against running kernels, against the real networks, and against trying every input size."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minisd_kernels import max_pool2d
from minisd_kernels.backends import available_backends
from minisd_kernels.shapes import ShapeError, UNetShape

from minisd.hires import HIRES_UNET
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.models.clip import CLIPConfig, ImageEncoder
from minisd.models.dit import DiT, DiTBlock, DiTConfig
from minisd.models.fcn import FCN, SkipFCN
from minisd.models.unet import UNet, UNetConfig
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.nn import Conv2d, ConvTranspose2d, GroupNorm, Linear, Module, TransformerBlock
from minisd.shapes.report import builtin, table
from minisd.shapes.report.check import check
from minisd.shapes.report.layers import Convolution, Elementwise, Map, Slicing, Source, Stacking
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.network import Network, Step
from minisd.shapes.report.sums import Report, examine
from minisd.shapes.report.text import parse

rng = np.random.default_rng(0)


def report(text: str) -> Report:
    return examine(parse(text))


def sizes(text: str) -> list[str]:
    return [str(row.output) for row in report(text).rows]


# ---- Sizes


@st.composite
def words(draw: st.DrawFn) -> str:
    def both(least: int, most: int) -> str:
        return f"{draw(st.integers(least, most))}x{draw(st.integers(least, most))}"

    kind = draw(st.sampled_from(["conv", "conv", "pool", "avgpool", "upconv", "up", "pad", "crop", "same"]))
    match kind:
        case "conv":
            padding = f"{draw(st.integers(0, 2))}+{draw(st.integers(0, 2))}x{draw(st.integers(0, 2))}"
            return f"conv{both(1, 4)}:{draw(st.integers(1, 3))}:s{both(1, 3)}:p{padding}:d{both(1, 2)}"
        case "pool" | "avgpool":
            return f"{kind}{both(2, 3)}:s{both(1, 3)}:p{draw(st.sampled_from(['0', '1', '0+1']))}"
        case "upconv":
            return f"upconv{both(2, 4)}:2:s2x3:p{draw(st.sampled_from(['0', '1', '0+1']))}:a{draw(st.integers(0, 1))}"
        case "up":
            return f"up{both(1, 2)}"
        case "same":
            return f"conv{both(1, 4)}:2:s{both(1, 3)}:psame"
        case _:
            return f"{kind}{draw(st.integers(0, 2))}+{draw(st.integers(0, 2))}x1"


@pytest.mark.parametrize("backend", available_backends())
@given(st.integers(6, 24), st.integers(6, 24), st.lists(words(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_every_size_is_what_the_kernels_make(backend: str, height: int, width: int, layers: list[str]) -> None:
    of_random_net = report(f"{height}x{width}x2 {' '.join(layers)}")
    for result in check(of_random_net, backend):
        assert result.got == result.wanted, of_random_net.rows[result.step]


@pytest.mark.parametrize("backend", available_backends())
def test_joins_are_what_the_kernels_make(backend: str) -> None:
    joined = report("9x12x3 @in conv3:4 @a pool2 up2 fit@a skip@in conv3:8 @b relu add@b norm globalpool")
    assert joined.problem is not None  # 6 x 10 does not cover 7 x 10
    joined = report("8x12x3 @in conv3:4 @a pool2 up2 fit@a skip@in concat@a conv3:8 @b relu add@b norm globalpool")
    assert [str(row.output) for row in joined.rows[3:6]] == ["6 x 10 x 4", "6 x 10 x 7", "6 x 10 x 11"]
    assert joined.rows[4].formulas == ("8 - 1 - 1", "12 - 1 - 1")
    assert all(result.got == result.wanted for result in check(joined, backend))


def test_a_wrong_prediction_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = report("9x9x1 conv3:4 pool2")
    monkeypatch.setattr("minisd.shapes.report.layers.window_output_size", lambda size, *geometry: size // 2 + 1)
    wrong = report("9x9x1 conv3:4 pool2")
    assert all(result.agrees for result in check(right, "numpy"))
    assert not all(result.agrees for result in check(wrong, "numpy"))


@pytest.mark.parametrize("padding", range(4))
def test_a_padding_of_whole_windows_is_refused_by_the_formula_as_by_the_kernel(padding: int) -> None:
    found = report(f"8x8x1 pool2:s2:p{padding}")
    if padding < 2:
        assert all(result.got == result.wanted for result in check(found, "numpy"))
    else:
        assert found.problem is not None and "a window of padding alone has no maximum" in found.problem.message
        with pytest.raises(ShapeError):
            max_pool2d.forward(np.zeros((1, 8, 8, 1)), window=2, padding=padding)


def test_layers_that_no_kernel_runs_are_told_apart() -> None:
    results = check(report("9x9x1 pool2:ceil relu upconv3:2:s2 relu"), "numpy")
    assert [result.got for result in results] == [None, (5, 5), (11, 11), (11, 11)]
    with pytest.raises(ShapeError, match="a map of 100,000,000 pixels is too large to run; give --size"):
        check(report("10000x10000x1 relu"), "numpy")


def test_the_formulas_are_what_they_say() -> None:
    everything = (
        "30x40x3 conv3:4 conv3x2:4:s2:p1:d2 pool3:s2:p0+1 pool2:ceil upconv3:2:s2:p1:a1 up3 pad1 crop1 conv2:2:psame"
    )
    for row in report(everything).rows:
        for axis, formula in enumerate(row.formulas):
            assert row.output is not None
            python = formula.replace("floor", "math.floor").replace("ceil", "math.ceil")
            assert eval(python, {"math": __import__("math")}) == row.output[axis], formula


# ---- Parameters, work, memory, receptive fields


def parameters(text: str) -> int:
    return sum(row.parameters for row in report(text).rows)


def block_told(context: int | None) -> DiTBlock:
    """A transformer's block that is told 5 numbers."""
    return DiTBlock(DiTConfig(width=4, heads=2, expansion=3, context_width=context, time_width=5), rng=rng)


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("9x9x4 conv3x2:8", Conv2d(4, 8, (3, 2), rng=rng)),
        ("9x9x4 upconv3x2:8", ConvTranspose2d(4, 8, (3, 2), rng=rng)),
        ("9x9x4 norm", GroupNorm(2, 4)),
        ("9x9x4 linear7", Linear(4, 7, rng=rng)),
        ("9x9x4 linear7:nobias", Linear(4, 7, rng=rng, bias=False)),
        ("9x9x4 flatten linear7", Linear(9 * 9 * 4, 7, rng=rng)),
        ("9x9x4 transformer", TransformerBlock(4, 2, rng=rng)),
        ("9x9x4 transformer6:x3", TransformerBlock(4, 2, rng=rng, context_width=6, expansion=3)),
        ("9x9x4 transformer6:x3:t5", block_told(6)),
        ("9x9x4 transformer:x3:t5", block_told(None)),
    ],
)
def test_parameters_are_those_of_the_real_layer(text: str, module: Module) -> None:
    assert parameters(text) == module.parameter_count()


def test_groups_divide_weights_and_work() -> None:
    whole, grouped = (report(f"8x8x6 conv3:9:nobias{groups}").rows[0] for groups in ("", ":g3"))
    assert whole.parameters == 3 * grouped.parameters == 9 * 6 * 9
    assert whole.multiply_adds == 3 * grouped.multiply_adds == 36 * 9 * 6 * 9
    problem = report("8x8x6 conv3:9:g4").problem
    assert problem is not None and "6 channels in and 9 out do not both split into 4 groups" in problem.message


def test_work_and_memory_by_hand() -> None:
    conv, pool, up, flat = report("10x12x3 conv3:4 pool2 upconv2:5 flatten").rows
    assert conv.multiply_adds == 8 * 10 * 4 * 3 * 3 * 3
    assert pool.multiply_adds == 0
    assert up.multiply_adds == 4 * 5 * 4 * 2 * 2 * 5  # every input pixel meets every tap
    assert [row.bytes for row in (conv, pool, up, flat)] == [4 * 8 * 10 * 4, 4 * 4 * 5 * 4, 4 * 8 * 10 * 5, 4 * 400]


def test_what_pixels_see() -> None:
    def seen(text: str) -> list[object]:
        return [row.sees if row.sees in ("all", None) else row.sees[0].size for row in report(text).rows]  # type: ignore[index]

    assert seen("32x32x1 conv3:4 @a pool2 conv3:4:p1 up2 add@a") == [3, 4, 8, 8, 8]
    assert seen("32x32x1 conv3:4 transformer conv3:4") == [3, "all", "all"]
    assert seen("32x32x1 globalpool") == [32]
    assert seen("32x32x1 @a pool2 pad8 concat@a conv3:4") == [2, 2, None, None]  # of the same size, but not the place
    unet = examine(parse(builtin.MODELS["unet-classic"]))
    assert [row.sees[0].size for row in unet.rows if row.step.text == "conv3:1024" and isinstance(row.sees, tuple)] == [
        108,
        140,
    ]


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 3), (3, 2), (2, 4), (4, 4)])
def test_what_pixels_see_behind_an_upsampling_and_a_stride(scale: int, window: int, stride: int) -> None:
    """Row r of an enlarged map is row r // scale; a window's row o begins at r = stride o."""
    sees = report(f"8x8x1 up{scale} pool{window}:s{stride}").rows[1].sees
    assert isinstance(sees, tuple)
    for o in range(6):
        assert sees[0].at(o) == (o * stride // scale, (o * stride + window - 1) // scale)
    assert Fraction(sees[0].stride) == Fraction(stride, scale)


def test_what_meets_a_mean_sees_all_and_another_input_sees_nothing() -> None:
    net = parse("8x8x2 @a globalpool @b from@a relu add@b").steps
    gate = Step("gate", Elementwise(), (0, 1))
    time = Step("t", Source(Map(1, 1, 2)), ())
    steps = (net[0], gate, time, Step("shifted", Elementwise(), (0, 3)), Step("alone", net[1].layer, (3,)))
    rows = examine(Network(Map(8, 8, 2), steps)).rows
    assert [row.sees if isinstance(row.sees, str) else row.sees[0].size for row in rows] == [  # type: ignore[index]
        8, "all", "nothing", 1, "nothing",
    ]  # fmt: skip


@pytest.mark.parametrize(("context", "expansion"), [(0, 4), (5, 4), (5, 2)])
def test_the_work_of_a_transformer_product_by_product(context: int, expansion: int) -> None:
    """Query, key, value and output, N C C each; scores and their sums, N N C each; the perceptron's two layers."""
    H, W, C = 2, 3, 4
    N = H * W
    products = [(N, C, C)] * 4 + [(N, N, C), (N, C, N)] + [(N, C, expansion * C), (N, expansion * C, C)]
    if context:
        products += [(N, C, C)] * 2  # its query and output; keys and values are the prompt's
    row = report(f"{H}x{W}x{C} transformer{context or ''}:x{expansion}").rows[0]
    assert row.multiply_adds == sum(a * b * c for a, b, c in products)
    told = report(f"{H}x{W}x{C} transformer{context or ''}:x{expansion}:t7 norm:t7")
    assert told.rows[0].multiply_adds == row.multiply_adds + 7 * 6 * C  # two shifts, two scales, two gates
    assert (told.rows[1].multiply_adds, told.rows[1].parameters) == (7 * 2 * C, 8 * 2 * C)


def test_rows_columns_and_channels_put_together() -> None:
    parts = tuple(Step("part", Slicing(((0, 9, 1), (0, n, 1), (0, 9, 1))), (0,)) for n in (2, 3))
    for along, size in ((1, Map(4, 5, 2)), (0, None)):
        found = examine(Network(Map(4, 6, 2), (*parts, Step("beside", Stacking(along), (1, 2)))))
        assert (found.output if not found.problem else None) == size
    assert found.problem is not None and found.problem.message == "width 2 meets 3: they must agree"
    assert examine(Network(Map(4, 6, 2), (parts[0], Step("on", Stacking(0), (1, 1))))).rows[-1].formulas == (
        "4 + 4",
        "",
    )


# ---- minisd's own networks


def own_networks() -> dict[str, tuple[int, str]]:
    """Parameters of the real module, and the output that its documentation promises."""
    classic, vae = UNetClassicConfig(), VAE(VAEConfig(), rng=rng)

    def on_the_way(network: UNet | DiT) -> int:
        beside = (network.time_1, network.time_2, network.prompt_norm, network.from_prompt)
        return network.parameter_count() - sum(part.parameter_count() for part in beside if part)

    decoder: list[Module] = [*vae.decoder, vae.decoder_norm, vae.to_image]
    in_decoder = sum(part.parameter_count() for part in decoder)
    return {
        "unet-classic": (UNetClassic(classic, rng=rng).parameter_count(), "388 x 388 x 2"),
        "fcn": (FCN(classic, rng=rng).parameter_count(), "388 x 388 x 2"),
        "skip-fcn": (SkipFCN(classic, rng=rng).parameter_count(), "448 x 448 x 2"),
        "unet": (on_the_way(UNet(UNetConfig(), rng=rng)), "7 x 7 x 4"),
        "dit": (on_the_way(DiT(DiTConfig(), rng=rng)), "7 x 7 x 4"),
        "hires": (on_the_way(UNet(HIRES_UNET, rng=rng)), "56 x 56 x 4"),
        "vae-encoder": (vae.parameter_count() - in_decoder, "7 x 7 x 8"),
        "vae-decoder": (in_decoder, "28 x 28 x 1"),
        "clip-image": (ImageEncoder(CLIPConfig(1, 0), rng=rng).parameter_count(), "1 x 1 x 64"),
        "classifier": (Classifier(ClassifierConfig(), rng=rng).parameter_count(), "1 x 1 x 10"),
    }


def test_minisds_own_networks_are_described_as_they_are() -> None:
    wanted = own_networks()
    assert set(builtin.MODELS) == set(wanted)
    for name, text in builtin.MODELS.items():
        whole = report(text)
        assert (sum(row.parameters for row in whole.rows), str(whole.output)) == wanted[name], name


@pytest.mark.parametrize("same", [False, True])
def test_the_classic_u_net_is_the_one_of_its_shape(same: bool) -> None:
    config = UNetClassicConfig(base=3, depth=3, same_padding=same)
    height, width = config.shape.smallest + 16, config.shape.smallest + 24
    rows = report(builtin.unet_classic(height, width, config)).rows
    levels = UNetShape(3, same=same).levels(height)
    convolved = [row.output.height for row in rows if row.output and row.step.text.startswith("conv3")]
    assert convolved == [size for level in levels for size in level.down[1:]] + [
        size for level in reversed(levels) for size in level.up[1:]
    ]


# ---- Where sizes part


def works(network: Network, height: int, width: int, exactly: bool = False) -> bool:
    found = examine(network.with_input(height, width))
    return found.problem is None and not (exactly and any(any(row.unread) for row in found.rows))


def test_24_meets_23() -> None:
    network = parse("47x46x1 conv3:4:p1 @a pool2 conv3:4:p1 upconv2:4 concat@a")
    problem = examine(network).problem
    assert problem is not None
    assert (problem.step, problem.axis, problem.message) == (4, 0, "height 46 meets 47: they must agree")
    assert nearest_inputs(examine(network)) == ((46, 48), ())
    assert "nearest inputs that work: 46 x 46 or 48 x 46" in table.problem_text(examine(network))


@pytest.mark.parametrize(
    "text",
    [
        "{0}x{1}x1 conv3:4 conv3:4 @a pool2 conv3:4 upconv2:4 skip@a concat@a",
        "{0}x{1}x1 conv3:4:p1 @a pool2 @b pool3 upconv3:4 concat@b up2 concat@a",
        "{0}x{1}x1 conv7:4 @a conv3:4:s2 upconv3:4:s2 add@a",
    ],
)
@pytest.mark.parametrize("size", [(11, 11), (13, 16), (24, 23), (9, 30)])
def test_the_nearest_inputs_are_the_nearest(text: str, size: tuple[int, int]) -> None:
    network = parse(text.format(*size))
    found = examine(network)
    for axis in (0, 1):
        near = nearest_inputs(found)[axis]
        # The other axis is set to a size that is right for every one of these networks, or to none.
        good = next((n for n in range(8, 60) if works(network, n, n, exactly=not found.problem)), None)
        if good is None:
            assert near == ()
            continue

        def alone(candidate: int, axis: int = axis, good: int = good) -> bool:
            height, width = (candidate, good) if axis == 0 else (good, candidate)
            return works(network, height, width, exactly=not found.problem)

        below = [n for n in range(1, size[axis]) if alone(n)][-1:]
        above = [n for n in range(size[axis] + 1, size[axis] + 60) if alone(n)][:1]
        assert list(near) == ([] if alone(size[axis]) else below + above)


def test_rows_left_unread_are_counted_and_mended() -> None:
    found = report("256x256x1 conv3:4 conv3:4 pool2 conv3:4 conv3:4 pool2 conv3:4 conv3:4 pool2")
    assert [row.unread for row in found.rows if any(row.unread)] == [(1, 1)]
    assert "rows are left unread by 9 pool2: nothing is unread at 252 x 252 or 260 x 260" in table.render(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4x9x1 conv5:1", "a window that spans 5 does not fit an input of 4"),
        ("9x9x1 @a conv3:4 @b from@a conv1:4 conv5:4 skip@b concat@a", "height 5 meets 9"),
        ("9x9x1 conv3:4 @a from@a conv1:4 pad2 skip@a", "the copy's height 7 is smaller than 11"),
        ("9x9x1 @a conv3:4 fit@a", "cannot crop 7 to the larger size 9"),
        ("9x9x1 @a conv3:4:p1 add@a", "4 channels meet 1: they must agree"),
        ("9x9x1 crop5", r"a crop of 5 \+ 5 leaves nothing of 9"),
        ("9x9x1 upconv2:4:p9:s1", "leaves nothing of the output"),
        ("9x9x1" + " up2" * 40, "a height of more than 1,000,000,000"),
        ("40000x40000x1 flatten", "more than 1,000,000,000 channels"),
    ],
)
def test_what_cannot_be_is_said(text: str, message: str) -> None:
    found = report(text)
    assert found.problem is not None
    assert re.search(message, found.problem.message)
    what = "channels" if found.problem.axis is None else ("height", "width")[found.problem.axis]
    assert f"<- here the {what} part" in table.render(found)
    assert len(found.rows) == found.problem.step


def test_channels_must_be_those_of_given_weights() -> None:
    network = Network(Map(9, 9, 3), (Step("conv", Convolution((3, 3), outputs=4, inputs=8), (0,)),))
    problem = examine(network).problem
    assert problem is not None and problem.message == "3 channels come in, and the weights are made for 8"


def test_behind_an_unknown_layer_nothing_is_known_and_the_rest_is() -> None:
    relu, conv = (step.layer for step in parse("9x9x1 relu conv1:4").steps)
    network = Network(Map(9, 9, 1), (Step("Mystery", None, (0,)), Step("relu", relu, (1,)), Step("conv", conv, (0,))))
    found = examine(network)
    assert [row.output for row in found.rows] == [None, None, Map(9, 9, 4)]
    assert [step.text for step in found.unknown] == ["Mystery"]
    assert "not known, and so neither is what depends on it: Mystery" in table.render(found)


# ---- As a table and as JSON


def test_the_table() -> None:
    lines = table.render(report("572x388x1 conv3:64 relu pool2x1")).splitlines()
    assert " ".join(lines[0].split()) == "layer input -> output size by the formula sees params MACs memory"
    assert "572x388x1 -> 570x386x64   H: floor((572 + 2*0 - 3) / 1) + 1 = 570" in lines[1]
    second = "floor((388 + 2*0 - 3) / 1) + 1 = 386 3"
    assert lines[2].split("W: ")[1].split() == second.split()
    assert "floor((570 + 2*0 - 2) / 2) + 1 = 285" in lines[4] and "floor((386 + 2*0 - 1) / 1) + 1 = 386" in lines[5]
    assert "input 572 x 388 x 1, output 285 x 386 x 64; 640 parameters; 127 M multiply-adds" in lines[-2]
    assert max(map(len, table.render(report(builtin.MODELS["unet-classic"])).splitlines())) <= 120
    assert "unread" in table.render(report("9x9x1 pool2")).splitlines()[0]  # a column where there is something in it


@pytest.mark.parametrize("name", builtin.MODELS)
@pytest.mark.parametrize("width", [60, 80])
def test_a_table_fits_its_terminal(name: str, width: int) -> None:
    whole, narrow = (table.render(report(builtin.MODELS[name]), columns) for columns in (None, width))
    assert max(map(len, narrow.splitlines())) <= width
    words = set(re.sub(r"\s*->\s*", " ", whole).split())
    assert {"params", "MACs"} < set(narrow.split()) < words | {"output", "->"}  # nothing is cut in the middle
    for formula in re.findall(r"floor\([^=]*= \d+", whole):
        assert formula in narrow


def test_sentences_break_between_words_and_not_in_sizes() -> None:
    apart = table.render(report("24x23x3 @a conv3:8:p1 pool2 up2 concat@a"), 40).splitlines()
    assert apart[-2:] == ["4  concat@a  <- here the width part:", "  width 22 meets 23: they must agree"]
    lines = table.render(report("572x572x1 conv3:64"), 40).splitlines()
    assert "input 572 x 572 x 1, output" in lines and max(map(len, lines)) <= 44


@pytest.mark.parametrize(
    ("picture", "remark"),
    [
        ("3x224x224", "3x224x224 is 3 rows high; write 224x224x3"),
        ("1x28x28", "1x28x28 is 1 row high; write 28x28x1"),
        ("4x64x48", "4x64x48 is 4 rows high; write 64x48x4"),
        ("224x224x3", ""),
        ("1x1x512", ""),
        ("1x200x64", ""),  # a sequence
        ("4x4x512", ""),
    ],
)
def test_channels_that_stand_first_are_remarked(picture: str, remark: str) -> None:
    for found in (report(f"{picture} relu"), report(f"{picture} conv999:1")):
        said = table.problem_text(found) if found.problem else table.render(found)
        assert remark in said and ("channels come last" in said) == bool(remark)


def test_no_number_is_too_large_or_too_small() -> None:
    huge = table.render(report("999999999x999999999x999999999 sigmoid"))
    assert "all maps 4 RB" in huge
    assert "e+" in table.render(report("999999999x999999999x999999999 conv99999:999999999:p49999"))
    assert "; 0 parameters; 0 multiply-adds" in table.render(report("8x8x1 pool2"))


def test_json_has_every_number() -> None:
    found = report("33x32x1 conv3:8 @a pool2 upconv2:8 skip@a")
    values = json.loads(json.dumps(table.as_json(found)))
    assert values["input"] == [33, 32, 1] and values["output"] == [30, 30, 16] and values["problem"] is None
    conv, pool, _, skip = values["layers"]
    assert conv["output_size"] == [31, 30, 8] and conv["parameters"] == 80 and conv["multiply_adds"] == 31 * 30 * 72
    assert pool["unread"] == [1, 0] and values["nearest_inputs"] == [[32, 34], []]
    assert skip["inputs"] == [3, 1] and skip["formulas"] == ["31 - 0 - 1", "30 - 0 - 0"]
    assert conv["receptive_field"] == [{"size": 3, "stride": "1", "centre_of_first": 1.0}] * 2
    broken = table.as_json(report("24x23x1 @a pool2 up2 concat@a"))
    assert broken["output"] is None and broken["problem"]["axis"] == "width" and broken["problem"]["step"] == 3
