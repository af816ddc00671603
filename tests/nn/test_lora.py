"""Low-rank changes: none at first, beside the weights as in them, and the only thing that is trained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.nn import Conv2d, Linear, Module, SpatialTransformer
from minisd.nn.lora import LoRA, LowRank, adaptable

pytestmark = pytest.mark.usefixtures("numpy_backend")


class Small(Module):
    """Each kind of layer, in a list, too; float64."""

    def __init__(self, stride: tuple[int, int] = (2, 1), padding: int = 1) -> None:
        rng = np.random.default_rng(0)
        self.conv = Conv2d(3, 4, (3, 2), stride=stride, padding=padding, rng=rng)
        self.blocks = [SpatialTransformer(4, 2, context_width=5, groups=2, rng=rng)]
        self.out = Linear(4, 2, rng=rng)
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(np.float64)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        y: Tensor = self.out(ops.silu(self.blocks[0](self.conv(x), context)))
        return y


def changes(network: Module, rank: int = 2, alpha: float = 3.0) -> LoRA:
    """A LoRA with all its numbers at random."""
    rng, lora = np.random.default_rng(1), LoRA.beginning(network, rank, rng=np.random.default_rng(2))
    for change in lora.layers.values():
        change.alpha = alpha
        for parameter in change.parameters():
            parameter.data = rng.standard_normal(parameter.shape) / 2  # float64, as the network
    return lora


def inputs() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(3)
    return Tensor(rng.standard_normal((2, 6, 5, 3))), Tensor(rng.standard_normal((2, 7, 5)))


def test_every_linear_layer_and_convolution_is_adapted_by_its_name() -> None:
    block = "blocks.0.block"
    heads = [
        f"{block}.attend_{which}.to_{part}" for which in ("self", "cross") for part in ("query", "key", "value", "out")
    ]
    others = ["conv", "blocks.0.proj_in", "blocks.0.proj_out", f"{block}.widen", f"{block}.narrow", "out"]
    assert {*adaptable(Small())} == {*heads, *others}
    lora = LoRA.beginning(Small(), 3, rng=np.random.default_rng(0))
    assert lora.layers["conv"].down.shape == (3, 2, 3, 3) and lora.layers["conv"].up.shape == (3, 4)
    assert lora.layers["out"].down.shape == (4, 3) and lora.layers["out"].alpha == 3 == lora.layers["out"].rank


def test_at_first_nothing_changes() -> None:
    network = Small()
    lora, before = changes(network), network(*inputs()).data
    for change in lora.layers.values():  # as it begins, but for the type
        fresh = LowRank.beginning((*change.down.shape[:-1], change.up.shape[1]), 2, rng=np.random.default_rng(0))
        change.down.data, change.up.data = (array.data.astype(np.float64) for array in (fresh.down, fresh.up))
    with lora.beside(network):
        np.testing.assert_array_equal(network(*inputs()).data, before)
    assert all(np.any(change.down.data != 0) for change in lora.layers.values())


@settings(max_examples=20)
@given(stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), padding=st.integers(0, 2), rank=st.integers(1, 5))
def test_beside_the_weights_is_as_in_them(stride: tuple[int, int], padding: int, rank: int) -> None:
    network = Small(stride, padding)
    lora = changes(network, rank)
    with lora.beside(network):
        beside = network(*inputs()).data
    for change, layer in lora.fitting(network).values():
        layer.weight.data = layer.weight.data + change.delta()
    np.testing.assert_allclose(network(*inputs()).data, beside, rtol=1e-12, atol=1e-12)


def test_the_change_is_that_of_the_paper() -> None:
    """y = x W + (alpha / r) x A B, multiplied out by hand."""
    rng = np.random.default_rng(0)
    W, A, B, x = (rng.standard_normal(shape) for shape in ((4, 3), (4, 2), (2, 3), (5, 4)))
    layer, change = Linear(4, 3, rng=rng, bias=False), LowRank(A, B, alpha=0.5)
    layer.weight.data = W
    np.testing.assert_allclose(change(layer, Tensor(x)).data, 0.25 * x @ A @ B, rtol=1e-12)
    np.testing.assert_allclose(change.delta(), 0.25 * A @ B, rtol=1e-12)


def test_the_matrices_alone_are_given_gradients() -> None:
    network = Small()
    lora, before = changes(network), network(*inputs()).data
    with lora.beside(network):
        (network(*inputs()) ** 2).sum().backward()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.grad is not None and np.any(parameter.grad != 0) for parameter in lora.parameters())
    np.testing.assert_array_equal(network(*inputs()).data, before)  # and behind the block all is as it was


def test_the_gradient_is_the_slope() -> None:
    network = Small()
    lora = changes(network)
    weights = lora.flat_parameters()
    direction = np.random.default_rng(4).standard_normal(weights.shape)

    def loss() -> Tensor:
        with lora.beside(network):
            return (network(*inputs()) ** 2).sum()

    loss().backward()
    gradient = np.concatenate([np.ravel(parameter.grad) for parameter in lora.parameters()])
    step = 1e-6 * direction
    weights += step
    above = loss().item()
    weights -= 2 * step
    slope = (above - loss().item()) / 2e-6
    assert slope == pytest.approx(gradient @ direction, rel=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_frozen_layer_hands_on_the_gradient_of_one_that_is_trained(bias: bool) -> None:
    rng = np.random.default_rng(0)

    def gradient(layer: Module, *shape: int) -> Array:
        x = Tensor(np.random.default_rng(1).standard_normal(shape), requires_grad=True)
        (layer(x) ** 2).sum().backward()
        assert x.grad is not None
        return x.grad

    linear, conv = Linear(4, 3, rng=rng, bias=bias), Conv2d(4, 3, 3, rng=rng)
    for layer, shape in ((linear, (2, 5, 4)), (conv, (2, 6, 5, 4))):
        for parameter in layer.parameters():
            parameter.data = parameter.data.astype(np.float64)
        trained = gradient(layer, *shape)
        for parameter in layer.parameters():
            parameter.grad, parameter.requires_grad = None, False
        np.testing.assert_allclose(gradient(layer, *shape), trained, rtol=1e-12)
        assert all(parameter.grad is None for parameter in layer.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("conv", (3, 2, 3, 5), r"conv: is for a weight of shape \(3, 2, 3, 5\), and this network's is \(3, 2, 3, 4\)"),
        ("out", (5, 2), r"out: is for a weight of shape \(5, 2\), and this network's is \(4, 2\)"),
        ("elsewhere", (4, 2), "elsewhere: Small has no linear layer or convolution of that name; .* such as conv,"),
        ("blocks.0.norm", (4, 2), "blocks.0.norm: Small has no linear layer"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_frozen(name: str, shape: tuple[int, ...], said: str) -> None:
    network = Small()
    lora = LoRA({name: LowRank.beginning(shape, 2, rng=np.random.default_rng(0))})
    with pytest.raises(ValueError, match=said), lora.beside(network):
        pytest.fail("it was put beside the network")
    assert all(parameter.requires_grad for parameter in network.parameters())
