"""How long it draws

One pass of Stable Diffusion 1.5's U-Net on latents of 64 x 64 takes 402 billion multiply-adds, and decoding takes 1,257
billion. A computer does <speed> billion operations a second with them, a multiplication and an addition counted as one
each. It draws one picture of 512 x 512 in <steps> steps, with guidance (which asks the U-Net twice a step, with the
prompt and without). How many seconds does that take? (The text encoder takes no time to speak of.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How often is the U-Net asked? How many multiply-adds is that, with decoding?",
    "Twice for each step; decoding happens once, at the end.",
    "2 (2 steps 402 + 1257) / speed: a multiply-add is two operations.",
)


def answer(steps, speed):
    return 2 * (2 * steps * 402 + 1257) / speed


def numbers(rng):
    return 5 * int(rng.integers(4, 16)), 10 * int(rng.integers(8, 60))


def mistake_no_guidance(steps, speed):
    """With guidance the U-Net is asked twice in each step."""
    return 2 * (steps * 402 + 1257) / speed


def mistake_one_operation(steps, speed):
    """A multiply-add is two operations."""
    return answer(steps, speed) / 2


def mistake_no_decoder(steps, speed):
    """The decoder's work is missing: once, at the end."""
    return 4 * steps * 402 / speed


def mistake_decoded_every_step(steps, speed):
    """Latents are decoded once, at the end: not in every step."""
    return 2 * steps * (2 * 402 + 1257) / speed
