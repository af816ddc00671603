"""The sums that an ONNX file does with sizes: exporters write "half of the difference of two heights" as a dozen nodes.

They are done here on small arrays of numbers, each of which remembers whether it came from the size of a map. Of a
weight only the shape is followed, and which weights it was made of.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import NamedTuple

from minisd.shapes.onnx.model import MOST_NUMBERS, Node, Tensor

_LARGEST = 2**63


class Number(NamedTuple):
    """A number, and whether it follows the size of a map, and would be another for another input."""

    value: float
    moves: bool = False


@dataclass(frozen=True)
class Constant:
    """An array in the order of memory.

    Attributes:
        shape: None where it is not known.
        numbers: None where they are not known, as a weight's.
        weights: the stored tensors that it was made of, names and how many numbers they have.
    """

    shape: tuple[int, ...] | None = None
    numbers: tuple[Number, ...] | None = None
    weights: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of_tensor(cls, name: str, tensor: Tensor) -> Constant:
        numbers = tensor.numbers()
        known = None if numbers is None else tuple(Number(number) for number in numbers)
        return cls(tensor.shape, known, ((name, prod(tensor.shape)),) if tensor.is_weight else ())

    @classmethod
    def of_sizes(cls, numbers: Sequence[Number]) -> Constant:
        """A list of sizes."""
        return cls((len(numbers),), tuple(numbers))

    @property
    def moves(self) -> bool:
        return any(number.moves for number in self.numbers or ())

    def integers(self) -> tuple[int, ...] | None:
        """All numbers, where they are known and whole."""
        if self.numbers is None or not all(math.isfinite(number.value) for number in self.numbers):
            return None
        return tuple(int(number.value) for number in self.numbers)


class CannotTell(Exception):
    """The numbers that are needed are not known."""


def compute(node: Node, inputs: Sequence[Constant | None]) -> Constant:
    """What a node makes of constants; all unknown where that cannot be told.

    >>> heights = [Constant((), (Number(9, moves=True),)), Constant((), (Number(4, moves=True),))]
    >>> compute(Node("Sub", "", ("a", "b"), ("c",), {}), heights)
    Constant(shape=(), numbers=(Number(value=5, moves=True),), weights=())
    """
    if node.operator in ("QuantizeLinear", "DequantizeLinear"):
        inputs = inputs[:1]  # not the scale, which was not learned
    try:
        made = _COMPUTE[node.operator](node, list(inputs)) if node.operator in _COMPUTE else Constant()
    except (CannotTell, ArithmeticError, ValueError, IndexError, TypeError):
        made = Constant()  # nothing to compute with, or nothing that it could be
    if made.shape is not None and min(made.shape, default=0) < 0:
        made = Constant()
    if made.numbers is not None and any(abs(number.value) >= _LARGEST for number in made.numbers):
        made = replace(made, numbers=None)  # a file's numbers have 64 bits
    taken = [weight for constant in [*inputs, made] if constant for weight in constant.weights]
    return replace(made, weights=tuple(dict.fromkeys(taken)))


def of_attribute(node: Node) -> Constant:
    """What a Constant node holds."""
    match [node.attributes[key] for key in sorted(node.attributes) if key.startswith("value")]:
        case [Tensor() as tensor]:
            return Constant.of_tensor(node.outputs[0], tensor)
        case [tuple() as numbers]:
            return Constant.of_sizes([Number(number) for number in numbers])
        case [int() | float() as number]:
            return Constant((), (Number(number),))
    return Constant()


_Inputs = list[Constant | None]


def _given(inputs: _Inputs, place: int) -> Constant:
    found = inputs[place] if place < len(inputs) else None
    if found is None:
        raise CannotTell
    return found


def _shape(constant: Constant) -> tuple[int, ...]:
    if constant.shape is None:
        raise CannotTell
    return constant.shape


def _numbers(constant: Constant) -> tuple[Number, ...]:
    if constant.numbers is None:
        raise CannotTell
    return constant.numbers


def list_of(node: Node, inputs: Sequence[Constant | None], name: str, place: int) -> tuple[int, ...] | None:
    """Whole numbers that older files have as an attribute and newer ones as an input; None where they are left out."""
    attribute = node.attributes.get(name)
    if isinstance(attribute, tuple):
        return tuple(int(number) for number in attribute)
    found = inputs[place] if place < len(inputs) else None
    if found is None:
        return None
    whole = found.integers()
    if whole is None:
        raise CannotTell
    return whole


def axis_of(node: Node, rank: int, default: int) -> int:
    """The attribute "axis"; negative ones count from the end."""
    axis = node.attributes.get("axis", default)
    if not isinstance(axis, int):
        raise CannotTell
    return axes_of([axis], rank)[0]


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from 0; negative ones count from the end. Raises ValueError where there are none or one is twice.

    >>> axes_of((2, -1), rank=4)
    [2, 3]
    """
    places = [axis % rank for axis in axes]
    if not all(-rank <= axis < rank for axis in axes) or len(set(places)) < len(places) or not places:
        raise ValueError(f"{tuple(axes)} are no {len(axes)} of {rank} axes")
    return places


