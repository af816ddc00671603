"""How many evaluations are saved?

A teacher draws in <steps> steps, at t = 1000 k / <steps> - 1 for k = <steps>, ..., 2, 1. It is guided for t from <low>
to <high> - 1, and in such a step its network is evaluated twice; in the others once. Its student draws in <few> steps.
How many evaluations does the student save over <drawings> drawings? (A whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "Write down the t of the teacher's steps. How many of them lie in the interval?",
    "A teacher's drawing takes one evaluation a step and one more for each that is guided. The student's guidance is "
    "inside: it takes one a step.",
    "drawings * (steps + guided steps - few)",
)


def answer(steps, low, high, few, drawings):
    times = [1000 * k // steps - 1 for k in range(1, steps + 1)]
    return drawings * (steps + sum(low <= t < high for t in times) - few)


def numbers(rng):
    steps = (8, 10, 20, 25)[int(rng.integers(4))]
    low, high = ((300, 800), (200, 900), (100, 700), (400, 750))[int(rng.integers(4))]
    return steps, low, high, (1, 2, 4)[int(rng.integers(3))], 100 * int(rng.integers(2, 60))


def mistake_always_guided(steps, low, high, few, drawings):
    """Guidance acts within the interval alone: outside of it a step takes one evaluation."""
    return drawings * (2 * steps - few)


def mistake_steps_alone(steps, low, high, few, drawings):
    """A guided step takes two evaluations, one with the prompt and one without."""
    return drawings * (steps - few)


def mistake_all_of_the_teacher(steps, low, high, few, drawings):
    """That is what the teacher takes; the student takes some, too."""
    return answer(steps, low, high, 0, drawings)


def mistake_student_guided(steps, low, high, few, drawings):
    """The student hears the prompt alone, and is evaluated once a step."""
    return answer(steps, low, high, 2 * few, drawings)


def mistake_guided_alone(steps, low, high, few, drawings):
    """The steps that are not guided take an evaluation each, too."""
    return answer(steps, low, high, few, drawings) - drawings * (
        steps - sum(low <= 1000 * k // steps - 1 < high for k in range(1, steps + 1))
    )


def mistake_one_drawing(steps, low, high, few, drawings):
    """That is saved in one drawing."""
    return answer(steps, low, high, few, 1)
