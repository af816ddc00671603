"""Tokens put back

Attention without positions does not know in which order the tokens stand. Give it shuffled ones, and it gives the
same answers, shuffled alike: for a block f and any order,

$$f(x[:, \\mathrm{order}]) = f(x)[:, \\mathrm{order}]$$

Here `order` (N,) says which token stands where: shuffled[:, n] is x[:, order[n]]. You are given what the block said to
the shuffled tokens, `answers` (B, N, D), and `order`. Return the block's answers to the tokens as they stood, f(x),
without asking it again.
"""

import numpy as np

POINTS, MINUTES = 1, 10
HINTS = (
    "Which token does answers[:, 0] belong to? And answers[:, n]?",
    "answers[:, n] belongs to token order[n]. Either put it there, or find for each token where it went.",
    "np.argsort(order) says for every token where it stands in the shuffled row.",
)


def put_back(answers, order):
    """The answers in the tokens' own order, (B, N, D)."""
    return answers[:, np.argsort(order)]


def cases(rng, dtype):
    for B, N, D in ((1, 3, 1), (2, 5, 3), (2, 9, 2), (3, 4, 4), (4, 3, 3)):
        turned = np.roll(np.arange(N), 1)
        yield rng.standard_normal((B, N, D)).astype(dtype), rng.permutation(N) if N > 4 else turned


def mistake_shuffled_twice(answers, order):
    """That shuffles once more: what stands at n must go to order[n], and not come from there."""
    return answers[:, order]


def mistake_as_they_are(answers, order):
    """You leave them shuffled: a token's answer stands where the token was put."""
    return answers.copy()


def mistake_turned_round(answers, order):
    """You turn the row round; a shuffle is undone by putting each token where it was."""
    return answers[:, ::-1]


def mistake_order_turned_round(answers, order):
    """The order read from its end is another order: the inverse says for each token where it went."""
    return answers[:, order[::-1]]


def mistake_samples(answers, order):
    """The tokens are the second axis, behind the samples."""
    return answers[np.argsort(order) % len(answers)]


def mistake_sorted(answers, order):
    """You sort the answers by their own numbers; they belong where `order` says."""
    return np.sort(answers, axis=1)


def right_written_there(answers, order):
    back = np.empty_like(answers)
    back[:, order] = answers
    return back


def right_loops(answers, order):
    return np.stack([answers[:, list(order).index(token)] for token in range(len(order))], axis=1)
