"""When has reflow paid?

A flow is drawn with in <steps> steps of Euler's. For reflow <pairs> pairs are made with it, in <fine> steps of Heun's
method each, the last one being Euler's. The second network draws in <few> steps of Euler's. All that costs is questions
to a network, and the second training is thought to be free. After how many drawings has the second network saved as
many questions as its pairs took? (The smallest whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "What did the pairs take, and what does each drawing save?",
    "Heun's method asks 2n - 1 times in n steps. A drawing saves as many questions as there are steps less now.",
    "pairs (2 fine - 1) / (steps - few), rounded up.",
)


def answer(steps, pairs, fine, few):
    return -(-pairs * (2 * fine - 1) // (steps - few))


def numbers(rng):
    steps, few = int(rng.integers(12, 30)), int(rng.integers(1, 4))
    return steps, 1000 * int(rng.integers(3, 60)), int(rng.integers(16, 50)), few


def mistake_one_question_a_step(steps, pairs, fine, few):
    """Heun's method asks twice a step, but for the last one."""
    return -(-pairs * fine // (steps - few))


def mistake_last_step_twice(steps, pairs, fine, few):
    """The last step, to t = 0, is Euler's and asks once."""
    return -(-pairs * 2 * fine // (steps - few))


def mistake_not_saved(steps, pairs, fine, few):
    """The second network's drawings cost questions, too: each saves the difference."""
    return -(-pairs * (2 * fine - 1) // steps)


def mistake_by_the_new_cost(steps, pairs, fine, few):
    """What a drawing saves is the old cost less the new one, not the new cost."""
    return -(-pairs * (2 * fine - 1) // few)


def mistake_one_pair(steps, pairs, fine, few):
    """Each of the pairs had to be drawn, not one alone."""
    return -(-(2 * fine - 1) // (steps - few))
