"""Which size pictures are trained at: 16 to 64 pixels a side, in steps of 4, so that they can be halved and doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from minisd.data.errors import DataError

SMALLEST, LARGEST, STEP = 16, 64, 4


def check_size(size: tuple[int, int]) -> None:
    """Demand a height and a width that networks can be made for.

    Raises:
        DataError: they cannot; the message names the nearest that can.
    """
    if any(side % STEP or not SMALLEST <= side <= LARGEST for side in size):
        H, W = (min(max(STEP * round(side / STEP), SMALLEST), LARGEST) for side in size)
        raise DataError(
            f"size {size[0]} x {size[1]}: wanted multiples of {STEP} from {SMALLEST} to {LARGEST}; nearest: {H} x {W}"
        )


def fitting_size(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Height and width that fit most of the pictures of these sizes: their own, or reduced to 64 on the longer side.

    A side is rounded up to a multiple of 4, above 32 of 8, which makes smaller latents; a reduced one is rounded.

    >>> fitting_size([(28, 28)]), fitting_size([(30, 33)]), fitting_size([(300, 400), (301, 399), (900, 20)])
    ((28, 28), (32, 40), (48, 64))
    """
    return Counter(map(_fitting, sizes)).most_common(1)[0][0]


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, LARGEST / max(size))

    def rounded(side: float) -> int:
        step = STEP if side <= 32 else 2 * STEP
        steps = round(side / step) if scale < 1 else -(side // -step)
        return min(max(step * int(steps), SMALLEST), LARGEST)

    return rounded(scale * size[0]), rounded(scale * size[1])
