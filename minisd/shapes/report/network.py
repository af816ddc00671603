"""A network as data: which layer takes which maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from minisd.shapes.report.layers import Layer, Map


@dataclass(frozen=True)
class Step:
    """One layer at its place in a network.

    Attributes:
        text: what the user wrote, or the layer's name in a file.
        layer: what it does to sizes; None where this is not known.
        inputs: numbers of the maps that it takes: 0 is the network's input, k the output of step k - 1.
        parameters: as many as a file stores; None where the layer's sizes say how many it has.
        multiply_adds: those of arrays that are multiplied, which no layer counts.
        array: the shape of what it makes where that is no picture (height, width, channels) as it lies: scores of an
            attention, windows, pixels in a row. Of a picture arranged otherwise the layer still knows the size.
        unknown: why its work is not known, where it is not.
    """

    text: str
    layer: Layer | None
    inputs: tuple[int, ...]
    parameters: int | None = None
    multiply_adds: int | None = None
    array: tuple[int, ...] | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Network:
    """The size of the input, and the steps in an order in which each finds its inputs made.

    Attributes:
        one_size: whether some layers' numbers were computed for this size of the input, and hold for no other.
    """

    input: Map
    steps: tuple[Step, ...]
    one_size: bool = False

    def with_input(self, height: int, width: int) -> Network:
        """The same network for pictures of another size.

        Raises:
            ValueError: its layers hold for one size only.
        """
        if self.one_size and (height, width) != self.input[:2]:
            raise ValueError(
                f"this network was computed for {self.input.height} x {self.input.width} and does not hold for "
                f"{height} x {width}: read its file again for that size"
            )
        steps = self.steps
        if (height, width) != self.input[:2]:
            steps = tuple(replace(step, array=None) for step in steps)  # they lie otherwise now
        return replace(self, input=Map(height, width, self.input.channels), steps=steps)
