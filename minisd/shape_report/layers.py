"""What each kind of layer does to sizes: the formula of its output, its parameters, its work, what it sees.

Height and width are axes 0 and 1, and each follows its formula on its own. A layer's inputs are the maps that it
takes, most often one; a layer with a copy takes two, the one before it and the copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from minisd_kernels.shapes import (
    ReceptiveField,
    ShapeError,
    ceil_output_size,
    crop_offset,
    same_padding,
    transposed_output_size,
    unread_rows,
    window_output_size,
)

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (before, after) for height, then for width

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


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation or a norm; `per_channel` parameters for each channel."""

    name: str
    per_channel: int = 0

    def parameters(self, inputs: list[Map]) -> int:
        return self.per_channel * inputs[0].channels


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
    """

    window: Pair
    stride: Pair = (1, 1)
    padding: Sides | None = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    ceil: bool = False

    def sides(self, axis: int, size: int) -> Pair:
        if self.padding is None:
            return same_padding(size, self.window[axis], self.stride[axis], self.dilation[axis])
        return self.padding[axis]

    def _geometry(self, axis: int, size: int) -> tuple[int, int, Pair, int]:
        return self.window[axis], self.stride[axis], self.sides(axis, size), self.dilation[axis]

    def size(self, axis: int, sizes: list[int]) -> int:
        count = ceil_output_size if self.ceil else window_output_size
        return count(sizes[0], *self._geometry(axis, sizes[0]))

    def formula(self, axis: int, sizes: list[int]) -> str:
        rounding = "ceil" if self.ceil else "floor"
        padded = f"{sizes[0]} + {_twice(self.sides(axis, sizes[0]))}"
        return f"{rounding}(({padded} - {_span(self.window[axis], self.dilation[axis])}) / {self.stride[axis]}) + 1"

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
        if inputs[0].channels % self.groups or self.outputs % self.groups:
            raise ShapeError(
                f"{inputs[0].channels} channels in and {self.outputs} out do not both split into {self.groups} groups"
            )
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
        if inputs[0].channels % self.groups or self.outputs % self.groups:
            raise ShapeError(
                f"{inputs[0].channels} channels in and {self.outputs} out do not both split into {self.groups} groups"
            )
        return self.outputs

    def parameters(self, inputs: list[Map]) -> int:
        taps = self.window[0] * self.window[1] * inputs[0].channels * (self.outputs // self.groups)
        return taps + self.bias * self.outputs

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        return self.window[0] * self.window[1] * (self.outputs // self.groups) * inputs[0].values


@dataclass(frozen=True)
class Upsampling(Layer):
    """Every pixel repeated: O = scale I."""

    scale: Pair

    def size(self, axis: int, sizes: list[int]) -> int:
        return self.scale[axis] * sizes[0]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return f"{self.scale[axis]} * {sizes[0]}"

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_upsampling(self.scale[axis])


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


class FitTo(Layer):
    """The centre of the map, cropped to the size of the second one: 8 to 7 where an odd size was halved and doubled."""

    def size(self, axis: int, sizes: list[int]) -> int:
        crop_offset(sizes[0], sizes[1])
        return sizes[1]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return _crop(sizes[0], sizes[1])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].moved(crop_offset(sizes[0], sizes[1]))


class Concatenation(Layer):
    """All maps' channels side by side; their sizes must agree."""

    def size(self, axis: int, sizes: list[int]) -> int:
        if len(set(sizes)) > 1:
            raise ShapeError(f"{AXES[axis]} {sizes[0]} meets {' and '.join(map(str, sizes[1:]))}: they must agree")
        return sizes[0]

    def formula(self, axis: int, sizes: list[int]) -> str:
        return str(sizes[1])

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        together = fields[0]
        for field in fields[1:]:
            together = together.together(field)
        return together

    def channels(self, inputs: list[Map]) -> int:
        return sum(map.channels for map in inputs)


class Addition(Concatenation):
    """All maps added; sizes and channels must agree."""

    def channels(self, inputs: list[Map]) -> int:
        first, *others = (map.channels for map in inputs)
        if any(other != first for other in others):
            raise ShapeError(f"{first} channels meet {' and '.join(map(str, others))}: they must agree")
        return first


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


class GlobalPooling(Layer):
    """One number for each channel, from all of the map."""

    def size(self, axis: int, sizes: list[int]) -> int:
        return 1

    def field(self, axis: int, fields: list[ReceptiveField], sizes: list[int]) -> ReceptiveField:
        return fields[0].through_window(sizes[0])


class Flatten(GlobalPooling):
    """The whole map as one vector of H W C numbers."""

    def channels(self, inputs: list[Map]) -> int:
        return inputs[0].values


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
    """

    sees_all = True

    context: int = 0
    expansion: int = 4

    def parameters(self, inputs: list[Map]) -> int:
        C = inputs[0].channels
        attention = 3 * C * C + C * C + C + 2 * C  # query, key, value; out with its bias; the norm
        cross = (2 * C * C + 2 * self.context * C + C + 2 * C) if self.context else 0
        perceptron = 2 * self.expansion * C * C + (self.expansion + 1) * C + 2 * C
        return attention + cross + perceptron

    def multiply_adds(self, inputs: list[Map], output: Map) -> int:
        C, N = output.channels, output.height * output.width
        attention = 4 * N * C * C + 2 * N * N * C
        cross = 2 * N * C * C if self.context else 0  # the pixels' part; how long the prompt is, is not known here
        return attention + cross + 2 * self.expansion * N * C * C


def _check_channels(got: int, wanted: int | None) -> None:
    if wanted is not None and got != wanted:
        raise ShapeError(f"{got} channels come in, and the weights are made for {wanted}")


def _span(window: int, dilation: int) -> str:
    """F_eff as it is written in a formula."""
    return str(window) if dilation == 1 else f"({dilation}*({window} - 1) + 1)"


def _twice(sides: Pair) -> str:
    """2P as it is written in a formula; both sides where they differ."""
    return f"2*{sides[0]}" if sides[0] == sides[1] else f"({sides[0]} + {sides[1]})"


def _crop(larger: int, smaller: int) -> str:
    before = crop_offset(larger, smaller)
    return f"{larger} - {before} - {larger - smaller - before}"
