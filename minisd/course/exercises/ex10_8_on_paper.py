"""A step on paper

A pixel of $x_t$ is <x_t>. The model says that the noise in it is <noise>. At this t $\\bar\\alpha$ = <now>, at the next
one of the sampler $\\bar\\alpha'$ = <then>. Where does DDIM, with eta = 0, move the pixel? (A number, to three digits.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Two steps: which x_0 follows from the noise? And then?",
    "x_0 = (x_t - sqrt(1 - alpha_bar) noise) / sqrt(alpha_bar), then both are mixed again, for alpha_bar'.",
    "sqrt(alpha_bar') x_0 + sqrt(1 - alpha_bar') noise",
)


def answer(x_t, noise, now, then):
    return then**0.5 * _x_0(x_t, noise, now) + (1 - then) ** 0.5 * noise


def numbers(rng):
    x_t, noise = rng.choice([0.8, 1.0, 1.2, 1.4]), rng.choice([-0.8, -0.6, -0.5, -0.4])
    return float(x_t), float(noise), *((0.25, 0.64), (0.36, 0.81), (0.2, 0.5), (0.3, 0.7))[int(rng.integers(4))]


def _x_0(x_t, noise, now):
    return (x_t - (1 - now) ** 0.5 * noise) / now**0.5


def mistake_x_0(x_t, noise, now, then):
    """That is the predicted x_0; DDIM mixes it with noise again, for the next t."""
    return _x_0(x_t, noise, now)


def mistake_no_noise_again(x_t, noise, now, then):
    """The noise is taken out and then put back, less of it: sqrt(1 - alpha_bar') of it."""
    return then**0.5 * _x_0(x_t, noise, now)


def mistake_no_roots(x_t, noise, now, then):
    """alpha_bar is a share of the variance: square roots of it and of 1 - alpha_bar are the factors."""
    return then * (x_t - (1 - now) * noise) / now + (1 - then) * noise


def mistake_not_divided(x_t, noise, now, then):
    """What is left without the noise is sqrt(alpha_bar) x_0: divide by that root."""
    return then**0.5 * (x_t - (1 - now) ** 0.5 * noise) + (1 - then) ** 0.5 * noise
