"""Every operation with CUDA kernels on small arrays of the emulated device, to be traced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisd_kernels import (
    adam,
    add,
    cross_entropy,
    embedding,
    gelu,
    group_norm,
    layer_norm,
    max_pool2d,
    mean_squared_error,
    relu,
    silu,
    softmax,
    upsample2d,
)
from minisd_kernels.devices import to_device


@dataclass(frozen=True)
class Step:
    """One way to do an operation, or one of its directions.

    Attributes:
        run: do it.
        needed: bytes that must be read or written at least once.
        products: multiply-adds that the equation has; 0 where they are not what matters.
    """

    run: Callable[[], Any]
    needed: int
    products: int = 0


@dataclass(frozen=True)
class Example:
    """An operation on small arrays: their shapes in words, and its steps by name."""

    shapes: str
    steps: dict[str, Step]


def _random(*shape: int) -> Any:
    return to_device(np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32), "emu")


def _conv2d() -> Example:
    from minisd_kernels.conv2d.cupy_gpu import STEPS, forward_by

    x, weight, bias = _random(1, 16, 16, 32), _random(3, 3, 32, 64), _random(64)
    outputs = 16 * 16 * 64
    needed, products = x.nbytes + weight.nbytes + 4 * outputs, 9 * 32 * outputs

    def step(name: str) -> Step:
        return Step(
            lambda: forward_by(name, x, weight, bias, (16, 16), (1, 1), ((1, 1), (1, 1)), (1, 1)), needed, products
        )

    return Example("3 x 3, padding 1: (1, 16, 16, 32) -> (1, 16, 16, 64)", {name: step(name) for name in STEPS})


def _attention() -> Example:
    from minisd_kernels.attention.cupy_gpu import STEPS, forward_by

    query, key, value = (_random(1, 64, 2, 32) for _ in range(3))

    def step(name: str) -> Step:
        return Step(
            lambda: forward_by(name, query, key, value, 32**-0.5, False), 4 * query.nbytes, 2 * 2 * 64 * 64 * 32
        )

    return Example("64 queries, 64 keys, 2 heads of 32", {name: step(name) for name in STEPS})


def _there_and_back(
    shapes: str, forward: Callable[[], Any], backward: Callable[[], Any], needed: tuple[int, int]
) -> Example:
    return Example(shapes, {"forward": Step(forward, needed[0]), "backward": Step(backward, needed[1])})


def _group_norm() -> Example:
    x, gamma, beta = _random(2, 8, 8, 64), _random(64), _random(64)
    _, mean, rstd = group_norm.forward(x, gamma, beta, groups=8)
    return _there_and_back(
        "(2, 8, 8, 64), 8 groups, with SiLU",
        lambda: group_norm.forward(x, gamma, beta, groups=8, silu=True),
        lambda: group_norm.backward(x, x, gamma, beta, mean, rstd, groups=8, silu=True),
        (2 * x.nbytes, 3 * x.nbytes),
    )


def _layer_norm() -> Example:
    x, gamma, beta = _random(128, 64), _random(64), _random(64)
    _, mean, rstd = layer_norm.forward(x, gamma, beta)
    return _there_and_back(
        "(128, 64)",
        lambda: layer_norm.forward(x, gamma, beta),
        lambda: layer_norm.backward(x, x, gamma, mean, rstd),
        (2 * x.nbytes, 3 * x.nbytes),
    )


def _max_pool2d() -> Example:
    x = _random(2, 16, 16, 32)
    y, argmax = max_pool2d.forward(x, window=2)
    needed = x.nbytes + y.nbytes + argmax.nbytes
    return _there_and_back(
        "2 x 2: (2, 16, 16, 32) -> (2, 8, 8, 32)",
        lambda: max_pool2d.forward(x, window=2),
        lambda: max_pool2d.backward(y, argmax, x.shape, window=2),
        (needed, needed),
    )


def _upsample2d() -> Example:
    x, y = _random(2, 8, 8, 32), _random(2, 16, 16, 32)
    needed = x.nbytes + y.nbytes
    return _there_and_back(
        "(2, 8, 8, 32) -> (2, 16, 16, 32)",
        lambda: upsample2d.forward(x, 2),
        lambda: upsample2d.backward(y, 2),
        (needed, needed),
    )


def _embedding() -> Example:
    table, ids = _random(64, 32), to_device(np.arange(128).reshape(8, 16) % 64, "emu")
    y = embedding.forward(table, ids)
    return _there_and_back(
        "a table of 64 rows of 32, 128 ids",
        lambda: embedding.forward(table, ids),
        lambda: embedding.backward(y, ids, 64),
        (2 * y.nbytes + ids.nbytes, y.nbytes + table.nbytes + ids.nbytes),
    )


def _activation(operation: Any) -> Callable[[], Example]:
    def example() -> Example:
        x = _random(64, 64)
        return _there_and_back(
            "(64, 64)",
            lambda: operation.forward(x),
            lambda: operation.backward(x, x),
            (2 * x.nbytes, 3 * x.nbytes),
        )

    return example


def _mean_squared_error() -> Example:
    a, b, grad = _random(64, 64), _random(64, 64), _random()
    return _there_and_back(
        "(64, 64)",
        lambda: mean_squared_error.forward(a, b),
        lambda: mean_squared_error.backward(grad, a, b),
        (2 * a.nbytes, 3 * a.nbytes),
    )


def _cross_entropy() -> Example:
    logits, classes, grad = _random(128, 10), to_device(np.arange(128) % 10, "emu"), _random()
    return _there_and_back(
        "128 rows of 10 classes",
        lambda: cross_entropy.forward(logits, classes),
        lambda: cross_entropy.backward(grad, logits, classes),
        (logits.nbytes + classes.nbytes, 2 * logits.nbytes + classes.nbytes),
    )


def _add() -> Example:
    a, b = _random(64, 64), _random(64, 64)
    return Example("(64, 64)", {"forward": Step(lambda: add.forward(a, b), 3 * a.nbytes)})


def _adam() -> Example:
    param, grad = _random(4096), _random(4096)
    m, v = 0 * param, 0 * param
    step = Step(lambda: adam.step(param, grad, m, v, step=1, lr=1e-3), 7 * param.nbytes)
    return Example("4096 weights", {"step": step})


EXAMPLES: dict[str, Callable[[], Example]] = {
    "conv2d": _conv2d,
    "attention": _attention,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "max_pool2d": _max_pool2d,
    "upsample2d": _upsample2d,
    "embedding": _embedding,
    "relu": _activation(relu),
    "silu": _activation(silu),
    "gelu": _activation(gelu),
    "softmax": _activation(softmax),
    "mean_squared_error": _mean_squared_error,
    "cross_entropy": _cross_entropy,
    "add": _add,
    "adam": _adam,
}
