"""Diffusion in the plane: a few round clouds of points, whose best model is known, so that one can look at samplers.

    p(x_t) = sum_k w_k N(x_t; alpha m_k, (alpha^2 s^2 + sigma^2) I)

    E[x_0 | x_t] = sum_k r_k(x_t) (m_k + alpha s^2 / (alpha^2 s^2 + sigma^2) (x_t - alpha m_k))

Each cloud of data, with mean m_k and deviation s, stays a normal distribution under noise. r_k is the share that cloud
k has in the density at x_t: far out in the noise the guess lies between the clouds, and turns to one of them later.
These turns are what samplers with few steps get wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisd.diffusion.schedule import Array, NoiseLevel


@dataclass(frozen=True, eq=False)
class Clouds:
    """Data of several normal distributions in the plane, and the denoiser that knows them.

    Shapes: means (K, 2), weights (K,) that add up to 1; points (B, 2).

    >>> clouds = Clouds(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.5]), 0.1)
    >>> x_0, _ = clouds.denoise(np.array([[0.0, 0.0], [0.9, 0.0]]), NoiseLevel(0, 0.9, 0.4))
    >>> x_0.round(3).tolist()  # between the two; and in the first one
    [[0.0, 0.0], [1.0, 0.0]]
    """

    means: Array
    weights: Array
    deviation: float

    def denoise(self, x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        """E[x_0 | x_t] and E[noise | x_t], as a sampler asks for them."""
        _, alpha, sigma = level
        variance = alpha**2 * self.deviation**2 + sigma**2
        away = x_t[:, None] - alpha * self.means  # (B, K, 2)
        density = np.log(self.weights) - (away**2).sum(axis=2) / (2 * variance)
        share = np.exp(density - density.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)  # (B, K)
        x_0 = (share[:, :, None] * (self.means + alpha * self.deviation**2 / variance * away)).sum(axis=1)
        noise = (share[:, :, None] * (sigma / variance * away)).sum(axis=1)
        return x_0, noise

    def density(self, x_t: Array, level: NoiseLevel) -> Array:
        """p(x_t), (B,)."""
        variance = level.alpha**2 * self.deviation**2 + level.sigma**2
        away = ((x_t[:, None] - level.alpha * self.means) ** 2).sum(axis=2)
        return (self.weights * np.exp(-away / (2 * variance))).sum(axis=1) / (2 * np.pi * variance)


CLOUDS = Clouds(np.array([[-1.6, 0.3], [0.5, 1.5], [1.5, -1.1]]), np.array([0.4, 0.25, 0.35]), 0.22)
