"""What the VAE learns: to give every picture back through a small latent (Kingma & Welling 2014)."""

from __future__ import annotations

import numpy as np
from minisd_kernels.devices import to_host

from minisd import ops
from minisd.autograd import Array, Tensor, no_grad
from minisd.models.fitting import vae_config
from minisd.models.vae import VAE
from minisd.pictures import picture_shape, to_bytes, to_unit_range
from minisd.train.recipe import VAERecipe


class VAETask:
    """loss = mean (x - x')^2 + kl_weight KL / number of latents."""

    name = "vae"

    def __init__(self, images: Array, rng: np.random.Generator, recipe: VAERecipe = VAERecipe()) -> None:
        self.images, self.recipe = images, recipe
        self.module = VAE(vae_config(picture_shape(images), recipe.latent_channels), rng=rng)

    @property
    def sample_count(self) -> int:
        return len(self.images)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        x = to_unit_range(self.images[samples])
        (B, H, W, _), config = x.shape, self.module.config
        noise = (B, H // config.factor, W // config.factor, config.latent_channels)
        return x, rng.standard_normal(noise, np.float32)

    def loss(self, x: Tensor, noise: Tensor) -> Tensor:
        x_again, mean, log_variance = self.module(x, noise.data)
        kl_per_latent = ops.kl_divergence(mean, log_variance) * (x.shape[0] / mean.data.size)
        return ops.mean_squared_error(x_again, x) + kl_per_latent * self.recipe.kl_weight

    def preview(self) -> Array:
        """Pictures, each followed by what comes back."""
        with no_grad():
            mean, _ = self.module.encode(Tensor(to_unit_range(self.images[:16])).to(self.module.device))
            again = to_bytes(to_host(self.module.decode(mean).data))
        return np.stack([self.images[:16], again], axis=1).reshape(-1, *again.shape[1:])
