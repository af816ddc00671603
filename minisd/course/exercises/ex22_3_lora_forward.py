"""A linear layer with two thin matrices beside it

The weight W is frozen. What is trained stands beside it (Hu et al. 2021, equation 3, with x in rows):

$$y = x W + \\frac{\\alpha}{r}\\, (x A)\\, B$$

Shapes: x (..., C), W (C, O), A (C, r), B (r, O). Do not make the product A B: it is as large as W.
"""

import numpy as np

POINTS, MINUTES = 2, 10
HINTS = (
    "Two ways from x to y, and their sum: through W, and through r numbers in the middle.",
    "r is what A and B have in common: the number of A's columns.",
    "x @ W + alpha / A.shape[1] * (x @ A @ B)",
)


def lora_forward(x, W, A, B, alpha):
    """y, (..., O)."""
    return x @ W + alpha / len(B) * ((x @ A) @ B)


def cases(rng, dtype):
    for *shape, r, O, alpha in ((5, 6, 2, 7, 3.0), (2, 3, 4, 3, 8, 1.0), (1, 9, 4, 3, 8.0), (2, 2, 3, 5, 1, 6, 2.5)):
        C = shape[-1]
        x, W, A, B = (rng.standard_normal(size).astype(dtype) for size in (shape, (C, O), (C, r), (r, O)))
        yield x, W, A, B, alpha


def mistake_not_divided(x, W, A, B, alpha):
    """The factor is alpha / r: you multiply by alpha alone."""
    return x @ W + alpha * (x @ A @ B)


def mistake_no_alpha(x, W, A, B, alpha):
    """The factor alpha / r is missing."""
    return x @ W + x @ A @ B


def mistake_turned_over(x, W, A, B, alpha):
    """The factor is alpha / r, not r / alpha."""
    return x @ W + len(B) / alpha * (x @ A @ B)


def mistake_divided_by_channels(x, W, A, B, alpha):
    """r is the number of A's columns; you divide by C, the number of its rows."""
    return x @ W + alpha / len(A) * (x @ A @ B)


def mistake_both_scaled(x, W, A, B, alpha):
    """The factor alpha / r is the change's alone: x W stays as it is."""
    return alpha / len(B) * (x @ W + x @ A @ B)


def mistake_change_alone(x, W, A, B, alpha):
    """That is what the thin matrices add: x W is missing."""
    return alpha / len(B) * (x @ A @ B)


def mistake_behind_the_layer(x, W, A, B, alpha):
    """The thin matrices stand beside W and read x, not the layer's output: x A B, and here it was multiplied to W."""
    return x @ (W * (1 + alpha / len(B) * (A @ B)))


def mistake_root(x, W, A, B, alpha):
    """The factor is alpha / r: you divide by the root of r."""
    return x @ W + alpha / len(B) ** 0.5 * (x @ A @ B)


def right_sums(x, W, A, B, alpha):
    middle = np.einsum("...c,cr->...r", x, A) * (alpha / A.shape[1])
    return np.einsum("...c,co->...o", x, W) + np.einsum("...r,ro->...o", middle, B)


def right_merged(x, W, A, B, alpha):
    r = A.shape[1]
    merged = W.astype(float)
    for k in range(r):
        merged = merged + alpha / r * np.outer(A[:, k], B[k])
    return x @ merged
