"""Blocks of layers against their equations, written out in tests/oracles.py, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.nn import (
    Embedding,
    LayerNorm,
    Linear,
    Module,
    MultiHeadAttention,
    PixelAttention,
    ResidualBlock,
    SpatialTransformer,
    TransformerBlock,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def with_random_weights(module: Module) -> oracles.Weights:
    """Give every parameter numbers of its own, so that none can be left out or exchanged; returns them."""
    numbers = rng()
    for parameter in module.parameters():
        parameter.data[...] = 0.5 * numbers.standard_normal(parameter.shape)
    return module.state_dict()


def tensors(*arrays: Array | None) -> list[Tensor | None]:
    return [None if array is None else Tensor(array) for array in arrays]


@pytest.mark.parametrize("condition_width", [None, 5])
@pytest.mark.parametrize("outputs", [4, 6])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_a_residual_block_is_its_equation(condition_width: int | None, outputs: int, eps: float) -> None:
    block = ResidualBlock(4, outputs, groups=2, eps=eps, condition_width=condition_width, rng=rng())
    weights = with_random_weights(block)
    x, condition = normal(2, 3, 4, 4), normal(2, condition_width) if condition_width else None
    wanted = oracles.residual_block(x, condition, weights, 2, eps)
    np.testing.assert_allclose(block(*tensors(x, condition)).data, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("context_width", "causal"), [(None, False), (None, True), (3, False)])
def test_multi_head_attention_is_its_equation(context_width: int | None, bias: bool, causal: bool) -> None:
    attend = MultiHeadAttention(6, 2, context_width=context_width, bias=bias, causal=causal, rng=rng())
    weights = with_random_weights(attend)
    assert ("to_query.bias" in weights) == bias and "to_out.bias" in weights
    x, context = normal(2, 4, 6), normal(2, 5, 3) if context_width else None
    wanted = oracles.multi_head_attention(x, x if context is None else context, weights, 2, causal)
    np.testing.assert_allclose(attend(*tensors(x, context)).data, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"context_width": 3}, {"causal": True}, {"bias": True}, {"expansion": 2}])
def test_a_transformer_block_is_its_equation(options: dict[str, Any]) -> None:
    block = TransformerBlock(6, 2, rng=rng(), **options)
    weights = with_random_weights(block)
    assert weights["widen.weight"].shape == (6, 6 * options.get("expansion", 4))
    x, context = normal(2, 4, 6), normal(2, 5, 3) if "context_width" in options else None
    wanted = oracles.transformer_block(x, context, weights, 2, oracles.gelu, "causal" in options)
    np.testing.assert_allclose(block(*tensors(x, context)).data, wanted, rtol=1e-4, atol=1e-4)


def test_a_transformer_block_uses_the_activation_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ops.ACTIVATIONS, "square", lambda x: x * x)
    block = TransformerBlock(6, 3, activation="square", rng=rng())
    weights, x = with_random_weights(block), normal(1, 4, 6)
    wanted = oracles.transformer_block(x, None, weights, 3, np.square)
    np.testing.assert_allclose(block(Tensor(x)).data, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("context_width", [None, 3])
@pytest.mark.parametrize("groups", [None, 2])
@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_a_spatial_transformer_is_its_equation(context_width: int | None, groups: int | None, eps: float) -> None:
    block = SpatialTransformer(6, 3, context_width=context_width, groups=groups, eps=eps, rng=rng())
    weights = with_random_weights(block)
    x, context = normal(2, 2, 3, 6), normal(2, 4, 3) if context_width else None
    inner = oracles.part(weights, "block")

    def attended(tokens: Array) -> Array:
        return oracles.transformer_block(tokens, context, inner, 3, oracles.gelu)

    if groups:
        normed = oracles.group_norm(x, weights["norm.gamma"], weights["norm.beta"], groups, eps)
        tokens = oracles.dense(normed.reshape(2, 6, 6), **oracles.part(weights, "proj_in"))
        wanted = x + oracles.dense(attended(tokens), **oracles.part(weights, "proj_out")).reshape(x.shape)
    else:
        wanted = attended(x.reshape(2, 6, 6)).reshape(x.shape)
    np.testing.assert_allclose(block(*tensors(x, context)).data, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_pixel_attention_is_its_equation(eps: float) -> None:
    attend = PixelAttention(6, 3, groups=2, eps=eps, rng=rng())
    weights, x = with_random_weights(attend), normal(2, 2, 3, 6)
    tokens = oracles.group_norm(x, weights["norm.gamma"], weights["norm.beta"], 2, eps).reshape(2, 6, 6)
    wanted = x + oracles.multi_head_attention(tokens, tokens, oracles.part(weights, "attend"), 3).reshape(x.shape)
    np.testing.assert_allclose(attend(Tensor(x)).data, wanted, rtol=1e-4, atol=1e-4)


# ---- What a fresh layer begins with


def test_a_fresh_embedding_is_small_and_normal() -> None:
    table = Embedding(400, 50, rng=rng()).table.data
    assert table.dtype == np.float32 and abs(table.mean()) < 5e-4
    assert table.std() == pytest.approx(0.02, rel=0.02)
    assert abs(table).max() > 3 * 0.02  # a uniform one has no tails


def test_fresh_weights_are_normal_with_variance_1_by_fan_in_and_biases_0() -> None:
    layer = Linear(100, 200, rng=rng())
    assert layer.weight.data.std() == pytest.approx(0.1, rel=0.02)
    assert layer.bias is not None and not layer.bias.data.any()
    assert Linear(2, 3, rng=rng(), bias=False).bias is None
    norm = LayerNorm(3)
    assert norm.gamma.data.tolist() == [1, 1, 1] and norm.beta.data.tolist() == [0, 0, 0]
