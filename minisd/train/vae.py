"""What the VAE learns: to give every picture back through a small latent (Kingma & Welling 2014)."""

from __future__ import annotations

import numpy as np
from minisd_kernels.devices import to_host

from minisd import ops
from minisd.autograd import Array, Tensor, no_grad
from minisd.models.fitting import vae_config
from minisd.models.vae import VAE
from minisd.pictures import picture_shape, to_bytes, to_unit_range
from minisd.train.loop import Recipe


class VAETask:
    """loss = mean (x - x')^2 + kl_weight KL / number of latents.

    The weight is small: the latents stay near N(0, 1), so that noise can become one, without blurring the pictures.
    """

    name = "vae"
    recipe = Recipe(batch=64, peak_lr=3e-3, ema_decay=0.995)

    def __init__(self, images: Array, rng: np.random.Generator, kl_weight: float = 1e-4) -> None:
        self.images, self.kl_weight = images, kl_weight
        self.module = VAE(vae_config(picture_shape(images)), rng=rng)

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
        return ops.mean_squared_error(x_again, x) + kl_per_latent * self.kl_weight

    def preview(self) -> Array:
        """Pictures, each followed by what comes back."""
        with no_grad():
            mean, _ = self.module.encode(Tensor(to_unit_range(self.images[:16])).to(self.module.device))
            again = to_bytes(to_host(self.module.decode(mean).data))
        return np.stack([self.images[:16], again], axis=1).reshape(-1, *again.shape[1:])
