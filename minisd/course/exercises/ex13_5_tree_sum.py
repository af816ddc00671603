"""A sum as a tree

Threads of a block add up their numbers, one each, as a tree. In every round the first half of the threads that are left
each add the number of the thread that stands half as many places farther on:

$$h = 2^k \\text{ the half}: \\qquad x_t \\leftarrow x_t + x_{t+h} \\quad \\text{for } t < h,
\\qquad h \\leftarrow h / 2$$

until thread 0 has all. Rounding depends on the order of a sum, so the order is part of what you compute. If the number
of threads is not a power of two, let h begin with the largest power of two that is smaller than their number, and a
thread without a partner keeps its own. Additions are in the type of `x`.

Return the numbers of all rounds: a list of arrays, each with what threads 0 to h - 1 have after the round with half h.
"""

import numpy as np

POINTS, MINUTES = 2, 20
HINTS = (
    "Draw it for 8 threads, then for 6: h is 4, and threads 2 and 3 find nobody at 6 and 7.",
    "In a round with half h, thread t adds x[t + h] only if t + h is below the number of threads that are left.",
    "left = x.copy(); left[: len(left) - h] += left[h:]; left = left[:h]; then h //= 2.",
)


def tree_sum(x):
    """The rounds' results for x (T,): for 8 threads arrays of 4, 2 and 1; for one thread an empty list."""
    rounds, half = [], 1
    while 2 * half < len(x):
        half *= 2
    while half and len(x) > 1:
        x = np.concatenate([x[: len(x) - half] + x[half:], x[len(x) - half : half]])
        rounds.append(x)
        half //= 2
    return rounds


def cases(rng, dtype):
    for threads in (1, 2, 3, 6, 8, 11, 32):
        yield (rng.standard_normal(threads).astype(dtype),)
    yield (np.arange(1, 17, dtype=dtype),)


def mistake_neighbours(x):
    """The partner stands h places farther on, not next door: neighbours meet in the last round only."""
    rounds = []
    while len(x) > 1:
        x = x[::2] + np.pad(x[1::2], (0, len(x) % 2))
        rounds.append(x)
    return rounds


def mistake_only_the_end(x):
    """What is wanted are the results of all rounds, not only the last one's."""
    return tree_sum(x)[-1:]


def mistake_odd_one_lost(x):
    """A thread without a partner keeps its own number: the middle ones are lost."""
    rounds = []
    half = 1
    while 2 * half < len(x):
        half *= 2
    while half and len(x) > 1:
        x = np.concatenate([x[: len(x) - half] + x[half:], 0 * x[len(x) - half : half]])
        rounds.append(x)
        half //= 2
    return rounds


def mistake_half_rounded(x):
    """h is a power of two, also in the first round: not half of the threads, rounded."""
    rounds = []
    while len(x) > 1:
        half = -(-len(x) // 2)
        x = np.concatenate([x[: len(x) - half] + x[half:], x[len(x) - half : half]])
        rounds.append(x)
    return rounds


def mistake_all_threads_kept(x):
    """After a round only the first h threads are left: the others' numbers have been added already."""
    return [np.concatenate([kept, x[len(kept) :]]) for kept in tree_sum(x)]


def mistake_writes_while_reading(x):
    """The last thread adds its own, too: with t + h beyond the end nothing is added, not the last number."""
    rounds, half = [], 1
    while 2 * half < len(x):
        half *= 2
    while half and len(x) > 1:
        partners = np.minimum(np.arange(half) + half, len(x) - 1)
        x = x[:half] + x[partners]
        rounds.append(x)
        half //= 2
    return rounds


def mistake_largest_power(x):
    """For a number of threads that is a power of two, h begins with half of it: yours begins with all."""
    rounds = tree_sum(x)
    return [x.copy(), *rounds] if len(x) & (len(x) - 1) == 0 else rounds


def right_thread_by_thread(x):
    own, results = list(x), []
    half = 1 << max(0, (len(own) - 1).bit_length() - 1)
    while half >= 1 and len(own) > 1:
        for t in range(half):
            if t + half < len(own):
                own[t] = own[t] + own[t + half]
        own = own[:half]
        results.append(np.array(own, x.dtype))
        half //= 2
    return results


def right_in_place(values):
    left, out = values.copy(), []
    h = 1
    while h * 2 < left.size:
        h *= 2
    while left.size > 1:
        left[: left.size - h] += left[h:]
        left = left[:h].copy()
        out.append(left.copy())
        h //= 2
    return out
