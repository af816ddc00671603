"""The plain loops, which the fast kernels are explained by: they agree with the reference, compiled or not.

NUMBA_DISABLE_JIT=1 turns Numba off, so that a debugger can walk through a loop. The last test does it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
from minisd_kernels import adam, attention, conv2d, conv_transpose2d, linear
from minisd_kernels.backends import use_backend
from strategies import Array, Arrays


def files(operation: str) -> tuple[Any, Any]:
    reference, loops = (
        importlib.import_module(f"minisd_kernels.{operation}.{file}") for file in ("numpy_ref", "numba_cpu")
    )
    return reference, loops


def same(got: Any, want: Any) -> None:
    got, want = (results if isinstance(results, tuple) else (results,) for results in (got, want))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def arrays(*shapes: tuple[int, ...]) -> list[Array]:
    make = Arrays(0, np.float64)
    return [make(*shape) for shape in shapes]


@pytest.mark.parametrize(
    ("operation", "options"),
    [("relu", ()), ("silu", (1.0,)), ("silu", (1.7,)), ("gelu", (False,)), ("gelu", (True,)), ("softmax", ())],
)
def test_activations(operation: str, options: tuple[Any, ...]) -> None:
    reference, loops = files(operation)
    shape = (3, 4) if operation == "softmax" else (12,)
    x, grad = arrays(shape, shape)
    y = loops.plain_forward(x, *options)
    same(y, reference.forward(x, *options))
    saved = y if operation in ("relu", "softmax") else x
    same(loops.plain_backward(grad, saved, *options), reference.backward(grad, saved, *options))


def test_geglu() -> None:
    reference, loops = files("geglu")
    x, grad = arrays((3, 8), (3, 4))
    same(loops.plain_forward(x), reference.forward(x))
    same(loops.plain_backward(grad, x), reference.backward(grad, x))


def test_layer_norm() -> None:
    reference, loops = files("layer_norm")
    x, grad, gamma, beta = arrays((4, 5), (4, 5), (5,), (5,))
    y, mean, rstd = loops.plain_forward(x, gamma, beta, 1e-5)
    same((y, mean, rstd), reference.forward(x, gamma, beta, 1e-5))
    same(loops.plain_backward(grad, x, gamma, mean, rstd), reference.backward(grad, x, gamma, mean, rstd))


@pytest.mark.parametrize("silu", [False, True])
def test_group_norm(silu: bool) -> None:
    reference, loops = files("group_norm")
    x, grad, gamma, beta = arrays((2, 3, 4), (2, 3, 4), (4,), (4,))
    y, mean, rstd = loops.plain_forward(x, gamma, beta, 2, 1e-5, silu)
    same((y, mean, rstd), reference.forward(x, gamma, beta, 2, 1e-5, silu))
    saved = (x, gamma, beta, mean, rstd, 2, silu)
    same(loops.plain_backward(grad, *saved), reference.backward(grad, *saved))


def test_embedding() -> None:
    reference, loops = files("embedding")
    (table, grad), ids = arrays((4, 3), (3, 3)), np.array([1, 3, 3])
    same(loops.plain_forward(table, ids), reference.forward(table, ids))
    same(loops.plain_backward(grad, ids, 4), reference.backward(grad, ids, 4))


def test_upsample2d() -> None:
    reference, loops = files("upsample2d")
    x, grad = arrays((2, 2, 3, 2), (2, 4, 9, 2))
    same(loops.plain_forward(x, (2, 3)), reference.forward(x, (2, 3)))
    same(loops.plain_backward(grad, (2, 3)), reference.backward(grad, (2, 3)))


def test_max_pool2d() -> None:
    reference, loops = files("max_pool2d")
    (x, grad), geometry = arrays((2, 5, 4, 2), (2, 3, 3, 2)), ((2, 2), (2, 1), (1, 0))
    y, argmax = loops.plain_forward(x, *geometry, (3, 3))
    same((y, argmax), reference.forward(x, *geometry, (3, 3)))
    saved = (argmax, x.shape, *geometry)
    same(loops.plain_backward(grad, *saved), reference.backward(grad, *saved))


def test_adam_and_add() -> None:
    reference, loops = files("adam")
    param, grad, m, v = arrays((5,), (5,), (5,), (5,))
    mine, theirs = ([param.copy(), grad, m.copy(), v**2] for _ in range(2))
    before = m.copy()
    update = adam.Update(3, 1e-2, 0.9, 0.99, 1e-6, 1e-1, 0.5)
    loops.plain_step(*mine, update)
    reference.step(*theirs, update)
    same(tuple(mine), tuple(theirs))
    same(loops.plain_squared_length(grad), reference.squared_length(grad))
    loops.plain_average(m, param, 0.25)
    same(m, 0.75 * before + 0.25 * param)
    add = files("add")[1]
    same(add.plain_forward(param, grad), param + grad)
    total = param.copy()
    add.plain_into(total, grad)
    same(total, param + grad)


def test_losses() -> None:
    reference, loops = files("mean_squared_error")
    a, b = arrays((6,), (6,))
    same(loops.plain_forward(a, b), reference.forward(a, b))
    same(loops.plain_backward(0.5, a, b), reference.backward(0.5, a, b))
    reference, loops = files("cross_entropy")
    logits, probabilities, weight = arrays((3, 4), (3, 4), (3,))
    for target in (np.array([1, 3, 3]), probabilities):
        same(loops.plain_forward(logits, target, weight), reference.forward(logits, target, weight))
        same(loops.plain_backward(0.5, logits, target, weight), reference.backward(0.5, logits, target, weight))


def test_products() -> None:
    """float64 runs the plain loops of these."""
    x, weight, bias, query = arrays((2, 4, 5, 3), (3, 2, 3, 2), (2,), (1, 4, 2, 3))
    matrix, rows = arrays((3, 4), (5, 4))
    results = []
    for backend in ("numpy", "numba"):
        with use_backend(backend):
            y = conv2d.forward(x, weight, bias, padding=1)
            up = conv_transpose2d.forward(y, weight.swapaxes(2, 3).copy())
            out = attention.forward(query, query, query, causal=True)
            gradients = attention.backward(query, query, query, query, *out, causal=True)
            line = linear.forward(x[0, 0], matrix), *linear.backward(rows, x[0, 0], matrix)
            results.append((y, *conv2d.backward(y, x, weight, padding=1), up, *out, *gradients, *line))
    same(results[1], results[0])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="this is the run without the compiler")
def test_all_of_them_run_without_the_compiler() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        capture_output=True, text=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    assert "16 passed, 1 skipped" in run.stdout
