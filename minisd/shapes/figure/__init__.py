"""A network drawn as figure 1 of the U-Net paper (Ronneberger, Fischer & Brox 2015): to scale, all sizes written in.

Blue boxes are maps, channels above, height (and width) beside; white ones are copies. A dashed line frames what is
left of a map that is cropped. Red is what is lost: rows that no window reads, and the place where the sizes part.
"""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from minisd.checkpoint import CheckpointError, write_atomically
from minisd.shapes.figure.layout import LETTER, LETTERS, LINE, Place, Point, Route, lay_out, side_height, side_text
from minisd.shapes.figure.parts import Arrow, Box, boxes_and_arrows
from minisd.shapes.report.sums import Report
from minisd.shapes.report.table import problem_text

MOST_BOXES = 80
_FORMATS = (".png", ".svg", ".pdf")
_COLOURS = {
    "conv": "#3a6fb0",
    "conv 1 x 1": "#14a3a3",
    "max pool": "#c0392b",
    "average pool": "#d98324",
    "up-conv": "#3f9142",
    "upsampling": "#93b83c",
    "copy": "#9a9a9a",
    "copy and crop": "#9a9a9a",
    "add": "#7d4bb0",
    "elementwise": "#7d4bb0",
    "problem": "#e00000",
    "": "#404040",
}
_RED = _COLOURS["problem"]
_TOLD = "#8a3b00"
_MAP, _COPY, _EDGE = "#a9c7ea", "#ffffff", "#2f5480"
_MESSAGE_WIDTH, _MESSAGE_LENGTH = 34, 200  # letters
_SIDE_TEXT = 2 * LETTER + 0.1  # room for what stands beside the first box
_SCALE = "Heights are to scale; widths grow with the logarithm of the channels."


class Words(NamedTuple):
    """What a network's figure calls the things that it is given.

    Attributes:
        input: the first map.
        shift: what shifts a map's channels, such as the time; written into the boxes where it does; nothing if empty.
        context: what a transformer block's cross-attention reads, such as a text; written in likewise.
    """

    input: str = "input image"
    shift: str = ""
    context: str = ""


_PLAIN = Words()


def save_figure(path: Path | str, report: Report, words: Words = _PLAIN) -> None:
    """Draw a network into a PNG, SVG or PDF file; up to the layer that fails, if one does.

    Rows that a pooling drops are marked where the map loses them, not where only its padding goes unread.

    Raises:
        ValueError: more boxes than can be looked at.
        CheckpointError: the file cannot be written, or its name ends in something else.
    """
    import matplotlib

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise CheckpointError(f"{path}: figures are PNG, SVG or PDF; choose a name that ends in {', '.join(_FORMATS)}")
    figure, picture = draw(report, words), io.BytesIO()
    # Letters stay letters in an SVG, and the same network gives the same file.
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "minisd"}):
        figure.savefig(picture, format=suffix[1:], metadata=undated)
    write_atomically(path, picture.getvalue())


def draw(report: Report, words: Words = _PLAIN) -> Any:
    """The Matplotlib figure of a report. Raises ValueError as save_figure does."""
    from matplotlib.figure import Figure

    boxes, arrows, legend = boxes_and_arrows(report)
    if len(boxes) > MOST_BOXES:
        raise ValueError(
            f"a figure of {len(boxes)} boxes cannot be read: at most {MOST_BOXES} fit (activations and norms need "
            "none); draw a part of the network, such as its first layers or one of its blocks"
        )
    before, behind = f"{words.input}\n{report.network.input}", _last_words(report)
    layout = lay_out(
        boxes, arrows, _extent(before)[0] + _SIDE_TEXT + 0.15, (_extent(behind)[0] + 0.3, _extent(behind)[1])
    )
    width = max(layout.width, LETTER * len(_SCALE) + 0.4)
    entries, legend_height = _legend(legend, width)
    figure = Figure(figsize=(width, layout.height + legend_height), dpi=120)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(-legend_height, layout.height))
    axes.set_axis_off()

    for arrow, route in zip(arrows, layout.routes, strict=True):
        _draw_arrow(axes, arrow, route)
    for box, place in zip(boxes, layout.places, strict=True):
        _draw_box(axes, box, place)
        _write_into(axes, box, place, words)
    for arrow in arrows:
        _draw_losses(axes, arrow, boxes[arrow.source], layout.places[arrow.source])
    first, last = layout.places[0], layout.places[-1]
    _write(axes, first.left - _SIDE_TEXT, first.middle, before, ha="right", va="center")
    _write(
        axes, last.right + 0.14, last.middle, behind, ha="left", va="center", color=_RED if report.problem else "black"
    )
    if report.problem:
        axes.plot(last.centre(), last.middle, marker="x", markersize=16, markeredgewidth=3, color=_RED)
    for kind, x, y in entries:
        _draw_line(axes, [(x, y), (x + 0.4, y)], kind)
        _write(axes, x + 0.5, y, legend[kind], ha="left", va="center_baseline")
    _write(axes, 0.2, LINE - legend_height, _SCALE, ha="left", va="center", color="#606060")
    return figure


