"""Hold what is known

Inpainting, without a word to the sampler. A sampler asks denoise(x_t, level), which gives two arrays, the predicted
$x_0$ and the noise, with $x_t = \\alpha x_0 + \\sigma\\, \\text{noise}$ (level.alpha and level.sigma). Make another
function of the kind, which the sampler asks instead. Where redrawn is True it predicts as denoise does. Elsewhere the
picture is known: there its $x_0$ is the known one, and its noise is what is then left of $x_t$. The two must still add
up to $x_t$.

x_t, known and both results have the shape (B, H, W, C); redrawn has (H, W, 1), or (B, H, W, 1). Ask denoise once for
each time that you are asked.
"""

import numpy as np

from minisd.diffusion.schedule import NoiseLevel

POINTS, MINUTES = 3, 25
GIVEN = ("np", "NoiseLevel")
HINTS = (
    "A function inside the function: it takes x_t and level, and held returns it.",
    "np.where(redrawn, a, b) takes from a where redrawn is True and from b elsewhere, over all samples and channels.",
    "np.where(redrawn, x_0, known) is the new x_0; the noise solves x_t = level.alpha * x_0 + level.sigma * noise.",
)


def held(denoise, known, redrawn):
    """A function (x_t, level) -> (x_0, noise), as denoise is, that holds the known part."""

    def with_known(x_t, level):
        x_0, _ = denoise(x_t, level)
        x_0 = np.where(redrawn, x_0, known)
        return x_0, (x_t - level.alpha * x_0) / level.sigma

    return with_known


def cases(rng, dtype):
    levels = [(700, 0.28, 0.96), (300, 0.6, 0.8), (20, 0.96, 0.28)]
    straight = [(799, 0.2, 0.8), (399, 0.6, 0.4), (99, 0.9, 0.1)]  # flow matching: the two add up to 1
    for shape, kept, way in (
        ((2, 3, 4, 1), (3, 4, 1), levels),
        ((3, 4, 2, 4), (4, 2, 1), straight),
        ((2, 4, 3, 2), (2, 4, 3, 1), levels),
        ((1, 2, 5, 3), (2, 5, 1), straight[1:]),
    ):
        x_t, known = rng.standard_normal((2, *shape)).astype(dtype)
        redrawn = rng.random(kept) < 0.5
        redrawn.flat[:2] = True, False
        yield x_t, known, redrawn, way
    x_t, known = rng.standard_normal((2, 2, 2, 2, 1)).astype(dtype)
    yield x_t, known, np.ones((2, 2, 1), bool), levels[:1]
    yield x_t, known, np.zeros((2, 2, 1), bool), straight[:1]


def probe(held, x_t, known, redrawn, levels):
    asked = []

    def denoise(x, level):
        asked.append(level.t)
        noise = np.sin(2 * x + x.mean(axis=(1, 2, 3), keepdims=True) + 0.1 * level.t).astype(x.dtype)
        return (x - level.sigma * noise) / level.alpha, noise

    own = held(denoise, known, redrawn)
    return {"predicted": [list(own(x_t, NoiseLevel(*level))) for level in levels], "asked at t": asked}


def mistake_exchanged(denoise, known, redrawn):
    """Where redrawn is True the picture is not known: you hold the wrong part."""
    return held(denoise, known, ~redrawn)


def mistake_noise_as_predicted(denoise, known, redrawn):
    """With another x_0 the noise is another, too: yours no longer add up to x_t in the known part."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        return np.where(redrawn, x_0, known), noise

    return with_known


def mistake_known_noised(denoise, known, redrawn):
    """x_0 is the clean picture: the known part belongs into it as it is, without noise and without alpha."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        x_0 = np.where(redrawn, x_0, level.alpha * known + level.sigma * noise)
        return x_0, (x_t - level.alpha * x_0) / level.sigma

    return with_known


def mistake_known_shown(denoise, known, redrawn):
    """x_t has the known part in it already, with its noise: ask denoise at x_t as it comes."""

    def with_known(x_t, level):
        x_0, _ = denoise(np.where(redrawn, x_t, level.alpha * known), level)
        x_0 = np.where(redrawn, x_0, known)
        return x_0, (x_t - level.alpha * x_0) / level.sigma

    return with_known


def mistake_no_alpha(denoise, known, redrawn):
    """The known picture stands in x_t times alpha: subtract alpha x_0, not x_0."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        return np.where(redrawn, x_0, known), np.where(redrawn, noise, (x_t - known) / level.sigma)

    return with_known


def mistake_not_by_sigma(denoise, known, redrawn):
    """What is left of x_t is sigma times the noise: divide by sigma."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        return np.where(redrawn, x_0, known), np.where(redrawn, noise, x_t - level.alpha * known)

    return with_known


def mistake_no_noise(denoise, known, redrawn):
    """The known part is not clean yet: with noise 0 it does not add up to x_t."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        return np.where(redrawn, x_0, known), np.where(redrawn, noise, 0 * noise)

    return with_known


def mistake_only_noise(denoise, known, redrawn):
    """The sampler mixes both anew: x_0 must be the known one there, too, not the noise alone."""

    def with_known(x_t, level):
        x_0, noise = denoise(x_t, level)
        return x_0, np.where(redrawn, noise, (x_t - level.alpha * known) / level.sigma)

    return with_known


def right_blended(denoise, known, redrawn):
    share = redrawn.astype(known.dtype)

    def inner(x, level):
        picture, noise = denoise(x, level)
        rest = (x - level.alpha * known) / level.sigma
        return share * picture + (1 - share) * known, share * noise + (1 - share) * rest

    return inner


def right_in_place(denoise, known, redrawn):
    where = ~np.broadcast_to(redrawn, known.shape)

    def inner(x, level):
        _, alpha, sigma = level
        picture, noise = (np.array(part) for part in denoise(x, level))
        picture[where] = known[where]
        noise[where] = x[where] / sigma - known[where] * (alpha / sigma)
        return picture, noise

    return inner
