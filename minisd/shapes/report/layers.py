"""What each kind of layer does to sizes: the formula of its output, its parameters, its work, what it sees.

Height and width are axes 0 and 1, and each follows its formula on its own. A layer's inputs are the maps that it
takes, most often one; a layer with a copy takes two, the one before it and the copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import floor
from struct import pack, unpack
from typing import NamedTuple

from minisd_kernels.shapes import (
    ReceptiveField,
    ShapeError,
    ceil_output_size,
    crop_offset,
    effective_window,
    same_padding,
    transposed_output_size,
    unread_rows,
    window_output_size,
)

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (before, after) for height, then for width
Part = tuple[int, int, int]  # start, stop and step, as Python's slices have them

AXES = ("height", "width")


class Map(NamedTuple):
    """The size of one map, height x width x channels; a vector is 1 x 1 x its length."""

    height: int
    width: int
    channels: int

    @property
    def values(self) -> int:
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height} x {self.width} x {self.channels}"


@dataclass(frozen=True)
class Layer:
    """A layer that changes nothing: the other kinds say what they do differently.

    ``axis`` is 0 for the height and 1 for the width; ``sizes``, ``fields`` and ``inputs`` have one entry an input.
    """

    sees_all = False  # whether every pixel depends on all of the input map

    def size(self, axis: int, sizes: list[int]) -> int:
        """Output size along an axis. Raises ShapeError where there can be none."""
        return sizes[0]

    def formula(self, axis: int, sizes: list[int]) -> str:
        """The right-hand side of the size's equation, the numbers filled in; empty where the size stays."""
        return ""

    def unread(self, axis: int, sizes: list[int]) -> int:
        """Rows at the end of the padded input that no window reads."""
        return 0

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        """What the output's rows see of the net's input. Raises ValueError where two inputs do not match."""
        return fields[0]

    def channels(self, inputs: list[Map]) -> int:
        """Channels of the output. Raises ShapeError where they do not fit."""
        return inputs[0].channels

    def parameters(self, inputs: list[Map]) -> int:
        return 0

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        """Multiplications with an addition each, for one picture; bias, norms and activations are not counted."""
        return 0

    def output(self, inputs: list[Map]) -> Map:
        """The output's size as a whole. Raises ShapeError where there can be none."""
        height, width = (self.size(axis, [map[axis] for map in inputs]) for axis in (0, 1))
        return Map(height, width, self.channels(inputs))


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation or a norm; `per_channel` parameters for each channel.

    Attributes:
        told: length of a vector (the time, the prompt) that a norm's scale and shift come of, by a linear layer each.
    """

    name: str
    per_channel: int = 0
    told: int = 0

    def parameters(self, inputs: list[Map]) -> int:
        return (self.per_channel + (2 * (self.told + 1) if self.told else 0)) * inputs[0].channels

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return 2 * self.told * output.channels


@dataclass(frozen=True)
class Shift(Layer):
    """A vector of `width` numbers (the time, the prompt) through a linear layer, added to every pixel."""

    width: int

    def parameters(self, inputs: list[Map]) -> int:
        return (self.width + 1) * inputs[0].channels

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return self.width * output.channels


@dataclass(frozen=True)
class Window(Layer):
    """What convolutions and poolings share: O = floor((I + 2P - F_eff) / S) + 1.

    Attributes:
        padding: the rows before and after; None is "same" padding, which depends on the size.
        ceil: count with ceil instead of floor, and let the last window reach over the end.
        odd_before: put the odd row of "same" padding before the map, not behind it.
    """

    window: Pair
    stride: Pair = (1, 1)
    padding: Sides | None = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    ceil: bool = False
    odd_before: bool = False

    def sides(self, axis: int, size: int) -> Pair:
        if self.padding is None:
            before, after = same_padding(size, self.window[axis], self.stride[axis], self.dilation[axis])
            return (after, before) if self.odd_before else (before, after)
        return self.padding[axis]

    def _geometry(self, axis: int, size: int) -> tuple[int, int, Pair, int]:
        return self.window[axis], self.stride[axis], self.sides(axis, size), self.dilation[axis]

    def size(self, axis: int, sizes: list[int]) -> int:
        count = ceil_output_size if self.ceil else window_output_size
        return count(sizes[0], *self._geometry(axis, sizes[0]))

    def formula(self, axis: int, sizes: list[int]) -> str:
        window, stride, sides, dilation = self._geometry(axis, sizes[0])
        quotient = f"({sizes[0]} + {_twice(sides)} - {_span(window, dilation)}) / {stride}"
        if not self.ceil:
            return f"floor({quotient}) + 1"
        room = sizes[0] + sum(sides) - effective_window(window, dilation)
        left_out = -(-room // stride) + 1 - self.size(axis, sizes)  # the last, where it would start behind the map
        return f"ceil({quotient}) + 1" + f" - {left_out}" * bool(left_out)

    def unread(self, axis: int, sizes: list[int]) -> int:
        return 0 if self.ceil else unread_rows(sizes[0], *self._geometry(axis, sizes[0]))

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_window(*self._geometry(axis, sizes[0]))


@dataclass(frozen=True)
class Convolution(Window):
    """A convolution with `outputs` filters; with groups, each filter spans only its group's channels.

    Attributes:
        inputs: channels that its weights were made for, where it has weights already.
    """

    outputs: int = 1
    groups: int = 1
    inputs: int | None = None
    bias: bool = True

    def channels(self, inputs: list[Map]) -> int:
        _check_channels(inputs[0].channels, self.inputs)
        _check_groups(inputs[0].channels, self.outputs, self.groups)
        return self.outputs

    def parameters(self, inputs: list[Map]) -> int:
        taps = self.window[0] * self.window[1] * (inputs[0].channels // self.groups)
        return (taps + self.bias) * self.outputs

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return self.window[0] * self.window[1] * (inputs[0].channels // self.groups) * output.values


@dataclass(frozen=True)
class Pooling(Window):
    """The largest number of each window, or the average."""

    average: bool = False

    def size(self, axis: int, sizes: list[int]) -> int:
        before, after = self.sides(axis, sizes[0])
        span = effective_window(self.window[axis], self.dilation[axis])
        if max(before, after) >= span:
            raise ShapeError(
                f"a padding of {max(before, after)} would hold whole windows of {span}, and a window of padding alone "
                f"has no {'average' if self.average else 'maximum'}; pad at most {span - 1}"
            )
        return super().size(axis, sizes)


@dataclass(frozen=True)
class TransposedConvolution(Layer):
    """An up-convolution: O = S (I - 1) + F_eff - 2P + a."""

    window: Pair
    outputs: int
    stride: Pair = (1, 1)
    padding: Sides = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    output_padding: Pair = (0, 0)
    groups: int = 1
    inputs: int | None = None
    bias: bool = True

    def size(self, axis: int, sizes: list[int]) -> int:
        return transposed_output_size(
            sizes[0], self.window[axis], self.stride[axis], self.padding[axis], self.dilation[axis],
            self.output_padding[axis],
        )  # fmt: skip

    def formula(self, axis: int, sizes: list[int]) -> str:
        span = _span(self.window[axis], self.dilation[axis])
        sides, extra = _twice(self.padding[axis]), self.output_padding[axis]
        return f"{self.stride[axis]}*({sizes[0]} - 1) + {span} - {sides} + {extra}"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_transposed(
            self.window[axis], self.stride[axis], self.padding[axis], self.dilation[axis]
        )

    def channels(self, inputs: list[Map]) -> int:
        _check_channels(inputs[0].channels, self.inputs)
        _check_groups(inputs[0].channels, self.outputs, self.groups)
        return self.outputs

    def parameters(self, inputs: list[Map]) -> int:
        taps = self.window[0] * self.window[1] * inputs[0].channels * (self.outputs // self.groups)
        return taps + self.bias * self.outputs

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return self.window[0] * self.window[1] * (self.outputs // self.groups) * inputs[0].values


def same_cut(window: Pair, stride: Pair, dilation: Pair) -> tuple[Sides, Pair]:
    """Padding and output padding with which O = S I: the transpose of "same" padding, an odd row cut off the end.

    >>> same_cut((3, 2), (2, 3), (1, 1))
    (((0, 1), (0, 0)), (0, 1))
    """
    more = [effective_window(window[axis], dilation[axis]) - stride[axis] for axis in (0, 1)]
    height, width = ((max(0, rows) // 2, max(0, rows) - max(0, rows) // 2) for rows in more)
    return (height, width), (max(0, -more[0]), max(0, -more[1]))


@dataclass(frozen=True)
class Upsampling(Layer):
    """Every pixel repeated, or linear from pixel to pixel: O = scale I."""

    scale: Pair
    linear: bool = False

    def size(self, axis: int, sizes: list[int]) -> int:
        return self.scale[axis] * sizes[0]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return f"{self.scale[axis]} * {sizes[0]}"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        scale = self.scale[axis]
        if self.linear:  # a transposed convolution whose weights rise and fall over two pixels (Long et al. 2015)
            return fields[0].through_transposed(2 * scale - scale % 2, stride=scale, padding=scale // 2)
        return fields[0].through_upsampling(scale)


@dataclass(frozen=True)
class PixelShuffle(Layer):
    """The numbers of each pixel laid out as scale x scale pixels: O = scale I (Shi et al. 2016, equation 4)."""

    scale: int

    def size(self, axis: int, sizes: list[int]) -> int:
        return self.scale * sizes[0]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return f"{self.scale} * {sizes[0]}"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_upsampling(self.scale)

    def channels(self, inputs: list[Map]) -> int:
        channels, left = divmod(inputs[0].channels, self.scale**2)
        if left:
            raise ShapeError(f"{inputs[0].channels} channels do not divide into {self.scale} x {self.scale} pixels")
        return channels


@dataclass(frozen=True)
class Resizing(Layer):
    """The map stretched or shrunk to a size, or by a factor that need not be whole: O = floor(factor I).

    The product is rounded as float32 has it, the type that runtimes multiply in.
    """

    to: Pair | None = None
    factor: tuple[float, float] = (1.0, 1.0)

    def size(self, axis: int, sizes: list[int]) -> int:
        out = self.to[axis] if self.to else floor(_float32(self.factor[axis] * sizes[0]))
        if out < 1:
            how = f"resized to {out}" if self.to else f"times {self.factor[axis]:g}"
            raise ShapeError(f"a {AXES[axis]} of {sizes[0]} {how} leaves nothing")
        return out

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(self.to[axis]) if self.to else f"floor({self.factor[axis]:g} * {sizes[0]})"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        raise ValueError("which pixels a resized pixel sees follows no pattern of whole rows")


@dataclass(frozen=True)
class Border(Layer):
    """Rows added before and after, or with negative numbers cut off: O = I + before + after."""

    sides: Sides

    def size(self, axis: int, sizes: list[int]) -> int:
        out = sizes[0] + sum(self.sides[axis])
        if out < 1:
            before, after = (-side for side in self.sides[axis])
            raise ShapeError(f"a crop of {before} + {after} leaves nothing of {sizes[0]}; crop less")
        return out

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(sizes[0]) + "".join(f" {'+' if side >= 0 else '-'} {abs(side)}" for side in self.sides[axis])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].moved(-self.sides[axis][0])


@dataclass(frozen=True)
class Slicing(Layer):
    """A part of the map, by height, width and channels: O = ceil((stop - start) / step)."""

    parts: tuple[Part, Part, Part]

    def _kept(self, axis: int, size: int) -> range:
        kept = range(size)[slice(*self.parts[axis])]
        if not kept:
            start, stop, _ = self.parts[axis]
            raise ShapeError(f"the part {start}:{stop} of {size} {(*AXES, 'channels')[axis]} is empty")
        return kept

    def size(self, axis: int, sizes: list[int]) -> int:
        kept = self._kept(axis, sizes[0])
        return -(-(kept.stop - kept.start) // kept.step)

    def formula(self, axis: int, sizes: list[int]) -> str:
        kept = self._kept(axis, sizes[0])
        if kept == range(sizes[0]):
            return ""
        return f"{kept.stop} - {kept.start}" if kept.step == 1 else f"ceil(({kept.stop} - {kept.start}) / {kept.step})"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        kept = self._kept(axis, sizes[0])
        return fields[0].moved(kept.start).through_window(1, stride=kept.step)

    def channels(self, inputs: list[Map]) -> int:
        return self.size(2, [inputs[0].channels])


class FitTo(Layer):
    """The centre of the map, cropped to the size of the second one: 8 to 7 where an odd size was halved and doubled."""

    def size(self, axis: int, sizes: list[int]) -> int:
        crop_offset(sizes[0], sizes[1])
        return sizes[1]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return _crop(sizes[0], sizes[1])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].moved(crop_offset(sizes[0], sizes[1]))


@dataclass(frozen=True)
class Stacking(Layer):
    """All maps one after the other, along the height or the width; their other sizes must agree."""

    along: int

    def size(self, axis: int, sizes: list[int]) -> int:
        return sum(sizes) if axis == self.along else _agreed(AXES[axis], sizes)

    def formula(self, axis: int, sizes: list[int]) -> str:
        return " + ".join(map(str, sizes)) if axis == self.along else ""

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        raise ValueError("rows of several maps, one after the other, follow no one pattern")

    def channels(self, inputs: list[Map]) -> int:
        return _agreed("the number of channels", [map.channels for map in inputs])


class Concatenation(Layer):
    """All maps' channels side by side; their sizes must agree."""

    def size(self, axis: int, sizes: list[int]) -> int:
        return _agreed(AXES[axis], sizes)

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(sizes[1])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return _all_together(fields)

    def channels(self, inputs: list[Map]) -> int:
        return sum(map.channels for map in inputs)


