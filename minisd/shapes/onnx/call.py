"""A node of an ONNX file with what it takes, and the layouts of maps.

ONNX has its maps as (N, C, H, W); a file may turn them to (N, H, W, C) for a while, fold them, as the group norm of an
older file does, (N, C, H, W) -> (N, groups, everything), and flatten them to vectors (N, C). Layers do not care: they
know height, width and channels. So each map goes with its layout here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from minisd.shapes.onnx.constants import CannotTell, Constant, Number, list_of
from minisd.shapes.onnx.model import Node
from minisd.shapes.report.layers import Layer, Map, Pair, Sides

Layout = Literal["NCHW", "NHWC", "NC", "folded", "?"]


class Unsupported(Exception):
    """No layer is known to be what this node does; the message says what it is."""


@dataclass(frozen=True)
class Made:
    """A map that a node made.

    Attributes:
        number: its number in the network; None for what comes of another of the file's inputs, or is no map.
        size: None where it is not known, and then the layout may be "?".
        folded: the shape, where the layout is "folded".
        whole: whether it comes of whole maps, by a mean or by flattening.
    """

    number: int | None
    layout: Layout = "?"
    size: Map | None = None
    folded: tuple[int, ...] = ()
    whole: bool = False

    def shape(self, batch: int) -> tuple[int, ...] | None:
        """The shape of its array; None where it is not known."""
        if self.layout == "folded":
            return self.folded
        if self.layout == "?" or self.size is None:
            return None
        lengths = {"N": batch, "H": self.size.height, "W": self.size.width, "C": self.size.channels}
        return tuple(lengths[letter] for letter in self.layout)

    def sizes(self, batch: int) -> tuple[Number, ...] | None:
        """The shape as numbers to compute with: heights and widths follow the input's, channels do not."""
        shape = self.shape(batch)
        if shape is None:
            return None
        still = {"NCHW": (0, 1), "NHWC": (0, 3), "NC": (0,)}.get(self.layout, ())
        return tuple(Number(size, moves=axis not in still) for axis, size in enumerate(shape))


class Outcome(NamedTuple):
    """What a node makes: the layer, and its output's layout."""

    layer: Layer
    layout: Layout
    folded: tuple[int, ...] = ()


@dataclass
class Call:
    """A node with what it takes.

    Attributes:
        values: None where an input is left out.
        batch: pictures in the arrays.
        one_size: set by operators whose numbers hold for this size of the input only.
    """

    node: Node
    values: Sequence[Made | Constant | None]
    batch: int
    one_size: bool = False

    @property
    def maps(self) -> list[Made]:
        return [value for value in self.values if isinstance(value, Made)]

    @property
    def constants(self) -> list[Constant | None]:
        return [value if isinstance(value, Constant) else None for value in self.values]

    def map(self, *layouts: Layout) -> Made:
        """The first input, the only map, in one of these layouts."""
        if len(self.maps) != 1 or not isinstance(self.values[0], Made):
            raise Unsupported("of several maps" if len(self.maps) > 1 else "with a map in an unusual place")
        if self.maps[0].layout not in (*layouts, "?"):
            raise Unsupported(f"of an array that is not {' or '.join(', '.join(layout) for layout in layouts)}")
        return self.maps[0]

    def weights(self, place: int, axes: int) -> tuple[int, ...]:
        """The shape of a weight."""
        weights = self.constants[place] if place < len(self.values) else None
        if weights is None or weights.shape is None:
            raise Unsupported("with weights that are computed")
        if len(weights.shape) != axes or min(weights.shape) < 1:
            raise Unsupported(f"with weights of shape {' x '.join(map(str, weights.shape))}")
        return weights.shape

    def has(self, place: int) -> bool:
        """Whether an input that may be left out is there."""
        return place < len(self.values) and self.values[place] is not None

    def integer(self, name: str, default: int) -> int:
        found = self.node.attributes.get(name, default)
        if not isinstance(found, int):
            raise Unsupported(f"with an odd {name}")
        return found

    def string(self, name: str, default: str) -> str:
        return str(self.node.attributes.get(name, default))

    def integers(self, name: str, count: int) -> tuple[int, ...] | None:
        found = self.node.attributes.get(name)
        if found is None:
            return None
        if not isinstance(found, tuple) or len(found) != count:
            raise Unsupported(f"with {name} for other than two axes")
        return tuple(int(number) for number in found)

    def pair(self, name: str, default: Pair | None = None) -> Pair:
        found = self.integers(name, 2) or default
        if found is None:
            raise Unsupported(f"without {name}")
        return found[0], found[1]

    def padding(self) -> tuple[Sides | None, bool]:
        """The padding, None for "same", and whether that puts the odd row before the map."""
        automatic = self.string("auto_pad", "NOTSET")
        if automatic in ("SAME_UPPER", "SAME_LOWER"):
            return None, automatic == "SAME_LOWER"
        top, left, bottom, right = (automatic != "VALID" and self.integers("pads", 4)) or (0, 0, 0, 0)
        return ((top, bottom), (left, right)), False

    def numbers(self, name: str, place: int) -> tuple[int, ...] | None:
        """Numbers from an attribute or an input; where they follow the input's size, the network holds for one."""
        constant = self.constants[place] if place < len(self.values) else None
        self.one_size |= constant is not None and constant.moves
        if place < len(self.values) and isinstance(self.values[place], Made):
            raise CannotTell
        return list_of(self.node, self.constants, name, place)
