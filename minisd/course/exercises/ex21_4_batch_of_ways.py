"""A batch of ways

The network for few steps learns from ways that its teacher has gone. `ways` has the shape (B, K + 1, ...): of each of B
ways the places at K noise levels, from pure noise on, and last its end. alpha and sigma, (K,), are those of the levels,
with $\\alpha^2 + \\sigma^2 = 1$. `level` says for each way which of its places is looked at, (B,), whole numbers from 0
to K - 1.

Return the places x_t, (B, ...), and what the network has to predict there: the v whose reading $x_0 = \\alpha x_t -
\\sigma v$ is the end of the way.
"""

import numpy as np

from minisd.diffusion.consistency import leading_to

POINTS, MINUTES = 3, 20
HINTS = (
    "Pick one place of each way, and its last. Then solve the reading for v.",
    "ways[np.arange(B), level] are the places, ways[:, -1] the ends. v is (alpha x_t - x_0) / sigma, with each way's "
    "own alpha and sigma, shaped (B, 1, ..., 1).",
    "shape = (-1,) + (1,) * (ways.ndim - 2); a, s = alpha[level].reshape(shape), sigma[level].reshape(shape); then "
    "x_t and (a * x_t - ways[:, -1]) / s.",
)


def batch_of_ways(ways, level, alpha, sigma):
    """x_t and the v that leads from there to the end, both (B, ...)."""
    x_t = ways[np.arange(len(ways)), level]
    alpha, sigma = (rate[level].reshape(-1, *(1,) * (x_t.ndim - 1)) for rate in (alpha, sigma))
    return x_t, leading_to("v", ways[:, -1], x_t, alpha, sigma)


def cases(rng, dtype):
    for B, K, shape in ((4, 4, (2, 3, 1)), (3, 3, (3,)), (5, 4, (2,)), (3, 2, (3, 3, 2)), (6, 3, (6,))):
        angle = np.sort(rng.uniform(0.2, 1.5, K))[::-1]
        level = rng.permutation(np.arange(B) % K)
        ways = rng.standard_normal((B, K + 1, *shape)).astype(dtype)
        yield ways, level, np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)


def probe(batch_of_ways, ways, level, alpha, sigma):
    x_t, v = batch_of_ways(ways, level, alpha, sigma)
    return {"x_t": x_t, "v": v}


def _shaped(ways, level, alpha, sigma):
    shape = (-1, *(1,) * (ways.ndim - 2))
    return ways[np.arange(len(ways)), level], ways[:, -1], alpha[level].reshape(shape), sigma[level].reshape(shape)


def mistake_noise_of_the_start(ways, level, alpha, sigma):
    """You take the noise that the way began with. Ways bend: the noise that leads from x_t straight to the end is
    (x_t - alpha x_0) / sigma."""
    x_t, x_0, a, s = _shaped(ways, level, alpha, sigma)
    return x_t, a * ways[:, 0] - s * x_0


def mistake_next_place(ways, level, alpha, sigma):
    """The end of the way is wanted, not its next place."""
    x_t, _, a, s = _shaped(ways, level, alpha, sigma)
    return x_t, (a * x_t - ways[np.arange(len(ways)), level + 1]) / s


def mistake_end_itself(ways, level, alpha, sigma):
    """That is the end, x_0; the network predicts v, from which it is read."""
    x_t, x_0, _, _ = _shaped(ways, level, alpha, sigma)
    return x_t, x_0


def mistake_noise_predicted(ways, level, alpha, sigma):
    """That is the noise that leads to the end; the network predicts v, (alpha x_t - x_0) / sigma."""
    x_t, x_0, a, s = _shaped(ways, level, alpha, sigma)
    return x_t, (x_t - a * x_0) / s


def mistake_sign(ways, level, alpha, sigma):
    """Solve x_0 = alpha x_t - sigma v once more: v has the other sign."""
    x_t, x_0, a, s = _shaped(ways, level, alpha, sigma)
    return x_t, (x_0 - a * x_t) / s


def mistake_not_divided(ways, level, alpha, sigma):
    """alpha x_t - x_0 is sigma v: divide by sigma."""
    x_t, x_0, a, _ = _shaped(ways, level, alpha, sigma)
    return x_t, a * x_t - x_0


def mistake_without_alpha(ways, level, alpha, sigma):
    """In the reading x_t is multiplied by alpha."""
    x_t, x_0, _, s = _shaped(ways, level, alpha, sigma)
    return x_t, (x_t - x_0) / s


def mistake_one_level(ways, level, alpha, sigma):
    """Each way has a level of its own; you look at the first one's in all of them."""
    return batch_of_ways(ways, np.full_like(level, level[0]), alpha, sigma)


def mistake_every_level(ways, level, alpha, sigma):
    """ways[:, level] takes all those levels of every way: pair them, ways[np.arange(B), level]."""
    x_t, (_, x_0, a, s) = ways[:, level], _shaped(ways, level, alpha, sigma)
    return x_t, (a[:, None] * x_t - x_0[:, None]) / s[:, None]


def mistake_levels_from_the_end(ways, level, alpha, sigma):
    """Level 0 is pure noise, where the way begins: you count from its end."""
    x_t = ways[np.arange(len(ways)), -2 - level]
    _, x_0, a, s = _shaped(ways, level, alpha, sigma)
    return x_t, (a * x_t - x_0) / s


def mistake_velocity_of_the_pair(ways, level, alpha, sigma):
    """That is flow matching's velocity, from the way's end to its begin; wanted is the v at x_t."""
    x_t, x_0, _, _ = _shaped(ways, level, alpha, sigma)
    return x_t, ways[:, 0] - x_0


def mistake_not_shaped(ways, level, alpha, sigma):
    """Each way has an alpha and a sigma of its own: shape them to (B, 1, ..., 1), or NumPy lays them along the last
    axis."""
    x_t = ways[np.arange(len(ways)), level]
    return x_t, (alpha[level] * x_t - ways[:, -1]) / sigma[level]


def right_way_by_way(ways, level, alpha, sigma):
    places, wanted = [], []
    for way, k in zip(ways, level, strict=True):
        places.append(way[k])
        wanted.append(alpha[k] / sigma[k] * way[k] - way[-1] / sigma[k])
    return np.stack(places), np.stack(wanted)


def right_by_the_noise(ways, level, alpha, sigma):
    x_t, x_0, a, s = _shaped(ways, level, alpha, sigma)
    noise = (x_t - a * x_0) / s
    return x_t, a * noise - s * x_0