class Addition(Concatenation):
    """All maps added; sizes and channels must agree."""

    def channels(self, inputs: list[Map]) -> int:
        first, *others = (map.channels for map in inputs)
        if any(other != first for other in others):
            raise ShapeError(f"{first} channels meet {' and '.join(map(str, others))}: they must agree")
        return first


class Elementwise(Layer):
    """All maps added, multiplied or the like, number by number; what there is one of meets all of the others'."""

    def _meet(self, what: str, counts: list[int]) -> int:
        if len(set(counts) - {1}) > 1:
            raise ShapeError(f"{what} {counts[0]} meets {' and '.join(map(str, counts[1:]))}: they must agree, or be 1")
        return max(counts)

    def size(self, axis: int, sizes: list[int]) -> int:
        return self._meet(AXES[axis], sizes)

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(max(sizes)) if len(set(sizes)) > 1 else ""

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        if len(set(sizes)) > 1:
            raise ValueError("one row that meets many has no row of the input beside it")
        return _all_together(fields)

    def channels(self, inputs: list[Map]) -> int:
        return self._meet("the number of channels", [map.channels for map in inputs])


class CopyAndCrop(Layer):
    """The U-Net's skip: the second map, cropped to the size of the first, its channels put beside the first's."""

    def size(self, axis: int, sizes: list[int]) -> int:
        if sizes[1] < sizes[0]:
            raise ShapeError(
                f"the copy's {AXES[axis]} {sizes[1]} is smaller than {sizes[0]}: a copy can be cropped, not stretched"
            )
        return sizes[0]

    def crop(self, axis: int, sizes: list[int]) -> Pair:
        """Rows cut off the copy, before and after."""
        before = crop_offset(sizes[1], sizes[0])
        return before, sizes[1] - sizes[0] - before

    def formula(self, axis: int, sizes: list[int]) -> str:
        return _crop(sizes[1], sizes[0])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].together(fields[1].moved(self.crop(axis, sizes)[0]))

    def channels(self, inputs: list[Map]) -> int:
        return inputs[0].channels + inputs[1].channels


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """One number for each channel, from all of the map; or from all of its rows, columns or channels alone.

    Attributes:
        over: the axes that one number is made of: 0 the height, 1 the width, 2 the channels.
    """

    over: tuple[int, ...] = (0, 1)

    def size(self, axis: int, sizes: list[int]) -> int:
        return 1 if axis in self.over else sizes[0]

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_window(sizes[0]) if axis in self.over else fields[0]

    def channels(self, inputs: list[Map]) -> int:
        return 1 if 2 in self.over else inputs[0].channels


