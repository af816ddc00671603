"""A report as boxes and arrows: what a network's figure shows, before anything has a place.

As in the U-Net paper's figure 1, a map is a box, and a map that comes up is one box with the copy from the left. What
changes no size (an activation, a norm) has no box of its own: it belongs to the box before it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from minisd.shapes.figure.layers import (
    NO_CROP,
    dropped,
    kind_and_text,
    name_of,
    only_crops,
    sides_cut,
    sides_text,
)
from minisd.shapes.report.layers import (
    Addition,
    Border,
    Concatenation,
    CopyAndCrop,
    Elementwise,
    FitTo,
    Flatten,
    GlobalPooling,
    Map,
    Pair,
    PixelShuffle,
    Pointwise,
    Resizing,
    Shift,
    Sides,
    Slicing,
    Source,
    Stated,
    Transformer,
    TransposedConvolution,
    Unflatten,
    Upsampling,
    Window,
)
from minisd.shapes.report.network import Step
from minisd.shapes.report.sums import Report, Row

_MOST_NAMES = 3  # of activations and norms behind a layer


@dataclass
class Box:
    """A map.

    Attributes:
        size: None where it is not known, or where the sizes part.
        scale: input pixels to one of the map's.
        maps: numbers of the maps that it stands for, such as a convolution's and its activation's.
        copies: channels of each copy in it.
        shifted, attends: whether its channels are shifted by what else the network is told, or a context is read.
    """

    size: Map | None
    scale: Fraction
    maps: list[int]
    copies: list[int] = field(default_factory=list)
    shifted: bool = False
    attends: bool = False


@dataclass
class Arrow:
    """A layer or a copy, from one box to another.

    Attributes:
        kind: the legend's entry; empty where the text says all.
        text: window and stride where the legend has others, or what is cropped, or the layer's name.
        main: whether it makes the box, and brings no second input to it.
        part: number of the target's copy that it brings; -1 is what was made here.
        crop: rows and columns that are cut off the source.
        dropped: rows and columns at the end of the source that no window reads.
    """

    source: int
    target: int
    kind: str
    text: str
    main: bool = True
    part: int = -1
    crop: Sides = NO_CROP
    dropped: Pair = (0, 0)

    @property
    def losses(self) -> list[str]:
        """What is dropped, in words."""
        named = zip(self.dropped, ("row", "column"), strict=True)
        return [f"drops {count} {name}{'s' * (count > 1)}" for count, name in named if count]


def boxes_and_arrows(report: Report) -> tuple[list[Box], list[Arrow], dict[str, str]]:
    """Boxes in the order of computation; arrows; the legend, with the most common text of each kind.

    Behind a problem nothing is known: the last box stands for the layer that failed.

    >>> from minisd.shapes.report.sums import examine
    >>> from minisd.shapes.report.text import parse
    >>> boxes, arrows, legend = boxes_and_arrows(examine(parse("12x12x1 conv3:8 relu @a pool2 upconv2:8 skip@a")))
    >>> [(str(box.size), box.copies) for box in boxes[2:]], legend["conv"], arrows[-1].text
    ([('5 x 5 x 8', []), ('10 x 10 x 16', [8])], 'conv 3 x 3, relu', 'crop 0')
    """
    sketch = _Sketch(report)
    for number, row in enumerate(report.rows, start=1):
        sketch.add(number, row)
    legend = _legend(sketch.arrows, sketch.behind)
    if report.problem:
        sketch.add_problem(report.network.steps[report.problem.step])
    return sketch.boxes, sketch.arrows, legend


class _Sketch:
    """Boxes and arrows so far.

    Attributes:
        box_of: number of the box of each map.
        maker: number of the arrow that made the last box; None where it holds copies.
        behind: activations and norms behind the arrow of a number.
        uses: how many layers take a map.
        to_be_joined: maps that are a crop on its way to a concatenation; they have no box of their own.
        crops: what these have lost.
    """

    def __init__(self, report: Report) -> None:
        self.boxes, self.arrows = [Box(report.network.input, Fraction(1), [0])], list[Arrow]()
        self.box_of, self.behind, self.crops = [0], dict[int, list[str]](), dict[int, Sides]()
        self.maker: int | None = None
        self.uses = Counter(number for step in report.network.steps for number in _takes(step))
        self.to_be_joined: set[int] = set()
        for number, row in reversed(list(enumerate(report.rows, start=1))):
            on_its_way = number in self.to_be_joined and only_crops(row)
            if _joins(row) or on_its_way:
                self.to_be_joined.update(i for i in _takes(row.step) if self.uses[i] == 1)
            if not on_its_way:
                self.to_be_joined.discard(number)

    def add(self, number: int, row: Row) -> None:
        layer, last = row.step.layer, len(self.boxes) - 1
        inputs = _takes(row.step)
        sources = [self.box_of[i] for i in inputs]
        if set(sources) == {last} and _keeps_its_box(row):
            if self.maker is not None and isinstance(layer, Pointwise | Addition | Elementwise):
                self.behind.setdefault(self.maker, []).append(name_of(row))
            self.boxes[last].maps.append(number)
            self.boxes[last].shifted |= isinstance(layer, Shift)
            self.box_of.append(last)
        elif number in self.to_be_joined and sources[0] != last:
            (a, b), (c, d) = self.crops.get(inputs[0], NO_CROP)
            (top, bottom), (left, right) = sides_cut(row)
            self.crops[number] = (a + top, b + bottom), (c + left, d + right)
            self.box_of.append(sources[0])
        elif _joins(row):
            self._join(number, row, inputs, sources)
        else:
            self._add_box(number, row, sources)

    def _add_box(self, number: int, row: Row, sources: list[int]) -> None:
        kind, text = kind_and_text(row)
        target, main = len(self.boxes), _main(row, self.boxes, sources)
        box = Box(row.output, _scale(row, self.boxes, self.boxes[main].scale), [number])
        box.attends = isinstance(row.step.layer, Transformer)
        self.boxes.append(box)
        self.box_of.append(target)
        if isinstance(row.step.layer, Source):  # it comes of nothing that is drawn
            self.maker = None
            return
        self.maker = len(self.arrows)
        self.arrows.append(Arrow(main, target, kind, text, crop=sides_cut(row), dropped=dropped(row)))
        sources.remove(main)
        self.arrows += [Arrow(source, target, kind, "", main=False) for source in sources]

    def _join(self, number: int, row: Row, inputs: tuple[int, ...], sources: list[int]) -> None:
        """Copies stand beside the map made last; in its box if they are of its level and nothing takes it alone."""
        last = len(self.boxes) - 1
        main = sources.index(last) if last in sources else 0
        crops = [self.crops.get(i) for i in inputs]
        if isinstance(row.step.layer, CopyAndCrop):
            crops[1] = sides_cut(row)
        copies = [_copy(source, crop) for source, crop in zip(sources, crops, strict=True)]
        own = copies.pop(main)
        level = len({self.boxes[source].scale for source in sources}) == 1
        alone = last > 0 and own.source == last and all(self.uses[i] == 1 for i in self.boxes[last].maps)
        if alone and level and own.crop == NO_CROP:
            self.boxes[last].size = row.output
            self.boxes[last].maps.append(number)
        else:
            self.boxes.append(Box(row.output, self.boxes[own.source].scale, [number]))
            own.main = True
            self.arrows.append(own)
        self.maker, box = None, self.boxes[-1]
        for arrow in copies:
            if row.output and (copied := self.boxes[arrow.source].size):
                arrow.part = len(box.copies)
                box.copies.append(copied.channels)
        self.arrows += copies
        self.box_of.append(len(self.boxes) - 1)
        for arrow in (own, *copies):
            arrow.target = self.box_of[-1]

    def add_problem(self, step: Step) -> None:
        sources = sorted({self.box_of[i] for i in step.inputs})
        self.boxes.append(Box(None, self.boxes[sources[-1]].scale, []))
        for source in sources:
            self.arrows.append(Arrow(source, len(self.boxes) - 1, "problem", "", main=source == sources[-1]))


def _takes(step: Step) -> tuple[int, ...]:
    """The maps that a layer works on; where none is known it is drawn behind the input."""
    return (step.inputs[:1] if isinstance(step.layer, FitTo) else step.inputs) or (0,)


def _copy(source: int, crop: Sides | None) -> Arrow:
    """To a box that is not known yet."""
    if crop is None:
        return Arrow(source, -1, "copy", "", main=False)
    return Arrow(source, -1, "copy and crop", f"crop {sides_text(crop)}", main=False, crop=crop)


def _joins(row: Row) -> bool:
    return isinstance(row.step.layer, CopyAndCrop) or type(row.step.layer) is Concatenation


def _keeps_its_box(row: Row) -> bool:
    """Whether the layer, all of whose inputs come from one box, changes no size of it."""
    if isinstance(row.step.layer, FitTo | Border | Slicing | Resizing):
        return row.output is not None and row.output == row.inputs[0]
    return isinstance(row.step.layer, Pointwise | Shift | Addition | Elementwise)


def _main(row: Row, boxes: list[Box], sources: list[int]) -> int:
    """Which of a layer's inputs it is drawn behind: the one made last, if the output is as large."""
    if isinstance(row.step.layer, Elementwise) and row.output:
        as_large = [source for source in sources if (size := boxes[source].size) and size[:2] == row.output[:2]]
        sources = as_large or sources
    last = len(boxes) - 1
    return last if last in sources else sources[0]