def resolve_shape(target: Sequence[int], shape: Sequence[int], zero_is_zero: bool = False) -> tuple[int, ...]:
    """The shape that Reshape makes: 0 takes over the axis, -1 is what is left. Raises ValueError where there is none.

    >>> resolve_shape((0, -1), (1, 8, 7, 7))
    (1, 392)
    """
    out = [shape[axis] if size == 0 and not zero_is_zero else size for axis, size in enumerate(target)]
    if out.count(-1) == 1:
        out[out.index(-1)] = prod(shape) // max(1, -prod(out))
    if min(out, default=1) < 0 or prod(out) != prod(shape):
        raise ValueError(f"{tuple(shape)} cannot become {tuple(target)}")
    return tuple(out)


def _picked(
    constant: Constant, shape: tuple[int, ...], source: Callable[[tuple[int, ...]], tuple[int, ...]]
) -> Constant:
    """The array of this shape whose number at an index is the constant's at source(index)."""
    if constant.numbers is None or prod(shape) > MOST_NUMBERS:
        return Constant(shape)
    steps = [prod(_shape(constant)[axis + 1 :]) for axis in range(len(_shape(constant)))]
    places = (sum(map(operator.mul, source(index), steps)) for index in product(*map(range, shape)))
    return Constant(shape, tuple(constant.numbers[place] for place in places))


