"""The diffusion transformer beside PyTorch, on random weights. Needs the extra: pip install "minisd[parity]".

Its twin has the same numbers, forward and backward; and a block is diffusers' block of PixArt-alpha, whose one table of
scales and shifts is set to zero: what is told by the time takes its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import Array, in_float64, normal

from minisd import ops
from minisd.autograd import Tensor
from minisd.models.dit import DiT, DiTBlock, DiTConfig

torch = pytest.importorskip("torch")

from minisd.bench import torch_twins  # noqa: E402

CONFIG = DiTConfig(
    latent_channels=3, width=16, depth=2, heads=2, expansion=4, context_width=12, pooled_width=10, time_width=20
)


def of_type(module: Any, dtype: type[Any]) -> Any:
    for parameter in in_float64(module).parameters():
        parameter.data = parameter.data.astype(dtype)
    return module


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("patch", "H", "W"), [(1, 7, 5), (2, 4, 8)])
def test_its_twin(patch: int, H: int, W: int, dtype: type[Any]) -> None:
    config = DiTConfig(**{**vars(CONFIG), "patch": patch})
    dit = of_type(DiT(config, rng=np.random.default_rng(0)), dtype)
    x_t, wanted = (array.astype(dtype) for array in (normal(3, H, W, 3), normal(3, W, H, 3).swapaxes(1, 2)))
    context, pooled = normal(3, 6, 12).astype(dtype), normal(3, 10).astype(dtype)
    t, weights = np.array([0.0, 37.5, 981.0]), dit.state_dict()
    loss = ops.mean_squared_error(dit(Tensor(x_t), t, Tensor(context), Tensor(pooled)), Tensor(wanted))
    loss.backward()

    twin = torch_twins.with_weights(torch_twins.DiT(config), weights)
    arrays = (torch_twins.to_torch(x_t, torch_twins.IMAGES), *map(torch_twins.to_torch, (t, context, pooled)))
    their_loss = twin(*arrays, torch_twins.to_torch(wanted.copy(), torch_twins.IMAGES))
    their_loss.backward()
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert loss.item() == pytest.approx(their_loss.item(), rel=tolerance)
    theirs = torch_twins.gradients(twin, list(weights))
    assert theirs.keys() == weights.keys()
    for name, parameter in dit.named_parameters():
        largest = np.abs(theirs[name]).max()
        np.testing.assert_allclose(parameter.grad, theirs[name], rtol=0, atol=tolerance * largest, err_msg=name)


def test_a_block_is_diffusers_block_of_pixart() -> None:
    attention = pytest.importorskip("diffusers.models.attention")
    block = in_float64(DiTBlock(CONFIG, rng=np.random.default_rng(0)))
    theirs = attention.BasicTransformerBlock(
        16, 2, 8, cross_attention_dim=12, activation_fn="gelu-approximate", norm_type="ada_norm_single",
        norm_elementwise_affine=False, norm_eps=1e-6, attention_bias=False, attention_out_bias=True,
    ).double()  # fmt: skip
    names = {
        **{f"attend_{ours}.to_{part}": f"attn{number}.to_{short}"
           for ours, number in (("self", 1), ("cross", 2))
           for part, short in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "out.0"))},
        "widen": "ff.net.0.proj",
        "narrow": "ff.net.2",
    }  # fmt: skip
    weights, told = block.state_dict(), list[Array]()
    state = {"scale_shift_table": torch.zeros(6, 16, dtype=torch.float64)}
    for name, array in weights.items():
        layer, _, leaf = name.rpartition(".")
        if layer in names:
            state[f"{names[layer]}.{leaf}"] = torch.tensor(array.T.copy())
    theirs.load_state_dict(state)  # all of theirs, and none twice
    x, condition, context = normal(2, 9, 16), normal(2, 20), normal(2, 6, 12)
    for name in ("modulate_self", "modulate_perceptron"):
        told.append(condition @ weights[f"{name}.linear.weight"] + weights[f"{name}.linear.bias"])
    with torch.no_grad():
        wanted = theirs(
            torch.tensor(x), encoder_hidden_states=torch.tensor(context), timestep=torch.tensor(np.hstack(told))
        )
    got = block(Tensor(x), Tensor(condition), Tensor(context)).data
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-10, atol=1e-11)
