"""The loss, and where it points

The loss of a prediction is the mean of the squared differences, over all the numbers that there are:

$$L = \\frac{1}{n} \\sum_i (\\text{predicted}_i - \\text{target}_i)^2$$

Write the function that gives it, and its gradient in what was predicted.
"""

import numpy as np
from minisd_kernels import mean_squared_error as kernel
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 1, 10
HINTS = (
    "How does L change when one predicted number grows a little? The others' terms stay.",
    "The derivative of (p - q)^2 in p is 2 (p - q); the 1/n stays in front of it.",
    "n is predicted.size, whatever the number of axes.",
)


def mean_squared_error(predicted, target):
    """The loss, a number, and its gradient, shaped as `predicted`."""
    with use_backend("numpy"):
        loss = kernel.forward(predicted, target)
        return loss, kernel.backward(np.ones_like(loss), predicted, target)


def cases(rng, dtype):
    for shape in ((2, 3, 4, 5), (6,), (1, 1), (3, 7)):
        yield rng.standard_normal(shape).astype(dtype), (1 + rng.standard_normal(shape)).astype(dtype)


def mistake_sum(predicted, target):
    """The loss is the mean over all numbers, so its gradient is divided by their number, too."""
    return ((predicted - target) ** 2).sum(), 2 * (predicted - target)


def mistake_gradient_not_divided(predicted, target):
    """The loss is right. It has a 1/n, so its gradient has one, too."""
    return np.mean((predicted - target) ** 2), 2 * (predicted - target)


def mistake_no_2(predicted, target):
    """The loss is right. The derivative of a square has a factor 2."""
    return np.mean((predicted - target) ** 2), (predicted - target) / predicted.size


def mistake_sign(predicted, target):
    """The loss is right. Its gradient points away from the target: predicted - target."""
    return np.mean((predicted - target) ** 2), 2 * (target - predicted) / predicted.size


def mistake_half(predicted, target):
    """This loss has no factor 1/2."""
    return np.mean((predicted - target) ** 2) / 2, (predicted - target) / predicted.size


def mistake_by_batch(predicted, target):
    """Divide by the number of all numbers, not by that of the samples alone."""
    return ((predicted - target) ** 2).sum() / len(predicted), 2 * (predicted - target) / len(predicted)


def mistake_absolute(predicted, target):
    """The differences are squared: yours is the mean absolute error."""
    return np.mean(np.abs(predicted - target)), np.sign(predicted - target) / predicted.size


def right_loops(predicted, target):
    total, gradient = 0.0, np.zeros(predicted.size)
    for i, (p, q) in enumerate(zip(predicted.ravel(), target.ravel(), strict=True)):
        total += (p - q) ** 2
        gradient[i] = 2 * (p - q) / predicted.size
    return total / predicted.size, gradient.reshape(predicted.shape)


def right_dot(p, q):
    off = (p - q).ravel()
    return off @ off / off.size, (off * (2 / off.size)).reshape(p.shape)