@dataclass(frozen=True)
class Flatten(GlobalPooling):
    """The whole map as one vector of H W C numbers."""

    def channels(self, inputs: list[Map]) -> int:
        return inputs[0].values


@dataclass(frozen=True)
class Unflatten(Layer):
    """A vector as a map of this height and width; its numbers divided by the pixels are the channels."""

    to: Pair

    def size(self, axis: int, sizes: list[int]) -> int:
        return self.to[axis]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(self.to[axis])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        raise ValueError("the pixels of a vector lie in no order")

    def channels(self, inputs: list[Map]) -> int:
        channels, left = divmod(inputs[0].values, self.to[0] * self.to[1])
        if left:
            raise ShapeError(f"{inputs[0].values} numbers do not fill {self.to[0]} x {self.to[1]} pixels evenly")
        return channels


@dataclass(frozen=True)
class Stated(Layer):
    """Work that follows no formula of these, on to a size that is known: a file says it."""

    to: Map
    sees_all: bool = False

    def size(self, axis: int, sizes: list[int]) -> int:
        return self.to[axis]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(self.to[axis])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        raise ValueError("what work that is not known makes of its input is not known either")

    def channels(self, inputs: list[Map]) -> int:
        return self.to.channels


class Source(Stated):
    """Another input of the network beside the picture: the time, a prompt, a mask. It sees nothing of the picture."""

    def formula(self, axis: int, sizes: list[int]) -> str:
        return ""


