"""Which configurations fit a data set: the networks' sizes follow from its pictures and captions.

    pictures     16 x 16 x 1    28 x 28 x 1    32 x 32 x 3    64 x 64 x 3
    factor       2              4              4              8            each level of the VAE halves once
    latents       8 x  8 x 4     7 x  7 x 4     8 x  8 x 4     8 x  8 x 8

The U-Net, or the transformer, works on latents, and costs what they cost: a picture twice as large is no more work for
it, only for the VAE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from minisd.models.clip import CLIPConfig
from minisd.models.denoiser import DenoiserConfig
from minisd.models.levels import Level
from minisd.models.vae import VAEConfig
from minisd.text.tokenizer import Tokenizer

_FACTORS = (8, 4, 2)
_LATENTS = 36  # pixels of a latent, 6 x 6: with fewer there is no place for a shape
_SHORTEST, _LONGEST = 12, 77  # tokens of a prompt, both marks included; the longest are as many as Stable Diffusion's


def vae_config(picture: tuple[int, int, int], latent_channels: int | None = None) -> VAEConfig:
    """The VAE for pictures of height, width and channels `picture`: the largest factor that leaves enough pixels.

    Its latents have 4 channels or, where 8 x 8 pixels become one, 8, unless `latent_channels` says how many. Colour
    needs no more: after 600 steps coloured digits come back at 26 dB through 4 of them as through 8.

    Raises:
        ValueError: a side is odd.

    >>> [vae_config((size, size, 1)).factor for size in (16, 20, 24, 28, 32, 40, 48, 64)]
    [2, 2, 4, 4, 4, 4, 8, 8]
    """
    H, W, C = picture
    dividing = [factor for factor in _FACTORS if H % factor == W % factor == 0]
    if not dividing:
        raise ValueError(f"VAE: {H} x {W}: wanted two even sides")
    factor = next((factor for factor in dividing if _LATENTS * factor**2 <= H * W), dividing[-1])
    levels = (Level(32), Level(64), Level(96))[: factor.bit_length() - 1]
    return VAEConfig(image_channels=C, latent_channels=latent_channels or (8 if factor == 8 else 4), levels=levels)


def clip_config(picture: tuple[int, int, int], tokenizer: Tokenizer, captions: Iterable[str]) -> CLIPConfig:
    """The pair of encoders for such pictures and for captions of this length, within limits."""
    tokens = 2 + max((len(tokenizer.encode(caption)) for caption in captions), default=0)
    return CLIPConfig(
        vocabulary=tokenizer.size,
        end_id=tokenizer.end,
        context_length=min(max(_SHORTEST, tokens), _LONGEST),
        picture=picture,
    )


def denoiser_config(config: DenoiserConfig, vae: VAEConfig, clip: CLIPConfig) -> DenoiserConfig:
    """That of a network for latents and prompts of these two, in all else as `config` says.

    To a transformer every pixel of a latent is a token, whatever its size.
    """
    return replace(
        config,
        latent_channels=vae.latent_channels,
        context_width=clip.width,
        pooled_width=clip.embedding_width,
    )
