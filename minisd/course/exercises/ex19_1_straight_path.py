"""A straight path and its velocity

Flow matching mixes a picture and noise so that the path from one to the other is a straight line (Lipman et al. 2023;
Liu et al. 2023, equation 1):

$$x_t = (1 - t)\\, x_0 + t\\, \\varepsilon, \\qquad V = \\frac{dx_t}{dt}$$

At t = 0 there is the picture, at t = 1 the noise. `x_0` and `noise` have the shape (B, ...), a picture (B, H, W, C) or
points (B, D); `t` has a number for each sample, (B,). Return x_t and the velocity V, which is what the network learns.
"""

import numpy as np

from minisd.diffusion.prediction import target

POINTS, MINUTES = 2, 10
HINTS = (
    "Differentiate the mixture by t. What is left of t?",
    "The velocity is noise - x_0, at every t. For the mixture t must be shaped to multiply samples: (B, 1, 1, 1).",
    "ones = (1,) * (x_0.ndim - 1); t = t.reshape(-1, *ones); and then (1 - t) * x_0 + t * noise, noise - x_0",
)


def straight_path(x_0, noise, t):
    """x_t and the velocity at it, both shaped as x_0."""
    t = t.reshape(-1, *(1,) * (x_0.ndim - 1))
    return (1 - t) * x_0 + t * noise, target("velocity", x_0, noise, 1 - t, t)


def cases(rng, dtype):
    for shape in ((3, 2, 4, 1), (4, 2), (1, 3, 3, 2), (3, 3, 3, 3), (5, 5)):
        x_0, noise = rng.standard_normal((2, *shape)).astype(dtype)
        yield x_0, noise, rng.uniform(0, 1, shape[0]).astype(dtype)
    x_0, noise = rng.standard_normal((2, 2, 4)).astype(dtype)
    yield x_0, noise, np.array([0, 1], dtype)


def probe(straight_path, x_0, noise, t):
    x_t, velocity = straight_path(x_0, noise, t)
    return {"x_t": x_t, "velocity": velocity}


def _column(t, x):
    return t.reshape(-1, *(1,) * (x.ndim - 1))


def mistake_other_way(x_0, noise, t):
    """At t = 0 there is the picture and at t = 1 the noise: you count time the other way, as some papers do."""
    t = _column(t, x_0)
    return t * x_0 + (1 - t) * noise, x_0 - noise


def mistake_picture_less_noise(x_0, noise, t):
    """The velocity points from the picture to the noise, for that is where x_t goes as t grows: yours is reversed."""
    t = _column(t, x_0)
    return (1 - t) * x_0 + t * noise, x_0 - noise


def mistake_roots(x_0, noise, t):
    """Square roots keep the variance, as diffusion does; the straight path has the factors 1 - t and t themselves."""
    t = _column(t, x_0)
    return np.sqrt(1 - t) * x_0 + np.sqrt(t) * noise, noise - x_0


def mistake_circle(x_0, noise, t):
    """That is the quarter circle, with cosine and sine: the cosine schedule and its v."""
    phi = _column(t, x_0) * (np.pi / 2)
    return np.cos(phi) * x_0 + np.sin(phi) * noise, np.cos(phi) * noise - np.sin(phi) * x_0


def mistake_v(x_0, noise, t):
    """The velocity is the derivative by t: v, alpha noise - sigma x_0, is that on the circle."""
    t = _column(t, x_0)
    return (1 - t) * x_0 + t * noise, (1 - t) * noise - t * x_0


def mistake_way_so_far(x_0, noise, t):
    """That is how far x_t has come, t (noise - x_0): the velocity is the way per time, the same all along the path."""
    t = _column(t, x_0)
    return (1 - t) * x_0 + t * noise, t * (noise - x_0)


def mistake_way_to_go(x_0, noise, t):
    """That is what is left of the way to the noise, (1 - t)(noise - x_0): the velocity does not shrink on the way."""
    t = _column(t, x_0)
    here = (1 - t) * x_0 + t * noise
    return here, noise - here


def mistake_not_shaped(x_0, noise, t):
    """t has one number for each sample: shape it to (B, 1, ..., 1), or NumPy lays it along the last axis."""
    return (1 - t) * x_0 + t * noise, noise - x_0


def mistake_pictures_alone(x_0, noise, t):
    """t needs as many axes of length 1 as x_0 has after the first: three for pictures, but one for points (B, D)."""
    t = t[:, None, None, None]
    return (1 - t) * x_0 + t * noise, noise - x_0


def mistake_one_time(x_0, noise, t):
    """Each sample has a t of its own; you use the first one for all."""
    return (1 - t[0]) * x_0 + t[0] * noise, noise - x_0


def right_by_steps(x_0, noise, t):
    whole_way = noise - x_0
    x_t = np.array(x_0)
    for b in range(len(x_0)):
        x_t[b] += t[b] * whole_way[b]
    return x_t, whole_way


def right_einsum(x_0, noise, t):
    return np.einsum("b,b...->b...", 1 - t, x_0) + np.einsum("b,b...->b...", t, noise), -(x_0 - noise)