@dataclass(frozen=True)
class Linear(Layer):
    """A linear layer over the channels of every pixel; `inputs` as a convolution's."""

    outputs: int
    inputs: int | None = None
    bias: bool = True

    def channels(self, inputs: list[Map]) -> int:
        _check_channels(inputs[0].channels, self.inputs)
        return self.outputs

    def parameters(self, inputs: list[Map]) -> int:
        return (inputs[0].channels + self.bias) * self.outputs

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return inputs[0].channels * output.values


@dataclass(frozen=True)
class Transformer(Layer):
    """A transformer block over the pixels: self-attention, cross-attention to a context, a two-layer perceptron.

    Attributes:
        context: width of the prompt's tokens; 0 leaves the cross-attention out.
        expansion: width of the perceptron's middle, in channels.
        told: length of a vector (the time, the prompt) that the scales, shifts and gates of self-attention and
            perceptron come of, by a linear layer each, and then no norm has parameters (adaLN-zero); 0 for norms.
    """

    sees_all = True

    context: int = 0
    expansion: int = 4
    told: int = 0

    def parameters(self, inputs: list[Map]) -> int:
        C = inputs[0].channels
        attention = 3 * C * C + C * C + C  # query, key, value; out with its bias
        cross = (2 * C * C + 2 * self.context * C + C) if self.context else 0
        perceptron = 2 * self.expansion * C * C + (self.expansion + 1) * C
        norms = 6 * (self.told + 1) * C if self.told else (6 if self.context else 4) * C
        return attention + cross + perceptron + norms

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        C, N = output.channels, output.height * output.width
        attention = 4 * N * C * C + 2 * N * N * C
        cross = 2 * N * C * C if self.context else 0  # the pixels' part; how long the prompt is, is not known here
        return attention + cross + 2 * self.expansion * N * C * C + 6 * self.told * C


