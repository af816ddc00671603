"""Down and up again: the ancestral step

A stochastic sampler goes down further than it wants to, and adds fresh noise to come up to where it wants to be. With
the noise as ratio, $r = \\sigma / \\alpha$, a step from $r$ to $r'$ is split in two: down to $r_\\text{down}$ by
Euler, then $r_\\text{up}$ of fresh noise is added. Independent noises add by their squares, so

$$r_\\text{down}^2 + r_\\text{up}^2 = r'^2$$

How much is fresh? As much as in DDPM's step, whose variance is $r'^2 (r^2 - r'^2) / r^2$, times $\\eta$ as a factor of
the deviation; but never more than there is to be in the end:

$$r_\\text{up} = \\min\\left(r',\\ \\eta\\, \\sqrt{r'^2\\, \\frac{r^2 - r'^2}{r^2}}\\right)$$

r and r_prev are arrays of one shape, of ratios before and after the step, all of r above 0. Return the pair (down,
up).
"""

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "First up, then down from the sum of squares.",
    "With eta = 0 nothing is fresh: down is r_prev, up is 0. With r_prev = 0 both are 0.",
    "up = np.minimum(r_prev, eta * r_prev * np.sqrt(r**2 - r_prev**2) / r); down = np.sqrt(r_prev**2 - up**2)",
)


def ancestral_split(r, r_prev, eta=1.0):
    """(down, up): to where Euler's step goes, and the deviation of the fresh noise; each shaped as r."""
    up = np.minimum(r_prev, eta * np.sqrt(r_prev**2 * (r**2 - r_prev**2) / r**2))
    return np.sqrt(r_prev**2 - up**2), up


def cases(rng, dtype):
    for eta in (1.0, 0.0, 0.6, 1.5):
        falling = np.sort(rng.uniform(0.1, 1.5, 7).cumsum())[::-1].astype(dtype)
        yield falling[:-1].copy(), falling[1:].copy(), eta
    yield np.array([[14.6, 3.0], [0.4, 0.03]], dtype), np.array([[9.0, 1.0], [0.1, 0.0]], dtype), 1.0
    yield np.array([5.0, 2.0], dtype), np.array([1.0, 1.9], dtype), 4.0


def _down(r_prev, up):
    return np.sqrt(np.maximum(r_prev**2 - up**2, 0))


def _up(r, r_prev, eta):
    return np.minimum(r_prev, eta * np.sqrt(r_prev**2 * (r**2 - r_prev**2) / r**2))


def mistake_deviations_add(r, r_prev, eta=1.0):
    """Variances add up, not deviations: down is sqrt(r_prev^2 - up^2)."""
    up = _up(r, r_prev, eta)
    return r_prev - up, up


def mistake_exchanged(r, r_prev, eta=1.0):
    """down comes first, then up."""
    up = _up(r, r_prev, eta)
    return up, _down(r_prev, up)


def mistake_variance(r, r_prev, eta=1.0):
    """up is a deviation: the square root of that variance."""
    up = np.minimum(r_prev, eta * r_prev**2 * (r**2 - r_prev**2) / r**2)
    return _down(r_prev, up), up


def mistake_eta_ignored(r, r_prev, eta=1.0):
    """eta scales the fresh noise: with 0 nothing is fresh."""
    up = _up(r, r_prev, 1.0)
    return _down(r_prev, up), up


def mistake_eta_under_the_root(r, r_prev, eta=1.0):
    """eta is a factor of the deviation: it stands before the root, not under it."""
    up = _up(r, r_prev, np.sqrt(eta))
    return _down(r_prev, up), up


def mistake_no_minimum(r, r_prev, eta=1.0):
    """With a large eta more noise would be added than there is to be in the end: up is r_prev at most."""
    up = eta * np.sqrt(r_prev**2 * (r**2 - r_prev**2) / r**2)
    return _down(r_prev, up), up


def mistake_all_new_noise(r, r_prev, eta=1.0):
    """That is what the step takes away, r^2 - r_prev^2; DDPM's variance is r_prev^2 / r^2 times that."""
    up = np.minimum(r_prev, eta * np.sqrt(r**2 - r_prev**2))
    return _down(r_prev, up), up


def mistake_divided_by_the_new(r, r_prev, eta=1.0):
    """Divide by r^2, the ratio before the step; r_prev may be 0."""
    up = np.minimum(r_prev, eta * np.sqrt(r**2 - r_prev**2) * r_prev / np.maximum(r_prev, 1e-9) * r_prev)
    return _down(r_prev, up), up


def mistake_down_from_before(r, r_prev, eta=1.0):
    """Down and up together make r_prev^2, the noise after the step, not r^2."""
    up = _up(r, r_prev, eta)
    return np.sqrt(r**2 - up**2), up


def mistake_variances(r, r_prev, eta=1.0):
    """Those are the squares: return deviations."""
    up = _up(r, r_prev, eta)
    return r_prev**2 - up**2, up**2


def right_by_share(r, r_prev, eta=1.0):
    kept = r_prev / r
    share = np.clip(eta * np.sqrt(1 - kept**2), 0, 1)  # of the deviation after the step
    return r_prev * np.sqrt(1 - share**2), r_prev * share


def right_loop(r, r_prev, eta=1.0):
    down, up = np.zeros_like(r), np.zeros_like(r)
    for place in np.ndindex(*r.shape):
        a, b = float(r[place]), float(r_prev[place])
        fresh = min(b, eta * (b / a) * (a * a - b * b) ** 0.5)
        up[place] = fresh
        down[place] = max(0.0, b * b - fresh * fresh) ** 0.5
    return down, up
