"""The networks that tell picture from noise, by the names that they have in files: a U-Net, or a transformer.

Both are called alike, network(x_t, t, context, pooled), and who calls them need not know which it is.
"""

from __future__ import annotations

import numpy as np

from minisd.models.dit import DiT, DiTConfig
from minisd.models.unet import UNet, UNetConfig

Denoiser = UNet | DiT
DenoiserConfig = UNetConfig | DiTConfig

DENOISERS: dict[str, type[DenoiserConfig]] = {"unet": UNetConfig, "dit": DiTConfig}


def name_of(network: Denoiser) -> str:
    """Its name in DENOISERS."""
    return "dit" if isinstance(network, DiT) else "unet"


def make_denoiser(config: DenoiserConfig, *, rng: np.random.Generator) -> Denoiser:
    """The network of a configuration.

    >>> name_of(make_denoiser(DiTConfig(depth=1), rng=np.random.default_rng(0)))
    'dit'
    """
    return DiT(config, rng=rng) if isinstance(config, DiTConfig) else UNet(config, rng=rng)
