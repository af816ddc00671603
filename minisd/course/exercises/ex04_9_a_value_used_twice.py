"""A value used three times

f = (x y + x) (x + y), at x = <x> and y = <y>. What is df/dx? Go back along the tape on paper. (A whole number.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Give names to the nodes: p = x y, q = p + x, r = x + y, f = q r. Which of them use x?",
    "df/dq = r, df/dr = q. From q to x there are two ways, by p and directly; from r one.",
    "r * (y + 1) + q",
)


def answer(x, y):
    return (y + 1) * (x + y) + x * y + x


def numbers(rng):
    x, apart = int(rng.integers(2, 10)), int(rng.integers(2, 6))
    return x, x + apart


def mistake_one_factor(x, y):
    """The factor x + y depends on x, too: all ways from f to x add up."""
    return (y + 1) * (x + y)


def mistake_one_use(x, y):
    """In x y + x stands x twice: there are two ways through it."""
    return y * (x + y) + x * y + x


def mistake_product_of_derivatives(x, y):
    """The derivative of a product is not the product of the derivatives."""
    return y + 1


def mistake_by_y(x, y):
    """That is the derivative by y."""
    return x * (x + y) + x * y + x


def mistake_the_value(x, y):
    """That is f itself."""
    return (x * y + x) * (x + y)
