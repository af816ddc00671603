"""No token sees what follows it

In a causal transformer token n may look at tokens 0 to n, itself included. Scores of the others become minus infinity,
of which the softmax makes weight 0.

Scores have the queries n along the axis before the last, the keys m along the last, and as many of both.
"""

import numpy as np
from minisd_kernels.attention import numpy_ref

POINTS, MINUTES = 1, 10
HINTS = (
    "Write the 3 x 3 matrix of who may see whom. Token 0 sees only itself, token 2 sees all three.",
    "np.tri(3) has ones on the diagonal and below it: row n, columns 0 to n.",
    "np.where(condition, a, b) takes a where the condition holds and b elsewhere; it stretches over leading axes.",
)


def hide_the_future(scores):
    """A new array: the scores (..., N, N), minus infinity where key m comes after query n."""
    *lead, N, _ = scores.shape
    rows = scores.reshape(1, -1, N, N)
    one = np.ones((1, N, rows.shape[1], 1), scores.dtype)
    return (rows + numpy_ref._scores(0 * one, one, 1.0, True)).reshape(*lead, N, N)


def cases(rng, dtype):
    for shape in ((1, 1), (3, 3), (2, 4, 4), (2, 3, 5, 5), (3, 2, 2, 2)):
        yield ((rng.standard_normal(shape) - 0.5).astype(dtype),)


def mistake_the_past(scores):
    """You hide what came before: a token sees the earlier ones, not the later ones."""
    return np.where(np.tri(scores.shape[-1], dtype=bool).T, scores, -np.inf)


def mistake_itself_hidden(scores):
    """A token sees itself, too: with yours the first one sees nothing at all."""
    return np.where(np.tri(scores.shape[-1], k=-1, dtype=bool), scores, -np.inf)


def mistake_one_further(scores):
    """You let every token see one token ahead: key n + 1 comes after query n."""
    return np.where(np.tri(scores.shape[-1], k=1, dtype=bool), scores, -np.inf)


def mistake_zero(scores):
    """You set hidden scores to 0: exp(0) = 1, so they still get weight. It takes minus infinity."""
    return np.where(np.tri(scores.shape[-1], dtype=bool), scores, 0)


def mistake_multiplied(scores):
    """Minus infinity times 0 is not a number: choose with np.where, do not multiply by the mask."""
    with np.errstate(invalid="ignore"):
        return scores + (1 - np.tri(scores.shape[-1])) * -np.inf


def mistake_a_large_number(scores):
    """You take a large number for minus infinity: it works until a score is larger still. Take -np.inf itself."""
    return np.where(np.tri(scores.shape[-1], dtype=bool), scores, -1e9)


def mistake_plus_infinity(scores):
    """The sign: plus infinity would get all the weight."""
    return np.where(np.tri(scores.shape[-1], dtype=bool), scores, np.inf)


def right_loops(scores):
    seen = scores.copy()
    for n in range(scores.shape[-2]):
        for m in range(n + 1, scores.shape[-1]):
            seen[..., n, m] = -np.inf
    return seen


def right_indices(s):
    hidden = s.copy()
    above = np.triu_indices(s.shape[-1], k=1)
    hidden[(..., *above)] = -np.inf
    return hidden
