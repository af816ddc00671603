"""LMS, the linear multi-step method of k-diffusion: Adams and Bashforth's, for steps of unequal length.

A polynomial through the last slopes, up to `order` of them, is followed over the step. One call of the model a step,
and order 4 once four slopes are known; the first steps are of lower order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.coordinates import straight
from minisd.diffusion.samplers.euler import slope
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def lagrange_integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """Integrals from start to end of the polynomials that are 1 at one node and 0 at the others (Lagrange's).

    Adams and Bashforth's coefficients (Hairer et al. 1993, section III.5). Two points of Gauss and Legendre are exact
    up to degree 3, so for up to four nodes.

    >>> [round(24 * part, 6) for part in lagrange_integrals([0, -1, -2, -3], 0, 1)]
    [55.0, -59.0, 37.0, -9.0]
    """
    middle, half = (start + end) / 2, (end - start) / 2
    return [
        half
        * sum(
            math.prod((point - other) / (node - other) for other in nodes if other != node)
            for point in (middle - half / math.sqrt(3), middle + half / math.sqrt(3))
        )
        for node in nodes
    ]


def lms_step(x: Array, slopes: Sequence[Array], nodes: Sequence[float], s_prev: float) -> Array:
    """x_prev = x + the integral from nodes[0] to s_prev of the polynomial that goes through the slopes at the nodes.

    Shapes: x, each slope and the result (B, H, W, C); nodes, the s of the slopes, the latest first.
    """
    return x + sum(c * d for c, d in zip(lagrange_integrals(nodes, nodes[0], s_prev), slopes, strict=True))


def lms(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise, order: int = 4) -> Steps:
    """Sample by the linear multi-step method of an order from 1 (Euler's) to 4.

    Raises:
        ValueError: another order.
    """
    if order not in (1, 2, 3, 4):
        raise ValueError(f"lms: wanted an order from 1 to 4, got {order}")
    x_t, coordinates = x_T, straight(levels)
    slopes: list[Array] = []
    nodes: list[float] = []
    for level, level_prev in pairwise(levels):
        (scale, s), (scale_prev, s_prev) = coordinates(level), coordinates(level_prev)
        x_0_pred, _ = denoise(x_t, level)
        x = x_t / scale
        slopes, nodes = [slope(x, x_0_pred, s), *slopes][:order], [s, *nodes][:order]
        x_t = scale_prev * lms_step(x, slopes, nodes, s_prev)
        yield x_t, x_0_pred