def _last_words(report: Report) -> str:
    """What is written behind the last box."""
    if report.problem:
        message = textwrap.shorten(problem_text(report), _MESSAGE_LENGTH, placeholder=" ...")
        return textwrap.fill(re.sub(r"(?<=\d) x (?=\d)", "\u00a0x\u00a0", message), _MESSAGE_WIDTH)
    return f"output\n{report.output or 'not known'}"


def _draw_box(axes: Any, box: Box, place: Place) -> None:
    if not box.maps:  # the place of a problem
        return
    left, own = place.left, 0 if place.own_first else len(box.copies)
    for i, width in enumerate(place.widths):
        face = "none" if box.size is None else _MAP if i == own else _COPY
        line = ":" if box.size is None else "-"
        _draw_rectangle(axes, left, place.bottom, width, place.height, facecolor=face, edgecolor=_EDGE, linestyle=line)
        left += width
    middle = (place.left + place.right) / 2
    _write(axes, middle, place.top + 0.03, str(box.size.channels) if box.size else "?", ha="center", va="bottom")
    # The side's text stands under the arrow that comes in, at the foot of the box where it is high enough.
    text, height = side_text(box), side_height(side_text(box))
    bottom = min(place.bottom, place.middle - 0.09 - height)
    _write(axes, place.left - 0.04, bottom, text, ha="right", va="bottom", rotation=90 if height > LINE else 0)


def _write_into(axes: Any, box: Box, place: Place, words: Words) -> None:
    """What the map is told of, upright in its own part."""
    told = " and ".join(filter(None, (words.shift if box.shifted else "", words.context if box.attends else "")))
    if told and box.size and LETTER * len(told) < place.height:
        style = {"ha": "center", "va": "center", "rotation": 90, "color": _TOLD, "fontweight": "bold"}
        _write(axes, place.centre(), place.middle + place.height / 4, told, **style)


def _draw_losses(axes: Any, arrow: Arrow, source: Box, place: Place) -> None:
    """On the box that an arrow comes from: a frame around what a crop leaves, red on the rows that are not read."""
    if source.size is None:
        return
    row, width = place.height / source.size.height, place.right - place.left
    if any(map(any, arrow.crop)):
        top, bottom = arrow.crop[0]
        left, low, kept = place.left + 0.03, place.bottom + row * bottom, row * (source.size.height - top - bottom)
        _draw_rectangle(axes, left, low, width - 0.06, kept, fill=False, edgecolor="black", linestyle="--")
    if arrow.dropped[0]:
        _draw_rectangle(axes, place.left, place.bottom, width, max(0.03, row * arrow.dropped[0]), facecolor=_RED)


def _draw_arrow(axes: Any, arrow: Arrow, route: Route) -> None:
    _draw_line(axes, route.points, arrow.kind)
    x, y = route.text_at
    lines = [
        (text, colour) for text, colour in [(arrow.text, "black"), *((loss, _RED) for loss in arrow.losses)] if text
    ]
    for i, (text, colour) in enumerate(lines):
        if route.text_is == "right":
            high = y + LINE * ((len(lines) - 1) / 2 - i)
            _write(axes, x, high, text, ha="left", va="center_baseline", color=colour)
        else:
            turn = 90 if route.text_is == "upright" else 0
            _write(axes, x, y + 0.06, text, ha="center", va="bottom", color=colour, rotation=turn)


def _draw_line(axes: Any, points: list[Point], kind: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    axes.add_patch(
        FancyArrowPatch(
            path=Line(points),
            arrowstyle="-|>,head_length=5,head_width=3",
            color=_COLOURS[kind],
            linewidth=3.0 if kind.startswith("copy") else 1.6,
            joinstyle="miter",
            capstyle="butt",
            zorder=0.5,
        )
    )


def _draw_rectangle(axes: Any, left: float, bottom: float, width: float, height: float, **style: Any) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, bottom), width, height, linewidth=0.8, **style))


def _write(axes: Any, x: float, y: float, text: str, **style: Any) -> None:
    if text:
        axes.text(x, y, text, fontsize=LETTERS, linespacing=1.25, parse_math=False, **style)


def _extent(text: str) -> tuple[float, float]:
    """Width and height of a text of several lines."""
    lines = text.split("\n")
    return LETTER * max(map(len, lines)), LINE * len(lines)


def _legend(legend: dict[str, str], width: float) -> tuple[list[tuple[str, float, float]], float]:
    """Where each entry stands, in lines below 0, and the height of all."""
    entries, x, y = [], 0.2, -LINE
    for kind, text in legend.items():
        room = 0.8 + LETTER * len(text)
        if x > 0.2 and x + room > width:
            x, y = 0.2, y - LINE - 0.08
        entries.append((kind, x, y))
        x += room
    return entries, 2 * LINE + 0.2 - y
