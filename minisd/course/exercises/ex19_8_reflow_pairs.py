"""A batch for reflow

Blind pairs of pictures and noise make straight paths that cross. Reflow (Liu et al. 2023) trains on better pairs: each
noise with the picture that the first flow draws from it. Then all is as before: a place on the straight path between
the two, and the velocity along it.

`draw(noise)` walks the first flow from noise to pictures, and is slow: call it once. `noise` has the shape (B, ...),
`t` one number for each sample, (B,). Return x_t and the velocity that the second network is to learn.
"""

import numpy as np

from minisd.course import mine

POINTS, MINUTES = 2, 10
HINTS = (
    "What takes the place of x_0, and which noise belongs to it?",
    "The drawn pictures take the place of x_0, and the noise that they were drawn from is their noise: the rest is "
    "19.1.",
    "It is one call: straight_path, of the drawn pictures, the same noise and t.",
)
GIVEN = ("np", "mine", "straight_path")

straight_path = mine("19.1")


def reflow_batch(draw, noise, t):
    """x_t and the velocity at it, both shaped as noise."""
    return straight_path(draw(noise), noise, t)


def cases(rng, dtype):
    for shape in ((3, 2, 4, 1), (4, 2), (2, 3, 3, 2), (3, 3)):
        yield rng.standard_normal(shape).astype(dtype), rng.uniform(0.1, 0.9, shape[0]).astype(dtype)


def probe(reflow_batch, noise, t):
    drawn = []

    def draw(x_1):
        drawn.append(np.array(x_1))
        return (np.tanh(3 * x_1) + 0.2 * x_1 - 0.3).astype(x_1.dtype)

    x_t, velocity = reflow_batch(draw, np.array(noise), t)
    return {"drawn from": drawn, "x_t": x_t, "velocity": velocity}


def _pair(x_0, noise, t):
    t = t.reshape(-1, *(1,) * (noise.ndim - 1))
    return (1 - t) * x_0 + t * noise, noise - x_0


def mistake_other_noise(draw, noise, t):
    """A picture belongs to the noise that it was drawn from; in your pairs they have come apart, as blind as before."""
    return _pair(draw(noise), np.roll(noise, 1, axis=0), t)


def mistake_draws_from_x_t(draw, noise, t):
    """The first flow draws from noise, where its t is 1; you start it on the way."""
    t_ = t.reshape(-1, *(1,) * (noise.ndim - 1))
    return _pair(draw(t_ * noise), noise, t)


def mistake_exchanged(draw, noise, t):
    """The drawn pictures are x_0 and the noise is the noise: you have exchanged them."""
    return _pair(noise, draw(noise), t)


def mistake_reversed(draw, noise, t):
    """The velocity points from the picture to the noise: noise - x_0."""
    x_t, velocity = _pair(draw(noise), noise, t)
    return x_t, -velocity


def mistake_picture_wanted(draw, noise, t):
    """The second network is to learn the velocity, noise less picture; you ask it for the picture."""
    x_0 = draw(noise)
    return _pair(x_0, noise, t)[0], x_0


def mistake_starts_at_the_noise(draw, noise, t):
    """Each sample has its own t and its own place on the path: you train at the noise alone."""
    return noise, noise - draw(noise)


def mistake_drawn_twice(draw, noise, t):
    """Drawing is what costs: draw once, and keep the pictures."""
    return _pair(draw(noise), noise, t)[0], noise - draw(noise)


def mistake_time_reversed(draw, noise, t):
    """At t = 1 there is the noise: its factor is t, and the picture's 1 - t."""
    return _pair(draw(noise), noise, 1 - t)


def mistake_one_time(draw, noise, t):
    """Each sample has a t of its own; you use the first one for all."""
    return _pair(draw(noise), noise, np.full_like(t, t[0]))


def right_written_out(draw, noise, t):
    picture = draw(noise)
    whole_way = noise - picture
    return picture + np.reshape(t, (len(t),) + (1,) * (noise.ndim - 1)) * whole_way, whole_way


def right_sample_by_sample(draw, noise, t):
    pictures = draw(noise)
    x_t = np.stack([(1 - s) * x + s * e for s, x, e in zip(t, pictures, noise, strict=True)])
    return x_t, noise - pictures
