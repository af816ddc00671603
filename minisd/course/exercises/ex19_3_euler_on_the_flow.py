"""Along the flow, by Euler

A flow is a velocity for each place and time, $dx/dt = u(x, t)$. Drawing goes against it, from noise at t = 1 to the
picture at t = 0, in n equal steps. Each is Euler's: straight on with the velocity that is found where the step begins,

$$x_{t'} = x_t + (t' - t)\\, u(x_t, t)$$

Write the whole walk. `velocity_of(x, t)` asks the network, t being a number; it may be asked n times, once a step.
`x_1` is the noise; return x at t = 0.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "The times are 1, 1 - 1/n, ..., 1/n, 0. How many steps are between them, and where does each ask?",
    "For each step: ask at its begin, t; then add (t' - t) times the answer, and t' - t is -1/n.",
    "for k in range(n, 0, -1): x = x - velocity_of(x, k / n) / n",
)


def flow_euler(velocity_of, x_1, steps):
    """x at t = 0, shaped as x_1."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - velocity_of(x, k / steps) / steps
    return x


def cases(rng, dtype):
    for steps in (4, 1, 7, 10, 2):
        yield rng.standard_normal((2, 3, 2, 1)).astype(dtype), steps


def probe(flow_euler, x_1, steps):
    asked = []

    def velocity_of(x, t):
        asked.append(float(t))
        return (np.sin(2 * x) + 0.7 * x - t * np.cos(x) + 0.4).astype(x.dtype)

    return {"x": flow_euler(velocity_of, np.array(x_1), steps), "asked at": asked}


def mistake_forwards(velocity_of, x_1, steps):
    """t falls, so t' - t is negative: you step along the velocity, away from the picture."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x + velocity_of(x, k / steps) / steps
    return x


def mistake_from_the_picture(velocity_of, x_1, steps):
    """x_1 is the noise, where t = 1: you begin to count at t = 0."""
    x = x_1
    for k in range(steps):
        x = x - velocity_of(x, k / steps) / steps
    return x


def mistake_asks_at_the_end(velocity_of, x_1, steps):
    """Euler's velocity is the one at the begin of the step; you ask with the t of its end."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - velocity_of(x, (k - 1) / steps) / steps
    return x


def mistake_whole_way(velocity_of, x_1, steps):
    """Each step is 1/n long; you go the whole way t each time, to the picture that is guessed there."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - k / steps * velocity_of(x, k / steps)
    return x


def mistake_times_t(velocity_of, x_1, steps):
    """The step's length is 1/n, whatever t is: you multiply by t, too."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - k / steps * velocity_of(x, k / steps) / steps
    return x


def mistake_linspace(velocity_of, x_1, steps):
    """linspace(1, 0, n) has n times and so n - 1 steps between them: n steps need n + 1 times."""
    x, times = x_1, np.linspace(1, 0, steps)
    for k in range(steps - 1):
        x = x + (times[k + 1] - times[k]) * velocity_of(x, times[k])
    return x


def mistake_one_too_many(velocity_of, x_1, steps):
    """At t = 0 the picture is there: you ask once more, and go beyond it."""
    x = x_1
    for k in range(steps, -1, -1):
        x = x - velocity_of(x, k / steps) / steps
    return x


def mistake_first_velocity(velocity_of, x_1, steps):
    """The velocity changes from place to place: ask again in every step."""
    velocity, x = velocity_of(x_1, 1.0), x_1
    for _ in range(steps):
        x = x - velocity / steps
    return x


def mistake_always_at_the_start(velocity_of, x_1, steps):
    """Ask where the dot is now; you ask about x_1 in every step."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - velocity_of(x_1, k / steps) / steps
    return x


def mistake_counted_times(velocity_of, x_1, steps):
    """The network's t runs from 1 to 0: yours is the number of the step."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - velocity_of(x, k) / steps
    return x


def mistake_length_forgotten(velocity_of, x_1, steps):
    """A step is the velocity times the time that it takes, 1/n."""
    x = x_1
    for k in range(steps, 0, -1):
        x = x - velocity_of(x, k / steps)
    return x


def right_by_times(velocity_of, x_1, steps):
    x, times = x_1, np.linspace(1, 0, steps + 1)
    for k in range(steps):
        x = x + (times[k + 1] - times[k]) * velocity_of(x, times[k])
    return x


def right_by_guesses(velocity_of, x_1, steps):
    """Mix x_0 and the noise anew at each t, as DDIM does."""
    x = np.copy(x_1)
    for k in range(steps, 0, -1):
        t, t_next = k / steps, (k - 1) / steps
        velocity = velocity_of(x, t)
        x_0, noise = x - t * velocity, x + (1 - t) * velocity
        x = (1 - t_next) * x_0 + t_next * noise
    return x
