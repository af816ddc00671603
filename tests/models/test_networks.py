"""Whole networks against their papers' equations written out in oracles.py, in float64: which layer, in which order, on
which copy; MNIST's choices and Stable Diffusion's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracles
import pytest
from strategies import Array, in_float64, normal, rng

from minisd.autograd import Tensor
from minisd.models.clip import CLIP, CLIPConfig, TextEncoder
from minisd.models.levels import Layer, Level
from minisd.models.unet import UNet, UNetConfig, table
from minisd.models.vae import VAE, VAEConfig, decoder_table, encoder_table, reparameterise

pytestmark = pytest.mark.usefixtures("numpy_backend")

SD_1 = UNetConfig(
    levels=(Level(320, 2, heads=8), Level(640, 2, heads=8), Level(1280, 2, heads=8), Level(1280, 2)),
    middle=Level(1280, 2, heads=8), copies="block", groups=32, context_width=768, pooled_width=None,
    time_width=1280, projections=True, activation="geglu", expansion=4,
)  # fmt: skip
SD_VAE = VAEConfig(
    image_channels=3, levels=(Level(128, 2), Level(256, 2), Level(512, 2), Level(512, 2)),
    middle=Level(512, 2, heads=1), resampling="nearest", quant_convs=True, groups=32, eps=1e-6,
)  # fmt: skip


def check(got: Tensor, wanted: Array) -> None:
    np.testing.assert_allclose(got.data, wanted, rtol=1e-8, atol=1e-9)


# ---- The tables beside the papers' (Rombach et al. 2022, and the weights that are passed around)


def residuals(rows: list[list[Layer]]) -> list[tuple[int, int]]:
    return [(layer.inputs, layer.outputs) for row in rows for layer in row if layer.kind == "residual"]


def test_stable_diffusion_s_u_net_is_its_table() -> None:
    down, middle, up = table(SD_1)
    assert [row[-1].outputs for row in down] == [320] * 4 + [640] * 3 + [1280] * 5  # what is copied
    assert residuals(down) == [
        (320, 320), (320, 320), (320, 640), (640, 640), (640, 1280), (1280, 1280), (1280, 1280), (1280, 1280)
    ]  # fmt: skip
    assert [[layer.kind for layer in row] for row in down] == [
        ["conv"], *[["residual", "attention"]] * 2, ["halve"], *[["residual", "attention"]] * 2, ["halve"],
        *[["residual", "attention"]] * 2, ["halve"], *[["residual"]] * 2,
    ]  # fmt: skip
    assert middle == [Layer("residual", 1280, 1280), Layer("attention", 1280, 1280, 8), Layer("residual", 1280, 1280)]
    assert residuals(up) == [
        *[(2560, 1280)] * 5, (1920, 1280), (1920, 640), (1280, 640), (960, 640), (960, 320), *[(640, 320)] * 2
    ]  # fmt: skip
    assert [layer for row in up for layer in row if layer.kind == "double"] == [
        Layer("double", 1280, 1280), Layer("double", 1280, 1280), Layer("double", 640, 640)
    ]  # fmt: skip
    assert {layer.heads for row in (*down, *up) for layer in row if layer.kind == "attention"} == {8}
    assert [sum(layer.kind == "attention" for row in rows for layer in row) for rows in (down, up)] == [6, 9]


def test_stable_diffusion_s_vae_is_its_table() -> None:
    assert SD_VAE.factor == 8
    encoder, decoder = encoder_table(SD_VAE), decoder_table(SD_VAE)
    assert [(kind, i, o) for kind, i, o, _ in encoder if kind != "residual"] == [
        ("conv", 3, 128), ("halve", 128, 128), ("halve", 256, 256), ("halve", 512, 512), ("attention", 512, 512)
    ]  # fmt: skip
    assert residuals([encoder]) == [
        (128, 128), (128, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 5
    ]  # fmt: skip
    assert [kind for kind, *_ in decoder] == [
        "conv", "residual", "attention", "residual", *["residual"] * 3, "double", *["residual"] * 3, "double",
        *["residual"] * 3, "double", *["residual"] * 3,
    ]  # fmt: skip
    assert residuals([decoder]) == [
        *[(512, 512)] * 8, (512, 256), (256, 256), (256, 256), (256, 128), (128, 128), (128, 128)
    ]  # fmt: skip


# ---- U-Net


def test_mnist_s_u_net_is_its_equation() -> None:
    config = UNetConfig(
        levels=(Level(4, heads=2), Level(6, heads=3)), middle=Level(6), groups=2, eps=1e-3, context_width=5,
        pooled_width=3, time_width=8,
    )  # fmt: skip
    unet = in_float64(UNet(config, rng=rng()))
    x, t, context, pooled = normal(2, 5, 6, 4), np.array([3.0, 712.5]), normal(2, 3, 5), normal(2, 3)
    wanted = oracles.unet_of_levels(unet.state_dict(), x, t, context, pooled, (2, 3), 2, 1e-3)
    check(unet(Tensor(x), t, Tensor(context), Tensor(pooled)), wanted)


def test_stable_diffusion_s_u_net_is_its_equation() -> None:
    config = replace(
        SD_1, levels=(Level(4, heads=2), Level(6)), middle=Level(6, blocks=2, heads=2), groups=2, eps=1e-3,
        context_width=5, time_width=8, expansion=2,
    )  # fmt: skip
    unet = in_float64(UNet(config, rng=rng()))
    x, t, context = normal(2, 4, 6, 4), np.array([3.0, 712.5]), normal(2, 3, 5)
    check(unet(Tensor(x), t, Tensor(context)), oracles.unet_of_blocks(unet.state_dict(), x, t, context, 2, 2, 1e-3))


def test_two_blocks_a_level_take_one_copy_or_two() -> None:
    for copies, channels in (("level", [10, 4, 8, 4]), ("block", [12, 10, 8, 8, 8, 8])):
        config = UNetConfig(levels=(Level(4, 2), Level(6, 2)), middle=Level(6), copies=copies, groups=2)
        down, _, up = table(config)
        assert len(down) == len(up) == (2 if copies == "level" else 6)
        got = [inputs for inputs, _ in residuals(up)]
        assert got == ([12, 6, 8, 4] if copies == "level" else [12, 12, 10, 10, 8, 8]), channels


def test_a_middle_of_other_channels_fits_between_the_levels() -> None:
    unet = UNetConfig(levels=(Level(4),), middle=Level(6), groups=2)
    assert residuals([table(unet).middle, *table(unet).up]) == [(4, 6), (10, 4)]
    vae = VAEConfig(levels=(Level(4),), middle=Level(6), groups=2)
    assert residuals([encoder_table(vae)]) == [(4, 4), (4, 6)]
    assert decoder_table(vae)[:3] == [Layer("conv", 4, 6), Layer("residual", 6, 6), Layer("residual", 6, 4)]


@pytest.mark.parametrize(("name", "width"), [("context", 5), ("pooled", 3)])
def test_a_u_net_says_what_it_wants_to_be_told(name: str, width: int) -> None:
    config = UNetConfig(
        levels=(Level(4, heads=2),), middle=Level(4), groups=2, context_width=5, pooled_width=3, time_width=8
    )
    told = {"context": Tensor(normal(1, 3, 5)), "pooled": Tensor(normal(1, 3))}
    x, t = Tensor(normal(1, 4, 4, 4)), np.array([1.0])
    others = {key: value for key, value in told.items() if key != name}
    with pytest.raises(ValueError, match=f"UNet: this network wants {name} of width {width}, got none"):
        in_float64(UNet(config, rng=rng()))(x, t, **others)
    deaf = in_float64(UNet(replace(config, **{f"{name}_width": None}), rng=rng()))  # type: ignore[arg-type]
    assert deaf(x, t, **others).shape == x.shape
    with pytest.raises(ValueError, match=f"UNet: this network wants no {name}, got shape"):
        deaf(x, t, **told)


# ---- VAE


def test_mnist_s_vae_is_its_equation() -> None:
    vae = in_float64(VAE(VAEConfig(image_channels=2, levels=(Level(4), Level(6)), groups=2), rng=rng()))
    x, noise = normal(1, 8, 12, 2), normal(1, 2, 3, 4)
    moments = oracles.vae_moments(vae.state_dict(), x, ["strided", "residual"] * 2, 2, 1e-5)
    z = moments[0] + np.exp(moments[1] / 2) * noise
    kinds = ["conv", "residual", "residual", "transposed", "residual", "residual"]
    picture, mean, log_variance = vae(Tensor(x), noise)
    assert picture.shape == x.shape
    check(mean, moments[0])
    check(log_variance, moments[1])
    check(reparameterise(mean, log_variance, noise), z)
    check(picture, oracles.vae_picture(vae.state_dict(), z, kinds, 2, 1e-5))


def test_stable_diffusion_s_vae_is_its_equation() -> None:
    config = replace(
        SD_VAE, levels=(Level(4), Level(6)), middle=Level(6, blocks=2, heads=1), groups=2, image_channels=2
    )
    vae = in_float64(VAE(config, rng=rng()))
    x, z = 1e-3 * normal(1, 4, 6, 2), 1e-3 * normal(1, 2, 3, 4)  # so small that an eps counts
    encoder = ["conv", "residual", "padded", "residual", "residual", "attention", "residual"]
    moments = vae.encode(Tensor(x))
    for got, wanted in zip(moments, oracles.vae_moments(vae.state_dict(), x, encoder, 2, 1e-6), strict=True):
        check(got, wanted)
    decoder = ["conv", "residual", "attention", "residual", *["residual"] * 2, "double", *["residual"] * 2]
    check(vae.decode(Tensor(z)), oracles.vae_picture(vae.state_dict(), z, decoder, 2, 1e-6))


# ---- CLIP


@pytest.mark.parametrize("activation", ["gelu_tanh", "quick_gelu", "gelu"])
def test_the_text_encoder_is_its_equation(activation: str) -> None:
    config = CLIPConfig(
        vocabulary=11, end_id=10, context_length=6, width=6, layers=3, heads=2, embedding_width=5,
        bias=activation != "gelu_tanh", activation=activation,
    )  # fmt: skip
    encoder = in_float64(TextEncoder(config, rng=rng()))
    assert encoder.blocks[0].widen.weight.shape == (6, 24)
    assert ("blocks.2.attend_self.to_value.bias" in encoder.state_dict()) is config.bias
    ids = np.array([[3, 1, 10, 10, 2], [7, 7, 7, 5, 10]])
    form = {"gelu_tanh": oracles.gelu, "quick_gelu": oracles.quick_gelu, "gelu": oracles.exact_gelu}[activation]
    states = oracles.text_states(encoder.state_dict(), ids, 3, 2, form)
    for clip_skip, wanted in enumerate(reversed(states), start=1):
        tokens, pooled = encoder(ids, clip_skip=clip_skip)
        check(tokens, wanted)
        check(pooled, states[-1][[0, 1], [2, 4]] @ encoder.state_dict()["projection.weight"])
    silent = TextEncoder(replace(config, embedding_width=None), rng=rng())
    assert silent(ids)[1] is None and "projection.weight" not in silent.state_dict()


def test_the_clip_pair_is_its_equation() -> None:
    config = CLIPConfig(
        vocabulary=11,
        end_id=10,
        context_length=4,
        width=4,
        layers=1,
        heads=2,
        embedding_width=5,
        image_channels=(8, 16),
    )
    fresh = CLIP(config, rng=rng())
    assert np.exp(fresh.log_temperature.data) == pytest.approx(1 / 0.07)  # Radford et al. 2021, section 2.5
    clip = in_float64(fresh)
    clip.log_temperature.data = np.array([0.7])
    images, ids = normal(3, 28, 28, 1), np.array([[1, 2, 10], [3, 10, 10], [5, 6, 10]])
    w = clip.state_dict()
    texts = oracles.text_states(oracles.part(w, "text"), ids, 1, 2, oracles.gelu)[-1][[0, 1, 2], [2, 1, 2]]
    vectors = oracles.image_vector(oracles.part(w, "image"), images)
    check(clip.image(Tensor(images)), vectors)
    wanted = oracles.contrastive_loss(vectors, texts @ w["text.projection.weight"], float(np.exp(0.7)))
    assert clip(Tensor(images), ids).item() == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(ValueError, match="CLIP: embedding_width: wanted the length"):
        CLIP(replace(config, embedding_width=None), rng=rng())
