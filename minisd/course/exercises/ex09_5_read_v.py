"""Reading v

A model may be asked for

$$v = \\sqrt{\\bar\\alpha_t}\\, \\varepsilon - \\sqrt{1 - \\bar\\alpha_t}\\, x_0$$

instead of the noise (Salimans and Ho, 2022). With $x_t$ known that is enough: two equations, two unknowns. Solve them
on paper, then write the function that gives $x_0$ and the noise from $v$ and $x_t$. There is nothing to divide by.

v and x_t have the shape (B, H, W, C), alpha_bar has (B,).
"""

import numpy as np

from minisd.diffusion.prediction import x_0_and_noise

POINTS, MINUTES = 2, 15
HINTS = (
    "Write alpha and sigma for the two roots. Then (x_t, v) is (x_0, noise) turned by an angle.",
    "Multiply the first equation by alpha and the second by sigma, and subtract. alpha^2 + sigma^2 = 1.",
    "x_0 = alpha x_t - sigma v. The noise has a plus and the factors exchanged.",
)


def read_v(v, x_t, alpha_bar):
    """x_0 and the noise, a pair of arrays shaped as x_t."""
    pairs = [
        x_0_and_noise("v", predicted, x, np.sqrt(share), np.sqrt(1 - share))
        for predicted, x, share in zip(v, x_t, alpha_bar, strict=True)
    ]
    return np.stack([x_0 for x_0, _ in pairs]), np.stack([noise for _, noise in pairs])


def cases(rng, dtype):
    for B, H, W, C in ((2, 3, 4, 1), (3, 3, 3, 3), (1, 2, 5, 2), (4, 2, 4, 4)):
        v, x_t = (rng.standard_normal((B, H, W, C)).astype(dtype) for _ in range(2))
        yield v, x_t, rng.uniform(0.05, 0.95, B).astype(dtype)
    yield v, x_t, np.full(4, 1e-6).astype(dtype)


def _roots(alpha_bar):
    a = alpha_bar.reshape(-1, 1, 1, 1)
    return np.sqrt(a), np.sqrt(1 - a)


def mistake_sign(v, x_t, alpha_bar):
    """The signs are exchanged: v has a minus before x_0, so x_0 has one before v, and the noise has none."""
    alpha, sigma = _roots(alpha_bar)
    return alpha * x_t + sigma * v, sigma * x_t - alpha * v


def mistake_factors_exchanged(v, x_t, alpha_bar):
    """The two roots are exchanged: where alpha_bar is 1, x_0 is x_t itself."""
    alpha, sigma = _roots(alpha_bar)
    return sigma * x_t - alpha * v, alpha * x_t + sigma * v


def mistake_as_noise(v, x_t, alpha_bar):
    """You read v as if it were the noise."""
    alpha, sigma = _roots(alpha_bar)
    return (x_t - sigma * v) / alpha, v


def mistake_no_roots(v, x_t, alpha_bar):
    """alpha_bar is a share of the variance: take the square roots of it and of 1 - alpha_bar."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    return a * x_t - (1 - a) * v, (1 - a) * x_t + a * v


def mistake_order(v, x_t, alpha_bar):
    """The picture comes first, then the noise."""
    alpha, sigma = _roots(alpha_bar)
    return sigma * x_t + alpha * v, alpha * x_t - sigma * v


def mistake_v_again(v, x_t, alpha_bar):
    """You apply v's own definition to x_t and v; it is to be undone."""
    alpha, sigma = _roots(alpha_bar)
    return alpha * v - sigma * x_t, alpha * x_t + sigma * v


def right_solved(v, x_t, alpha_bar):
    x_0, noise = np.empty_like(x_t), np.empty_like(x_t)
    for b, share in enumerate(alpha_bar):
        matrix = np.array([[share**0.5, (1 - share) ** 0.5], [-((1 - share) ** 0.5), share**0.5]])
        both = np.linalg.solve(matrix, np.stack([x_t[b].ravel(), v[b].ravel()]))
        x_0[b], noise[b] = both.reshape(2, *x_t[b].shape)
    return x_0, noise


def right_angle(v, x_t, alpha_bar):
    angle = np.arccos(np.sqrt(alpha_bar))[:, None, None, None]
    picture = np.cos(angle) * x_t - np.sin(angle) * v
    noise = np.sin(angle) * x_t + np.cos(angle) * v
    return picture, noise
