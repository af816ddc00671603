"""What fits into a budget

The network may be asked about <budget> pictures for each drawing, and no more. The drawing is guided throughout, so
whoever wants to know the noise asks about two: with the prompt and without it. Heun's method asks for the noise twice a
step, but in the last step, to the clean picture, once. How many steps of it fit? (A whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How often does Heun's method want to know the noise in n steps?",
    "2n - 1 times, and each time the network is asked about two pictures.",
    "The largest whole n with 2 (2n - 1) <= budget: (budget + 2) // 4.",
)


def answer(budget):
    return (budget + 2) // 4


def numbers(rng):
    return (4 * int(rng.integers(6, 30)) + 3,)


def mistake_last_step_twice(budget):
    """The last step asks once only, so one step more may fit."""
    return budget // 4


def mistake_not_guided(budget):
    """Guidance asks about two pictures each time."""
    return (budget + 1) // 2


def mistake_euler(budget):
    """That is what fits of DDIM or Euler; Heun's method wants to know the noise twice a step."""
    return budget // 2


def mistake_steps_are_free(budget):
    """Steps cost nothing; what the network is asked does."""
    return budget
