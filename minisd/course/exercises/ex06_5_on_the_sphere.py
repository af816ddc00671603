"""Between two noises, along the sphere

Halfway between two draws $a$ and $b$ from N(0, 1), on a straight line, lies $(a + b)/2$: its numbers have variance
1/2, and no Z that the U-Net was trained on looks like that. Draws lie near a sphere, and so should the way between
them (Shoemake 1985):

$$\\mathrm{slerp}(a, b, t) = \\frac{\\sin((1 - t)\\,\\theta)\\,a + \\sin(t\\,\\theta)\\,b}{\\sin\\theta},
\\qquad \\cos\\theta = \\frac{\\langle a, b\\rangle}{|a|\\,|b|}$$

The arrays may have any shape: they are one vector each. Where they point in the same direction $\\sin\\theta$ is 0, and
the straight line is what the formula tends to: take it when $\\theta < 10^{-4}$.
"""

import numpy as np

POINTS, MINUTES = 2, 20
HINTS = (
    "Begin with the angle: what is it between (1, 0) and (0, 2)? Lengths must not matter.",
    "np.vdot multiplies all numbers of two arrays and sums; np.linalg.norm of a flattened array is its length.",
    "Rounding can push the cosine above 1, where arccos is not a number: np.clip it to -1..1.",
)


def slerp(start, end, t):
    """The array at t between start (t = 0) and end (t = 1), shaped as they are."""
    cosine = np.vdot(start, end) / (np.linalg.norm(start.ravel()) * np.linalg.norm(end.ravel()))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-4:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def cases(rng, dtype):
    yield np.array([1.0, 0.0], dtype), np.array([0.0, 2.0], dtype), 0.5
    yield np.array([3.0, 0.0, 0.0], dtype), np.array([-1.0, 0.5, 0.0], dtype), 0.25
    for shape in ((4,), (2, 3), (3, 2, 2), (7, 7, 4)):
        start, end = rng.standard_normal((2, *shape)).astype(dtype)
        for t in (0.0, 0.3, 0.8, 1.0):
            yield start, dtype(1.5) * end, t
    start = rng.standard_normal((2, 3)).astype(dtype)
    yield start, start.copy(), 0.4  # the angle is 0, or nearly, or the cosine is rounded to above 1
    yield start, dtype(2) * start, 0.75
    while np.vdot(start, start) / (np.linalg.norm(start.ravel()) * np.linalg.norm(start.ravel())) <= 1:
        start = rng.standard_normal((2, 3)).astype(dtype)
    yield start, start.copy(), 0.2
    yield np.array([1.0, 1.0], dtype), np.array([1.0, 0.999], dtype), 0.5  # a small angle, but an angle


def mistake_straight(start, end, t):
    """That is the straight line: halfway along it the numbers are too small."""
    return (1 - t) * start + t * end


def mistake_not_normalised(start, end, t):
    """The cosine of the angle is the product of the two directions: divide by both lengths."""
    angle = np.arccos(np.clip(np.vdot(start, end), -1, 1))
    if angle < 1e-4:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def mistake_ends_exchanged(start, end, t):
    """At t = 0 it must be the start: your ends are exchanged."""
    return slerp(end, start, t)


def mistake_no_straight_line(start, end, t):
    """Two equal directions: sin 0 / sin 0 is not a number. Take the straight line where the angle is tiny."""
    cosine = np.vdot(start, end) / (np.linalg.norm(start.ravel()) * np.linalg.norm(end.ravel()))
    angle = np.arccos(np.minimum(cosine, 1)) if abs(cosine) < 1 - 1e-7 else np.float64(0)
    with np.errstate(invalid="ignore"):
        return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def mistake_row_by_row(start, end, t):
    """Each row gets an angle of its own: all numbers of the array are one vector, with one angle."""
    if start.ndim == 1:
        return slerp(start, end, t)
    return np.stack([mistake_row_by_row(a, b, t) for a, b in zip(start, end, strict=True)])


def mistake_unit_length(start, end, t):
    """You scale the ends to length 1: only the angle is taken between directions, the ends keep their lengths."""
    return slerp(start / np.linalg.norm(start.ravel()), end / np.linalg.norm(end.ravel()), t)


def mistake_not_divided(start, end, t):
    """The division by sin(angle) is missing: at t = 0 the start must come out as it was."""
    cosine = np.vdot(start, end) / (np.linalg.norm(start.ravel()) * np.linalg.norm(end.ravel()))
    angle = np.arccos(np.clip(cosine, -1, 1))
    return np.sin((1 - t) * angle) * start + np.sin(t * angle) * end


def right_from_the_start(a, b, t):
    flat_a, flat_b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    lengths = np.sqrt((flat_a**2).sum() * (flat_b**2).sum())
    theta = np.arccos(max(-1.0, min(1.0, (flat_a * flat_b).sum() / lengths)))
    weights = (
        (1 - t, t) if theta < 1e-4 else (np.sin(theta - t * theta) / np.sin(theta), np.sin(t * theta) / np.sin(theta))
    )
    return (weights[0] * flat_a + weights[1] * flat_b).reshape(a.shape)


def right_loop(start, end, t):
    product = length_start = length_end = 0.0
    for a, b in zip(start.flat, end.flat, strict=True):
        product, length_start, length_end = product + a * b, length_start + a * a, length_end + b * b
    theta = np.arccos(min(1.0, product / np.sqrt(length_start * length_end)))
    if theta < 1e-4:
        return start + t * (end - start)
    a_share, b_share = np.sin((1 - t) * theta) / np.sin(theta), np.sin(t * theta) / np.sin(theta)
    mixed = np.zeros_like(start)
    for place in np.ndindex(start.shape):
        mixed[place] = a_share * start[place] + b_share * end[place]
    return mixed
