"""The time as a row of waves

A network is told $t$ as a vector, each number of which swings at its own pace (Vaswani et al. 2017, section 3.5): with
$n$ = width / 2 frequencies

$$f_i = 10000^{-i/n}, \\qquad i = 0 \\dots n - 1$$

the row of a $t$ is $\\cos(t f_0), \\dots, \\cos(t f_{n-1})$, then $\\sin(t f_0), \\dots, \\sin(t f_{n-1})$. Write it
for B times at once; width is even.
"""

import numpy as np

from minisd.models.time import time_embedding as library

POINTS, MINUTES = 2, 15
HINTS = (
    "The angles are a table of B rows and n columns: t down, the frequency across.",
    "t[:, None] * frequencies is that table. All cosines come first.",
    "frequencies = 10000.0 ** (-np.arange(n) / n), and np.concatenate along axis 1.",
)


def time_embedding(t, width):
    """The cosines, then the sines, of shape (B, width)."""
    return library(t, width)


def cases(rng, dtype):
    yield np.array([0, 1, 999]), 8
    yield np.array([3]), 2
    yield rng.integers(0, 1000, 5), 16
    yield rng.uniform(0, 1000, 4).astype(dtype), 6
    yield np.array([0.5, 20.25]).astype(dtype), 4


def _angles(t, frequencies):
    return t[:, None] * frequencies


def mistake_sines_first(t, width):
    """The cosines come first, then the sines."""
    angles = _angles(t, 10000.0 ** (-np.arange(width // 2) / (width // 2)))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def mistake_interleaved(t, width):
    """All cosines come first, then all sines: yours alternate."""
    angles = _angles(t, 10000.0 ** (-np.arange(width // 2) / (width // 2)))
    return np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(len(t), width)


def mistake_divided_by_width(t, width):
    """i is divided by the number of frequencies, which is half the width: yours end at 1/100."""
    angles = _angles(t, 10000.0 ** (-np.arange(width // 2) / width))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def mistake_last_is_10000(t, width):
    """i is divided by n, not by n - 1: the frequencies end just before 1/10000."""
    n = width // 2
    angles = _angles(t, 10000.0 ** (-np.arange(n) / max(1, n - 1)))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def mistake_rising(t, width):
    """The frequencies fall from 1 to 1/10000: yours rise."""
    angles = _angles(t, 10000.0 ** (np.arange(width // 2) / (width // 2)))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def mistake_linear(t, width):
    """The frequencies fall by one factor from each to the next; yours by one difference."""
    angles = _angles(t, np.linspace(1, 1e-4, width // 2))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def right_loops(t, width):
    n = width // 2
    result = np.zeros((len(t), width))
    for row, time in enumerate(t):
        for i in range(n):
            result[row, i] = np.cos(time * 10000 ** (-i / n))
            result[row, n + i] = np.sin(time * 10000 ** (-i / n))
    return result


def right_complex(times, width):
    n = width // 2
    waves = np.exp(1j * np.outer(times, np.logspace(0, -4, n, endpoint=False)))
    return np.hstack([waves.real, waves.imag])
