"""Tiny networks of Stable Diffusion 1.x and 2.x compute what diffusers and transformers compute on random weights.

All four levels, sizes that are not square, two different t in a batch; norms' gains and all biases are random, so that
nothing hides behind 1 and 0. A tolerance of 1e-4 would miss a norm's eps and GELU's form. Needs the extra:
pip install "minisd[parity]".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from parity.diffusers_names import copy_weights, text_names, unet_names, vae_names
from strategies import Array

from minisd.autograd import Tensor, no_grad
from minisd.models.clip import CLIPConfig, TextEncoder
from minisd.models.levels import Level
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

UNET_1 = UNetConfig(
    levels=(Level(32, heads=4), Level(64, heads=4), Level(64, heads=4), Level(64)),
    middle=Level(64, blocks=2, heads=4), copies="block", groups=32, context_width=32, pooled_width=None,
    time_width=128, projections=True, activation="geglu", expansion=4,
)  # fmt: skip
UNET_2 = replace(
    UNET_1, levels=(Level(32, heads=2), Level(64, heads=4), Level(64, 2, heads=4), Level(64)), context_width=64
)
SD_VAE = VAEConfig(
    image_channels=3, levels=(Level(32), Level(32), Level(64), Level(64)), middle=Level(64, blocks=2, heads=1),
    resampling="nearest", quant_convs=True, groups=32, eps=1e-6,
)  # fmt: skip
TEXT_1 = CLIPConfig(
    vocabulary=600, end_id=599, context_length=77, width=32, layers=3, heads=2, bias=True, activation="quick_gelu",
    embedding_width=None,
)  # fmt: skip
TEXT_2 = replace(TEXT_1, width=64, heads=4, activation="gelu", padding_id=0)


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_random_weights(module: Any) -> Any:
    """Gains from 0.5 to 1.5 and biases from N(0, 0.1), weights from N(0, 1 / fan-in)."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            shape = tuple(parameter.shape)
            if name.endswith("bias"):
                values = 0.1 * rng.standard_normal(shape)
            elif parameter.ndim == 1:
                values = rng.uniform(0.5, 1.5, shape)
            else:
                values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
            parameter.copy_(torch.tensor(values))
    return module.eval()


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def nchw(x: Array) -> Any:
    return torch.tensor(x.transpose(0, 3, 1, 2))


def nhwc(x: Any) -> Array:
    result: Array = x.numpy().transpose(0, 2, 3, 1)
    return result


def check(ours: Array, theirs: Array, tolerance: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.mark.parametrize(("config", "linear"), [(UNET_1, False), (UNET_2, True)], ids=["1", "2"])
def test_unet(config: UNetConfig, linear: bool) -> None:
    blocks = [level.blocks for level in config.levels]
    theirs = with_random_weights(
        diffusers.UNet2DConditionModel(
            block_out_channels=[level.channels for level in config.levels],
            layers_per_block=blocks,
            attention_head_dim=tuple(level.heads or 4 for level in config.levels),  # the number of heads, in truth
            cross_attention_dim=config.context_width,
            use_linear_projection=linear,
        )
    )
    ours = UNet(config, rng=np.random.default_rng(0))
    copy_weights(theirs.state_dict(), ours, unet_names(config))
    x_t, t, context = normal(2, 16, 24, 4), np.array([981.0, 37.5]), normal(2, 77, config.context_width or 0)
    with torch.no_grad(), no_grad():
        wanted = theirs(nchw(x_t), torch.tensor(t, dtype=torch.float32), torch.tensor(context)).sample
        check(ours(Tensor(x_t), t, Tensor(context)).data, nhwc(wanted))


def test_vae() -> None:
    theirs = with_random_weights(
        diffusers.AutoencoderKL(
            block_out_channels=[level.channels for level in SD_VAE.levels],
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=1,
            latent_channels=4,
        )
    )
    ours = VAE(SD_VAE, rng=np.random.default_rng(0))
    copy_weights(theirs.state_dict(), ours, vae_names(SD_VAE))
    x, z = normal(1, 32, 48, 3), normal(2, 5, 7, 4)
    with torch.no_grad(), no_grad():
        moments = theirs.encode(nchw(x)).latent_dist
        mean, log_variance = ours.encode(Tensor(x))
        check(mean.data, nhwc(moments.mean))
        check(log_variance.data, nhwc(moments.parameters.chunk(2, dim=1)[1]))
        check(ours.decode(Tensor(z)).data, nhwc(theirs.decode(nchw(z)).sample))


@pytest.mark.parametrize("config", [TEXT_1, TEXT_2], ids=["1", "2"])
def test_text_encoder(config: CLIPConfig) -> None:
    about = transformers.CLIPTextConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        hidden_act=config.activation,
        eos_token_id=config.end_id,
    )
    theirs = with_random_weights(transformers.CLIPTextModel(about))
    ours = TextEncoder(config, rng=np.random.default_rng(0))
    copy_weights({k: v for k, v in theirs.state_dict().items() if "position_ids" not in k}, ours, text_names(3))
    ids = np.random.default_rng(0).integers(0, 600, (2, 77))
    with torch.no_grad(), no_grad():
        states = theirs(torch.tensor(ids), output_hidden_states=True)
        check(ours(ids)[0].data, states.last_hidden_state.numpy())
        final_norm = getattr(theirs, "text_model", theirs).final_layer_norm
        check(ours(ids, clip_skip=2)[0].data, final_norm(states.hidden_states[-2]).numpy())
    assert ours(ids)[1] is None
