"""One node with what it takes and makes, and how to ask for its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx

from minisd.shapes.onnx.axes import Axes, Shape, layout_of
from minisd.shapes.onnx.values import Value
from minisd.shapes.report.layers import Map, Pair


@dataclass(frozen=True)
class Call:
    """A node with what it takes. What it is asked for and does not have is a LookupError or a ValueError.

    Attributes:
        inputs: None where one is left out.
        outputs: what the onnx package infers of them, or the file states.
        batch: pictures in the arrays.
    """

    node: Any
    inputs: Sequence[Value | None]
    outputs: Sequence[Value]
    batch: int

    @property
    def operator(self) -> str:
        """Its name, with a domain's before it where it is none of the standard's."""
        domain = self.node.domain
        return str(self.node.op_type) if domain in ("", "ai.onnx") else f"{domain}.{self.node.op_type}"

    @property
    def maps(self) -> list[Value]:
        return [value for value in self.inputs if value is not None and value.number is not None]

    def value(self, place: int) -> Value | None:
        return self.inputs[place] if place < len(self.inputs) else None

    def given(self, place: int) -> Shape:
        """The shape of an input."""
        value = self.value(place)
        if value is None or value.shape is None:
            raise LookupError("an input of a size that is not known")
        return value.shape

    def made(self, place: int = 0) -> Shape:
        """The shape of an output."""
        if (shape := self.outputs[place].shape) is None:
            raise LookupError("an output of a size that is not known")
        return shape

    @property
    def axes(self) -> Axes:
        """Those of the first input."""
        if (value := self.value(0)) is None or value.axes is None:
            raise LookupError("an array that is no picture")
        return value.axes

    @property
    def is_picture(self) -> bool:
        """Whether the first input is one, (N, C, H, W) as operators with windows want it."""
        value = self.value(0)
        return value is not None and layout_of(value.axes or ()) == "NCHW" and value.map is not None

    @property
    def picture(self) -> Map:
        """What the first input holds."""
        if (value := self.value(0)) is None or value.map is None:
            raise LookupError("an array that is no picture")
        return value.map

    def attribute(self, name: str, default: Any = None) -> Any:
        """A number, a list as a tuple, or a text."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                found = onnx.helper.get_attribute_value(attribute)
                if isinstance(found, bytes):
                    return found.decode("utf-8", "replace")
                return found if isinstance(found, int | float) else tuple(found)
        return default

    def pair(self, name: str, default: Pair | None = None) -> Pair:
        """An attribute with a number for the height and one for the width."""
        height, width = self.attribute(name, default)
        return int(height), int(width)

    def numbers(self, name: str, place: int) -> tuple[Any, ...] | None:
        """Numbers that older files have as an attribute and newer ones as an input; None where they are left out."""
        value, found = self.value(place), self.attribute(name)
        if value is None or found is not None:
            return (found,) if isinstance(found, int) else found
        return tuple(value.numbers.ravel().tolist())

    def places(self, axes: Sequence[int] | None) -> list[int]:
        """Axes of the first input counted from 0; all of them where none are named."""
        rank = len(self.axes)
        return [range(rank)[axis] for axis in axes] if axes else list(range(rank))

    def work(self, shape: Shape, products: int) -> int:
        """Multiply-adds of so many products for each number of an array, for one picture."""
        return prod(shape) * products // (self.batch if shape and shape[0] % self.batch == 0 else 1)
