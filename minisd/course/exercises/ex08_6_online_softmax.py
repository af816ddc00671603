"""Softmax as the scores come in

A row of a million scores need not be kept. Its softmax-weighted sum of values can be made in one walk over blocks of
keys, when three things are carried along for each query (Milakov and Gimelshein 2018; Dao et al. 2022):

- `largest`, the largest score so far,
- `total`, the sum of $e^{s - \\mathrm{largest}}$ so far,
- `mixed`, the sum of $e^{s - \\mathrm{largest}}\\, v$ so far.

A new block may hold a larger score. Then what was summed is measured from the wrong place: both sums are multiplied by
$e^{\\mathrm{old} - \\mathrm{new}}$, of the two largest scores, before the block's own terms are added. At the end,
mixed / total is the output. Write what happens at one block.
"""

import numpy as np

POINTS, MINUTES = 5, 40
HINTS = (
    "Do it on paper for one query: scores 1, then 3. After the first: largest 1, total 1, mixed v1. And then?",
    "New largest: the maximum of the old one and the block's. Both sums shrink by exp(old - new), which is at most 1.",
    "mixed is (N, d), the shrinking (N,): it needs a [:, None]. The block's part of mixed is a product of matrices.",
)


def add_block(largest, total, mixed, scores, values):
    """(largest, total, mixed) with the block: scores (N, m) and its values (m, d) added.

    largest (N,), total (N,), mixed (N, d). Before the first block they are minus infinity, 0 and 0.
    """
    new_largest = np.maximum(largest, scores.max(axis=1))
    shrink = np.exp(largest - new_largest)
    weights = np.exp(scores - new_largest[:, None])
    return new_largest, total * shrink + weights.sum(axis=1), mixed * shrink[:, None] + weights @ values


def probe(add_block, scores, values, blocks):
    """What is carried along after each of the blocks of that many keys, and the output in the end."""
    N, first = len(scores), 0
    state = np.full(N, -np.inf, scores.dtype), np.zeros(N, scores.dtype), np.zeros((N, values.shape[1]), scores.dtype)
    seen = []
    for width in blocks:
        part = slice(first, first + width)
        state = tuple(add_block(*state, scores[:, part].copy(), values[part].copy()))
        seen.append([np.array(carried) for carried in state])
        first += width
    return [*seen, seen[-1][2] / seen[-1][1][:, None]]


def cases(rng, dtype):
    for N, d, blocks in ((1, 1, (1,)), (1, 2, (1, 1)), (3, 2, (2, 3)), (4, 4, (4, 1, 3)), (2, 5, (1, 2, 1, 2))):
        M = sum(blocks)
        yield (2 * rng.standard_normal((N, M))).astype(dtype), rng.standard_normal((M, d)).astype(dtype), blocks
    rising = np.linspace(-800, 800, 6) + rng.standard_normal((3, 6))
    values = rng.standard_normal((6, 3)).astype(dtype)
    yield rising.astype(dtype), values, (2, 2, 2)
    yield rising[:, ::-1].astype(dtype), values, (3, 3)
    yield (rng.standard_normal((2, 6)) + 1000 * np.arange(2)[:, None]).astype(dtype), values, (2, 4)


def _other_block(*, shrink_total=True, shrink_mixed=True, sign=1, largest_of=None, weighted=True):
    """The step with a part of it done in another way."""

    def step(largest, total, mixed, scores, values):
        top = scores.max(axis=1)
        new = largest_of(largest, top, scores) if largest_of else np.maximum(largest, top)
        with np.errstate(all="ignore"):
            shrink = np.exp(sign * (largest - new))
            weights = np.exp(scores - new[:, None])
            return (
                new,
                total * (shrink if shrink_total else 1) + weights.sum(axis=1),
                mixed * (shrink[:, None] if shrink_mixed else 1) + (weights @ values if weighted else scores @ values),
            )

    return step


def mistake_nothing_shrinks(largest, total, mixed, scores, values):
    """A larger score came, and what was summed before is left as it was: it is measured from the old largest."""
    return _other_block(shrink_total=False, shrink_mixed=False)(largest, total, mixed, scores, values)


def mistake_mixed_not_shrunk(largest, total, mixed, scores, values):
    """total shrinks, mixed does not: both are sums measured from the old largest."""
    return _other_block(shrink_mixed=False)(largest, total, mixed, scores, values)


def mistake_total_not_shrunk(largest, total, mixed, scores, values):
    """mixed shrinks, total does not: both are sums measured from the old largest."""
    return _other_block(shrink_total=False)(largest, total, mixed, scores, values)


def mistake_grows(largest, total, mixed, scores, values):
    """The exponent has the wrong sign: exp(old - new) is at most 1, yours is at least 1."""
    return _other_block(sign=-1)(largest, total, mixed, scores, values)


def mistake_largest_of_the_block(largest, total, mixed, scores, values):
    """You take the block's largest score, even where an earlier block had a larger one."""
    return _other_block(largest_of=lambda largest, top, scores: top)(largest, total, mixed, scores, values)


def mistake_one_largest(largest, total, mixed, scores, values):
    """One largest score for all queries: a row far below it vanishes. Each query has its own."""
    one = _other_block(largest_of=lambda largest, top, scores: np.maximum(largest, top).max() * np.ones_like(top))
    return one(largest, total, mixed, scores, values)


def mistake_no_largest(largest, total, mixed, scores, values):
    """You measure from 0: the exponentials of large scores overflow. Measure from the largest so far."""
    return _other_block(largest_of=lambda largest, top, scores: np.zeros_like(top))(
        largest, total, mixed, scores, values
    )


def mistake_scores_mixed(largest, total, mixed, scores, values):
    """You mix the values by the scores themselves: they are mixed by the exponentials."""
    return _other_block(weighted=False)(largest, total, mixed, scores, values)


def mistake_divided_at_once(largest, total, mixed, scores, values):
    """You divide mixed by total at every block: the division comes once, at the end, and is not yours to do."""
    new, total, mixed = add_block(largest, total, mixed, scores, values)
    return new, total, mixed / total[:, None]


def right_key_by_key(largest, total, mixed, scores, values):
    largest, total, mixed = largest.copy(), total.copy(), mixed.copy()
    for n in range(len(scores)):
        for s, v in zip(scores[n], values, strict=True):
            if s > largest[n]:
                factor = np.exp(largest[n] - s)
                total[n] *= factor
                mixed[n] *= factor
                largest[n] = s
            total[n] += np.exp(s - largest[n])
            mixed[n] += np.exp(s - largest[n]) * v
    return largest, total, mixed


def right_in_place(largest, total, mixed, scores, values):
    before = largest.copy()
    np.maximum(largest, scores.max(1), out=largest)
    weights = np.exp(scores - largest[:, np.newaxis])
    total *= np.exp(before - largest)
    total += weights.sum(1)
    mixed *= np.exp(before - largest)[:, np.newaxis]
    mixed += np.einsum("nm,md->nd", weights, values)
    return [largest, total, mixed]
