"""The variational autoencoder: pictures to small latents and back (Kingma & Welling 2014; Rombach et al. 2022).

    encoder:  x -> mean, log_variance           z = mean + exp(log_variance / 2) noise     (reparameterisation)
    decoder:  z -> x'
    loss:     |x - x'|^2 + kl_weight KL(N(mean, variance) || N(0, 1))

Diffusion works on scale_factor z, which has variance 1: the factor is measured from the latents of the training set,
as Stable Diffusion's 0.18215 was.

MNIST's takes 28 x 28 x 1 to 7 x 7 x 4. Stable Diffusion's, 512 x 512 x 3 to 64 x 64 x 4, is another value of the same
configuration:

    VAEConfig(
        image_channels=3, levels=(Level(128, 2), Level(256, 2), Level(512, 2), Level(512, 2)),
        middle=Level(512, 2, heads=1), resampling="nearest", quant_convs=True, groups=32, eps=1e-6,
    )

Differs: Stable Diffusion's was trained with a perceptual and an adversarial loss besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisd.autograd import Array, Tensor
from minisd.models.checks import check_choice, check_flag, check_small, check_whole
from minisd.models.levels import Layer, Level, block, check_levels, middle
from minisd.nn import Conv2d, ConvTranspose2d, GroupNorm, Module, PixelAttention, ResidualBlock, Upsample


@dataclass(frozen=True)
class VAEConfig:
    """The VAE's levels and choices; as they stand, those of the MNIST model.

    Attributes:
        levels: of the encoder, from the largest maps to the smallest; the decoder has one block more on each.
        middle: between the smallest maps and the latents, both ways; None for nothing.
        resampling: how sizes halve and double. "strided": by 4 x 4 windows of stride 2 that change the channels, too,
            and the picture itself is met by the first (Radford et al. 2016). "nearest": by a 3 x 3 window of stride 2
            behind a border of zeros at the right and the bottom; and back by repeating every pixel before a 3 x 3
            convolution (Odena et al. 2016; Rombach et al. 2022). It stands between levels only.
        quant_convs: a 1 x 1 convolution behind the encoder, and one before the decoder; the names are of the
            codebook that stands between them in Esser et al. 2021.
        groups, eps: of all group norms.
    """

    image_channels: int = 1
    latent_channels: int = 4
    levels: tuple[Level, ...] = (Level(32), Level(64))
    middle: Level | None = None
    resampling: str = "strided"
    quant_convs: bool = False
    groups: int = 8
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_whole(self, "image_channels")
        check_whole(self, "latent_channels")
        check_levels(self, self.middle)
        check_choice(self, "resampling", ("strided", "nearest"))
        check_flag(self, "quant_convs")
        check_small(self, "eps")

    @property
    def factor(self) -> int:
        """How many times smaller than the picture its latents are, along each axis.

        >>> VAEConfig().factor, VAEConfig(resampling="nearest").factor
        (4, 2)
        """
        return 2 ** (len(self.levels) - (self.resampling == "nearest"))


def encoder_table(config: VAEConfig) -> list[Layer]:
    """The encoder's layers up to its last norm.

    >>> [f"{kind} {inputs}->{outputs}" for kind, inputs, outputs, _ in encoder_table(VAEConfig())]
    ['halve 1->32', 'residual 32->32', 'halve 32->64', 'residual 64->64']
    """
    layers: list[Layer] = []
    C = config.image_channels
    for level in config.levels:
        if config.resampling == "strided":
            layers.append(Layer("halve", C, level.channels))
        elif layers:
            layers.append(Layer("halve", C, C))
        else:
            layers.append(Layer("conv", C, level.channels))
        for _ in range(level.blocks):
            layers += block(layers[-1].outputs, level)
        C = level.channels
    return layers + (middle(C, config.middle) if config.middle else [])


def decoder_table(config: VAEConfig) -> list[Layer]:
    """The decoder's layers up to its last norm.

    >>> [f"{kind} {inputs}->{outputs}" for kind, inputs, outputs, _ in decoder_table(VAEConfig())[-3:]]
    ['double 64->32', 'residual 32->32', 'residual 32->32']
    """
    C = (config.middle or config.levels[-1]).channels
    layers = [Layer("conv", config.latent_channels, C), *(middle(C, config.middle) if config.middle else [])]
    for depth, level in reversed(list(enumerate(config.levels))):
        for _ in range(level.blocks + 1):
            layers += block(layers[-1].outputs, level)
        if depth:
            C = config.levels[depth - 1].channels if config.resampling == "strided" else level.channels
            layers.append(Layer("double", level.channels, C))
    return layers


class VAE(Module):
    """Encoder and decoder; pictures (B, 28, 28, 1) in [-1, 1], latents (B, 7, 7, 4).

    >>> vae = VAE(VAEConfig(), rng=np.random.default_rng(0))
    >>> mean, log_variance = vae.encode(Tensor(np.zeros((2, 28, 28, 1), np.float32)))
    >>> mean.shape, vae.decode(mean).shape
    ((2, 7, 7, 4), (2, 28, 28, 1))
    """

    def __init__(self, config: VAEConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        z, encoder, decoder = config.latent_channels, encoder_table(config), decoder_table(config)
        smallest, largest = encoder[-1].outputs, decoder[-1].outputs

        self.encoder = [_made(layer, config, rng) for layer in encoder]
        self.encoder_norm = GroupNorm(config.groups, smallest, eps=config.eps)
        self.to_moments = Conv2d(smallest, 2 * z, 3, padding=1, rng=rng)
        self.quant_conv = Conv2d(2 * z, 2 * z, 1, rng=rng) if config.quant_convs else None

        self.post_quant_conv = Conv2d(z, z, 1, rng=rng) if config.quant_convs else None
        self.decoder = [_made(layer, config, rng) for layer in decoder]
        self.decoder_norm = GroupNorm(config.groups, largest, eps=config.eps)
        last = "double" if config.resampling == "strided" else "conv"
        self.to_image = _made(Layer(last, largest, config.image_channels), config, rng)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents; shapes (B, H, W, channels) -> (B, H/f, W/f, latent channels) twice.

        Raises:
            ValueError: H or W is not a multiple of the factor f.
        """
        (_, H, W, _), f = x.shape, self.config.factor
        if H % f or W % f:
            nearest = [max(1, round(size / f)) * f for size in (H, W)]
            raise ValueError(f"VAE: {H} x {W} is not a multiple of {f}; nearest: {nearest[0]} x {nearest[1]}")
        for layer in self.encoder:
            x = layer(x)
        moments: Tensor = self.to_moments(self.encoder_norm(x, silu=True))
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        z = self.config.latent_channels
        return moments[..., :z], moments[..., z:]

    def decode(self, z: Tensor) -> Tensor:
        """The picture of latents z (not scaled); shapes (B, h, w, latent channels) -> (B, f h, f w, channels)."""
        x = z if self.post_quant_conv is None else self.post_quant_conv(z)
        for layer in self.decoder:
            x = layer(x)
        picture: Tensor = self.to_image(self.decoder_norm(x, silu=True))
        return picture

    def forward(self, x: Tensor, noise: Array) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw z with `noise` ~ N(0, 1), decode; returns the picture, mean and log-variance."""
        mean, log_variance = self.encode(x)
        return self.decode(reparameterise(mean, log_variance, noise)), mean, log_variance


def _made(layer: Layer, config: VAEConfig, rng: np.random.Generator) -> Module:
    """A layer of the tables with its weights."""
    kind, inputs, outputs, heads = layer
    match kind, config.resampling:
        case "conv", _:
            return Conv2d(inputs, outputs, 3, padding=1, rng=rng)
        case "halve", "strided":
            return Conv2d(inputs, outputs, 4, stride=2, padding=1, rng=rng)
        case "halve", _:
            return Conv2d(inputs, outputs, 3, stride=2, padding=((0, 1), (0, 1)), rng=rng)
        case "double", "strided":
            return ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, rng=rng)
        case "double", _:
            return Upsample(inputs, outputs, rng=rng)
        case "residual", _:
            return ResidualBlock(inputs, outputs, groups=config.groups, eps=config.eps, rng=rng)
        case _:
            return PixelAttention(inputs, heads, groups=config.groups, eps=config.eps, rng=rng)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Array) -> Tensor:
    """z = mean + exp(log_variance / 2) noise: a draw that gradients pass (Kingma & Welling 2014, section 2.4)."""
    return mean + (log_variance * 0.5).exp() * Tensor(noise)


def scale_factor(latents: Array) -> float:
    """1 / standard deviation: the number that gives `latents` variance 1 (Rombach et al. 2022, appendix G).

    >>> scale_factor(np.array([-2.0, 2.0]))
    0.5
    """
    return float(1 / latents.std())


def channel_factors(latents: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Each channel's own factor, and the mean that is taken away before: then all of them have mean 0 and variance 1.

    Shapes: latents (N, h, w, C); C factors and C means.

    >>> channel_factors(np.array([-2.0, 2.0, 0.0, 1.0]).reshape(2, 1, 1, 2, order="F"))
    ((0.5, 2.0), (0.0, 0.5))
    """
    factors, means = (1 / latents.std(axis=(0, 1, 2))).tolist(), latents.mean(axis=(0, 1, 2)).tolist()
    return tuple(factors), tuple(means)
