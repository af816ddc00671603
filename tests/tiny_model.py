"""A pipeline of tiny networks with weights at random: it draws nothing, but draws it in milliseconds."""

from __future__ import annotations

import numpy as np

from minisd.model_info import ModelInfo
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.denoiser import DenoiserConfig, make_denoiser
from minisd.models.levels import Level
from minisd.models.unet import UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.pipeline import Pipeline
from minisd.text import Tokenizer


def tiny_pipeline(denoiser: DenoiserConfig | None = None) -> Pipeline:
    """16 x 16 pixels, 4 x 4 latents; with a U-Net, or the network of a configuration that fits."""
    rng, tokenizer, levels = np.random.default_rng(0), Tokenizer([]), (Level(8, heads=1), Level(8, heads=1))
    clip = CLIPConfig(
        vocabulary=tokenizer.size, end_id=tokenizer.end, width=8, layers=2, heads=1, embedding_width=8,
        image_channels=(8, 8), picture=(16, 16, 1),
    )  # fmt: skip
    unet = UNetConfig(levels=levels, middle=Level(8), context_width=8, pooled_width=8, time_width=8)
    pipeline = Pipeline(
        VAE(VAEConfig(levels=(Level(8), Level(8))), rng=rng),
        CLIP(clip, rng=rng),
        make_denoiser(denoiser or unet, rng=rng),
        tokenizer,
        ModelInfo(scale_factor=1.0, latent_size=(4, 4), clip_skip=1, steps=2),
    )
    for network in (pipeline.clip, pipeline.denoiser):
        for _, parameter in network.named_parameters():  # also those that begin at 0
            parameter.data += 0.2 * rng.standard_normal(parameter.data.shape, np.float32)
    return pipeline
