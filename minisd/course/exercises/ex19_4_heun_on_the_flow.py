"""Along the flow, by Heun

Where the paths bend Euler's steps must be short. Heun's method looks at the velocity at the end of Euler's step, too,
and goes the step with the mean of the two:

$$\\tilde x = x_t + (t' - t)\\, u(x_t, t), \\qquad
x_{t'} = x_t + (t' - t)\\, \\frac{u(x_t, t) + u(\\tilde x, t')}{2}$$

Write the walk through `times`, which fall from 1 to 0 in steps that need not be equal. A step that ends at t = 0 is
Euler's: there the network has never been asked in training. So n steps ask 2n - 1 times. `velocity_of(x, t)` is as in
19.3; return x at the last of the times.
"""

from itertools import pairwise

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "One step is Euler's first; what does the second question ask about, and at which time?",
    "The second question is velocity_of(x~, t'). Start again from x, with the mean. A step to 0 has no second one.",
    "u = velocity_of(x, t); there = x + h * u with h = t' - t; if t' is 0 that is all, else x = x + h * (u + "
    "velocity_of(there, t')) / 2",
)
GIVEN = ("np", "pairwise")


def flow_heun(velocity_of, x_1, times):
    """x at times[-1], shaped as x_1."""
    x = x_1
    for t, t_next in pairwise([float(t) for t in times]):
        velocity = velocity_of(x, t)
        there = x + (t_next - t) * velocity
        if t_next > 0:
            there = x + (t_next - t) * (velocity + velocity_of(there, t_next)) / 2
        x = there
    return x


def cases(rng, dtype):
    for times in ([1.0, 0.7, 0.5, 0.1, 0.0], [1.0, 0.0], [1.0, 0.5, 0.25, 0.0], [1.0, 0.9, 0.3], [1.0, 0.4, 0.0]):
        yield rng.standard_normal((2, 3, 2, 1)).astype(dtype), times


def probe(flow_heun, x_1, times):
    asked = []

    def velocity_of(x, t):
        asked.append(float(t))
        return (np.sin(2 * x) + 0.7 * x - t * np.cos(x) + 0.4).astype(x.dtype)

    return {"x": flow_heun(velocity_of, np.array(x_1), times), "asked at": asked}


def _walked(velocity_of, x, times, step, last=True):
    """The walk of these steps; a step to 0 is Euler's, if `last`."""
    for t, t_next in pairwise([float(t) for t in times]):
        h, velocity = t_next - t, velocity_of(x, t)
        x = x + h * velocity if last and t_next == 0 else step(x, t, t_next, h, velocity)
    return x


def mistake_euler(velocity_of, x_1, times):
    """That is Euler's walk: ask at the end of each step, too, and take the mean."""
    return _walked(velocity_of, x_1, times, lambda x, t, t_next, h, u: x + h * u)


def mistake_asks_at_the_picture(velocity_of, x_1, times):
    """The step to t = 0 is Euler's: the network is not asked about t = 0."""

    def step(x, t, t_next, h, u):
        return x + h * (u + velocity_of(x + h * u, t_next)) / 2

    return _walked(velocity_of, x_1, times, step, last=False)


def mistake_not_halved(velocity_of, x_1, times):
    """It is the mean of the two velocities; you add them, and go twice as far."""
    return _walked(velocity_of, x_1, times, lambda x, t, t_next, h, u: x + h * (u + velocity_of(x + h * u, t_next)))


def mistake_end_alone(velocity_of, x_1, times):
    """Both velocities count, half and half; you go with the one at the end alone."""
    return _walked(velocity_of, x_1, times, lambda x, t, t_next, h, u: x + h * velocity_of(x + h * u, t_next))


def mistake_goes_on(velocity_of, x_1, times):
    """Begin again at x with the mean velocity; you go on from where Euler's step ended."""

    def step(x, t, t_next, h, u):
        return x + h * u + h * (u + velocity_of(x + h * u, t_next)) / 2

    return _walked(velocity_of, x_1, times, step)


def mistake_old_place(velocity_of, x_1, times):
    """The second question is about the end of Euler's step; you ask about the old x at the new time."""
    return _walked(velocity_of, x_1, times, lambda x, t, t_next, h, u: x + h * (u + velocity_of(x, t_next)) / 2)


def mistake_old_time(velocity_of, x_1, times):
    """The second question has the time of the step's end; you say the old one."""
    return _walked(velocity_of, x_1, times, lambda x, t, t_next, h, u: x + h * (u + velocity_of(x + h * u, t)) / 2)


def mistake_middle(velocity_of, x_1, times):
    """That is the midpoint method; Heun's asks at the end of the step, not in its middle."""

    def step(x, t, t_next, h, u):
        return x + h * velocity_of(x + h / 2 * u, (t + t_next) / 2)

    return _walked(velocity_of, x_1, times, step)


def mistake_forwards(velocity_of, x_1, times):
    """The times fall, so t' - t is negative; you go away from the picture."""
    x = x_1
    for t, t_next in pairwise([float(t) for t in times]):
        h, velocity = t - t_next, velocity_of(x, t)
        x = x + h * velocity if t_next == 0 else x + h * (velocity + velocity_of(x + h * velocity, t_next)) / 2
    return x


def mistake_equal_steps(velocity_of, x_1, times):
    """The steps are as long as the times say; you made them all equal."""
    return flow_heun(velocity_of, x_1, np.linspace(times[0], times[-1], len(times)))


def mistake_last_is_always_euler(velocity_of, x_1, times):
    """Only a step to t = 0 is Euler's; a walk that ends before asks at its end, too."""
    x = flow_heun(velocity_of, x_1, times[:-1]) if len(times) > 2 else x_1
    return x + (times[-1] - times[-2]) * velocity_of(x, times[-2])


def right_by_correction(velocity_of, x_1, times):
    x = np.copy(x_1)
    for k in range(len(times) - 1):
        h = times[k + 1] - times[k]
        u = velocity_of(x, times[k])
        x = x + h * u
        if times[k + 1] != 0:
            x = x + h / 2 * (velocity_of(x, times[k + 1]) - u)
    return x


def right_two_whole_steps(velocity_of, x_1, times):
    """Heun's end lies in the middle between x and the end of two of Euler's steps."""
    x = x_1
    for t, t_next in pairwise(times):
        h = t - t_next
        first = x - h * velocity_of(x, t)
        x = (x + first - h * velocity_of(first, t_next)) / 2 if t_next else first
    return x
