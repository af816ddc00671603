"""The variational autoencoder: pictures to small latents and back (Kingma & Welling 2014; Rombach et al. 2022).

    encoder:  x -> mean, log_variance           z = mean + exp(log_variance / 2) noise     (reparameterisation)
    decoder:  z -> x'
    loss:     |x - x'|^2 + kl_weight KL(N(mean, variance) || N(0, 1))

Diffusion works on scale_factor z, which has variance 1: the factor is measured from the latents of the training set,
as Stable Diffusion's 0.18215 was.

Differs: Stable Diffusion's VAE takes 512 x 512 x 3 to 64 x 64 x 4, with attention in the middle and a perceptual and an
adversarial loss; this one takes 28 x 28 x 1 to 7 x 7 x 4, and its first and last convolutions change the size at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisd.autograd import Array, Tensor
from minisd.nn import Conv2d, ConvTranspose2d, GroupNorm, Module, ResidualBlock


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE.

    Attributes:
        channels: at the half-size level and at the quarter-size level.
    """

    image_channels: int = 1
    latent_channels: int = 4
    channels: tuple[int, int] = (32, 64)
    groups: int = 8


class VAE(Module):
    """Encoder and decoder; pictures (B, 28, 28, 1) in [-1, 1], latents (B, 7, 7, 4).

    >>> vae = VAE(VAEConfig(), rng=np.random.default_rng(0))
    >>> mean, log_variance = vae.encode(Tensor(np.zeros((2, 28, 28, 1), np.float32)))
    >>> mean.shape, vae.decode(mean).shape
    ((2, 7, 7, 4), (2, 28, 28, 1))
    """

    def __init__(self, config: VAEConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        (half, quarter), groups = config.channels, config.groups
        self.encoder = [
            Conv2d(config.image_channels, half, 4, stride=2, padding=1, rng=rng),  # 28 -> 14
            ResidualBlock(half, half, groups=groups, rng=rng),
            Conv2d(half, quarter, 4, stride=2, padding=1, rng=rng),  # 14 -> 7
            ResidualBlock(quarter, quarter, groups=groups, rng=rng),
        ]
        self.encoder_norm = GroupNorm(groups, quarter)
        self.to_moments = Conv2d(quarter, 2 * config.latent_channels, 3, padding=1, rng=rng)
        self.decoder = [
            Conv2d(config.latent_channels, quarter, 3, padding=1, rng=rng),
            ResidualBlock(quarter, quarter, groups=groups, rng=rng),
            ResidualBlock(quarter, quarter, groups=groups, rng=rng),
            ConvTranspose2d(quarter, half, 4, stride=2, padding=1, rng=rng),  # 7 -> 14
            ResidualBlock(half, half, groups=groups, rng=rng),
            ResidualBlock(half, half, groups=groups, rng=rng),
        ]
        self.decoder_norm = GroupNorm(groups, half)
        self.to_image = ConvTranspose2d(half, config.image_channels, 4, stride=2, padding=1, rng=rng)  # 14 -> 28

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents; shapes (B, H, W, channels) -> (B, H/4, W/4, latent channels) twice.

        Raises:
            ValueError: H or W is not a multiple of 4.
        """
        _, H, W, _ = x.shape
        if H % 4 or W % 4:
            nearest = [max(1, round(size / 4)) * 4 for size in (H, W)]
            raise ValueError(f"VAE: {H} x {W} is not a multiple of 4; nearest: {nearest[0]} x {nearest[1]}")
        for layer in self.encoder:
            x = layer(x)
        moments: Tensor = self.to_moments(self.encoder_norm(x, silu=True))
        z = self.config.latent_channels
        return moments[..., :z], moments[..., z:]

    def decode(self, z: Tensor) -> Tensor:
        """The picture of latents z (not scaled); shapes (B, h, w, latent channels) -> (B, 4h, 4w, channels)."""
        x = z
        for layer in self.decoder:
            x = layer(x)
        return self.to_image(self.decoder_norm(x, silu=True))

    def forward(self, x: Tensor, noise: Array) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw z with `noise` ~ N(0, 1), decode; returns the picture, mean and log-variance."""
        mean, log_variance = self.encode(x)
        return self.decode(reparameterise(mean, log_variance, noise)), mean, log_variance


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Array) -> Tensor:
    """z = mean + exp(log_variance / 2) noise: a draw that gradients pass (Kingma & Welling 2014, section 2.4)."""
    return mean + (log_variance * 0.5).exp() * Tensor(noise)


def scale_factor(latents: Array) -> float:
    """1 / standard deviation: the number that gives `latents` variance 1 (Rombach et al. 2022, appendix G).

    >>> scale_factor(np.array([-2.0, 2.0]))
    0.5
    """
    return float(1 / latents.std())
