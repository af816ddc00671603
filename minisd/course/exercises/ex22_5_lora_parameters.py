"""How many numbers a LoRA trains

For each weight a LoRA of rank r has two matrices: A, whose rows are the weight's inputs, and B, whose columns are its
outputs. A linear layer's weight is (C, O). A convolution's is (kh, kw, C, O), and its inputs are the kh kw C numbers of
a window. Given the shapes of all weights, count the numbers of all A and B together. There are no biases among them.
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "One weight first: (6, 4) with r = 2 has an A of (6, 2) and a B of (2, 4). How many numbers?",
    "A convolution's window belongs to A alone: A is (kh, kw, C, r) and B (r, O).",
    "The sum of r (inputs + O), where inputs is the product of all sizes but the last.",
)
GIVEN = ()


def lora_parameters(shapes, r):
    """How many, an int."""
    total = 0
    for *inputs, O in shapes:
        rows = 1
        for size in inputs:
            rows *= size
        total += r * (rows + O)
    return total


def cases(rng, dtype):
    for _ in range(4):
        C, O, D = (int(size) for size in rng.integers(5, 90, 3))
        yield [(3, 3, C, O), (1, 1, C, D), (D, O), (D, D)], int(rng.integers(2, 17))
    yield [(6, 4)], 2
    yield [(3, 2, 4, 5)], 3
    yield [], 4


def _product(sizes):
    total = 1
    for size in sizes:
        total *= size
    return total


def mistake_no_window(shapes, r):
    """A convolution's A has a row for each number of the window, kh kw C, not for each channel."""
    return sum(r * (C + O) for *_, C, O in shapes)


def mistake_window_twice(shapes, r):
    """B takes one pixel at a time, (r, O): the window is A's alone."""
    return sum(r * _product(window) * (C + O) for *window, C, O in shapes)


def mistake_sizes_added(shapes, r):
    """The inputs of a window are kh times kw times C: you add them up."""
    return sum(r * sum(shape) for shape in shapes)


def mistake_first_alone(shapes, r):
    """Each weight has two thin matrices: B counts, too."""
    return sum(r * _product(inputs) for *inputs, _ in shapes)


def mistake_second_alone(shapes, r):
    """Each weight has two thin matrices: A counts, too."""
    return sum(r * O for *_, O in shapes)


def mistake_product(shapes, r):
    """A has inputs r numbers and B r O: the sizes are added, not multiplied. That is r times the weight itself."""
    return sum(r * _product(shape) for shape in shapes)


def mistake_core(shapes, r):
    """There are two matrices, A and B, and no third of r x r between them."""
    return sum(r * (_product(inputs) + r + O) for *inputs, O in shapes)


def mistake_bias(shapes, r):
    """The two thin matrices have no biases."""
    return sum(r * (_product(inputs) + O) + O for *inputs, O in shapes)


def mistake_alpha(shapes, r):
    """alpha is not trained: it is chosen, and does not count."""
    return sum(r * (_product(inputs) + O) + 1 for *inputs, O in shapes)


def mistake_last_one(shapes, r):
    """You count the last weight alone: add them all up."""
    return sum(r * (_product(inputs) + O) for *inputs, O in shapes[-1:])


def right_two_sums(shapes, r):
    down = sum(_product(shape) // shape[-1] for shape in shapes)
    up = sum(shape[-1] for shape in shapes)
    return (down + up) * r


def right_by_arrays(shapes, r):
    import numpy as np

    return int(sum(np.zeros((*shape[:-1], r)).size + np.zeros((r, shape[-1])).size for shape in shapes))
