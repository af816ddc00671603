"""A moving average of the weights

The last weights of a training are noisy: each batch pulls them another way. What is kept is an average that moves a
little towards them after each step:

$$a \\leftarrow a + (1 - d_n)(w - a), \\qquad d_n = \\min\\left(\\text{decay},\\ \\frac{1 + n}{10 + n}\\right)$$

after step $n = 1, 2, \\dots$ The fraction is small at first, so that the first, bad weights are soon forgotten. The
average begins as a copy of the weights. Write the class; the caller changes its weights in place, and yours must not
go along.
"""

import numpy as np
from minisd_kernels import adam
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 2, 20
HINTS = (
    "What must an EMA remember from one update to the next? Three things.",
    "Count n up first: the first update is number 1. And copy the first weights.",
    "average = average + (1 - d) * (weights - average), where d is the smaller of decay and (1 + n) / (10 + n).",
)


class EMA:
    """The average is in ``self.average``, an array shaped as the weights."""

    def __init__(self, weights, decay=0.999):
        """Begin with a copy of the weights."""
        self.average, self.decay, self.steps = weights.copy(), decay, 0

    def update(self, weights):
        """Move the average towards the weights, after a step of training."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        with use_backend("numpy"):
            adam.average(self.average.reshape(-1), weights.reshape(-1), rate=1 - decay)


def cases(rng, dtype):
    for steps, decay in ((1, 0.999), (3, 0.9), (8, 0.3), (12, 0.5), (4, 0.0)):
        yield rng.standard_normal((1 + steps, 2, 3)).astype(dtype), decay
    yield (rng.standard_normal((6, 3)).astype(dtype),)


def probe(EMA, weights_over_time, *decay):
    own = weights_over_time[0].copy()
    average = EMA(own, *decay)
    begin = np.array(average.average)
    found = []
    for weights in weights_over_time[1:]:
        own[...] = weights
        average.update(own)
        found.append(np.array(average.average))
    own[...] = 0
    return [begin, *found, np.array(average.average)]


class _Base:
    def __init__(self, weights, decay=0.999):
        self.average, self.decay, self.steps = weights.copy(), decay, 0

    def update(self, weights):
        self.steps += 1
        self.average = self.average + self.rate() * (weights - self.average)

    def rate(self):
        return 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))


class mistake_exchanged(_Base):
    """The average keeps the share d of itself and takes 1 - d of the weights: yours are exchanged."""

    def rate(self):
        return min(self.decay, (1 + self.steps) / (10 + self.steps))


class mistake_no_warm_up(_Base):
    """In the first steps the decay is smaller, (1 + n) / (10 + n), so that the first weights are soon forgotten."""

    def rate(self):
        return 1 - self.decay


class mistake_the_larger(_Base):
    """The decay is the smaller of the two."""

    def rate(self):
        return 1 - max(self.decay, (1 + self.steps) / (10 + self.steps))


class mistake_counted_late(_Base):
    """The first update is number 1: count n up before you use it."""

    def rate(self):
        return 1 - min(self.decay, self.steps / (9 + self.steps))


class mistake_same_array(_Base):
    """Your average is the weights' own array, which the caller changes: begin with a copy."""

    def __init__(self, weights, decay=0.999):
        self.average, self.decay, self.steps = weights, decay, 0

    def update(self, weights):
        self.steps += 1
        self.average += self.rate() * (weights - self.average)


class mistake_begins_at_zero(_Base):
    """The average begins as the weights are, not at 0."""

    def __init__(self, weights, decay=0.999):
        super().__init__(np.zeros_like(weights), decay)


class mistake_plain_mean(_Base):
    """You weigh all steps alike; later ones are to count more."""

    def rate(self):
        return 1 / (1 + self.steps)


class right_in_place:
    def __init__(self, weights, decay=0.999):
        self.average = np.array(weights)
        self.decay, self.n = decay, 0

    def update(self, weights):
        self.n += 1
        d = (1 + self.n) / (10 + self.n)
        if d > self.decay:
            d = self.decay
        self.average *= d
        self.average += (1 - d) * weights


class right_by_numbers:
    def __init__(self, weights, decay=0.999):
        self.values, self.shape = [float(x) for x in weights.ravel()], weights.shape
        self.decays = (min(decay, (1 + n) / (10 + n)) for n in range(1, 10**6))

    def update(self, weights):
        d = next(self.decays)
        self.values = [d * a + (1 - d) * float(w) for a, w in zip(self.values, weights.ravel(), strict=True)]

    @property
    def average(self):
        return np.array(self.values).reshape(self.shape)