def _expanded(constant: Constant, shape: tuple[int, ...]) -> Constant:
    """Repeated along axes of length 1, or that are not there."""
    own = _shape(constant)
    lead = len(shape) - len(own)
    return _picked(constant, shape, lambda index: tuple(0 if n == 1 else i for i, n in zip(index[lead:], own)))  # noqa: B905


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape of arrays of these shapes. Raises ValueError where they have none.

    >>> broadcast([(1, 8, 5, 5), (8, 1, 1)])
    (1, 8, 5, 5)
    """
    rank = max(map(len, shapes))
    out = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        lengths = set(sizes) - {1}
        if len(lengths) > 1:
            raise ValueError(f"shapes {', '.join(map(str, shapes))} do not meet")
        out.append(lengths.pop() if lengths else 1)
    return tuple(out)


def _each(function: Callable[..., float]) -> Callable[[Node, _Inputs], Constant]:
    """A function of one number from each input."""

    def on_arrays(node: Node, inputs: _Inputs) -> Constant:
        given = [_given(inputs, place) for place in range(len(inputs))]
        shape = broadcast([_shape(constant) for constant in given])
        spread = [_expanded(constant, shape) for constant in given]
        if any(constant.numbers is None for constant in spread):
            return Constant(shape)
        columns = zip(*(_numbers(constant) for constant in spread), strict=True)
        return Constant(
            shape,
            tuple(
                Number(function(*(number.value for number in column)), any(number.moves for number in column))
                for column in columns
            ),
        )

    return on_arrays


def _divided(a: float, b: float) -> float:
    if isinstance(a, int) and isinstance(b, int):  # whole numbers are cut off towards zero
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


def _cast(node: Node, inputs: _Inputs) -> Constant:
    to = node.attributes.get("to")
    if to in (1, 10, 11):
        return _each(float)(node, inputs)
    if to in (2, 3, 4, 5, 6, 7, 12, 13):
        return _each(int)(node, inputs)
    return _each(bool)(node, inputs) if to == 9 else _same_shape(node, inputs)


def _same(node: Node, inputs: _Inputs) -> Constant:
    return _given(inputs, 0)


def _same_shape(node: Node, inputs: _Inputs) -> Constant:
    return Constant(_given(inputs, 0).shape)


def _shape_of(node: Node, inputs: _Inputs) -> Constant:
    return cut_shape(node, [Number(size) for size in _shape(_given(inputs, 0))])


def cut_shape(node: Node, sizes: Sequence[Number]) -> Constant:
    """What a Shape node makes of a shape: newer ones can cut out a part of it."""
    start, end = (node.attributes.get(key) for key in ("start", "end"))
    return Constant.of_sizes(
        sizes[start if isinstance(start, int) else 0 : end if isinstance(end, int) else len(sizes)]
    )


def _gather(node: Node, inputs: _Inputs) -> Constant:
    source, where = _given(inputs, 0), _given(inputs, 1)
    shape, indices = _shape(source), where.integers()
    axis = axis_of(node, len(shape), 0)
    if indices is None:
        raise CannotTell
    rows = [index % shape[axis] for index in indices]
    inner = len(_shape(where))
    at = [prod(_shape(where)[place + 1 :]) for place in range(inner)]

    def picked(index: tuple[int, ...]) -> tuple[int, ...]:
        row = rows[sum(map(operator.mul, index[axis : axis + inner], at))]
        return (*index[:axis], row, *index[axis + inner :])

    return _picked(source, shape[:axis] + _shape(where) + shape[axis + 1 :], picked)


def _slice(node: Node, inputs: _Inputs) -> Constant:
    source = _given(inputs, 0)
    shape = _shape(source)
    kept = [range(size) for size in shape]
    for axis, part in parts_of(node, inputs, len(shape)).items():
        kept[axis] = kept[axis][part]
    return _picked(
        source,
        tuple(len(part) for part in kept),
        lambda index: tuple(part[i] for part, i in zip(kept, index, strict=True)),
    )


def parts_of(node: Node, inputs: Sequence[Constant | None], rank: int) -> dict[int, slice]:
    """The slice along each axis that a Slice node names. Raises an error of `compute`'s where they are not known."""
    starts, stops = list_of(node, inputs, "starts", 1), list_of(node, inputs, "ends", 2)
    if not starts or not stops:
        raise CannotTell
    axes = list_of(node, inputs, "axes", 3) or tuple(range(len(starts)))
    steps = list_of(node, inputs, "steps", 4) or (1,) * len(starts)
    return {
        axis: slice(start, stop, step)
        for axis, start, stop, step in zip(axes_of(axes, rank), starts, stops, steps, strict=True)
    }


def _concatenated(node: Node, inputs: _Inputs) -> Constant:
    given = [_given(inputs, place) for place in range(len(inputs))]
    if len(_shape(given[0])) != 1:
        raise CannotTell  # sizes are lists
    return Constant.of_sizes([number for constant in given for number in _numbers(constant)][: MOST_NUMBERS + 1])


def _transposed(node: Node, inputs: _Inputs) -> Constant:
    source = _given(inputs, 0)
    shape = _shape(source)
    order = node.attributes.get("perm", tuple(reversed(range(len(shape)))))
    if not isinstance(order, tuple) or sorted(order) != list(range(len(shape))):
        raise CannotTell
    axes = [int(axis) for axis in order]
    return _picked(
        source,
        tuple(shape[axis] for axis in axes),
        lambda index: tuple(index[axes.index(axis)] for axis in range(len(axes))),
    )


def _reshaped(node: Node, inputs: _Inputs) -> Constant:
    source, target = _given(inputs, 0), list_of(node, inputs, "shape", 1)
    if target is None:
        raise CannotTell
    shape = resolve_shape(target, _shape(source), node.attributes.get("allowzero") == 1)
    return replace(source, shape=shape)


def _flattened(node: Node, inputs: _Inputs) -> Constant:
    source = _given(inputs, 0)
    axis = node.attributes.get("axis", 1)
    if not isinstance(axis, int):
        raise CannotTell
    return replace(source, shape=(prod(_shape(source)[:axis]), prod(_shape(source)[axis:])))


