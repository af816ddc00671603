"""The look-up, backwards

A look-up takes row $i$ of a table for a token with the identifier $i$. Written with a one-hot matrix $O$, which has a 1
at column $i$ of the token's row, it is a product, $Y = O\\,T$; so its gradient is one, too:

$$\\frac{\\partial\\,\\mathrm{loss}}{\\partial T} = O^T\\, \\frac{\\partial\\,\\mathrm{loss}}{\\partial Y}$$

Nobody makes O, whose rows are as long as the vocabulary. What does the product come to? A row of the table gets the sum
of what came to all tokens with its identifier.
"""

import numpy as np
from minisd_kernels.embedding.numpy_ref import backward

POINTS, MINUTES = 2, 20
HINTS = (
    "Three tokens with the identifiers 2, 0, 2: write O, and O^T times three rows of gradient.",
    "table[ids] += rows adds once for an identifier that occurs twice: NumPy reads all rows before it writes.",
    "np.add.at(table, ids, rows) adds for each; so does a loop over the tokens.",
)


def look_up_backward(grad_y, ids, vocabulary):
    """The table's gradient (vocabulary, D) of grad_y (..., D), for whole numbers ids (...)."""
    return backward(grad_y, ids, vocabulary)


def cases(rng, dtype):
    yield rng.standard_normal((3, 2)).astype(dtype), np.array([2, 0, 2]), 4
    yield rng.standard_normal((1, 3)).astype(dtype), np.array([0]), 1
    for shape, vocabulary in (((5,), 3), ((2, 6), 7), ((3, 4), 5), ((2, 3, 2), 4), ((4, 4), 4)):
        yield rng.standard_normal((*shape, 4)).astype(dtype), rng.integers(0, vocabulary, shape), vocabulary


def mistake_last_one_wins(grad_y, ids, vocabulary):
    """A token that occurs several times gets the sum of all its gradients: yours keeps the last."""
    grad_table = np.zeros((vocabulary, grad_y.shape[-1]), grad_y.dtype)
    grad_table[ids] += grad_y
    return grad_table


def mistake_mean(grad_y, ids, vocabulary):
    """You take the mean over a token's occurrences: their gradients add up."""
    counts = np.bincount(ids.ravel(), minlength=vocabulary)[:, None]
    return backward(grad_y, ids, vocabulary) / np.maximum(counts, 1)


def mistake_look_up_again(grad_y, ids, vocabulary):
    """You looked up once more: it goes backwards now, from the tokens to the table's rows."""
    return grad_y.reshape(-1, grad_y.shape[-1])[ids % grad_y.reshape(-1, grad_y.shape[-1]).shape[0]]


def mistake_a_sample_at_a_time(grad_y, ids, vocabulary):
    """The table is the same for all samples of the batch: you keep a gradient for each."""
    return np.stack([backward(g[None], i[None], vocabulary) for g, i in zip(grad_y, ids, strict=True)])


def mistake_transposed(grad_y, ids, vocabulary):
    """The gradient has the table's shape, (vocabulary, D): yours is transposed."""
    return backward(grad_y, ids, vocabulary).T


def mistake_rows_that_occur(grad_y, ids, vocabulary):
    """Rows that no token asked for have a gradient too, of zeros: you leave them out."""
    return backward(grad_y, ids, vocabulary)[np.unique(ids)]


def mistake_one_hot_counts(grad_y, ids, vocabulary):
    """You count how often each identifier occurs, and the gradient that came does not enter."""
    counts = np.bincount(ids.ravel(), minlength=vocabulary)[:, None]
    return np.broadcast_to(counts, (vocabulary, grad_y.shape[-1])).astype(grad_y.dtype)


def right_one_hot(grad_y, ids, vocabulary):
    one_hot = (ids.reshape(-1, 1) == np.arange(vocabulary)).astype(grad_y.dtype)
    return one_hot.T @ grad_y.reshape(-1, grad_y.shape[-1])


def right_loop(g, ids, vocabulary):
    grad = np.zeros((vocabulary, g.shape[-1]), g.dtype)
    for place in np.ndindex(ids.shape):
        grad[ids[place]] += g[place]
    return grad
