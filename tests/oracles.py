"""Every operation once more, as plain loops written from its equation and not from our code: slow, and easy to trust.

All sums are float64, whatever comes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pair = tuple[int, int]
Function = Callable[[Array], Array]


# ---- Pooling and upsampling


def max_pool2d(x: Array, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """y = max over the window; outside the image is -inf, the first maximum wins."""
    B, H, W, C = x.shape
    P = (H + 2 * padding[0] - window[0]) // stride[0] + 1
    Q = (W + 2 * padding[1] - window[1]) // stride[1] + 1
    y = np.full((B, P, Q, C), -np.inf)
    argmax = np.zeros((B, P, Q, C), np.int32)
    for b, p, q, c in np.ndindex(B, P, Q, C):
        for i in range(window[0]):
            for j in range(window[1]):
                h, w = p * stride[0] + i - padding[0], q * stride[1] + j - padding[1]
                value = x[b, h, w, c] if 0 <= h < H and 0 <= w < W else -np.inf
                if value > y[b, p, q, c]:
                    y[b, p, q, c], argmax[b, p, q, c] = value, i * window[1] + j
    return y, argmax


def upsample2d(x: Array, scale: Pair) -> Array:
    """y[h, w] = x[h // sh, w // sw]."""
    B, H, W, C = x.shape
    y = np.empty((B, H * scale[0], W * scale[1], C))
    for b, h, w, c in np.ndindex(*y.shape):
        y[b, h, w, c] = x[b, h // scale[0], w // scale[1], c]
    return y


# ---- Norms, activations, embedding, optimiser


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5) -> Array:
    """y = gamma (x - mean) / sqrt(variance + eps) + beta, statistics over an image's group of channels."""
    B, C = x.shape[0], x.shape[-1]
    y = np.empty(x.shape)
    for b in range(B):
        for g in range(groups):
            channels = slice(g * C // groups, (g + 1) * C // groups)
            values = x[b, ..., channels].astype(np.float64)
            mean = sum(values.flat) / values.size
            variance = sum((v - mean) ** 2 for v in values.flat) / values.size
            y[b, ..., channels] = (values - mean) / math.sqrt(variance + eps)
    return gamma * y + beta


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Array:
    """y = gamma (x - mean) / sqrt(variance + eps) + beta, statistics over the last axis."""
    y = np.empty(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        values = [float(v) for v in x[row]]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        y[row] = [(v - mean) / math.sqrt(variance + eps) for v in values]
    return gamma * y + beta


def silu(x: Array) -> Array:
    """y = x / (1 + e^-x)."""
    return np.array([v / (1 + math.exp(-v)) for v in x.astype(np.float64).flat]).reshape(x.shape)


def gelu(x: Array) -> Array:
    """y = x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    slope = math.sqrt(2 / math.pi)
    values = [v / 2 * (1 + math.tanh(slope * (v + 0.044715 * v**3))) for v in x.astype(np.float64).flat]
    return np.array(values).reshape(x.shape)


def softmax(x: Array) -> Array:
    """y_j = e^x_j / sum_k e^x_k."""
    y = np.empty(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        exponentials = [math.exp(v) for v in x[row]]
        y[row] = [e / sum(exponentials) for e in exponentials]
    return y


def embedding(table: Array, ids: Array) -> Array:
    """y[n] = table[ids[n]]."""
    y = np.empty((*ids.shape, table.shape[1]))
    for n in np.ndindex(*ids.shape):
        for d in range(table.shape[1]):
            y[(*n, d)] = table[ids[n], d]
    return y


def adamw(param: Array, grads: list[Array], lr: float, beta1: float, beta2: float, eps: float, decay: float) -> Array:
    """The parameters after one step for each of the gradients (Loshchilov & Hutter 2019, algorithm 2)."""
    after = np.empty(param.shape)
    for i in range(param.size):
        theta, m, v = float(param[i]), 0.0, 0.0
        for t, grad in enumerate(grads, start=1):
            g = float(grad[i])
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
            theta -= lr * (m_hat / (math.sqrt(v_hat) + eps) + decay * theta)
        after[i] = theta
    return after


# ---- Gradients


def gradient(function: Function, x: Array, grad_y: Array, step: float = 1e-5) -> Array:
    """d/dx of sum(grad_y function(x)), by central differences in each number of x."""
    at = x.astype(np.float64)
    grad_x = np.empty(x.shape)
    for i in np.ndindex(*x.shape):
        middle = at[i]
        at[i] = middle + step
        above = function(at)
        at[i] = middle - step
        grad_x[i] = (grad_y * (above - function(at))).sum() / (2 * step)
        at[i] = middle
    return grad_x
