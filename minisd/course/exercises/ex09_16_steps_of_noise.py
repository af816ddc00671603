"""Noise, step by step

Every step of a forward process has $\\beta$ = <beta>. How large is $\\bar\\alpha$ after <steps> steps? (A number, to
three digits.)
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "What share of the picture's variance is left after one step? And after two?",
    "Each step multiplies what is left by the same number.",
    "(1 - beta) to the power of the number of steps.",
)


def answer(beta, steps):
    return (1 - beta) ** steps


def numbers(rng):
    return float(rng.choice([0.03, 0.05, 0.08, 0.1, 0.12])), int(rng.integers(6, 16))


def mistake_sum(beta, steps):
    """Each step takes its share of what is left by then, not of the whole: the shares do not add up."""
    return 1 - beta * steps


def mistake_noise(beta, steps):
    """That is the noise's share; alpha_bar is what is left of the picture's variance."""
    return 1 - (1 - beta) ** steps


def mistake_root(beta, steps):
    """That is what the picture is multiplied by; alpha_bar is the square of it."""
    return (1 - beta) ** (steps / 2)


def mistake_one_less(beta, steps):
    """All the steps count, the first one, too."""
    return (1 - beta) ** (steps - 1)
