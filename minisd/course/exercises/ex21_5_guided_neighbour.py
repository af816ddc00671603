"""What the neighbour says

Consistency distillation has no way's end at hand. It goes one step along the way, and takes for the end of x_t what the
target network says of the place where the step ends (Song et al. 2023, equation 7; with guidance Luo et al. 2023):

1. The teacher is asked with the prompt and without: told(x_t, alpha, sigma) and untold(x_t, alpha, sigma) say a noise
   each. Guidance mixes them, $\\varepsilon = \\varepsilon_{untold} + w\\, (\\varepsilon_{told} -
   \\varepsilon_{untold})$.
2. A step of DDIM leads to the next level: $x_0 = (x_t - \\sigma \\varepsilon) / \\alpha$, and $x_s = \\alpha' x_0 +
   \\sigma' \\varepsilon$.
3. target(x_s, alpha_next, sigma_next) says where the way ends from there. But where $\\sigma' = 0$ the way is at its
   end: x_s is the answer, and the target network is not asked.

Return the end that the student has to learn for x_t. alpha is above 0; w is `scale`.
"""

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "Three lines, one for each of the three points, and an `if` for the last of them.",
    "Guide first, then step with the guided noise alone; then ask the target network at the place and the level where "
    "the step ends.",
    "noise = u + scale * (t - u); then x_0 as point 2 has it, x_s of that x_0 and the same noise; and x_s itself is "
    "the answer if sigma_next == 0, else target(x_s, alpha_next, sigma_next).",
)


def guided_neighbour(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """The end that is learned for x_t, shaped as x_t."""
    without = untold(x_t, alpha, sigma)
    noise = without + scale * (told(x_t, alpha, sigma) - without)
    x_s = alpha_next / alpha * (x_t - sigma * noise) + sigma_next * noise
    return target(x_s, alpha_next, sigma_next) if sigma_next > 0 else x_s


def cases(rng, dtype):
    levels = ((0.6, 0.8, 0.8, 0.6), (0.96, 0.28, 1.0, 0.0), (0.28, 0.96, 0.5, 0.5), (0.8, 0.6, 0.96, 0.28))
    for level, scale in zip(levels, (2.0, 1.5, 0.5, 4.0), strict=True):
        yield rng.standard_normal((2, 3, 1)).astype(dtype), *level, scale
    yield rng.standard_normal((3, 2)).astype(dtype), 0.8, 0.6, 1.0, 0.0, 3.0


def probe(guided_neighbour, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    asked: dict[str, list[object]] = {"told": [], "untold": [], "target": []}

    def network(name, a, b):
        def answer(x, alpha, sigma):
            asked[name].append([np.array(x), float(alpha), float(sigma)])
            return (np.tanh(a * x) + b * sigma - 0.2 * alpha * x).astype(x.dtype)

        return answer

    networks = network("told", 1.4, 0.3), network("untold", 0.6, -0.5), network("target", 0.9, 0.1)
    end = guided_neighbour(*networks, np.array(x_t), alpha, sigma, alpha_next, sigma_next, scale)
    return {"end": end, **asked}


def _noise(told, untold, x_t, alpha, sigma, scale):
    without = untold(x_t, alpha, sigma)
    return without + scale * (told(x_t, alpha, sigma) - without)


def mistake_asks_at_the_end(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """Where no noise is left the way is at its end: x_s is the answer. The target network knows nothing better; this
    is where truth enters."""
    noise = _noise(told, untold, x_t, alpha, sigma, scale)
    x_s = alpha_next * (x_t - sigma * noise) / alpha + sigma_next * noise
    return target(x_s, alpha_next, sigma_next)


def mistake_the_place_itself(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """That is the neighbour's place, which is still noisy: ask the target network where the way ends from there."""
    noise = _noise(told, untold, x_t, alpha, sigma, scale)
    return alpha_next * (x_t - sigma * noise) / alpha + sigma_next * noise


def mistake_guess_of_the_teacher(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """That is the teacher's guess of x_0, a mean of many pictures: it only serves to make the step."""
    return (x_t - sigma * _noise(told, untold, x_t, alpha, sigma, scale)) / alpha


def mistake_old_level(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """The target network must be told the level where the step ends, not the one where it began."""
    noise = _noise(told, untold, x_t, alpha, sigma, scale)
    x_s = alpha_next * (x_t - sigma * noise) / alpha + sigma_next * noise
    return target(x_s, alpha, sigma) if sigma_next > 0 else x_s


def mistake_no_step(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """The target network is asked about the neighbour x_s; you ask it about x_t, where the student itself is asked."""
    noise = _noise(told, untold, x_t, alpha, sigma, scale)
    x_s = alpha_next * (x_t - sigma * noise) / alpha + sigma_next * noise
    return target(x_t, alpha, sigma) if sigma_next > 0 else x_s


def mistake_no_guidance(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """The way is a guided one: the noise without the prompt belongs to it, and the scale."""
    return guided_neighbour(told, told, target, x_t, alpha, sigma, alpha_next, sigma_next, scale)


def mistake_one_more(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """With a scale of 1 the prompt's noise comes out as it is: begin at the noise without the prompt, not at the one
    with it."""
    return guided_neighbour(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, 1 + scale)


def mistake_other_way(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """Guidance leads towards what the prompt says: told less untold, added to untold. You have exchanged the two."""
    return guided_neighbour(untold, told, target, x_t, alpha, sigma, alpha_next, sigma_next, scale)


def mistake_two_noises(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """Both halves of the step take the guided noise: you put the plain one back in with sigma'."""
    plain = told(x_t, alpha, sigma)
    without = untold(x_t, alpha, sigma)
    noise = without + scale * (plain - without)
    x_s = alpha_next * (x_t - sigma * noise) / alpha + sigma_next * plain
    return target(x_s, alpha_next, sigma_next) if sigma_next > 0 else x_s


def mistake_not_scaled(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """x_0 is (x_t - sigma noise) divided by alpha, and multiplied by the next alpha."""
    noise = _noise(told, untold, x_t, alpha, sigma, scale)
    x_s = x_t - sigma * noise + sigma_next * noise
    return target(x_s, alpha_next, sigma_next) if sigma_next > 0 else x_s


def mistake_asked_twice(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """The result is right, but questions are what costs: ask once without the prompt, and keep the answer."""
    noise = untold(x_t, alpha, sigma) + scale * (told(x_t, alpha, sigma) - untold(x_t, alpha, sigma))
    x_s = alpha_next * (x_t - sigma * noise) / alpha + sigma_next * noise
    return target(x_s, alpha_next, sigma_next) if sigma_next > 0 else x_s


def right_in_two_clocks(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    """DDIM as Euler's step, of chapter 16."""
    noise = scale * told(x_t, alpha, sigma) + (1 - scale) * untold(x_t, alpha, sigma)
    y = x_t / alpha + (sigma_next / alpha_next - sigma / alpha) * noise
    if sigma_next == 0:
        return alpha_next * y
    return target(alpha_next * y, alpha_next, sigma_next)


def right_guides_x_0(told, untold, target, x_t, alpha, sigma, alpha_next, sigma_next, scale):
    one, other = (x_t - sigma * told(x_t, alpha, sigma)) / alpha, (x_t - sigma * untold(x_t, alpha, sigma)) / alpha
    x_0 = other + scale * (one - other)
    place = alpha_next * x_0
    if sigma_next:
        place = place + sigma_next * (x_t - alpha * x_0) / sigma
        return target(place, alpha_next, sigma_next)
    return place
