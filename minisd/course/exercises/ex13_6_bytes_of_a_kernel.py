"""How many bytes come from memory

Blocks of 32 x 8 threads read a part of a picture of <height> x <width> floats, which is stored row by row. The thread
(x, y) of the block (bx, by) reads the float in row 8 by + y and column <first> + 32 bx + x. There are <across> blocks
side by side, and as many one above the other as it takes to read all rows. The picture begins at an address that is a
multiple of 32 bytes.

How many bytes come from memory, in whole sectors of 32, if each warp asks for itself? (A whole number.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "A warp is one row of a block: 32 floats side by side, 128 bytes. Where do they begin?",
    "The width is a multiple of 8, so every row begins with a sector, and `first` floats farther on are 4 first bytes.",
    "If that is a multiple of 32, a warp reads 4 sectors, else 5. There are height times across warps.",
)


def answer(height, width, first, across):
    return height * across * 32 * (4 + (first % 8 > 0))


def numbers(rng):
    across, first = int(rng.integers(2, 7)), int(rng.integers(1, 24))
    return 8 * int(rng.integers(4, 31)), 32 * across + 8 * int(rng.integers(4, 10)), first, across


def mistake_aligned_always(height, width, first, across):
    """Where do a warp's floats begin? If not at a multiple of 32 bytes, they reach into one sector more; if they do,
    into no other."""
    return height * across * 32 * (5 - (first % 8 > 0))


def mistake_a_sector_a_thread(height, width, first, across):
    """Neighbours share sectors: eight floats fit into one."""
    return height * across * 32 * 32


def mistake_sectors(height, width, first, across):
    """That counts sectors: bytes are asked for, 32 for each."""
    return answer(height, width, first, across) // 32


def mistake_one_row_of_blocks(height, width, first, across):
    """That is one row of blocks: there are height / 8 of them."""
    return answer(8, width, first, across)
