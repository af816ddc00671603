"""The IoU of two boxes

A cell fills a box of <height> x <width> pixels. A network finds a box of the same size, but <down> rows lower and
<right> columns farther to the right. What is the IoU? (A number with four places behind the point.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How many rows, and how many columns, have both boxes in common?",
    "What both have counts once in the union.",
    "Both cover (height - down) x (width - right) pixels; the union is twice a box less these.",
)


def answer(height, width, down, right):
    common = (height - down) * (width - right)
    return common / (2 * height * width - common)


def numbers(rng):
    height, width = int(rng.integers(8, 21)), int(rng.integers(8, 21))
    return height, width, int(rng.integers(2, height // 2)), int(rng.integers(2, width // 2))


def mistake_by_one_box(height, width, down, right):
    """Divide by the union of the two boxes, not by one of them."""
    return (height - down) * (width - right) / (height * width)


def mistake_counted_twice(height, width, down, right):
    """What both boxes have in common counts once in the union."""
    return (height - down) * (width - right) / (2 * height * width)


def mistake_around_both(height, width, down, right):
    """The union is not the box around both: two of its corners belong to neither."""
    return (height - down) * (width - right) / ((height + down) * (width + right))