def _agreed(what: str, counts: list[int]) -> int:
    if len(set(counts)) > 1:
        raise ShapeError(f"{what} {counts[0]} meets {' and '.join(map(str, counts[1:]))}: they must agree")
    return counts[0]


def _check_channels(got: int, wanted: int | None) -> None:
    if wanted is not None and got != wanted:
        raise ShapeError(f"{got} channels come in, and the weights are made for {wanted}")


def _check_groups(inputs: int, outputs: int, groups: int) -> None:
    if inputs % groups or outputs % groups:
        raise ShapeError(f"{inputs} channels in and {outputs} out do not both split into {groups} groups")


def _all_together(fields: list[ReceptiveField]) -> ReceptiveField:
    """What maps see that are laid side by side or added. Raises ValueError where they do not match."""
    return reduce(ReceptiveField.together, fields)


def _float32(number: float) -> float:
    try:
        return float(unpack("f", pack("f", number))[0])
    except OverflowError:
        return number


def _span(window: int, dilation: int) -> str:
    """F_eff as it is written in a formula."""
    return str(window) if dilation == 1 else f"({dilation}*({window} - 1) + 1)"


def _twice(sides: Pair) -> str:
    """2P as it is written in a formula; both sides where they differ."""
    return f"2*{sides[0]}" if sides[0] == sides[1] else f"({sides[0]} + {sides[1]})"


def _crop(larger: int, smaller: int) -> str:
    before = crop_offset(larger, smaller)
    return f"{larger} - {before} - {larger - smaller - before}"
