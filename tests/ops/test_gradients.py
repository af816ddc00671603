"""Every Function's gradient against central differences along one random direction, in float64, on every backend."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import available_backends, use_backend
from strategies import Array

import minisd.ops
from minisd import ops
from minisd.autograd import Function, Move, Tensor

STEP = 1e-5


@dataclass
class Case:
    """A function of tensors, and the arrays to differentiate it at."""

    name: str
    function: Callable[..., Tensor]
    inputs: list[Array]


CASES: list[Case] = []
_rng = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return _rng.standard_normal(shape)


def positive(*shape: int) -> Array:
    """For log, division and powers: away from 0."""
    return _rng.uniform(0.5, 2, shape)


def away_from_0(*shape: int) -> Array:
    """For ReLU: of both signs, and so far from 0 that no step meets its kink."""
    return positive(*shape) * _rng.choice([-1, 1], shape)


def without_ties(*shape: int) -> Array:
    """For maxima: numbers so far apart that no step changes which of them is the largest; a kink has no gradient."""
    n = int(np.prod(shape))
    return 1e3 * STEP * _rng.permutation(n).reshape(shape)


def case(name: str, function: Callable[..., Tensor], *inputs: Array) -> None:
    CASES.append(Case(name, function, list(inputs)))


# Arithmetic, with broadcasting both ways.
case("add", lambda a, b: a + b, normal(2, 3, 4), normal(3, 1))
case("subtract", lambda a, b: a - b, normal(3, 1), normal(2, 3, 4))
case("multiply", lambda a, b: a * b, normal(2, 1, 4), normal(3, 1))
case("divide", lambda a, b: a / b, normal(2, 3), positive(3))
case("power", lambda x: x**3.0 + x**0.5, positive(2, 3))
case("exp", lambda x: x.exp(), normal(2, 3))
case("log", lambda x: x.log(), positive(2, 3))
case("numbers", lambda x: (2.0 - x) * 3.0 + 1.0 / x - -x, positive(2, 3))
case("matmul", lambda a, b: a @ b, normal(2, 3, 4), normal(4, 5))
case("matmul of batches", lambda a, b: a @ b, normal(5, 1, 3, 4), normal(2, 4, 2))
case("sum", lambda x: x.sum() * x.sum(axis=1) * x.sum(axis=(0, 1), keepdims=True)[0], normal(3, 4))
case("mean", lambda x: x.mean(axis=-1) * x.mean(), normal(3, 4))
case("reshape", lambda x: x.reshape(4, -1), normal(2, 3, 2))
case("transpose", lambda x: x.transpose(1, 2, 0), normal(2, 3, 4))
case("transpose from the end", lambda x: x.transpose(0, -1, 1), normal(2, 3, 4))
case("index by slices", lambda x: x[:, 1:3, ..., None, -1], normal(2, 4, 3))
case("index by numbers, one of them twice", lambda x: x[np.array([0, 2, 2])], normal(3, 2))
case("index by a mask", lambda x: x[np.array([True, False, True])], normal(3, 2))
case("index by pairs", lambda x: x[np.arange(3), np.array([1, 1, 0])], normal(3, 2))

case("move", lambda x: Move.apply(x, device="cpu"), normal(2, 3))  # between devices: tests/test_devices.py

# Operations with kernels.
case("relu", ops.relu, away_from_0(3, 4))
case("silu", ops.silu, normal(3, 4))
case("silu with a slope", lambda x: ops.silu(x, slope=0.7), normal(3, 4))
case("gelu", ops.gelu, normal(3, 4))
case("exact gelu", lambda x: ops.gelu(x, exact=True), normal(3, 4))
case("quick_gelu", ops.quick_gelu, normal(3, 4))
case("geglu", ops.geglu, normal(2, 3, 8))
case("softmax", ops.softmax, normal(3, 4))
case("attention", ops.attention, normal(2, 3, 2, 5), normal(2, 4, 2, 5), normal(2, 4, 2, 5))
case("causal attention", lambda q, k, v: ops.attention(q, k, v, causal=True), *(normal(2, 4, 1, 3) for _ in range(3)))
case(
    "conv2d",
    lambda x, w, b: ops.conv2d(x, w, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    normal(2, 6, 7, 3),
    normal(3, 2, 3, 4),
    normal(4),
)
case("conv2d without bias", ops.conv2d, normal(1, 4, 5, 2), normal(2, 3, 2, 3))
case(
    "conv_transpose2d",
    lambda x, w, b: ops.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
    normal(2, 3, 4, 3),
    normal(3, 4, 3, 2),
    normal(2),
)
case("conv_transpose2d without bias", ops.conv_transpose2d, normal(1, 3, 2, 2), normal(2, 3, 2, 3))
case("linear", ops.linear, normal(2, 3, 4), normal(4, 5), normal(5))
case("linear without bias", ops.linear, normal(3, 4), normal(4, 5))
case("embedding", lambda table: ops.embedding(table, np.array([[0, 3], [3, 1]])), normal(5, 3))
case("group_norm", lambda x, g, b: ops.group_norm(x, g, b, groups=2), normal(2, 3, 4, 6), normal(6), normal(6))
case(
    "group_norm, SiLU",
    lambda x, g, b: ops.group_norm(x, g, b, groups=2, silu=True), normal(2, 3, 4, 6), normal(6), normal(6),
)  # fmt: skip
case("layer_norm", ops.layer_norm, normal(2, 3, 5), normal(5), normal(5))
case(
    "group_norm, another eps",
    lambda x, g, b: ops.group_norm(x, g, b, groups=2, eps=0.5), normal(2, 3, 4, 6), normal(6), normal(6),
)  # fmt: skip
case("layer_norm, another eps", lambda x, g, b: ops.layer_norm(x, g, b, eps=0.5), normal(2, 5), normal(5), normal(5))
case("adaptive_layer_norm", ops.adaptive_layer_norm, normal(2, 3, 5), normal(2, 5), normal(2, 5))
case(
    "adaptive_layer_norm, another eps",
    lambda x, g, b: ops.adaptive_layer_norm(x, g, b, eps=0.5), normal(2, 1, 4), normal(2, 4), normal(2, 4),
)  # fmt: skip
case("max_pool2d", lambda x: ops.max_pool2d(x, window=(3, 2), stride=2, padding=(1, 0)), without_ties(2, 7, 6, 3))
case("upsample2d", lambda x: ops.upsample2d(x, scale=(2, 3)), normal(2, 3, 2, 2))
case("concatenate", lambda a, b: ops.concatenate([a, b, a], axis=1), normal(2, 3), normal(2, 1))
case("copy and crop", ops.copy_and_crop, normal(1, 4, 7, 2), normal(1, 7, 4, 3))

# Losses.
case("mean_squared_error", ops.mean_squared_error, normal(3, 4), normal(3, 4))
case(
    "mean_squared_error of weighted samples",
    lambda a, b: ops.mean_squared_error(a, b, Tensor(np.array([0.5, 0.0, 3.0]))),
    normal(3, 2, 2),
    normal(3, 2, 2),
)
case("cross_entropy of classes", lambda x: ops.cross_entropy(x, np.array([2, 0, 2])), normal(3, 4))
case("cross_entropy of weights", lambda x: ops.cross_entropy(x, np.array([[0, 0.2, 0.5], [1, 1, 0]])), normal(2, 3))
case(
    "cross_entropy of weighted rows",
    lambda x: ops.cross_entropy(x, np.array([2, 0]), weight=np.array([0.5, 3.0])),
    normal(2, 3),
)
case("kl_divergence", ops.kl_divergence, normal(2, 3), normal(2, 3))

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradients(case: Case, upstream: Array, wanted: list[bool]) -> list[Array | None]:
    tensors = [Tensor(x, requires_grad=want) for x, want in zip(case.inputs, wanted, strict=True)]
    case.function(*tensors).backward(upstream)
    return [tensor.grad for tensor in tensors]


@pytest.mark.parametrize("backend", available_backends())
@each_case
def test_gradient_is_the_slope_along_a_random_direction(case: Case, backend: str) -> None:
    rng = np.random.default_rng(1)
    with use_backend(backend):
        value = case.function(*(Tensor(x) for x in case.inputs))
        upstream = rng.standard_normal(value.shape)
        together = gradients(case, upstream, [True] * len(case.inputs))
        for i, (x, grad) in enumerate(zip(case.inputs, together, strict=True)):
            assert grad is not None and grad.shape == x.shape and grad.dtype == np.float64
            direction = rng.standard_normal(x.shape)

            def loss(step: float, i: int = i, x: Array = x, direction: Array = direction) -> float:
                moved = [*case.inputs[:i], x + step * direction, *case.inputs[i + 1 :]]
                return float((case.function(*map(Tensor, moved)).data * upstream).sum())

            slope = (loss(STEP) - loss(-STEP)) / (2 * STEP)
            np.testing.assert_allclose((grad * direction).sum(), slope, rtol=1e-6, atol=1e-7)

            # The same gradient when no other input wants one.
            alone = gradients(case, upstream, [j == i for j in range(len(case.inputs))])
            np.testing.assert_allclose(alone[i], grad, rtol=1e-12)  # type: ignore[arg-type]
            assert all(other is None for j, other in enumerate(alone) if j != i)


def functions_on_the_tape(tensor: Tensor) -> set[type[Function]]:
    if tensor.function is None:
        return set()
    return {type(tensor.function)}.union(*(functions_on_the_tape(source) for source in tensor.function.inputs))


def all_functions(base: type[Function] = Function) -> set[type[Function]]:
    subclasses = {cls for cls in base.__subclasses__() if cls.__module__.startswith("minisd.")}
    return subclasses.union(*(all_functions(cls) for cls in subclasses))


def test_every_function_has_a_case() -> None:
    for module in pkgutil.iter_modules(minisd.ops.__path__, "minisd.ops."):
        importlib.import_module(module.name)
    tested: set[Any] = set()
    for case in CASES:
        tested |= functions_on_the_tape(case.function(*(Tensor(x, requires_grad=True) for x in case.inputs)))
    assert all_functions() - tested == set(), "write a case for these Functions"
