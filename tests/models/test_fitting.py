"""The networks that fit a data set: pictures of every size and colour go in, and pictures of the same come out."""

import numpy as np
import pytest

from minisd.autograd import Tensor
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.denoiser import DENOISERS, make_denoiser, name_of
from minisd.models.dit import DiTConfig
from minisd.models.fitting import clip_config, denoiser_config, vae_config
from minisd.models.unet import UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.text.tokenizer import Tokenizer

SIDES = range(16, 65, 4)
TOKENIZER = Tokenizer.train(["a seven", "an eight"])


def test_the_digits_configurations_are_those_that_stand_in_the_classes():
    tokenizer = Tokenizer([])
    clip = clip_config((28, 28, 1), tokenizer, ["a"])
    assert vae_config((28, 28, 1)) == VAEConfig()
    assert clip == CLIPConfig(vocabulary=tokenizer.size, end_id=tokenizer.end)
    assert denoiser_config(UNetConfig(), VAEConfig(), clip) == UNetConfig()
    assert denoiser_config(DiTConfig(), VAEConfig(), clip) == DiTConfig()


@pytest.mark.parametrize("H", SIDES)
def test_every_size_leaves_latents_to_work_on(H):
    for W in SIDES:
        vae = vae_config((H, W, 3))
        assert H % vae.factor == W % vae.factor == 0 and vae.image_channels == 3
        assert 36 <= H * W // vae.factor**2 <= 240


@pytest.mark.parametrize("picture", [(16, 16, 1), (20, 36, 3), (32, 32, 3), (64, 48, 1), (52, 28, 3)])
def test_pictures_of_many_sizes_go_through(picture):
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((2, *picture), np.float32))
    vae = VAE(vae_config(picture), rng=rng)
    mean, _ = vae.encode(x)
    assert mean.shape[1] * vae.config.factor == picture[0] and vae.decode(mean).shape == (2, *picture)
    clip = CLIP(clip_config(picture, TOKENIZER, ["a seven"]), rng=rng)
    assert clip.image(x).shape == (2, 64)


@pytest.mark.parametrize("network", DENOISERS)
def test_a_denoiser_is_made_for_the_latents_and_the_prompts(network):
    clip = CLIPConfig(vocabulary=9, end_id=8, width=32, embedding_width=48)
    config = denoiser_config(DENOISERS[network](), VAEConfig(latent_channels=8), clip)
    assert (config.latent_channels, config.context_width, config.pooled_width) == (8, 32, 48)
    assert type(config) is DENOISERS[network]
    assert name_of(make_denoiser(config, rng=np.random.default_rng(0))) == network


def test_captions_are_heard_to_their_end_within_limits():
    for words, wanted in ((1, 12), (10, 12), (11, 13), (75, 77), (90, 77)):
        assert clip_config((28, 28, 1), TOKENIZER, ["a", " ".join(["seven"] * words)]).context_length == wanted


def test_an_odd_side_is_refused():
    with pytest.raises(ValueError, match="VAE: 27 x 28: wanted two even sides"):
        vae_config((27, 28, 1))
