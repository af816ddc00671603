"""There and back, and there again

RePaint (Lugmayr et al. 2022, section 4.2) lets the part that is drawn see the known part again and again: it goes down
a stretch of the way, adds the noise back, and goes down the same stretch once more. Write the plan of it.

levels is the whole way, from noise to the clean picture: n + 1 places for n steps. Cut it into stretches of jump steps,
so of jump + 1 places; where one ends, the next begins; the last may be shorter. Each stretch comes resample times, one
time after the other. With resample 1 nothing is repeated, and the way stays in one piece: some samplers remember their
last steps, and begin anew with each stretch. With jump 2 and resample 2 the way 4, 3, 2, 1, 0 becomes

    [4, 3, 2], [4, 3, 2], [2, 1, 0], [2, 1, 0]
"""

import numpy as np

from minisd.diffusion.inpainting import stretches as library

POINTS, MINUTES = 2, 20
HINTS = (
    "Do it on paper for 5 steps, jump 2: which places has the last stretch?",
    "The stretches begin at the indices 0, jump, 2 jump, ..., as long as there is a step left after them.",
    "for start in range(0, len(levels) - 1, jump): resample times levels[start : start + jump + 1].",
)


def stretches(levels, resample, jump=2):
    """The stretches in the order in which they are gone: a list of lists."""
    return library(levels, resample, jump)


def cases(rng, dtype):
    for n, resample, jump in (
        (4, 2, 2),
        (6, 3, 3),
        (5, 2, 2),
        (20, 2, 10),
        (30, 3, 10),
        (7, 1, 2),
        (25, 5, 2),
        (3, 2, 5),
    ):
        yield list(range(n, -1, -1)), resample, jump
    yield [999, 700, 650, 20, -1], 2, 1
    yield [10 * place for place in range(int(rng.integers(9, 14)), -1, -1)], int(rng.integers(2, 5)), 4
    yield list(range(12, -1, -1)), 1, 2


def probe(stretches, *case):
    return [list(stretch) for stretch in stretches(*case)]


def _cut(levels, jump, shared=1):
    return [list(levels[start : start + jump + shared]) for start in range(0, len(levels) - 1, jump)]


def mistake_nothing_shared(levels, resample, jump=2):
    """A stretch ends where the next one begins: the step between yours is never taken."""
    return [part for part in _cut(levels, jump, shared=0) for _ in range(resample)]


def mistake_whole_way(levels, resample, jump=2):
    """You repeat the whole way: with so much noise back, all that was drawn is forgotten each time. Cut it first."""
    return [list(levels) for _ in range(resample)]


def mistake_one_after_the_other(levels, resample, jump=2):
    """A stretch is repeated before the next one begins: you walk down to the end and start again from the top."""
    return [list(levels)] if resample == 1 else _cut(levels, jump) * resample


def mistake_once_more(levels, resample, jump=2):
    """resample counts every time that a stretch is gone, the first one too."""
    return [part for part in _cut(levels, jump) for _ in range(resample + 1)]


def mistake_rest_lost(levels, resample, jump=2):
    """The last stretch may be shorter, but the way ends at the last place: yours ends before it."""
    if resample == 1:
        return [list(levels)]
    return [part for part in _cut(levels, jump) if len(part) == jump + 1 for _ in range(resample)]


def mistake_cut_for_nothing(levels, resample, jump=2):
    """With resample 1 the way stays in one piece."""
    return [part for part in _cut(levels, jump) for _ in range(resample)]


def mistake_back_up_listed(levels, resample, jump=2):
    """List the ways down alone: the noise is added back in a single step, for which no level between is visited."""
    if resample == 1:
        return [list(levels)]
    return [part if i == 0 else [*reversed(part), *part[1:]] for part in _cut(levels, jump) for i in range(resample)]


def mistake_last_once(levels, resample, jump=2):
    """Each stretch is repeated, the last one, to the clean picture, too."""
    if resample == 1:
        return [list(levels)]
    *others, last = _cut(levels, jump)
    return [*(part for part in others for _ in range(resample)), last]


def right_while(levels, resample, jump=2):
    if resample == 1:
        return [levels[:]]
    found, at, n = [], 0, len(levels) - 1
    while at < n:
        to = min(at + jump, n)
        for _ in range(resample):
            found.append([levels[i] for i in range(at, to + 1)])
        at = to
    return found


def right_numpy(way, times, step=2):
    size = step if times > 1 else len(way)
    ends = [*np.arange(size, len(way) - 1, size).tolist(), len(way) - 1]
    starts = [0, *ends[:-1]]
    pieces = [way[a : b + 1] for a, b in zip(starts, ends, strict=True)]
    return [pieces[i] for i in np.repeat(np.arange(len(pieces)), times)]
