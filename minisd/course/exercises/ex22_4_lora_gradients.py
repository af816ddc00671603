"""The gradients of the two thin matrices

From $y = x W + \\frac{\\alpha}{r} (x A) B$ with x (N, C), A (C, r), B (r, O), some loss was computed, and its gradient
in y has arrived: grad_y (N, O). What is it in A and in B? W is frozen and wants none.

Derive it by the rule for a product: for $z = u V$ the gradient is $u^\\top g$ in V and $g V^\\top$ in u. And do not
make anything as large as W, (C, O): every product can be taken so that r is one of its sides.
"""

import numpy as np

POINTS, MINUTES = 4, 40
HINTS = (
    "Name the middle: h = x A, of r numbers. y is x W plus alpha / r times h B. Go back through the two products.",
    "B sees h: its gradient is h^T grad_y. h gets grad_y B^T, and A sees x. Where does alpha / r come in?",
    "s = alpha / r; A's: s x^T (grad_y B^T); B's: s (x A)^T grad_y.",
)


def lora_gradients(x, A, B, alpha, grad_y):
    """grad_A and grad_B, shaped as A and B."""
    s = alpha / len(B)
    return s * x.T @ (grad_y @ B.T), s * (x @ A).T @ grad_y


def cases(rng, dtype):
    for N, C, r, O, alpha in (
        (5, 6, 2, 7, 3.0),
        (4, 5, 3, 8, 1.0),
        (9, 3, 4, 2, 8.0),
        (1, 6, 1, 4, 2.5),
        (7, 5, 2, 5, 5.0),
    ):
        x, A, B, g = (rng.standard_normal(size).astype(dtype) for size in ((N, C), (C, r), (r, O), (N, O)))
        yield x, A, B, alpha, g
    yield x, A, 0 * B, alpha, g  # as it begins


def mistake_no_factor(x, A, B, alpha, grad_y):
    """Both gradients have the factor alpha / r: it stands in y."""
    return x.T @ (grad_y @ B.T), (x @ A).T @ grad_y


def mistake_factor_once(x, A, B, alpha, grad_y):
    """A's gradient has the factor alpha / r, too: both matrices stand behind it."""
    s = alpha / len(B)
    return x.T @ (grad_y @ B.T), s * (x @ A).T @ grad_y


def mistake_factor_squared(x, A, B, alpha, grad_y):
    """The factor alpha / r comes in once in each gradient."""
    s = (alpha / len(B)) ** 2
    return s * x.T @ (grad_y @ B.T), s * (x @ A).T @ grad_y


def mistake_not_divided(x, A, B, alpha, grad_y):
    """The factor is alpha / r: you multiply by alpha alone."""
    return alpha * x.T @ (grad_y @ B.T), alpha * (x @ A).T @ grad_y


def mistake_mean(x, A, B, alpha, grad_y):
    """The N rows' shares are added up, not averaged: the loss's mean is in grad_y already."""
    s = alpha / len(B) / len(x)
    return s * x.T @ (grad_y @ B.T), s * (x @ A).T @ grad_y


def mistake_changed_places(x, A, B, alpha, grad_y):
    """They are right, but in the other order: A's first."""
    return lora_gradients(x, A, B, alpha, grad_y)[::-1]


def mistake_turned_over(x, A, B, alpha, grad_y):
    """A gradient has the shape of its matrix: yours are transposed."""
    grad_A, grad_B = lora_gradients(x, A, B, alpha, grad_y)
    return grad_A.T, grad_B.T


def mistake_of_the_start(x, A, B, alpha, grad_y):
    """A's gradient is 0 only while B is: with another B it is alpha / r x^T (grad_y B^T)."""
    return 0 * A, alpha / len(B) * (x @ A).T @ grad_y


def mistake_downhill(x, A, B, alpha, grad_y):
    """That is the way down, the gradient's negative: the optimiser takes the minus."""
    grad_A, grad_B = lora_gradients(x, A, B, alpha, grad_y)
    return -grad_A, -grad_B


def right_by_the_large_one(x, A, B, alpha, grad_y):
    G = alpha / A.shape[1] * np.einsum("nc,no->co", x, grad_y)
    return G @ B.T, A.T @ G


def right_row_by_row(x, A, B, alpha, grad_y):
    grad_A, grad_B = np.zeros(A.shape), np.zeros(B.shape)
    for row, g in zip(x, grad_y, strict=True):
        grad_A += np.outer(row, B @ g) * alpha / A.shape[1]
        grad_B += np.outer(row @ A, g) * alpha / A.shape[1]
    return grad_A, grad_B
