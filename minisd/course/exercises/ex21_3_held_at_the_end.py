"""Held at the end

A network that knows the ends of ways must leave a picture as it is: f(y, r) = y where there is no noise left. Song et
al. (2023, section 3) do not train that, they build it in. In $y = x / \\alpha$ and $r = \\sigma / \\alpha$

$$f(y, r) = c_{skip}(r)\\, y + c_{out}(r)\\, F, \\qquad
c_{skip} = \\frac{s^2}{(r - r_{min})^2 + s^2}, \\qquad c_{out} = \\frac{s\\, (r - r_{min})}{\\sqrt{s^2 + r^2}}$$

where F is what the network answers, s the deviation of the data, and $r_{min}$ the ratio at which drawing ends (they
stop a little above 0). Return f.
"""

import numpy as np

POINTS, MINUTES = 2, 10
HINTS = (
    "Two factors, one for the place y and one for the network's answer. What are they at r = r_min?",
    "At r_min c_skip must be 1 and c_out 0. Mind which of the two has r - r_min where, and which one a root.",
    "Call r - r_min far. Then c_skip is s**2 / (far**2 + s**2), c_out is s * far / np.sqrt(s**2 + r**2).",
)


def held_at_the_end(answer, y, r, deviation, r_min):
    """f(y, r), shaped as y."""
    far = r - r_min
    skip = deviation**2 / (far**2 + deviation**2)
    return skip * y + deviation * far / np.sqrt(deviation**2 + r**2) * answer


def cases(rng, dtype):
    for r, s, r_min in ((2.0, 0.5, 0.002), (0.7, 1.0, 0.0), (0.3, 0.6, 0.3), (0.4, 1.3, 0.1), (14.0, 0.5, 0.2)):
        answer, y = rng.standard_normal((2, 2, 3, 2)).astype(dtype)
        yield answer, y, r, s, r_min


def mistake_exchanged(answer, y, r, deviation, r_min):
    """The network's answer has c_out and the place c_skip: you have them the other way round, and at the end the
    network alone would speak."""
    return held_at_the_end(y, answer, r, deviation, r_min)


def mistake_no_minimum(answer, y, r, deviation, r_min):
    """Drawing ends at r_min, and there f must be y: in c_skip and above in c_out stands r - r_min."""
    return held_at_the_end(answer, y, r, deviation, 0.0)


def mistake_minimum_in_the_root(answer, y, r, deviation, r_min):
    """Below, in the root of c_out, stands r itself."""
    far = r - r_min
    return deviation**2 / (far**2 + deviation**2) * y + deviation * far / np.sqrt(deviation**2 + far**2) * answer


def mistake_no_minimum_in_skip(answer, y, r, deviation, r_min):
    """In c_skip, too, r_min is subtracted: else it is not 1 at the end."""
    far = r - r_min
    return deviation**2 / (r**2 + deviation**2) * y + deviation * far / np.sqrt(deviation**2 + r**2) * answer


def mistake_no_minimum_in_out(answer, y, r, deviation, r_min):
    """Above in c_out stands r - r_min: else the network still has a say at the end."""
    far = r - r_min
    return deviation**2 / (far**2 + deviation**2) * y + deviation * r / np.sqrt(deviation**2 + r**2) * answer


def mistake_no_root(answer, y, r, deviation, r_min):
    """In c_out the sum of the squares stands under a root."""
    far = r - r_min
    return deviation**2 / (far**2 + deviation**2) * y + deviation * far / (deviation**2 + r**2) * answer


def mistake_root_in_skip(answer, y, r, deviation, r_min):
    """c_skip has no root: it is s^2 by (r - r_min)^2 + s^2."""
    far = r - r_min
    skip = deviation / np.sqrt(far**2 + deviation**2)
    return skip * y + deviation * far / np.sqrt(deviation**2 + r**2) * answer


def mistake_not_squared(answer, y, r, deviation, r_min):
    """The deviation is squared in c_skip, above and below."""
    far = r - r_min
    return deviation / (far**2 + deviation) * y + deviation * far / np.sqrt(deviation**2 + r**2) * answer


def mistake_no_deviation_in_out(answer, y, r, deviation, r_min):
    """c_out has the data's deviation as a factor: far out F is a picture by s."""
    far = r - r_min
    return deviation**2 / (far**2 + deviation**2) * y + far / np.sqrt(deviation**2 + r**2) * answer


def mistake_skip_alone(answer, y, r, deviation, r_min):
    """Skip and out need not add up to 1: c_out has a formula of its own."""
    skip = deviation**2 / ((r - r_min) ** 2 + deviation**2)
    return skip * y + (1 - skip) * answer


def mistake_minimum_added(answer, y, r, deviation, r_min):
    """r_min is subtracted: at r = r_min nothing must be left."""
    far = r + r_min
    return deviation**2 / (far**2 + deviation**2) * y + deviation * far / np.sqrt(deviation**2 + r**2) * answer


def right_in_units_of_s(answer, y, r, deviation, r_min):
    u, u_min = r / deviation, r_min / deviation
    return y / (1 + (u - u_min) ** 2) + deviation * (u - u_min) / (1 + u * u) ** 0.5 * answer


def right_step_by_step(F, y, r, s, r_min):
    far_squared = r**2 - 2 * r * r_min + r_min**2
    result = np.zeros_like(y)
    result += y * s * s / (s * s + far_squared)
    result += F * (s * r - s * r_min) / np.hypot(s, r)
    return result
