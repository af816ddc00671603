"""Which thread does what

A kernel is launched for a picture of `height` x `width` pixels, stored row by row. Threads come in blocks of
(columns, rows), as CUDA counts them: x along a row first, then y. A thread knows its block's place in the grid,
`block_at` = (x, y), and its own in the block, `thread_at` = (x, y). Find the number of its pixel in memory:

$$\\text{column} = x_{block}\\, \\text{columns} + x_{thread}, \\qquad
\\text{row} = y_{block}\\, \\text{rows} + y_{thread}$$

The grid has enough blocks for the whole picture, so at its right and lower end some threads stand outside: they have no
pixel.
"""

import numpy as np

POINTS, MINUTES = 1, 10
HINTS = (
    "First row and column, then the number: whole rows come before this one.",
    "A row has `width` pixels. Outside is a column that is not below width, or a row that is not below height.",
    "if column >= width or row >= height: return None; else row * width + column.",
)


def pixel(block_at, thread_at, block, width, height):
    """The thread's pixel, counted from 0; None for a thread outside of the picture."""
    column = block_at[0] * block[0] + thread_at[0]
    row = block_at[1] * block[1] + thread_at[1]
    return row * width + column if column < width and row < height else None


def cases(rng, dtype):
    for _ in range(3):
        block = int(rng.integers(2, 5)), int(rng.integers(5, 7))
        grid = int(rng.integers(2, 4)), int(rng.integers(4, 6))
        width, height = (count * size - int(rng.integers(1, size)) for count, size in zip(grid, block, strict=True))
        yield block, grid, width, height
    yield (4, 2), (2, 3), 8, 6


def probe(pixel, block, grid, width, height):
    found = {}
    for by, ty in np.ndindex(grid[1], block[1]):
        row = [pixel((bx, by), (tx, ty), block, width, height) for bx, tx in np.ndindex(grid[0], block[0])]
        found[f"threads of row {by * block[1] + ty}, -1 for None"] = np.array(
            [-1 if n is None else -2 if n < 0 else n for n in row]
        )
    return found


def mistake_no_guard(block_at, thread_at, block, width, height):
    """A thread outside of the picture has no pixel: without the guard it takes one of the next row, or none at all."""
    return (block_at[1] * block[1] + thread_at[1]) * width + block_at[0] * block[0] + thread_at[0]


def mistake_guard_of_the_number(block_at, thread_at, block, width, height):
    """Looking at the number alone is not enough: right of the picture it is a pixel of the next row."""
    number = (block_at[1] * block[1] + thread_at[1]) * width + block_at[0] * block[0] + thread_at[0]
    return number if number < width * height else None


def mistake_axes_exchanged(block_at, thread_at, block, width, height):
    """x counts along a row, y counts rows: yours are exchanged."""
    return pixel(block_at[::-1], thread_at[::-1], block[::-1], width, height)


def mistake_times_height(block_at, thread_at, block, width, height):
    """Before a pixel lie `row` whole rows of `width` pixels: you multiply by the height."""
    column, row = (b * size + t for b, size, t in zip(block_at, block, thread_at, strict=True))
    return row * height + column if column < width and row < height else None


def mistake_one_too_far(block_at, thread_at, block, width, height):
    """Pixels are counted from 0: the column `width` and the row `height` are outside already."""
    column, row = (b * size + t for b, size, t in zip(block_at, block, thread_at, strict=True))
    return row * width + column if column <= width and row <= height else None


def mistake_block_forgotten(block_at, thread_at, block, width, height):
    """This is the place in the block: add the block's own place, times its size."""
    return pixel((0, 0), thread_at, block, width, height)


def right_through_divmod(block_at, thread_at, block, width, height):
    x, y = block_at[0] * block[0] + thread_at[0], block_at[1] * block[1] + thread_at[1]
    if not (0 <= x < width and 0 <= y < height):
        return None
    number = y * width + x
    assert divmod(number, width) == (y, x)
    return number


def right_table(b, t, size, width, height):
    numbers = [[r * width + c for c in range(width)] for r in range(height)]
    try:
        return numbers[b[1] * size[1] + t[1]][b[0] * size[0] + t[0]]
    except IndexError:
        return None
