"""Between two things that the model is given: straight for what it is told, along the sphere for noise.

    lerp:   (1 - share) a + share b
    slerp:  (sin((1 - share) w) a + sin(share w) b) / sin w,   w the angle between a and b        (Shoemake 1985)

Noise of N(0, 1) in D numbers lies near the sphere of radius sqrt(D), any two at nearly a right angle. Halfway along the
straight line it is shorter by sqrt(2): noise that no training has shown, and pictures come out more alike.
The sphere's way stays where noise lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minisd.diffusion.schedule import Array, per_sample


def lerp(a: Array, b: Array, share: Any) -> Array:
    """Straight from a to b.

    Shapes: a and b (B, ...); share a number, or (B,) of them.

    >>> lerp(np.array([[0.0, 4.0]]), np.array([[1.0, 0.0]]), 0.25)
    array([[0.25, 3.  ]])
    """
    return per_sample(1 - np.asarray(share), a) * a + per_sample(share, a) * b


def slerp(a: Array, b: Array, share: Any) -> Array:
    """Along the great circle from each sample of a to that of b; at the ends a and b to the bit.

    Where they point the same way, or one is nothing, straight.

    Shapes: a and b (B, ...), on the CPU; share a number, or (B,) of them.

    Raises:
        ValueError: a share outside 0..1.

    >>> slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(3)
    array([[0.707, 0.707]])
    """
    B, share = len(a), np.broadcast_to(np.asarray(share, np.float64), len(a))
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"slerp: wanted a share from 0 to 1 of the way, got {share}")
    flat_a, flat_b = (x.reshape(B, -1).astype(np.float64) for x in (a, b))
    lengths = np.sqrt((flat_a**2).sum(axis=1) * (flat_b**2).sum(axis=1))
    angle = np.arccos(((flat_a * flat_b).sum(axis=1) / np.maximum(lengths, 1e-300)).clip(-1, 1))
    sine = np.sin(angle)
    straight = sine < 1e-6
    with np.errstate(divide="ignore", invalid="ignore"):
        of_a = np.where(straight, 1 - share, np.sin((1 - share) * angle) / sine)
        of_b = np.where(straight, share, np.sin(share * angle) / sine)
    return (of_a[:, None] * flat_a + of_b[:, None] * flat_b).astype(a.dtype).reshape(a.shape)
