"""The first step of a gate

A block adds to two tokens, of a single number each, what its attention says, times a gate that both share: $y_n = x_n +
g\\, a_n$. In the beginning g = 0, so the block does nothing. The tokens are $x_1$ = <x_1> and $x_2$ = <x_2>, the
attention says $a_1$ = <a_1> and $a_2$ = <a_2>, and the loss's gradient is $\\partial L / \\partial y_1$ = <d_1> and
$\\partial L / \\partial y_2$ = <d_2>. Take one step of plain gradient descent with the learning rate <rate>. What is g
then? (A number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How does y_n change with g? Is that 0 where g is 0?",
    "The derivative of y_n by g is a_n. Both tokens have the same g, so their gradients add up.",
    "From 0 the step goes against the gradient: minus the rate times (d_1 a_1 + d_2 a_2).",
)


def answer(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    return -rate * (d_1 * a_1 + d_2 * a_2)


def numbers(rng):
    def some(sign):
        return round(float(sign * rng.uniform(0.5, 3)), 1)

    side = int(rng.choice([-1, 1]))
    return some(1), some(-1), some(1), some(side), some(1), some(side), float(rng.choice([0.1, 0.2, 0.5]))


def mistake_sign(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """Gradient descent goes against the gradient: the other sign."""
    return rate * (d_1 * a_1 + d_2 * a_2)


def mistake_stays_shut(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """With g = 0 nothing goes through the gate to the attention, but the gate's own gradient is d a, and not 0."""
    return 0.0


def mistake_of_x(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """The gate multiplies what the attention says, a; x does not go through it."""
    return -rate * (d_1 * x_1 + d_2 * x_2)


def mistake_mean(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """Both tokens share the gate, so their gradients add up: you took the mean."""
    return -rate * (d_1 * a_1 + d_2 * a_2) / 2


def mistake_one_token(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """Both tokens share the gate, and both move it: the second is missing."""
    return -rate * d_1 * a_1


def mistake_no_rate(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """The step is the rate times the gradient."""
    return -(d_1 * a_1 + d_2 * a_2)


def mistake_without_a(x_1, x_2, a_1, a_2, d_1, d_2, rate):
    """The derivative of y by the gate is what it multiplies: a is missing."""
    return -rate * (d_1 + d_2)