def _squeezed(node: Node, inputs: _Inputs) -> Constant:
    source, axes = _given(inputs, 0), list_of(node, inputs, "axes", 1)
    shape = _shape(source)
    gone = axes_of(axes, len(shape)) if axes else [axis for axis, size in enumerate(shape) if size == 1]
    if any(shape[axis] != 1 for axis in gone):
        raise CannotTell
    return replace(source, shape=tuple(size for axis, size in enumerate(shape) if axis not in gone))


def _unsqueezed(node: Node, inputs: _Inputs) -> Constant:
    source, axes = _given(inputs, 0), list_of(node, inputs, "axes", 1)
    if axes is None:
        raise CannotTell
    rank = len(_shape(source)) + len(axes)
    new, old = axes_of(axes, rank), iter(_shape(source))
    return replace(source, shape=tuple(1 if axis in new else next(old) for axis in range(rank)))


def _filled(node: Node, inputs: _Inputs) -> Constant:
    shape = _given(inputs, 0).integers()
    value = node.attributes.get("value")
    filling = (value.numbers() if isinstance(value, Tensor) else None) or (0.0,)
    if shape is None or min(shape, default=0) < 0:
        raise CannotTell
    if prod(shape) > MOST_NUMBERS:  # a weight, filled with one number for a start
        return Constant(shape, weights=((node.outputs[0], prod(shape)),))
    return Constant(shape, (Number(filling[0]),) * prod(shape))


def _expand(node: Node, inputs: _Inputs) -> Constant:
    source, target = _given(inputs, 0), _given(inputs, 1).integers()
    if target is None:
        raise CannotTell
    return _expanded(source, broadcast([_shape(source), target]))


def _range(node: Node, inputs: _Inputs) -> Constant:
    (start,), (stop,), (step,) = (_numbers(_given(inputs, place)) for place in range(3))
    count = max(0, math.ceil((stop.value - start.value) / step.value))
    if count > MOST_NUMBERS:
        raise CannotTell
    moves = start.moves or stop.moves or step.moves
    return Constant.of_sizes([Number(start.value + i * step.value, moves) for i in range(count)])


def _product(node: Node, inputs: _Inputs) -> Constant:
    if node.attributes.get("axes") or len(inputs) > 1:
        raise CannotTell  # of all numbers, or not at all
    given = _given(inputs, 0)
    shape = (1,) * len(_shape(given)) if node.attributes.get("keepdims", 1) else ()
    return Constant(shape, (Number(prod(number.value for number in _numbers(given)), given.moves),))


_ON_NUMBERS: dict[str, Callable[..., float]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": _divided,
    "Mod": operator.mod,
    "Max": lambda *numbers: max(numbers),
    "Min": lambda *numbers: min(numbers),
    "Neg": operator.neg,
    "Abs": abs,
    "Sqrt": math.sqrt,
    "Floor": lambda x: float(math.floor(x)),
    "Ceil": lambda x: float(math.ceil(x)),
    "Round": lambda x: float(round(x)),
    "Not": operator.not_,
    "And": lambda a, b: bool(a and b),
    "Or": lambda a, b: bool(a or b),
    "Equal": operator.eq,
    "Less": operator.lt,
    "Greater": operator.gt,
    "LessOrEqual": operator.le,
    "GreaterOrEqual": operator.ge,
    "Where": lambda this, a, b: a if this else b,
}
_COMPUTE: dict[str, Callable[[Node, _Inputs], Constant]] = {
    **{name: _each(function) for name, function in _ON_NUMBERS.items()},
    "Cast": _cast, "Identity": _same, "Dropout": _same, "QuantizeLinear": _same_shape, "DequantizeLinear": _same_shape,
    "Shape": _shape_of, "Gather": _gather, "Slice": _slice, "Concat": _concatenated, "Transpose": _transposed,
    "Reshape": _reshaped, "Flatten": _flattened, "Squeeze": _squeezed, "Unsqueeze": _unsqueezed,
    "ConstantOfShape": _filled, "Expand": _expand, "Range": _range, "ReduceProd": _product,
}  # fmt: skip
