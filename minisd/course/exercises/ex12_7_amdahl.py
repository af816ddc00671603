"""Amdahl's law

A program takes some time on one thread. A part `shared` of it, between 0 and 1, can be shared out among threads evenly;
the rest runs on one thread while all others wait. How many times faster is the program on `threads` threads?

$$\\text{speed-up} = \\frac{\\text{time on one thread}}{\\text{time on } p \\text{ threads}}$$
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "Say the program takes 1 second on one thread. How long does each of its two parts take on p?",
    "The part that is shared takes shared / threads, the other one as long as before.",
    "1 over the sum of both parts' times.",
)


def speedup(shared, threads):
    """How many times faster on `threads` threads than on one."""
    return 1 / ((1 - shared) + shared / threads)


def cases(rng, dtype):
    yield 0.95, 8
    yield 0.5, 1000
    yield 0.0, 4
    yield 1.0, 4
    yield 0.75, 1
    for _ in range(4):
        yield float(rng.uniform(0.1, 0.99)), int(rng.integers(2, 64))


def mistake_all_shared(shared, threads):
    """You share out everything: the part that cannot be shared takes as long as before."""
    return float(threads)


def mistake_shared_alone(shared, threads):
    """The part that cannot be shared is missing: it takes 1 - shared."""
    return threads / shared if shared else float("inf")


def mistake_parts_exchanged(shared, threads):
    """`shared` is the part that gets faster; you have divided the other one by the threads."""
    return 1 / (shared + (1 - shared) / threads)


def mistake_time_not_speedup(shared, threads):
    """This is the time that is left. The speed-up is 1 over it."""
    return (1 - shared) + shared / threads


def mistake_gustafson(shared, threads):
    """This is the speed-up of a program that grows with the threads (Gustafson): here the work stays the same."""
    return (1 - shared) + shared * threads


def mistake_limit(shared, threads):
    """This is the limit for infinitely many threads: `threads` of them leave shared / threads of the time."""
    return 1 / (1 - shared) if shared < 1 else float("inf")


def right_one_fraction(part, p):
    return p / (p - (p - 1) * part)


def right_by_times(shared, threads):
    alone = 1.0
    serial = alone * (1 - shared)
    parallel = sum(alone * shared / threads for _ in range(threads)) / threads
    return alone / (serial + parallel)
