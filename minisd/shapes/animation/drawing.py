"""Drawing a film: one step on a sheet or several, the GIF and the strip. All lengths are pixels."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minisd.checkpoint import CheckpointError, write_atomically
from minisd.plots import load_font
from minisd.shapes.animation.film import Box, Film, Panel, number
from minisd.shapes.animation.operation import WindowOperation

if TYPE_CHECKING:
    from PIL import Image, ImageDraw


class Look(NamedTuple):
    """How the cells of a role look; hatching and crosses say what colours do not say to everybody."""

    fill: str
    line: str
    hatched: bool = False
    crossed: bool = False


# The lines are blue, vermilion and green as Okabe & Ito chose them: the colour-blind can tell them apart.
LOOKS = {
    "input": Look("#d3e6f5", "#0072b2"),
    "input, never read": Look("#eaf3fa", "#0072b2", crossed=True),
    "padding": Look("#f1f1f1", "#a0a0a0", hatched=True),
    "padding, never read": Look("#f1f1f1", "#a0a0a0", hatched=True, crossed=True),
    "window": Look("#fcd593", "#d55e00"),
    "output": Look("#c6e9db", "#009e73"),
    "output, never reached": Look("#eaf7f2", "#009e73"),
    "output padding": Look("#eaf7f2", "#009e73", hatched=True),
    "cut off": Look("#f1f1f1", "#a0a0a0", crossed=True),
}
_INK, _PALE, _FAINT, _NOTE, _WHITE = "#1a1a1a", "#757575", "#c4c4c4", "#8f3f00", "#ffffff"
_WIDTH, _MARGIN, _GAP, _LINE = 900, 30, 46, 26  # of a step, around it, between its maps, from line to line
_LARGEST_CELL, _LARGEST_MAP, _CELL_WITH_NOTE = 54, 480, 32
_TEXT, _BOLD, _MONO = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono"
_FRAME_MS, _FILM_MS = 700, 45_000  # how long a frame lasts, and all of them at most
_STRIP_STEPS = 6


def save_gif(path: Path | str, film: Film) -> None:
    """Write a GIF that shows every step, the last one for longer, and starts again.

    Raises:
        CheckpointError: the name does not end in .gif, or the picture cannot be written.
    """
    from PIL import Image

    last = film.operation.steps - 1
    # One palette for all frames, or colours would flicker; other methods than this one make the white grey.
    palette = draw(film, [last]).quantize(96, method=Image.Quantize.MAXCOVERAGE)
    frames = [draw(film, [step]).quantize(palette=palette, dither=Image.Dither.NONE) for step in range(last + 1)]
    moment = min(_FRAME_MS, _FILM_MS // len(frames))
    durations = [moment] * last + [4 * _FRAME_MS]
    _write(path, ".gif", frames[0], save_all=True, append_images=frames[1:], duration=durations, loop=0)


def save_strip(path: Path | str, film: Film) -> None:
    """Write a PNG of some steps, evenly chosen, the first and the last among them.

    Raises:
        CheckpointError: the name does not end in .png, or the picture cannot be written.
    """
    steps = film.operation.steps
    chosen = np.linspace(0, steps - 1, min(steps, _STRIP_STEPS)).round().astype(int).tolist()
    _write(path, ".png", draw(film, chosen, columns=min(3, -(-len(chosen) // 2))))


def _write(path: Path | str, suffix: str, picture: Image.Image, **options: Any) -> None:
    if Path(path).suffix.lower() != suffix:
        raise CheckpointError(f"{path}: this picture is written as {suffix[1:].upper()}; let its name end in {suffix}")
    file = io.BytesIO()
    picture.save(file, format=suffix[1:], **options)
    write_atomically(path, file.getvalue())


def draw(film: Film, steps: Sequence[int], columns: int = 1) -> Image.Image:
    """A sheet with these steps, row by row, under the operation's formula and over what the colours mean."""
    from PIL import Image, ImageDraw

    tiles = [film.panels(step) for step in steps]
    widths, cell = _fit(tiles[0])
    maps, across = cell * max(len(panel.values) for panel in tiles[0]), sum(widths) + _GAP * (len(widths) - 1)
    mono, text = load_font(16, _MONO), load_font(16, _TEXT)
    captions = []
    for step in steps:
        counter = f"{step + 1} of {film.operation.steps}:  "
        letters = int((_WIDTH - 2 * _MARGIN) / mono.getlength("0")) - len(counter)
        captions.append(counter + _typeset(film.calculation(step).within(letters)))
    longest = max((_typeset(number(value)) for value in film.values), key=text.getlength)
    digits = [_font_for(longest, 0.8 * cell, 8 + 3 * cell // 10, face) for face in (_TEXT, _BOLD)]

    # The sheet of a single step is as wide for every operation; with several it is as wide as they need.
    width = _WIDTH if columns == 1 else int(max(across, *map(mono.getlength, captions))) + 2 * _MARGIN
    height, zoom = maps + 3 * _LINE + 10, 1.5 if columns > 2 else 1
    top, bottom = int(zoom * (_LINE * (1 + len(film.operation.formulas)) + 50)), int(zoom * _LINE)
    size = columns * width, _MARGIN + top + -(-len(steps) // columns) * height + bottom + _MARGIN
    sheet = Image.new("RGB", size, _WHITE)
    canvas = ImageDraw.Draw(sheet)
    _draw_header(canvas, film.operation, size[0] - 2 * _MARGIN, zoom)
    for place, (panels, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = place % columns * width, _MARGIN + top + place // columns * height
        left = x + (width - across) // 2
        for panel, wide in zip(panels, widths, strict=True):
            canvas.text((left + wide / 2, y), _typeset(panel.title), LOOKS[panel.name].line, text, anchor="ma")
            H, W = panel.values.shape
            corner = left + (wide - W * cell) // 2, y + _LINE + (maps - H * cell) // 2
            _draw_panel(canvas, panel, *corner, cell, digits)
            left += wide + _GAP
        _draw_arrow(canvas, left - _GAP - widths[-1] - _GAP // 2, y + _LINE + maps // 2)
        canvas.text((x + width / 2, y + _LINE + maps + 14), caption, _INK, mono, anchor="ma")
    _draw_legend(canvas, tiles[0], size[1] - _MARGIN - bottom, zoom)
    return sheet


def _draw_header(canvas: ImageDraw.ImageDraw, operation: WindowOperation, room: int, zoom: float) -> None:
    title, formulas = _typeset(operation.title), [_typeset(line) for line in (operation.formula, *operation.formulas)]
    canvas.text((_MARGIN, _MARGIN - 6), title, _INK, _font_for(title, room, int(24 * zoom), _BOLD))
    font = _font_for(max(formulas, key=len), room, int(16 * zoom))
    for line, formula in enumerate(formulas):
        y = _MARGIN + int((38 + _LINE * line) * zoom)
        canvas.text((_MARGIN, y), formula, _INK if line else _PALE, font)
    meanings = ", ".join(f"{letter} {name}" for letter, name in operation.letters.items())
    used = int(font.getlength(formulas[0])) + 24
    small = _font_for(meanings, room - used, int(14 * zoom), _TEXT)
    canvas.text((_MARGIN + used, _MARGIN + int(39 * zoom)), meanings, _PALE, small)


def _fit(panels: Sequence[Panel]) -> tuple[list[int], int]:
    """The width of every panel and the size of a cell, with which they fit side by side."""
    font = load_font(16, _TEXT)
    for cell in range(_LARGEST_CELL, 0, -1):
        widths = [max(cell * panel.values.shape[1], int(font.getlength(panel.title)) + 4) for panel in panels]
        high = cell * max(len(panel.values) for panel in panels)
        if sum(widths) + _GAP * (len(panels) - 1) <= _WIDTH - 2 * _MARGIN and high <= _LARGEST_MAP:
            break
    return widths, cell


def _draw_panel(
    canvas: ImageDraw.ImageDraw, panel: Panel, left: int, top: int, cell: int, digits: Sequence[Any]
) -> None:
    def outline(box: Box, colour: str, width: int) -> None:
        x, y, beyond = left + box[1] * cell, top + box[0] * cell, width // 2
        corner = x + box[3] * cell + beyond, y + box[2] * cell + beyond
        canvas.rectangle((x - beyond, y - beyond, *corner), None, colour, width)

    for (row, column), value in np.ndenumerate(panel.values):
        x, y, look = left + column * cell, top + row * cell, LOOKS[str(panel.roles[row, column])]
        note = panel.covered.get((row, column))
        fill = _WHITE if np.isnan(value) else look.fill if note is None else LOOKS["window"].fill
        _draw_cell(canvas, x, y, cell, look._replace(fill=fill))
        if np.isnan(value):
            continue
        if cell < _CELL_WITH_NOTE:
            note = None
        middle = cell / 2 - (cell // 10 if note else 0)
        ink = _PALE if look.crossed or look.line == LOOKS["padding"].line else _INK
        font = digits[(row, column) == panel.largest]
        halo = 2 if look.hatched or look.crossed else 0  # the lines stay off the figures
        text = _typeset(number(value))
        canvas.text((x + middle, y + middle), text, ink, font, anchor="mm", stroke_width=halo, stroke_fill=fill)
        if note:
            small = load_font(int(0.27 * cell), _TEXT)
            canvas.text((x + cell - 4, y + cell - 3), _typeset(note), _NOTE, small, anchor="rb")
    outline(panel.map, LOOKS[panel.name].line, 3)
    for box in (panel.now, (*panel.largest, 1, 1) if panel.largest else None):
        if box:
            outline(box, LOOKS["window"].line, 5)


def _draw_cell(canvas: ImageDraw.ImageDraw, x: int, y: int, size: int, look: Look) -> None:
    canvas.rectangle((x, y, x + size, y + size), look.fill)
    if look.hatched:
        for d in range(size % 7, 2 * size, 7):
            canvas.line((x + max(0, d - size), y + min(d, size), x + min(d, size), y + max(0, d - size)), _FAINT)
    if look.crossed:
        canvas.line((x, y, x + size, y + size), look.line)
        canvas.line((x, y + size, x + size, y), look.line)
    canvas.rectangle((x, y, x + size, y + size), None, look.line)


def _draw_arrow(canvas: ImageDraw.ImageDraw, x: int, y: int) -> None:
    canvas.line((x - 12, y, x + 6, y), _PALE, 3)
    canvas.polygon([(x + 13, y), (x + 4, y - 6), (x + 4, y + 6)], _PALE)


def _draw_legend(canvas: ImageDraw.ImageDraw, panels: Sequence[Panel], y: int, zoom: float) -> None:
    roles = {"window", *(str(role) for panel in panels for role in panel.roles.flat)}
    x, size, font = _MARGIN, int(18 * zoom), load_font(int(15 * zoom), _TEXT)
    for role in (role for role in LOOKS if role in roles):
        _draw_cell(canvas, x, y, size, LOOKS[role])
        canvas.text((x + size + 7, y + size / 2), role, _INK, font, anchor="lm")
        x += size + int(font.getlength(role)) + 30


def _font_for(text: str, room: float, height: int, face: str = "DejaVuSansMono") -> Any:
    """The largest font, up to this height, in which the text fits the room."""
    fonts = (load_font(size, face) for size in range(height, 0, -1))
    return next(font for font in fonts if font.getlength(text) <= room)


def _typeset(text: str) -> str:
    """The text with the signs that a printer would use."""
    for plain, fine in (("*", "×"), (" x ", " × "), ("...", "…"), ("inf", "∞")):
        text = text.replace(plain, fine)
    return re.sub(r"-(?=[ \d∞])", "−", text)  # a minus, where it is no hyphen
