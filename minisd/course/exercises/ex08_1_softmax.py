"""A softmax that does not overflow

$$\\mathrm{softmax}(s)_m = \\frac{e^{s_m}}{\\sum_k e^{s_k}}$$

along the last axis. As it stands it breaks: $e^{100}$ is infinite in float32. The same number taken from all the
scores of a row changes nothing, since it cancels; take the largest one, and no exponent is above 0.

A score of minus infinity leaves its place out: it gets weight 0.
"""

import numpy as np
from minisd_kernels.softmax.numpy_ref import forward

POINTS, MINUTES = 2, 15
HINTS = (
    "Why does softmax not notice when 5 is added to all scores? Write it down.",
    "Which number, taken away, makes the largest exponent 0? Then the sum is at least 1, and never 0.",
    "max and sum go along the last axis; keepdims=True keeps it, with length 1, for the subtraction and the division.",
)


def softmax(scores):
    """The weights, shaped as the scores (..., M); those of each row sum to 1."""
    return forward(scores)


def cases(rng, dtype):
    for shape in ((4,), (1, 1), (3, 5), (4, 4), (2, 3, 4), (2, 2, 3, 3)):
        yield ((3 * rng.standard_normal(shape)).astype(dtype),)
    yield (np.array([[1000.0, 999.0, 0.0], [-1000.0, -1001.0, -1000.5]], dtype),)
    yield (np.array([[90.0, 89.0], [1.0, -3.0]], dtype),)
    yield (np.array([[0.0, 1.0], [800.0, 799.5]], dtype),)  # one row must not be measured by another's largest
    yield (np.array([[0.5, -np.inf, -np.inf], [0.5, 1.5, -np.inf], [0.5, 1.5, 2.5]], dtype),)


def mistake_overflow(scores):
    """Large scores overflow: take the largest of each row away first, which changes nothing else."""
    with np.errstate(all="ignore"):
        weights = np.exp(scores)
        return weights / weights.sum(axis=-1, keepdims=True)


def mistake_first_axis(scores):
    """The sum runs along the first axis: the weights of a row, along the last, must sum to 1."""
    with np.errstate(all="ignore"):
        weights = np.exp(scores - scores.max(axis=0, keepdims=True))
        return weights / weights.sum(axis=0, keepdims=True)


def mistake_all_at_once(scores):
    """All weights together sum to 1: each row is a softmax of its own."""
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def mistake_largest_of_all(scores):
    """You take away the largest score of the whole array: a row far below it vanishes. Each row has its own."""
    with np.errstate(all="ignore"):
        weights = np.exp(scores - scores.max())
        return weights / weights.sum(axis=-1, keepdims=True)


def mistake_not_divided(scores):
    """The weights do not sum to 1: the division by their sum is missing."""
    return np.exp(scores - scores.max(axis=-1, keepdims=True))


def mistake_logarithm(scores):
    """That is the logarithm of the softmax: the exponential is missing."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mistake_no_exponential(scores):
    """You divide the scores themselves by their sum: first comes the exponential, which makes them positive."""
    with np.errstate(all="ignore"):
        return scores / scores.sum(axis=-1, keepdims=True)


def mistake_smallest(scores):
    """You take away the smallest score of a row: then the largest still overflows. Take away the largest."""
    with np.errstate(all="ignore"):
        weights = np.exp(scores - scores.min(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)


def right_rows(scores):
    out = np.empty_like(scores)
    for row in np.ndindex(scores.shape[:-1]):
        top = max(scores[row])
        raised = [np.exp(s - top) for s in scores[row]]
        out[row] = [r / sum(raised) for r in raised]
    return out


def right_by_logarithm(x):
    x = x - x.max(-1)[..., None]
    return np.exp(x - np.log(np.exp(x).sum(-1))[..., None])
