"""How far a head looks

A convolution of 3 x 3 sees no further than the next pixel. How far does an attention look? Its weights say: take for
each token the distances to all tokens, averaged by how much it looks at them, and then the mean over the tokens
(Dosovitskiy et al. 2021, figure 7),

$$d = \\frac{1}{N} \\sum_n \\sum_m p_{nm} \\sqrt{(r_n - r_m)^2 + (c_n - c_m)^2}$$

with row r and column c of a token. `weights` has the shape (heads, N, N): weights[k, n, m] is how much token n looks
at token m in head k. The tokens stand in h rows of w, N = h w. Return one number for each head.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "Make a table of all distances first, (N, N). In which row and column is token n?",
    "n // w is the row, n % w the column. rows[:, None] - rows has all differences at once.",
    "weights times distances: add up over m, the last axis, and take the mean over n.",
)


def attention_distance(weights, h, w):
    """How far each head looks, (heads,), in tokens."""
    row, column = np.divmod(np.arange(h * w), w)
    distance = np.hypot(row[:, None] - row, column[:, None] - column)
    return (weights * distance).sum(axis=-1).mean(axis=-1)


def cases(rng, dtype):
    for heads, h, w in ((1, 1, 3), (2, 2, 4), (3, 3, 3), (2, 5, 2), (4, 3, 4)):
        raised = np.exp(2 * rng.standard_normal((heads, h * w, h * w)))
        yield (raised / raised.sum(axis=-1, keepdims=True)).astype(dtype), h, w


def _table(h, w, divided_by=None):
    row, column = np.divmod(np.arange(h * w), divided_by or w)
    return row[:, None] - row, column[:, None] - column


def mistake_in_the_row(weights, h, w):
    """That is how far apart they stand in the row of tokens: the token below is w away there, and 1 in the picture."""
    distance = np.abs(np.subtract.outer(np.arange(h * w), np.arange(h * w)))
    return (weights * distance).sum(axis=-1).mean(axis=-1)


def mistake_streets(weights, h, w):
    """The distance is along the straight line, the root of the sum of squares: you go along rows and columns."""
    down, across = _table(h, w)
    return (weights * (abs(down) + abs(across))).sum(axis=-1).mean(axis=-1)


def mistake_squared(weights, h, w):
    """Those are squared distances: take the root, before the mean."""
    down, across = _table(h, w)
    return (weights * (down**2 + across**2)).sum(axis=-1).mean(axis=-1)


def mistake_root_of_the_mean(weights, h, w):
    """The root is taken of each distance, not of their mean."""
    down, across = _table(h, w)
    return np.sqrt((weights * (down**2 + across**2)).sum(axis=-1)).mean(axis=-1)


def mistake_divided_by_height(weights, h, w):
    """A row has w tokens: token n is in row n // w."""
    down, across = _table(h, w, divided_by=h)
    return (weights * np.hypot(down, across)).sum(axis=-1).mean(axis=-1)


def mistake_not_averaged(weights, h, w):
    """The mean over the tokens that look is missing: you add them up."""
    return (weights * np.hypot(*_table(h, w))).sum(axis=(-1, -2))


def mistake_mean_of_all(weights, h, w):
    """The weights of a token are its average already, for they sum to 1: add over m, and do not divide by N again."""
    return (weights * np.hypot(*_table(h, w))).mean(axis=(-1, -2))


def mistake_heads_as_one(weights, h, w):
    """Each head looks for itself: return a number for each."""
    return (weights * np.hypot(*_table(h, w))).sum(axis=-1).mean()


def mistake_most_looked_at(weights, h, w):
    """That is how far the token lies that is looked at most; all are wanted, each by its weight."""
    distance = np.hypot(*_table(h, w))
    return distance[np.arange(h * w), weights.argmax(axis=-1)].mean(axis=-1)


def mistake_per_looked_at(weights, h, w):
    """The weights of one token that looks, along the last axis, are the average: you made those of a token that is
    looked at to sum to 1."""
    columns = weights / weights.sum(axis=-2, keepdims=True)
    return (columns * np.hypot(*_table(h, w))).sum(axis=-2).mean(axis=-1)


def mistake_uniform(weights, h, w):
    """The weights are missing: that is the mean distance of all pairs."""
    return np.full(len(weights), np.hypot(*_table(h, w)).mean(), weights.dtype)


def right_loops(weights, h, w):
    far = []
    for head in weights:
        total = 0.0
        for n in range(h * w):
            for m in range(h * w):
                total += head[n, m] * ((n // w - m // w) ** 2 + (n % w - m % w) ** 2) ** 0.5
        far.append(total / (h * w))
    return np.array(far)


def right_complex(weights, h, w):
    places = (np.arange(h)[:, None] + 1j * np.arange(w)).ravel()
    return np.einsum("knm,nm->k", weights, np.abs(places[:, None] - places)) / (h * w)
