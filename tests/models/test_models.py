"""The networks: sizes (odd ones too), what each input changes, and what it must not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from strategies import Array, normal_tensor, rng

from minisd import ops
from minisd.autograd import Tensor
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.models.clip import CLIP, CLIPConfig, TextEncoder, contrastive_loss, unit_length
from minisd.models.levels import Level
from minisd.models.time import time_embedding
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig, reparameterise, scale_factor
from minisd.nn import Module

Network = TypeVar("Network", bound=Module)

SMALL_UNET = UNetConfig(
    levels=(Level(16, heads=2), Level(24, heads=3)),
    middle=Level(24), groups=4, context_width=12, pooled_width=10, time_width=20,
)  # fmt: skip
SMALL_VAE = VAEConfig(levels=(Level(8), Level(16)), groups=4)
SMALL_CLIP = CLIPConfig(vocabulary=30, end_id=29, context_length=8, width=16, heads=2, image_channels=(8, 16))


def awake(module: Network) -> Network:
    """The module with no weight at zero: as training leaves it."""
    generator = rng(7)
    for parameter in module.parameters():
        if not parameter.data.any():
            parameter.data += generator.standard_normal(parameter.shape).astype(np.float32) / 10
    return module


# ---- VAE


@pytest.mark.parametrize(("H", "W"), [(28, 28), (4, 12), (20, 16)])
def test_the_vae_quarters_and_restores_the_size(H: int, W: int) -> None:
    vae = VAE(SMALL_VAE, rng=rng())
    x = normal_tensor(2, H, W, 1)
    mean, log_variance = vae.encode(x)
    assert mean.shape == log_variance.shape == (2, H // 4, W // 4, 4)
    picture, mean_again, _ = vae(x, np.zeros(mean.shape, np.float32))
    assert picture.shape == x.shape
    np.testing.assert_array_equal(mean_again.data, mean.data)
    np.testing.assert_array_equal(picture.data, vae.decode(mean).data)  # without noise z is the mean


@pytest.mark.parametrize(("size", "nearest"), [((30, 28), "nearest: 32 x 28"), ((1, 7), "nearest: 4 x 8")])
def test_the_vae_names_the_nearest_size(size: tuple[int, int], nearest: str) -> None:
    with pytest.raises(ValueError, match=nearest):
        VAE(SMALL_VAE, rng=rng()).encode(normal_tensor(1, *size, 1))


def test_a_draw_has_the_mean_and_variance_asked_for() -> None:
    mean, log_variance = Tensor(np.full((20_000,), 3.0)), Tensor(np.full((20_000,), np.log(4.0)))
    z = reparameterise(mean, log_variance, rng().standard_normal(20_000)).data
    assert abs(z.mean() - 3) < 0.05 and abs(z.std() - 2) < 0.05
    assert (z * scale_factor(z)).std() == pytest.approx(1)


# ---- Text encoder


def sentences() -> Array:
    ids = rng().integers(0, 28, (3, 8))
    ids[0, 3:] = ids[1, 5:] = ids[2, 7:] = 29  # each ends somewhere else and is filled up with end marks
    return ids


def test_an_earlier_token_knows_nothing_of_a_later_one() -> None:
    encoder = TextEncoder(SMALL_CLIP, rng=rng())
    ids = sentences()
    changed = ids.copy()
    changed[:, 3:] = (changed[:, 3:] + 1) % 29
    (before, _), (after, _) = encoder(ids), encoder(changed)
    assert before.shape == (3, 8, 16)
    np.testing.assert_array_equal(after.data[:, :3], before.data[:, :3])
    assert (after.data[:, 3:] != before.data[:, 3:]).any(axis=(1, 2)).all()


def test_the_sentence_is_read_at_its_first_end_mark() -> None:
    encoder = TextEncoder(SMALL_CLIP, rng=rng())
    ids = sentences()
    tokens, pooled = encoder(ids)
    wanted = tokens.data[np.arange(3), [3, 5, 7]] @ encoder.projection.weight.data
    np.testing.assert_allclose(pooled.data, wanted, atol=1e-5)
    after_the_end = ids.copy()
    after_the_end[0, 4:] = 1
    np.testing.assert_array_equal(encoder(after_the_end)[1].data[0], pooled.data[0])


def test_clip_skip_2_is_the_encoder_without_its_last_layer() -> None:
    encoder, shorter = TextEncoder(SMALL_CLIP, rng=rng()), TextEncoder(SMALL_CLIP, rng=rng())
    shorter.blocks = shorter.blocks[:-1]
    shorter.config = replace(SMALL_CLIP, layers=2)
    skipped, pooled = encoder(sentences(), clip_skip=2)
    last, pooled_of_last = encoder(sentences(), clip_skip=1)
    np.testing.assert_array_equal(skipped.data, shorter(sentences())[0].data)
    np.testing.assert_array_equal(encoder(sentences(), 3)[0].data, shorter(sentences(), 2)[0].data)
    np.testing.assert_array_equal(last.data, encoder(sentences())[0].data)
    assert (skipped.data != last.data).any()
    np.testing.assert_array_equal(pooled.data, pooled_of_last.data)  # the sentence's vector is always the last layer's


def test_the_text_encoder_explains_what_does_not_fit() -> None:
    encoder = TextEncoder(SMALL_CLIP, rng=rng())
    for wrong in (0, 4):
        with pytest.raises(ValueError, match=rf"clip_skip: wanted 1 \(the last layer\) to 3 .*got {wrong}"):
            encoder(sentences(), clip_skip=wrong)
    with pytest.raises(ValueError, match="9 tokens are more than the context length 8"):
        encoder(np.zeros((1, 9), int))


# ---- CLIP


def test_the_contrastive_loss_is_the_mean_of_both_searches() -> None:
    similarity = rng().standard_normal((3, 3))
    ids = np.arange(3)[:, None]
    rows = [np.log(np.exp(similarity[i]).sum()) - similarity[i, i] for i in range(3)]
    columns = [np.log(np.exp(similarity[:, i]).sum()) - similarity[i, i] for i in range(3)]
    wanted = (np.mean(rows) + np.mean(columns)) / 2
    assert contrastive_loss(Tensor(similarity), ids).item() == pytest.approx(wanted)


def test_an_equal_caption_is_no_wrong_answer() -> None:
    similarity = Tensor(rng().standard_normal((4, 4)), requires_grad=True)
    ids = np.array([[1, 2], [3, 2], [1, 2], [1, 4]])  # 0 and 2 say the same, 3 only begins alike
    loss = contrastive_loss(similarity, ids)
    loss.backward()
    grad = similarity.grad
    assert grad is not None
    assert grad[0, 2] == grad[2, 0] == 0 and np.count_nonzero(grad) == 14
    higher = similarity.data.copy()
    higher[0, 2] = higher[2, 0] = 50
    assert contrastive_loss(Tensor(higher), ids).item() == pytest.approx(loss.item())


def test_clip_gives_one_number_and_every_weight_a_gradient() -> None:
    clip = CLIP(SMALL_CLIP, rng=rng())
    loss = clip(normal_tensor(3, 28, 28, 1), sentences())
    assert loss.shape == ()
    loss.backward()
    assert [name for name, parameter in clip.named_parameters() if parameter.grad is None] == []
    lengths = np.linalg.norm(unit_length(normal_tensor(5, 7)).data, axis=-1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


# ---- U-Net


def unet_inputs(B: int, H: int, W: int) -> tuple[Tensor, Array, Tensor, Tensor]:
    t = np.arange(B) * 300 + 10
    return normal_tensor(B, H, W, 4), t, normal_tensor(B, 6, 12, seed=1), normal_tensor(B, 10, seed=2)


@pytest.mark.parametrize(("H", "W"), [(7, 7), (8, 8), (5, 9), (1, 2), (3, 16)])
@pytest.mark.parametrize("channels", [(16,), (16, 24), (16, 24, 32)])
@pytest.mark.parametrize("copies", ["level", "block"])
def test_the_unet_keeps_every_size(H: int, W: int, channels: tuple[int, ...], copies: str) -> None:
    levels = tuple(Level(C, heads=2) for C in channels)
    unet = awake(UNet(replace(SMALL_UNET, levels=levels, copies=copies), rng=rng()))
    y = unet(*unet_inputs(2, H, W))
    assert y.shape == (2, H, W, 4) and y.dtype == np.float32 and y.data.any()


def test_a_fresh_unet_predicts_0() -> None:
    assert not UNet(SMALL_UNET, rng=rng())(*unet_inputs(1, 7, 7)).data.any()


def test_the_unet_listens_to_everything_it_is_told() -> None:
    unet = awake(UNet(SMALL_UNET, rng=rng()))
    x_t, t, context, pooled = unet_inputs(2, 7, 7)
    y = unet(x_t, t, context, pooled).data
    others = {
        "x_t": unet(normal_tensor(2, 7, 7, 4, seed=5), t, context, pooled),
        "t": unet(x_t, t + 100, context, pooled),
        "context": unet(x_t, t, normal_tensor(2, 6, 12, seed=5), pooled),
        "pooled": unet(x_t, t, context, normal_tensor(2, 10, seed=5)),
    }
    for name, other in others.items():
        assert np.abs(other.data - y).max() > 1e-3 * np.abs(y).max(), name


def test_the_unet_gives_every_weight_a_gradient() -> None:
    unet = awake(UNet(SMALL_UNET, rng=rng()))
    ops.mean_squared_error(unet(*unet_inputs(2, 7, 7)), normal_tensor(2, 7, 7, 4, seed=9)).backward()
    assert [name for name, parameter in unet.named_parameters() if parameter.grad is None] == []


def test_a_sample_does_not_depend_on_its_batch() -> None:
    unet, vae = awake(UNet(SMALL_UNET, rng=rng())), awake(VAE(SMALL_VAE, rng=rng()))
    x_t, t, context, pooled = unet_inputs(3, 7, 7)
    y, picture = unet(x_t, t, context, pooled).data, vae.decode(x_t).data
    for b in range(3):
        one = slice(b, b + 1)
        alone = unet(Tensor(x_t.data[one]), t[one], Tensor(context.data[one]), Tensor(pooled.data[one]))
        np.testing.assert_array_equal(alone.data, y[one])
        np.testing.assert_array_equal(vae.decode(Tensor(x_t.data[one])).data, picture[one])


def test_times_have_different_embeddings_of_one_length() -> None:
    embedding = time_embedding(np.arange(1000), 32)
    np.testing.assert_allclose((embedding**2).sum(axis=1), 16, rtol=1e-5)
    distances = np.linalg.norm(embedding[:, None] - embedding[None], axis=-1) + 10 * np.eye(1000)
    assert distances.min() > 0.1


# ---- All of them


def test_parameters_are_counted() -> None:
    classifier = Classifier(ClassifierConfig(channels=(8, 16, 24), features=5), rng=rng())
    convolutions = (9 * 1 + 1) * 8 + (9 * 8 + 1) * 16 + (9 * 16 + 1) * 24
    norms, linears = 2 * (8 + 16 + 24), (9 * 24 + 1) * 5 + (5 + 1) * 10
    assert classifier.parameter_count() == convolutions + norms + linears
    logits, features = classifier(normal_tensor(2, 28, 28, 1))
    assert logits.shape == (2, 10) and features.shape == (2, 5)


def test_weights_of_other_sizes_are_refused() -> None:
    state = UNet(SMALL_UNET, rng=rng()).state_dict()
    with pytest.raises(ValueError, match=r"of another architecture than UNet: missing: .* misshapen: "):
        UNet(replace(SMALL_UNET, levels=(Level(16), Level(32), Level(32))), rng=rng()).load_state_dict(state)


def test_every_network_is_made_again_from_its_seed() -> None:
    for make in (
        lambda seed: UNet(SMALL_UNET, rng=rng(seed)),
        lambda seed: VAE(SMALL_VAE, rng=rng(seed)),
        lambda seed: CLIP(SMALL_CLIP, rng=rng(seed)),
    ):
        one, same, other = make(1).state_dict(), make(1).state_dict(), make(2).state_dict()
        assert all((one[name] == same[name]).all() for name in one)
        assert any((one[name] != other[name]).any() for name in one)
