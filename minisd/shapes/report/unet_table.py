"""The classic U-Net's sizes as its figure has them: level by level, down on the left, up on the right."""

from __future__ import annotations

from collections.abc import Iterator

from minisd_kernels.shapes import UNetShape

_NUMBERS = ("no", "one", "two", "three", "four")


def render_unet(shape: UNetShape, height: int, width: int, base: int) -> str:
    """Every size and crop for an input, and which inputs fit.

    Raises:
        ShapeError: the input is too small; the message names sizes that fit.

    >>> print(render_unet(UNetShape(depth=1), 20, 20, base=64))
    U-Net of depth 1, valid 3 x 3 convolutions, two a level, on 20 x 20:
    <BLANKLINE>
    level  channels  down            copy and crop   up
        0        64  20 -> 18 -> 16  16 - 4 - 4 = 8  8 -> 6 -> 4
        1       128  8 -> 6 -> 4
    <BLANKLINE>
    Output 4 x 4: 16 less than the input, 8 on each side.
    20 fits: no pooling drops a row.
    Sizes that fit: 18, 20, 22, ... (steps of 2).
    """
    count = _NUMBERS[shape.convolutions] if shape.convolutions < len(_NUMBERS) else str(shape.convolutions)
    kind = "padded" if shape.same else "valid"
    title = f"{kind} {shape.window} x {shape.window} convolutions, {count} a level, on {height} x {width}:"
    lines = [f"U-Net of depth {shape.depth}, {title}", ""]
    if height == width:
        lines += [*_table(shape, height, base), ""]
    else:
        lines += ["height:", *_table(shape, height, base), "", "width:", *_table(shape, width, base), ""]
    output = shape.output(height), shape.output(width)
    lost = "" if shape.same or height != width else f": {_lost(height - output[0])}"
    lines.append(f"Output {output[0]} x {output[1]}{lost}.")
    lines += [_fits(shape, size) for size in dict.fromkeys((height, width))]
    first, step = shape.smallest, shape.step
    return "\n".join([*lines, f"Sizes that fit: {first}, {first + step}, {first + 2 * step}, ... (steps of {step})."])


def _table(shape: UNetShape, size: int, base: int) -> Iterator[str]:
    rows = [("level", "channels", "down", "copy and crop", "up")]
    for number, level in enumerate(shape.levels(size)):
        down = " -> ".join(map(str, level.down)) + (", 1 unread" if level.unread else "")
        crop = f"{level.down[-1]} - {level.crop[0]} - {level.crop[1]} = {level.up[0]}" if level.up else ""
        rows.append((str(number), str(base * 2**number), down, crop, " -> ".join(map(str, level.up))))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        numbers = [cell.rjust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        words = [cell.ljust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join(numbers + words).rstrip()


def _lost(rows: int) -> str:
    sides = f"{rows // 2} on each side" if rows % 2 == 0 else f"{rows // 2} before and {rows - rows // 2} behind"
    return f"{rows} less than the input, {sides}"


def _fits(shape: UNetShape, size: int) -> str:
    if shape.fits(size):
        return f"{size} fits: no pooling drops a row."
    near = " and ".join(map(str, shape.nearest(size)))
    return f"{size} does not fit: rows are dropped where an odd size is pooled. Nearest that fit: {near}."
