"""Blocks against their equations written out in oracles.py, in float64: order, norms, eps, activations, heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import oracles
import pytest
from strategies import Array, defaults, in_float64, normal, rng

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
    PixelAttention,
    ResidualBlock,
    SpatialTransformer,
    TransformerBlock,
    Upsample,
)

pytestmark = pytest.mark.usefixtures("numpy_backend")

ACTIVATIONS: dict[str, oracles.Function] = {
    "gelu_tanh": oracles.gelu,
    "gelu": oracles.exact_gelu,
    "quick_gelu": oracles.quick_gelu,
    "geglu": oracles.geglu,
}


def flat(*shape: int) -> Array:
    """A map of so small a variance that a norm's eps decides what comes out."""
    return 2e-3 * normal(*shape)


def check(module: Module, wanted: Callable[[oracles.Weights], Array], *inputs: Array | None) -> None:
    weights = module.state_dict()
    got = module(*(None if x is None else Tensor(x) for x in inputs)).data
    np.testing.assert_allclose(got, wanted(weights), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("make", [normal, flat])
@pytest.mark.parametrize(("outputs", "condition_width"), [(6, None), (6, 5), (8, 5)])
def test_a_residual_block_is_its_equation(
    make: Callable[..., Array], outputs: int, condition_width: int | None
) -> None:
    for eps in (1e-5, 1e-6, 0.5):
        block = in_float64(ResidualBlock(6, outputs, groups=2, eps=eps, condition_width=condition_width, rng=rng()))
        assert (block.shortcut is None) == (outputs == 6)
        x, condition = make(2, 4, 3, 6), normal(2, condition_width) if condition_width else None

        def wanted(w: oracles.Weights, x: Array = x, condition: Array | None = condition, eps: float = eps) -> Array:
            return oracles.residual_block(x, condition, w, 2, eps)

        check(block, wanted, x, condition)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_attention_is_its_equation(heads: int, bias: bool) -> None:
    x, context = normal(2, 4, 6), normal(2, 3, 5)
    for causal in (False, True):
        itself = in_float64(MultiHeadAttention(6, heads, causal=causal, bias=bias, rng=rng()))
        assert ("to_query.bias" in itself.state_dict()) is bias and "to_out.bias" in itself.state_dict()
        check(itself, lambda w, causal=causal: oracles.multi_head_attention(x, x, w, heads, causal), x)  # type: ignore[misc]
    across = in_float64(MultiHeadAttention(6, heads, context_width=5, bias=bias, rng=rng()))
    check(across, lambda w: oracles.multi_head_attention(x, context, w, heads), x, context)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("context_width", [None, 5])
def test_a_transformer_block_is_its_equation(activation: str, context_width: int | None) -> None:
    x, context = normal(2, 4, 6), normal(2, 3, 5) if context_width else None
    for causal, expansion, bias in ((False, 2, True), (True, 3, False)):
        block = in_float64(
            TransformerBlock(
                6, 2, context_width=context_width, causal=causal, activation=activation, expansion=expansion,
                bias=bias, rng=rng(),
            )
        )  # fmt: skip
        assert block.narrow.weight.shape == (6 * expansion, 6)
        assert ("attend_self.to_key.bias" in block.state_dict()) is bias

        def wanted(w: oracles.Weights, causal: bool = causal) -> Array:
            return oracles.transformer_block(x, context, w, 2, ACTIVATIONS[activation], causal)

        check(block, wanted, x, context)


def test_a_transformer_block_s_layer_norms_have_an_eps_of_1e_5() -> None:
    x = flat(1, 4, 6)
    check(
        in_float64(TransformerBlock(6, 2, rng=rng())),
        lambda w: oracles.transformer_block(x, None, w, 2, oracles.gelu),
        x,
    )


@pytest.mark.parametrize("groups", [None, 3])
@pytest.mark.parametrize("make", [normal, flat])
def test_a_spatial_transformer_is_its_equation(groups: int | None, make: Callable[..., Array]) -> None:
    x, context = make(2, 3, 2, 6), normal(2, 4, 5)
    transformer = in_float64(
        SpatialTransformer(6, 2, context_width=5, groups=groups, activation="geglu", expansion=2, rng=rng())
    )
    check(transformer, lambda w: oracles.spatial_transformer(x, context, w, 2, groups or 0, oracles.geglu), x, context)
    alone = in_float64(SpatialTransformer(6, 2, groups=groups, rng=rng()))
    assert alone.block.widen.weight.shape == (6, 24)
    check(alone, lambda w: oracles.spatial_transformer(x, None, w, 2, groups or 0, oracles.gelu), x)


@pytest.mark.parametrize("make", [normal, flat])
@pytest.mark.parametrize("eps", [1e-6, 1e-5])
def test_attention_over_pixels_is_its_equation(make: Callable[..., Array], eps: float) -> None:
    x = make(2, 3, 2, 6)
    attend = in_float64(PixelAttention(6, 2, groups=3, eps=eps, rng=rng()))
    assert {f"attend.to_{name}.bias" for name in ("query", "key", "value", "out")} < set(attend.state_dict())
    check(attend, lambda w: oracles.pixel_attention(x, w, 2, 3, eps), x)


def test_norms_have_the_eps_they_were_made_with() -> None:
    x = normal(2, 3, 4)
    for eps in (1e-5, 0.5):
        layer, group = in_float64(LayerNorm(4, eps)), in_float64(GroupNorm(2, 4, eps))
        check(layer, lambda w, eps=eps: oracles.layer_norm(x, w["gamma"], w["beta"], eps), x)  # type: ignore[misc]
        check(group, lambda w, eps=eps: oracles.group_norm(x, w["gamma"], w["beta"], 2, eps), x)  # type: ignore[misc]


def test_upsampling_repeats_before_it_convolves() -> None:
    x = normal(2, 3, 2, 4)

    def wanted(w: oracles.Weights) -> Array:
        return oracles.conv2d(x.repeat(2, 1).repeat(2, 2), w["conv.weight"], w["conv.bias"], (1, 1), (1, 1), (1, 1))

    check(in_float64(Upsample(4, 3, rng=rng())), wanted, x)


def test_what_a_block_is_not_told_or_told_in_vain_is_an_error() -> None:
    x, tokens, context, condition = (
        Tensor(normal(*shape).astype(np.float32)) for shape in ((1, 2, 2, 4), (1, 4, 4), (1, 3, 5), (1, 5))
    )
    with pytest.raises(ValueError, match="ResidualBlock: wanted a condition, got none"):
        ResidualBlock(4, 4, groups=2, condition_width=5, rng=rng())(x)
    with pytest.raises(ValueError, match="ResidualBlock: wanted no condition, got one"):
        ResidualBlock(4, 4, groups=2, rng=rng())(x, condition)
    with pytest.raises(ValueError, match="MultiHeadAttention: wanted a context of width 5, got none"):
        MultiHeadAttention(4, 2, context_width=5, rng=rng())(tokens)
    with pytest.raises(ValueError, match="MultiHeadAttention: wanted no context, got one"):
        MultiHeadAttention(4, 2, rng=rng())(tokens, context)
    with pytest.raises(ValueError, match="MultiHeadAttention: wanted a context of width 5, got none"):
        TransformerBlock(4, 2, context_width=5, rng=rng())(tokens)
    with pytest.raises(ValueError, match="TransformerBlock: wanted no context, got one"):
        TransformerBlock(4, 2, rng=rng())(tokens, context)
    for groups in (None, 2):
        with pytest.raises(ValueError, match="wanted a context of width 5, got none"):
            SpatialTransformer(4, 2, context_width=5, groups=groups, rng=rng())(x)
        with pytest.raises(ValueError, match="wanted no context, got one"):
            SpatialTransformer(4, 2, groups=groups, rng=rng())(x, context)
    with pytest.raises(ValueError, match="no activation 'tanh'; wanted gelu_tanh, gelu, quick_gelu, geglu"):
        TransformerBlock(4, 2, activation="tanh", rng=rng())


# ---- Parts

BLOCKS: dict[str, tuple[Callable[[], Module], str]] = {
    "residual": (
        lambda: ResidualBlock(4, 6, groups=2, condition_width=5, rng=rng()),
        "norm_1.gamma norm_1.beta conv_1.weight conv_1.bias to_shift.weight to_shift.bias norm_2.gamma norm_2.beta "
        "conv_2.weight conv_2.bias shortcut.weight shortcut.bias",
    ),
    "transformer": (
        lambda: TransformerBlock(6, 2, context_width=3, rng=rng()),
        "norm_self.gamma norm_self.beta attend_self.to_query.weight attend_self.to_key.weight "
        "attend_self.to_value.weight attend_self.to_out.weight attend_self.to_out.bias norm_cross.gamma "
        "norm_cross.beta attend_cross.to_query.weight attend_cross.to_key.weight attend_cross.to_value.weight "
        "attend_cross.to_out.weight attend_cross.to_out.bias norm_perceptron.gamma norm_perceptron.beta widen.weight "
        "widen.bias narrow.weight narrow.bias",
    ),
    "pixels": (
        lambda: PixelAttention(4, 2, groups=2, rng=rng()),
        "norm.gamma norm.beta attend.to_query.weight attend.to_query.bias attend.to_key.weight attend.to_key.bias "
        "attend.to_value.weight attend.to_value.bias attend.to_out.weight attend.to_out.bias",
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_has_these_parts(name: str) -> None:
    make, parts = BLOCKS[name]
    assert list(make().state_dict()) == parts.split()


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


TRANSFORMER = {"context_width": None, "activation": "gelu_tanh", "expansion": 4}  # 4: Vaswani et al. 2017, section 3.3
DEFAULTS: dict[type[Module], dict[str, object]] = {  # PyTorch's, and those of Stable Diffusion's code
    Linear: {"bias": True},
    Conv2d: {"stride": 1, "padding": 0},
    ConvTranspose2d: {"stride": 1, "padding": 0},
    GroupNorm: {"eps": 1e-5},
    LayerNorm: {"eps": 1e-5},
    MultiHeadAttention: {"context_width": None, "causal": False, "bias": False},
    TransformerBlock: {**TRANSFORMER, "causal": False, "bias": False},
    SpatialTransformer: {**TRANSFORMER, "groups": None, "eps": 1e-6},
    PixelAttention: {"eps": 1e-6},
    ResidualBlock: {"groups": 8, "eps": 1e-5, "condition_width": None},
}


@pytest.mark.parametrize("block", DEFAULTS)
def test_what_a_block_does_unless_told_otherwise(block: type[Module]) -> None:
    assert defaults(block) == DEFAULTS[block]
