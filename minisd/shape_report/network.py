"""A network as data: which layer takes which maps."""

from __future__ import annotations

from dataclasses import dataclass

from minisd.shape_report.layers import Layer, Map


@dataclass(frozen=True)
class Step:
    """One layer at its place in a network.

    Attributes:
        text: what the user wrote, or the layer's name in a file.
        layer: what it does to sizes; None where this is not known.
        inputs: numbers of the maps that it takes: 0 is the network's input, k the output of step k - 1.
    """

    text: str
    layer: Layer | None
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """The size of the input, and the steps in an order in which each finds its inputs made."""

    input: Map
    steps: tuple[Step, ...]

    def with_input(self, height: int, width: int) -> Network:
        """The same network for pictures of another size."""
        return Network(Map(height, width, self.input.channels), self.steps)