def _legend(arrows: list[Arrow], behind: dict[int, list[str]]) -> dict[str, str]:
    """The entries in order of appearance; their texts are taken off the arrows, so that only others remain."""
    legend = {}
    for kind in dict.fromkeys(arrow.kind for arrow in arrows if arrow.kind):
        if kind == "copy and crop":  # each has its own
            legend[kind] = kind
            continue
        makers = [i for i, arrow in enumerate(arrows) if arrow.kind == kind and (arrow.main or kind == "copy")]
        common = Counter(arrows[i].text for i in makers).most_common(1)[0][0]
        names = {tuple(behind.get(i, [])) for i in makers}
        same = names.pop() if len(names) == 1 else ()
        words = [f"{kind.removesuffix(' 1 x 1')} {common}".strip(), *(same if len(same) <= _MOST_NAMES else ())]
        legend[kind] = ", ".join(words)
        for i in makers:
            arrows[i].text = arrows[i].text if arrows[i].text != common else ""
    return legend


def _scale(row: Row, boxes: list[Box], scale: Fraction) -> Fraction:
    """The scale of a layer's output, where its input has `scale`."""
    match row.step.layer:
        case Window() as layer:
            return scale * prod(layer.stride)
        case TransposedConvolution() as layer:
            return scale / prod(layer.stride)
        case Upsampling() as layer:
            return scale / prod(layer.scale)
        case PixelShuffle() as layer:
            return scale / layer.scale**2
        case Flatten() | None:
            return scale
        case GlobalPooling() | Resizing() | Unflatten() | Stated() | Elementwise() if row.output:
            # Sizes that need not be a whole number of times the input's: beside maps of the same size, if there are.
            alike = [box.scale for box in boxes if box.size and box.size[:2] == row.output[:2]]
            before = row.inputs[0] if row.inputs else boxes[0].size or row.output
            pixels = before.height * before.width
            return alike[-1] if alike else scale * Fraction(pixels, row.output.height * row.output.width)
    return scale
