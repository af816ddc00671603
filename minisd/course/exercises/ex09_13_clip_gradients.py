"""Gradients that are too long

All gradients of a network together are one long vector. Where it is longer than `largest`, all of them are made
shorter by one factor, so that the vector has that length and keeps its direction (Pascanu et al., 2013); where it is
not, they stay. Write the function for a list of arrays of any shapes; it gives the new list, and the length that
there was before.
"""

import math

import numpy as np
from minisd_kernels import adam
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 2, 15
GIVEN = ("np", "math")
HINTS = (
    "One length for all: the root of the sum of all squares, of all arrays.",
    "The factor is largest / length, but never more than 1.",
    "A length of 0 cannot be divided by: then the gradients stay as they are.",
)


def clip_gradients(gradients, largest):
    """The list of the clipped gradients, and their length before."""
    with use_backend("numpy"):
        norm = math.sqrt(sum(adam.squared_length(gradient.reshape(-1)) for gradient in gradients))
    scale = min(1.0, largest / norm) if norm else 1.0
    return [scale * gradient for gradient in gradients], norm


def cases(rng, dtype):
    shapes = (2, 3), (4,), (1, 2, 2)
    gradients = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    yield gradients, 1.0
    yield gradients, 100.0
    yield [(0.05 * gradient).astype(dtype) for gradient in gradients], 1.0
    yield [(10 * gradient).astype(dtype) for gradient in gradients[:2]], 2.5
    yield gradients[1:2], 0.5
    yield [np.zeros(3, dtype), np.zeros((2, 2), dtype)], 1.0
    yield [np.array([3.0], dtype), np.array([4.0], dtype)], 5.0


def _length(gradients):
    return math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))


def _scaled(gradients, scale):
    return [scale * gradient for gradient in gradients]


def mistake_each_alone(gradients, largest):
    """The arrays are one vector: one factor for all, from the length of all together."""
    each = [min(1.0, largest / _length([g])) * g if g.any() else g for g in gradients]
    return each, _length(gradients)


def mistake_by_value(gradients, largest):
    """The vector is made shorter and keeps its direction: you cut off each number for itself."""
    return [np.clip(g, -largest, largest) for g in gradients], _length(gradients)


def mistake_always(gradients, largest):
    """What is short enough stays: you make short gradients longer."""
    norm = _length(gradients)
    return _scaled(gradients, largest / norm if norm else 1.0), norm


def mistake_zero(gradients, largest):
    """Where all gradients are 0 you divide by 0: they are to stay."""
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.float64(_length(gradients))
        return _scaled(gradients, np.minimum(1.0, largest / norm) if norm else np.nan), norm


def mistake_squared_length(gradients, largest):
    """The length is the square root of the sum of the squares."""
    norm = _length(gradients) ** 2
    return _scaled(gradients, min(1.0, largest / norm) if norm else 1.0), norm


def mistake_lengths_added(gradients, largest):
    """Lengths do not add up: the squares do, over all arrays, and the root comes last."""
    norm = sum(_length([gradient]) for gradient in gradients)
    return _scaled(gradients, min(1.0, largest / norm) if norm else 1.0), norm


def mistake_length_after(gradients, largest):
    """The length that is asked for is the one before clipping."""
    norm = _length(gradients)
    return _scaled(gradients, min(1.0, largest / norm) if norm else 1.0), min(norm, largest)


def mistake_mean(gradients, largest):
    """A length is the root of the sum of the squares, not of their mean."""
    norm = _length(gradients) / math.sqrt(sum(gradient.size for gradient in gradients))
    return _scaled(gradients, min(1.0, largest / norm) if norm else 1.0), norm


def right_one_vector(gradients, largest):
    flat = np.concatenate([gradient.ravel() for gradient in gradients])
    norm = np.linalg.norm(flat)
    if norm <= largest:
        return gradients, norm
    ends = np.cumsum([gradient.size for gradient in gradients])[:-1]
    parts = np.split(flat * largest / norm, ends)
    return [part.reshape(gradient.shape) for part, gradient in zip(parts, gradients, strict=True)], norm


def right_in_place(gradients, largest):
    total = 0.0
    for gradient in gradients:
        for value in gradient.ravel():
            total += float(value) ** 2
    norm = total**0.5
    if norm > largest:
        for gradient in gradients:
            gradient *= largest / norm
    return gradients, norm
