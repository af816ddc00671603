"""The notation of networks: what each word means, and where an error points."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.shapes.report.layers import (
    Addition,
    Border,
    Concatenation,
    Convolution,
    CopyAndCrop,
    FitTo,
    Flatten,
    GlobalPooling,
    Layer,
    Linear,
    Map,
    Pointwise,
    Pooling,
    Shift,
    Transformer,
    TransposedConvolution,
    Upsampling,
)
from minisd.shapes.report.text import MOST_LAYERS, TextError, parse

NONE = ((0, 0), (0, 0))


@pytest.mark.parametrize(
    ("word", "layer"),
    [
        ("conv3:64", Convolution((3, 3), outputs=64)),
        (
            "conv3x5:8:s2x1:p1x2:d1x3:g4:nobias",
            Convolution((3, 5), (2, 1), ((1, 1), (2, 2)), (1, 3), outputs=8, groups=4, bias=False),
        ),
        ("conv2:8:psame", Convolution((2, 2), padding=None, outputs=8)),
        ("conv2:8:p0+1x2", Convolution((2, 2), padding=((0, 1), (2, 2)), outputs=8)),
        ("pool2", Pooling((2, 2), (2, 2))),
        ("pool3:s2:p1:ceil", Pooling((3, 3), (2, 2), ((1, 1), (1, 1)), ceil=True)),
        ("avgpool2x1", Pooling((2, 1), (2, 1), average=True)),
        ("upconv2:8", TransposedConvolution((2, 2), 8, (2, 2))),
        ("upconv4:8:s2:p1:a1:d3", TransposedConvolution((4, 4), 8, (2, 2), ((1, 1), (1, 1)), (3, 3), (1, 1))),
        ("up2x3", Upsampling((2, 3))),
        ("pad1x0+2", Border(((1, 1), (0, 2)))),
        ("crop4", Border(((-4, -4), (-4, -4)))),
        ("pool3:s1:d2", Pooling((3, 3), (1, 1), dilation=(2, 2))),
        ("upconv3:8:s2:psame", TransposedConvolution((3, 3), 8, (2, 2), ((0, 1), (0, 1)))),
        ("upconv2x6:8:s3:psame", TransposedConvolution((2, 6), 8, (3, 3), ((0, 0), (1, 2)), output_padding=(1, 0))),
        ("linear:10", Linear(10)),
        ("norm", Pointwise("norm", 2)),
        ("softmax", Pointwise("softmax")),
        ("shift128", Shift(128)),
        ("transformer", Transformer()),
        ("transformer64:x2", Transformer(64, 2)),
        ("transformer64:x2:t160", Transformer(64, 2, 160)),
        ("norm:t160", Pointwise("norm", 0, 160)),
        ("linear10:nobias", Linear(10, bias=False)),
    ],
)
def test_a_word_is_a_layer(word: str, layer: Layer) -> None:
    network = parse(f"20x30x4 {word}")
    assert network.input == Map(20, 30, 4)
    assert [step.layer for step in network.steps] == [layer]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("flatten", Flatten),
        ("globalpool", GlobalPooling),
        ("skip@a", CopyAndCrop),
        ("concat@a", Concatenation),
        ("add@a", Addition),
        ("fit@a", FitTo),
    ],
)
def test_a_word_is_a_layer_without_numbers(word: str, kind: type[Layer]) -> None:
    assert type(parse(f"8x8x1 @a relu {word}").steps[-1].layer) is kind


@pytest.mark.parametrize(
    ("word", "here"),
    [
        ("bn", "norm"), ("BatchNorm", "norm"), ("group_norm", "norm"), ("fc10", "linear10"), ("dense:10", "linear10"),
        ("upsample2", "up2"), ("gap", "globalpool"), ("GlobalAveragePool", "globalpool"), ("maxpool3:s2", "pool3:s2"),
        ("AvgPool2", "avgpool2"), ("convtranspose2:5", "upconv2:5"), ("deconv4:5:s2:p1", "upconv4:5:s2:p1"),
        ("ReLU", "relu"), ("Conv3:8:p1", "conv3:8:p1"), ("swish", "silu"),
    ],
)  # fmt: skip
def test_other_names_of_a_layer_are_understood(word: str, here: str) -> None:
    mine, theirs = (parse(f"20x30x4 {text}").steps[0] for text in (here, word))
    assert mine.layer == theirs.layer and theirs.text == word


@pytest.mark.parametrize("word", ["leaky_relu", "elu", "mish", "hardswish", "relu6"])
def test_other_activations_keep_the_size(word: str) -> None:
    layer = parse(f"20x30x4 {word}").steps[0].layer
    assert isinstance(layer, Pointwise) and layer.output([Map(2, 3, 4)]) == Map(2, 3, 4)


def test_same_padding_upwards_makes_the_stride_times_the_input() -> None:
    for window in range(1, 7):
        for stride in range(1, 6):
            layer = parse(f"5x7x1 upconv{window}:2:s{stride}:psame").steps[0].layer
            assert layer is not None and layer.output([Map(5, 7, 1)]) == Map(5 * stride, 7 * stride, 2)


def test_names_lead_back_to_their_maps() -> None:
    network = parse("8x8x1 @in conv3:4:p1 @a relu from@in conv1:4 @b add@a concat@b")
    assert [step.inputs for step in network.steps] == [(0,), (1,), (0,), (3, 1), (4, 3)]


def test_remarks_and_lines_are_free() -> None:
    text = "8x8x1  # the input @ #\n\tconv3:4   # first\n\n pool2"
    assert [step.text for step in parse(text).steps] == ["conv3:4", "pool2"]


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("28x28 conv3:4", "the text begins with the input", "28x28"),
        ("conv3:4", "the text begins with the input", "conv3:4"),
        ("28x-1x1 conv3:4", "the text begins with the input", "28x-1x1"),
        ("0x28x1 conv3:4", "0 is too small: wanted at least 1", "0x28x1"),
        ("28x28x1 cnov3:4 relu", "'cnov3:4' is no layer; did you mean conv, as in conv3:64", "cnov3:4"),
        ("28x28x1 §§ relu", "should be letters, or numbers", "§§"),
        ("28x28x1 frobnicate relu", "is no layer; known: conv, pool", "frobnicate"),
        ("28x28x1 conv3 relu", "the number of outputs is missing: conv3:64 makes 64 channels", "conv3"),
        ("28x28x1 conv:4 relu", "a number is missing; with everything that it takes: conv3:64", "conv:4"),
        ("28x28x1 conv3x:4 relu", "a number is missing", "conv3x:4"),
        ("28x28x1 up pool2", "a number is missing; with everything that it takes: up2", "up"),
        ("28x28x1 conv3:4:s relu", "a number is missing", "conv3:4:s"),
        ("28x28x1", "a layer is missing", "28x28x1"),
        ("28x28x1 conv0:4 relu", "0 is too small", "conv0:4"),
        ("28x28x1 conv3:0 relu", "0 is too small", "conv3:0"),
        ("28x28x1 conv3:4:s0 relu", "0 is too small", "conv3:4:s0"),
        ("28x28x1 conv3:-4 relu", "'-4' should be letters, or numbers", "conv3:-4"),
        ("28x28x1 conv3x3x3:4 relu", "'3x3x3' should be one number, or two such as 3x5", "conv3x3x3:4"),
        ("28x28x1 conv3:4:p1x2x3", "should be rows such as 1, 1x2 or 0+1", "conv3:4:p1x2x3"),
        ("28x28x1 conv3:4:z2 relu", "conv does not take :z2; with everything that it takes: conv3:64", "conv3:4:z2"),
        ("28x28x1 conv3:4:s2:s1 relu", ":s1 says again what another option says", "conv3:4:s2:s1"),
        ("28x28x1 conv1234567890:4", "a whole number of at most 9 digits", "conv1234567890:4"),
        ("28x28x1 relu2 pool2", "relu takes no number", "relu2"),
        ("28x28x1 pool2:4", "pool does not take :4", "pool2:4"),
        ("28x28x1 attention relu", "attention stands in a block here: transformer", "attention"),
        ("28x28x1 skip relu", "it takes a second map, named before: @a ... skip@a", "skip"),
        ("28x28x1 dropout0.5 relu", "dropout stands alone: it changes no size", "dropout0.5"),
        ("28x28x1 conv2d3:8 relu", "conv2d is called conv here", "conv2d3:8"),
        ("28x28x1 upconv2:4:psame:a1 relu", "leave :a out", "upconv2:4:psame:a1"),
        ("28x28x1 relu skip@a", "no map before this is called @a; known: none yet", "skip@a"),
        ("28x28x1 @b relu skip@a", "no map before this is called @a; known: @b", "skip@a"),
        ("28x28x1 @a relu @a pool2", "@a is the name of another map already", "@a"),
        ("28x28x1 relu @ pool2", "a name of letters and digits follows the @", "@"),
        ("28x28x1 @a jump@a pool2", "before the @ stands one of from, skip, concat, add, fit", "jump@a"),
        ("28x28x1 @a relu from@a", "a network ends with a layer", "from@a"),
    ],
)
def test_an_error_points_at_its_word(text: str, message: str, marked: str) -> None:
    with pytest.raises(TextError) as raised:
        parse(text)
    what, line, carets = str(raised.value).split("\n")
    assert message in what
    start = carets.index("^")
    assert line[start : start + carets.count("^")] == marked
    assert start == len("  ") + text.rindex(marked)


def test_of_a_long_text_the_place_is_shown() -> None:
    text = "28x28x1 " + "relu " * 500 + "cnov3:4 " + "relu " * 500
    with pytest.raises(TextError) as raised:
        parse(text)
    _, line, carets = str(raised.value).split("\n")
    assert len(line) < 160 and line.startswith("  ... ")
    assert line[carets.index("^") :].startswith("cnov3:4")
    second_line = "28x28x1\n  cnov3:4 relu\nrelu"
    with pytest.raises(TextError, match=r"\n    cnov3:4 relu\n    \^{7}$"):
        parse(second_line)


def test_what_is_no_network_is_refused_quickly() -> None:
    with pytest.raises(TextError, match="an empty text is no network"):
        parse("  # nothing\n")
    started = time.monotonic()
    with pytest.raises(TextError, match=f"1,000,000 words are more than the {MOST_LAYERS:,} layers"):
        parse("28x28x1" + " relu" * 10**6)
    assert time.monotonic() - started < 30  # a hang, not a speed


@given(st.text(alphabet="conv3x:@+ps1 adlup#\n0", max_size=40))
def test_any_text_is_a_network_or_an_error(text: str) -> None:
    for whole in (text, f"9x8x2 {text}"):
        try:
            parse(whole)
        except TextError as error:
            assert str(error)
