"""Networks written as a line of text, such as

    572x572x1 conv3:64 relu conv3:64 relu @a pool2 ... upconv2:64 skip@a

The first word is the input, height x width x channels, channels last. Each
further word is a layer, or a name for the map that is made here:

    conv3:64                     convolution: window, filters
    conv3x5:64:s2:p1:d2:g4:nobias   and stride, padding, dilation, groups
    pool2  pool3:s2:p1:d1:ceil   maximum of a window; its stride is its
    avgpool2                     size unless given; and the average
    upconv2:64  upconv4:64:s2:p1:a1   transposed convolution, stride likewise;
                                 a: rows added at the end
    up2  pad1  crop4             repeated pixels; a border put on, or cut off
    globalpool  flatten          a mean a channel; all numbers as one vector
    linear10:nobias              a linear layer over channels
    norm  dropout  softmax  relu  silu  gelu  sigmoid  tanh   sizes stay
    shift128                     a vector of 128 numbers added to each pixel
    transformer  transformer64:x2   attention and a perceptron of 4 (2) times
                                 the width; to a context of width 64, too
    transformer64:t160  norm:t160   scaled and shifted by what is told, a vector
                                 of 160 numbers, and the transformer gated
    @a  from@a                   names the map made here; goes on from that map
    skip@a  concat@a  add@a      copy and crop; side by side; sum
    fit@a                        crop this map to the size of a

A number is for both axes, 3x5 for height and width, 0+1 for before and after.
psame is as much padding as makes O = ceil(I / S), or O = S I behind an upconv.
What follows a # to the end of its line is a remark. Other names that are
common, such as bn, fc10, maxpool2 or deconv2:64, are understood.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

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
    Pair,
    Pointwise,
    Pooling,
    Shift,
    Sides,
    Transformer,
    TransposedConvolution,
    Upsampling,
    same_cut,
)
from minisd.shapes.report.network import Network, Step

MOST_LAYERS = 10_000
_MOST_DIGITS = 9

_JOINS: dict[str, type[Layer]] = {"skip": CopyAndCrop, "concat": Concatenation, "add": Addition, "fit": FitTo}
_ACTIVATIONS = (
    "relu", "silu", "gelu", "sigmoid", "tanh", "softmax", "dropout", "relu6", "leakyrelu", "elu", "selu", "softplus",
    "mish", "hardswish", "hardsigmoid", "identity",
)  # fmt: skip
_OTHER_NAMES = {  # what other texts and libraries call these layers
    **dict.fromkeys(("bn", "batchnorm", "gn", "groupnorm", "ln", "layernorm", "instancenorm"), "norm"),
    **dict.fromkeys(("fc", "dense", "lin"), "linear"),
    **dict.fromkeys(("upsample", "upsampling", "nearest"), "up"),
    **dict.fromkeys(("gap", "globalavgpool", "globalaveragepool", "globalaveragepooling"), "globalpool"),
    **dict.fromkeys(("convtranspose", "transposedconv", "transpconv", "convt", "deconv", "tconv"), "upconv"),
    **dict.fromkeys(("maxpool", "maxpooling"), "pool"),
    **dict.fromkeys(("averagepool", "averagepooling", "meanpool"), "avgpool"),
    **dict.fromkeys(("convolution", "convolve"), "conv"),
    **dict.fromkeys(("zeropad", "zeropadding", "padding"), "pad"),
    "swish": "silu", "cropping": "crop", "flat": "flatten",
}  # fmt: skip
_NO_WORDS = {  # common words that are none here, and what to write instead
    **dict.fromkeys(("attention", "attn", "selfattention", "mha"), "attention stands in a block here: transformer"),
    "crossattention": "attention to a context of width 64 stands in a block here: transformer64",
    **dict.fromkeys(_JOINS, "it takes a second map, named before: @a ... skip@a, concat@a, add@a or fit@a"),
    "cat": "it takes a second map, named before: @a ... concat@a",
    "residual": "a residual block is @a conv3:64:p1 relu conv3:64:p1 add@a",
    "reshape": "there is flatten alone",
}


class TextError(ValueError):
    """The text is no network: the message shows the place."""


def parse(text: str) -> Network:
    """Read a network.

    Raises:
        TextError: a word is no layer, or wants something else; the message has a caret under it.

    >>> network = parse("28x28x1 conv3:8:p1 relu @a pool2 conv3:8:p1 up2 concat@a")
    >>> network.input, len(network.steps), network.steps[-1].inputs
    (Map(height=28, width=28, channels=1), 6, (5, 2))
    """
    text = re.sub(r"#[^\n]*", lambda remark: " " * len(remark[0]), text)
    count = len(text.split())
    if count == 0:
        raise TextError('an empty text is no network; begin with the input, such as "572x572x1 conv3:64 pool2"')
    if count > MOST_LAYERS + 1:
        raise TextError(f"{count - 1:,} words are more than the {MOST_LAYERS:,} layers that are read")
    words = [_Word(text, match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    network = Network(_input(words[0]), ())
    names: dict[str, int] = {}
    steps: list[Step] = []
    here = 0
    for word in words[1:]:
        verb, at, name = word.text.partition("@")
        if not at:
            steps.append(Step(word.text, _layer(word), (here,)))
            here = len(steps)
        elif not re.fullmatch(r"\w+", name):
            raise word.error("a name of letters and digits follows the @")
        elif not verb:
            if name in names:
                raise word.error(f"@{name} is the name of another map already")
            names[name] = here
        elif verb not in {*_JOINS, "from"}:
            raise word.error(f"before the @ stands one of {', '.join(['from', *_JOINS])}, or nothing")
        elif name not in names:
            known = ", ".join(f"@{known}" for known in names) or "none yet"
            raise word.error(f"no map before this is called @{name}; known: {known}")
        elif verb == "from":
            here = names[name]
        else:
            steps.append(Step(word.text, _JOINS[verb](), (here, names[name])))
            here = len(steps)
    if not steps:
        raise words[0].error("a layer is missing: this is an input alone; add one, such as conv3:64")
    if here != len(steps):
        raise words[-1].error("a network ends with a layer")
    return Network(network.input, tuple(steps))


class _Word:
    """A word of the text: its layer's name, the number attached, its options; and its place, to point at in an error.

    conv3:64:s2:psame has the name conv, the number 3, and the options {"": "64", "s": "2", "psame": ""}.
    """

    def __init__(self, whole: str, start: int, stop: int) -> None:
        self.whole, self.start, self.stop = whole, start, stop
        self.text = whole[start:stop]
        self.name, self.attached, self.options = "", "", dict[str, str]()

    def split(self) -> None:
        head, *options = self.text.split(":")
        self.name, self.attached = self._parts(head)
        for option in options:
            key, value = self._parts(option)
            if key in self.options:
                raise self.error(f"{':' + option} says again what another option says")
            self.options[key] = value

    def _parts(self, text: str) -> tuple[str, str]:
        """The letters, and the numbers behind them."""
        if text.lower() == "relu6":
            return "relu6", ""
        match = re.fullmatch(r"([A-Za-z_]*)(\d[\dx+]*)?", text)
        if not match:
            name = re.match(r"[A-Za-z_]*", text)[0].lower()  # type: ignore[index]  # it matches nothing at least
            hint = {"dropout": "; dropout stands alone: it changes no size"}.get(name, "")
            hint = hint or (f"; {text[: len(name) + 2]} is called {name} here" if text[len(name) :][:2] == "2d" else "")
            raise self.error(f"{text!r} should be letters, or numbers such as 3, 3x5 or 0+1, or both{hint}")
        return match[1], match[2] or ""

    def error(self, message: str) -> TextError:
        """The message, the line (of a long one the part around the word), and carets under the word."""
        first = max(self.whole.rfind("\n", 0, self.start) + 1, self.start - 50)
        last = min((self.whole + "\n").index("\n", self.stop), self.start + 80)
        dots = "... " if first > 0 and self.whole[first - 1] != "\n" else ""
        line = re.sub(r"\s", " ", dots + self.whole[first:last])
        carets = " " * (len(dots) + self.start - first) + "^" * min(self.stop - self.start, last - self.start)
        return TextError(f"{message}\n  {line}\n  {carets}")

    def number(self, digits: str, least: int = 1) -> int:
        if not digits:
            example = _KINDS[self.name][1] if self.name in _KINDS else "3"
            raise self.error(f"a number is missing; with everything that it takes: {example}")
        if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise self.error(f"{digits!r} should be a whole number of at most {_MOST_DIGITS} digits")
        if int(digits) < least:
            raise self.error(f"{digits} is too small: wanted at least {least}")
        return int(digits)

    def pair(self, text: str, least: int = 1) -> Pair:
        """3 for both axes, or 3x5 for height and width."""
        parts = text.split("x")
        if len(parts) > 2:
            raise self.error(f"{text!r} should be one number, or two such as 3x5")
        return self.number(parts[0], least), self.number(parts[-1], least)

    def sides(self, text: str) -> Sides:
        """1 for all sides, 1x2 for height and width, 0+1 for before and after."""
        parts = text.split("x")
        if len(parts) > 2:
            raise self.error(f"{text!r} should be rows such as 1, 1x2 or 0+1")
        height, width = (part.partition("+") for part in (parts[0], parts[-1]))

        def both(before: str, plus: str, after: str) -> Pair:
            return self.number(before, 0), self.number(after if plus else before, 0)

        return both(*height), both(*width)

    def option(self, key: str, default: int | None = None) -> int:
        """The number of an option; without a default it must be there."""
        if key not in self.options:
            if default is None:
                raise self.error(f"the number of outputs is missing: {self.name}{self.attached}:64 makes 64 channels")
            return default
        return self.number(self.options.pop(key))

    def option_pair(self, key: str, default: Pair, least: int = 1) -> Pair:
        return self.pair(self.options.pop(key), least) if key in self.options else default

    def padding(self) -> Sides | None:
        return None if self.flag("psame") else self.sides(self.options.pop("p", "0"))

    def flag(self, key: str) -> bool:
        return self.options.pop(key, None) is not None


def _input(word: _Word) -> Map:
    parts = word.text.split("x")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise word.error("the text begins with the input, height x width x channels, such as 572x572x1")
    height, width, channels = (word.number(part) for part in parts)
    return Map(height, width, channels)


def _convolution(word: _Word) -> Layer:
    return Convolution(
        window=word.pair(word.attached),
        stride=word.option_pair("s", (1, 1)),
        padding=word.padding(),
        dilation=word.option_pair("d", (1, 1)),
        outputs=word.option(""),
        groups=word.option("g", 1),
        bias=not word.flag("nobias"),
    )


def _pooling(word: _Word) -> Layer:
    window = word.pair(word.attached)
    return Pooling(
        window=window,
        stride=word.option_pair("s", window),
        padding=word.padding(),
        dilation=word.option_pair("d", (1, 1)),
        ceil=word.flag("ceil"),
        average=word.name == "avgpool",
    )


def _transposed(word: _Word) -> Layer:
    window = word.pair(word.attached)
    stride, dilation = word.option_pair("s", window), word.option_pair("d", (1, 1))
    padding, extra = word.padding(), word.option_pair("a", (0, 0), least=0)
    if padding is None:
        if extra != (0, 0):
            raise word.error("psame makes the output the stride times the input: leave :a out")
        padding, extra = same_cut(window, stride, dilation)
    return TransposedConvolution(
        window=window,
        outputs=word.option(""),
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
        bias=not word.flag("nobias"),
    )


def _linear(word: _Word) -> Layer:
    """linear10, or linear:10."""
    outputs = word.number(word.attached) if word.attached else word.option("")
    return Linear(outputs, bias=not word.flag("nobias"))


def _norm(word: _Word) -> Layer:
    if word.attached:
        raise word.error("norm takes no number")
    told = word.option("t", 0)
    return Pointwise("norm", per_channel=0 if told else 2, told=told)


def _crop(word: _Word) -> Layer:
    (top, bottom), (left, right) = word.sides(word.attached)
    return Border(((-top, -bottom), (-left, -right)))


def _plain(make: Callable[[], Layer]) -> Callable[[_Word], Layer]:
    """A layer whose name is all there is to it."""

    def read(word: _Word) -> Layer:
        if word.attached:
            raise word.error(f"{word.name} takes no number")
        return make()

    return read


# A layer's name: how it is read, and an example with everything that it takes.
_KINDS: dict[str, tuple[Callable[[_Word], Layer], str]] = {
    "conv": (_convolution, "conv3:64:s2:p1:d2:g4:nobias"),
    "pool": (_pooling, "pool3:s2:p1:d1:ceil"),
    "avgpool": (_pooling, "avgpool3:s2:p1:d1:ceil"),
    "upconv": (_transposed, "upconv4:64:s2:p1:d1:a1:nobias"),
    "up": (lambda word: Upsampling(word.pair(word.attached)), "up2"),
    "pad": (lambda word: Border(word.sides(word.attached)), "pad1x0+1"),
    "crop": (_crop, "crop4"),
    "linear": (_linear, "linear10:nobias"),
    "shift": (lambda word: Shift(word.number(word.attached)), "shift128"),
    "transformer": (
        lambda word: Transformer(word.number(word.attached or "0", 0), word.option("x", 4), word.option("t", 0)),
        "transformer64:x2:t160",
    ),
    "globalpool": (_plain(GlobalPooling), "globalpool"),
    "flatten": (_plain(Flatten), "flatten"),
    "norm": (_norm, "norm:t160"),
    **{name: (_plain(lambda name=name: Pointwise(name)), name) for name in _ACTIVATIONS},  # type: ignore[misc]
}


def _layer(word: _Word) -> Layer:
    word.split()
    name = word.name.lower().replace("_", "")
    word.name = _OTHER_NAMES.get(name, name)
    if word.name in _NO_WORDS:
        raise word.error(f"{word.text[:40]!r} is no layer; {_NO_WORDS[word.name]}")
    if word.name not in _KINDS:
        near = difflib.get_close_matches(word.name, _KINDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}, as in {_KINDS[near[0]][1]}?" if near else f"known: {', '.join(_KINDS)}"
        raise word.error(f"{word.text[:40]!r} is no layer; {hint}")
    read, example = _KINDS[word.name]
    layer = read(word)
    if word.options:
        left = ", ".join(f":{key}{value}" for key, value in word.options.items())
        raise word.error(f"{word.name} does not take {left}; with everything that it takes: {example}")
    return layer
