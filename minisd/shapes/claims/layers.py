"""Evidence from single layers: how many numbers, which size behind a convolution or a pooling, and by which formula.

Sizes are found by running the operations on pictures of zeros, with one channel where channels do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from minisd_kernels.shapes import window_output_size

from minisd import ops
from minisd.autograd import Tensor
from minisd.shapes.claims.claim import Evidence
from minisd.shapes.report.layers import Map

Formula = Callable[[int, int, int, int], Fraction | int]  # of I, F, S and P


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


def count(shape: Map, numbers: int) -> Evidence:
    """Is a picture of this shape so many numbers?"""
    size = np.empty(shape).size
    return Evidence(size == numbers, f"an array of {shape} has {size:,} elements", instead=f"{size:,}")


def latent_of(side: int) -> Map:
    """Stable Diffusion 1.x's latent of a square picture (Rombach et al. 2022): halved three times, 4 channels.

    >>> latent_of(512)
    Map(height=64, width=64, channels=4)
    """
    for _ in range(3):
        side = window_output_size(side, window=3, stride=2, padding=(0, 1))
    return Map(side, side, 4)


def latent(shape: Map, numbers: int) -> Evidence:
    """Is this the shape of the latent, and has it so many numbers?"""
    right, sides = latent_of(512), range(8, 8193, 8)
    others = [side for side in sides if latent_of(side) == shape and shape.values == numbers]
    return Evidence(
        (right, right.values) == (shape, numbers),
        f"Stable Diffusion 1.x halves a picture of 512 x 512 x 3 three times and gives it {right.channels} channels: "
        f"{right}, or {right.values:,} numbers; among pictures of {sides[0]} to {sides[-1]:,} pixels a side, "
        f"{len(others) or 'none'} has a latent of {shape}",
        f"the picture is {others[0]} x {others[0]}" if others else "",
        f"{right} = {right.values:,}; 572 x 572 x 1 is the picture that the U-Net's paper begins with",
    )


def convolved(side: int, padding: int = 0) -> int:
    """The side of a square picture behind a 3 x 3 convolution."""
    return ops.conv2d(zeros(1, side, side, 1), zeros(3, 3, 1, 1), padding=padding).shape[1]


def _padding(*sides: int) -> str:
    """A condition: the padding with which 3 x 3 convolutions lead from each side to the next."""
    fit = [P for P in range(4) if all(convolved(before, P) == after for before, after in pairwise(sides))]
    return f"the padding is {fit[0]}" if fit else ""


def first_convolution(before: Map, after: Map) -> Evidence:
    """Does a 3 x 3 convolution make this of that?"""
    side = convolved(before.height)
    right = Map(side, side, after.channels)
    return Evidence(
        after == right,
        f"without padding, as in the overview's own example, the operation gives {right}, and so does the formula: "
        f"({before.height} + 2*0 - 3)/1 + 1 = {window_output_size(before.height, 3)}",
        _padding(before.height, after.height),
        f"{right}, as in the U-Net's paper, which does not pad",
    )


def two_convolutions(*sides: int) -> Evidence:
    """Do 3 x 3 convolutions lead from each side to the next?"""
    found = list(sides[:1])
    for _ in sides[1:]:
        found.append(convolved(found[-1]))
    chain = " -> ".join(map(str, found))
    return Evidence(
        tuple(found) == sides,
        f"the operation, run on {found[0]} x {found[0]} pixels without padding, gives {chain}: each convolution takes "
        f"{found[0] - found[1]} rows and columns",
        _padding(*sides),
        chain,
    )


def second_convolution(filters: int, after: Map) -> Evidence:
    """Does the second convolution have so many filters, if this comes of it and a pooling?"""

    def channels(filters: int) -> int:
        return ops.conv2d(zeros(1, 3, 3, after.channels), zeros(3, 3, after.channels, filters)).shape[3]

    made_by = {n: channels(n) for n in {*range(2 * after.channels + 1), filters}}
    needed = [n for n, made in made_by.items() if made == after.channels]
    made = Map(568, 568, made_by[filters])
    return Evidence(
        filters in needed,
        f"run with 0 to {max(made_by)} filters, the operation gave as many channels as filters in "
        f"{sum(n == made for n, made in made_by.items())} of {len(made_by)} cases; with {filters} it makes {made}, or "
        f"{made.values:,} numbers, and the overview goes on with {after}",
        instead=f"{needed[0]} filters, each 3 x 3 x {after.channels}",
    )


def pooling(before: Map, after: Map) -> Evidence:
    """Does a 2 x 2 max-pooling of stride 2 make this of that?"""
    pooled = Map(*ops.max_pool2d(zeros(1, *before), window=2, stride=2).shape[1:])
    return Evidence(
        pooled == after,
        f"the operation, run on {before}, gives {pooled}: ({before.height} + 2*0 - 2)/2 + 1 = "
        f"{window_output_size(before.height, 2, 2)}, and channels are pooled each for itself",
        instead=str(pooled),
    )


def quotient(size: int, window: int, stride: int, padding: int) -> Fraction:
    """(I + 2P - F) / S + 1 as it stands, rounded nowhere.

    >>> print(quotient(572, 3, 1, 0), quotient(8, 3, 2, 0))
    570 7/2
    """
    return Fraction(size + 2 * padding - window, stride) + 1


class Case(NamedTuple):
    """I, F, S and P, and the sides that convolution and pooling gave."""

    geometry: tuple[int, int, int, int]
    convolved: int
    pooled: int


@cache
def cases() -> list[Case]:
    """Both operations, run on every combination of small I, F, S and P that both allow (a pooling wants P < F)."""
    run = []
    for I, F, S, P in product(range(1, 15), range(1, 6), range(1, 5), range(3)):
        if P < F <= I + 2 * P:
            picture = zeros(1, I, F, 1)
            by_convolution = ops.conv2d(picture, zeros(F, F, 1, 1), stride=S, padding=P)
            by_pooling = ops.max_pool2d(picture, window=F, stride=S, padding=P)
            run.append(Case((I, F, S, P), by_convolution.shape[1], by_pooling.shape[1]))
    return run


def formula_of_convolution(formula: Formula) -> Evidence:
    """Is this the size behind a convolution, as it stands?"""
    run = cases()
    exact = sum(formula(*case.geometry) == case.convolved for case in run)
    rounded_down = sum(floor(formula(*case.geometry)) == case.convolved for case in run)
    return Evidence(
        exact == len(run),
        f"the operation was run on {len(run):,} combinations of n, f, s and p: the formula as it stands gives its size "
        f"in {exact:,}, rounded down in {rounded_down:,}; for n = 8, f = 3, s = 2 it says "
        f"{float(formula(8, 3, 2, 0)):g}, and the operation makes {window_output_size(8, 3, 2)}",
        "the division leaves no remainder, or is rounded down" if rounded_down == len(run) else "",
        "floor((n + 2p - f) / s) + 1; the remainder is the number of rows at the end that no window reads",
    )


def formula_of_both(formula: Formula) -> Evidence:
    """Is this, with [ ] for rounding down, the size behind a convolution and behind a pooling?"""
    run = cases()

    def fitting(rounding: Callable[[Any], Any]) -> int:
        return sum(rounding(formula(*case.geometry)) == case.convolved == case.pooled for case in run)

    return Evidence(
        fitting(floor) == len(run),
        f"both operations were run on the same {len(run):,} combinations of I, F, S and P and agreed in "
        f"{sum(case.convolved == case.pooled for case in run):,}; with [ ] for rounding down the formula fits both in "
        f"{fitting(floor):,}, with [ ] as mere brackets in {fitting(Fraction):,}, for rounding up in {fitting(ceil):,}",
        instead="floor((I + 2P - F) / S) + 1",
    )
