"""Modules find their parameters and refuse others' weights; layers compute what their equation says."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from strategies import normal_tensor, rng

from minisd.autograd import Tensor
from minisd.nn import (
    Conv2d,
    ConvTranspose2d,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    Module,
    MultiHeadAttention,
    Parameter,
    ResidualBlock,
    TransformerBlock,
)


class Nested(Module):
    def __init__(self) -> None:
        self.first = Linear(2, 3, rng=rng())
        self.many = [Linear(3, 3, rng=rng(), bias=False), (LayerNorm(3), None)]
        self.scale = Parameter(np.ones(1, np.float32))
        self.width = 3


# ---- Modules


def test_parameters_are_found_in_lists_too_and_named_in_order() -> None:
    names = [name for name, _ in Nested().named_parameters()]
    assert names == ["first.weight", "first.bias", "many.0.weight", "many.1.0.gamma", "many.1.0.beta", "scale"]
    assert Nested().parameter_count() == 6 + 3 + 9 + 3 + 3 + 1


def test_weights_travel_by_name() -> None:
    source, target = Nested(), Nested()
    for parameter in source.parameters():
        parameter.data += 1
    arrays = [parameter.data for parameter in target.parameters()]
    target.load_state_dict(source.state_dict())
    for ours, theirs, array in zip(target.parameters(), source.parameters(), arrays, strict=True):
        assert ours.data is array and ours.data is not theirs.data  # filled, not replaced
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_weights_of_another_architecture_are_refused_and_change_nothing() -> None:
    module = Nested()
    before = {name: array.copy() for name, array in module.state_dict().items()}
    wrong = {name: array + 1 for name, array in before.items()}
    del wrong["scale"]
    wrong |= {f"extra.{i}": np.zeros(1) for i in range(5)}
    wrong["first.weight"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match="of another architecture than Nested") as error:
        module.load_state_dict(wrong)
    assert "missing: scale" in str(error.value)
    assert "unknown: extra.0, extra.1, extra.2 and 2 more" in str(error.value)
    assert "misshapen: first.weight (3, 2) instead of (2, 3)" in str(error.value)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ---- Layers


def test_layers_are_their_equations() -> None:
    x = normal_tensor(2, 5, 6, 4)
    conv = Conv2d(4, 3, (3, 2), stride=(2, 1), padding=(1, 0), rng=rng())
    wanted = oracles.conv2d(x.data, conv.weight.data, conv.bias.data, (2, 1), (1, 0), (1, 1))
    np.testing.assert_allclose(conv(x).data, wanted, atol=1e-5)

    up = ConvTranspose2d(4, 3, 4, stride=2, padding=1, rng=rng())
    wanted = oracles.conv_transpose2d(x.data, up.weight.data, up.bias.data, (2, 2), (1, 1), (1, 1), (0, 0))
    np.testing.assert_allclose(up(x).data, wanted, atol=1e-5)
    assert up(x).shape == (2, 10, 12, 3)

    group, layer = GroupNorm(2, 4), LayerNorm(4)
    for norm in (group, layer):
        norm.gamma.data += normal_tensor(4).data
        norm.beta.data += normal_tensor(4).data
    np.testing.assert_allclose(
        group(x).data, oracles.group_norm(x.data, group.gamma.data, group.beta.data, 2), atol=1e-4
    )
    np.testing.assert_allclose(layer(x).data, oracles.layer_norm(x.data, layer.gamma.data, layer.beta.data), atol=1e-4)


def test_one_hot_times_the_table_is_the_embedding() -> None:
    embedding, ids = Embedding(7, 4, rng=rng()), np.array([[3, 0, 3], [6, 6, 1]])
    one_hot = Tensor(np.eye(7, dtype=np.float32)[ids])
    product, looked_up = one_hot @ embedding.table, embedding(ids)
    np.testing.assert_array_equal(looked_up.data, product.data)
    upstream = normal_tensor(2, 3, 4).data
    product.backward(upstream)
    from_product, embedding.table.grad = embedding.table.grad, None
    looked_up.backward(upstream)
    assert from_product is not None and embedding.table.grad is not None
    np.testing.assert_allclose(embedding.table.grad, from_product, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        Linear(200, 300, rng=rng()),
        Conv2d(20, 30, 3, padding=1, rng=rng()),
        ConvTranspose2d(20, 30, 4, stride=2, padding=1, rng=rng()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_fresh_layer_keeps_the_size_of_numbers(layer: Module) -> None:
    x = normal_tensor(2, 20, 20, 200 if isinstance(layer, Linear) else 20)
    assert 0.8 < layer(x).data[:, 3:-3, 3:-3].std() < 1.2


def test_the_same_generator_gives_the_same_layer() -> None:
    np.testing.assert_array_equal(Linear(3, 4, rng=rng()).weight.data, Linear(3, 4, rng=rng()).weight.data)


# ---- Attention and residual blocks


def test_heads_attend_side_by_side() -> None:
    attend = MultiHeadAttention(6, 2, context_width=5, rng=rng())
    x, context = normal_tensor(2, 3, 6), normal_tensor(2, 4, 5)
    query, key, value = (
        (tokens.data @ layer.weight.data).reshape(2, -1, 2, 3)
        for layer, tokens in ((attend.to_query, x), (attend.to_key, context), (attend.to_value, context))
    )
    mixed, _ = oracles.attention(query, key, value, 3**-0.5, causal=False)
    assert attend.to_out.bias is not None
    wanted = mixed.reshape(2, 3, 6) @ attend.to_out.weight.data + attend.to_out.bias.data
    np.testing.assert_allclose(attend(x, context).data, wanted, atol=1e-5)


def test_attention_does_not_know_the_order_of_its_context() -> None:
    attend = MultiHeadAttention(8, 2, context_width=5, rng=rng())
    x, context = normal_tensor(1, 3, 8), normal_tensor(1, 4, 5)
    shuffled = Tensor(context.data[:, [2, 0, 3, 1]])
    np.testing.assert_allclose(attend(x, shuffled).data, attend(x, context).data, atol=1e-6)


def test_a_transformer_block_uses_its_context_and_a_causal_one_not_the_future() -> None:
    block = TransformerBlock(8, 2, context_width=5, rng=rng())
    x, context = normal_tensor(1, 4, 8), normal_tensor(1, 3, 5)
    assert block(x, context).shape == x.shape
    assert (block(x, context).data != block(x, normal_tensor(1, 4, 5)).data).any()

    causal = TransformerBlock(8, 2, causal=True, rng=rng())
    changed = Tensor(x.data.copy())
    changed.data[:, 2:] += 1
    np.testing.assert_array_equal(causal(changed).data[:, :2], causal(x).data[:, :2])
    assert (causal(changed).data[:, 2:] != causal(x).data[:, 2:]).all()


@pytest.mark.parametrize("outputs", [8, 16])
def test_a_fresh_residual_block_is_its_shortcut(outputs: int) -> None:
    block = ResidualBlock(8, outputs, groups=4, condition_width=5, rng=rng())
    x, condition = normal_tensor(2, 5, 3, 8), normal_tensor(2, 5)
    shortcut = x if block.shortcut is None else block.shortcut(x)
    np.testing.assert_array_equal(block(x, condition).data, shortcut.data)
    block.conv_2.weight.data += normal_tensor(3, 3, outputs, outputs).data
    y = block(x, condition).data
    assert y.shape == (2, 5, 3, outputs) and (y != shortcut.data).any()
    other = Tensor(condition.data * [[1], [2]])
    other.data = other.data.astype(np.float32)
    differs = (block(x, other).data != y).any(axis=(1, 2, 3))
    assert differs.tolist() == [False, True]  # each sample has its own condition


def test_widths_that_do_not_divide_are_explained() -> None:
    with pytest.raises(ValueError, match="a width of 10 does not split into 4 heads"):
        MultiHeadAttention(10, 4, rng=rng())
    with pytest.raises(ValueError, match="10 channels do not split into 4 groups"):
        GroupNorm(4, 10)
