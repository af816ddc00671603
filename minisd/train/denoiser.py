"""What a U-Net or a transformer learns: to tell picture from noise in a latent, told the time and the caption.

    t, x_0, noise drawn;   x_t = alpha x_0 + sigma noise;   loss = w_t |network(x_t, t, caption) - target|^2

(Ho et al. 2020, algorithm 1.) What the target is, and how t is drawn, the objective says: ``diffusion/objectives``.
"""

from __future__ import annotations

import numpy as np
from minisd_kernels.devices import to_host

from minisd import ops
from minisd.autograd import Array, Tensor, no_grad
from minisd.data.dataset import CaptionedImages
from minisd.diffusion.objectives import Objective
from minisd.diffusion.objectives.weighting import WEIGHTINGS
from minisd.models.denoiser import name_of
from minisd.models.vae import VAE
from minisd.nn import Module
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline
from minisd.text.weights import escaped
from minisd.train.recipe import DenoiserRecipe, LoRARecipe


class DenoiserTask:
    """The mean squared error of what the objective has the network predict, weighted or not.

    Args:
        objective: that of the model's schedule and prediction; None for one with these, at times drawn uniformly.
        weighting: how much which time counts, a name in WEIGHTINGS.

    Raises:
        ValueError: the objective is not that of the model.
    """

    def __init__(
        self,
        data: CaptionedImages,
        pipeline: Pipeline,
        latents: tuple[Array, Array],
        objective: Objective | None = None,
        weighting: str = "none",
        recipe: DenoiserRecipe | LoRARecipe = DenoiserRecipe(),
    ) -> None:
        self.data, self.pipeline, self.recipe = data, pipeline, recipe
        self.network = pipeline.denoiser
        self.module: Module = self.network  # that is trained
        self.name = name_of(self.network)
        self.schedule, (self.mean, self.log_variance) = pipeline.schedule, latents
        drawn_by = pipeline.info.schedule, pipeline.info.prediction
        self.objective, self.weighting = objective or Objective(*drawn_by), weighting
        if (wanted := (self.objective.schedule, self.objective.prediction)) != drawn_by:
            raise ValueError(f"DenoiserTask: wanted a model that draws with {' and '.join(wanted)}, got {drawn_by}")
        texts = ["", *data.all_captions()]
        self.rows = {text: row for row, text in enumerate(texts)}
        self.context, self.pooled = pipeline.encode_prompts(texts)

    @property
    def sample_count(self) -> int:
        return len(self.data)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        B = len(samples)
        rows = np.array([self.rows[caption] for caption in self.data.captions(samples, rng)])
        rows[rng.random(B) < self.recipe.untold] = self.rows[""]
        mean, deviation = self.mean[samples], np.exp(0.5 * self.log_variance[samples])
        x_0 = self.pipeline.info.scaled(mean + deviation * rng.standard_normal(mean.shape, np.float32))
        noise = rng.standard_normal(mean.shape, np.float32)
        t = self.objective.draw_times(B, self.schedule.steps, rng)
        x_t, wanted = self.objective.noised(x_0, noise, t, self.schedule)
        return x_t, t, rows, wanted, self._weights(t).astype(wanted.dtype)

    def _weights(self, t: Array) -> Array:
        return WEIGHTINGS[self.weighting](self.objective.prediction, self.schedule.alpha[t], self.schedule.sigma[t])

    def loss(self, x_t: Tensor, t: Tensor, rows: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
        context, pooled = (Tensor(prompts[rows.data]) for prompts in (self.context, self.pooled))  # they are there
        predicted = self.network(x_t, t.data, context, pooled)
        return ops.mean_squared_error(predicted, wanted, weight)

    def preview(self) -> Array:
        """Two drawings each of some captions of the data."""
        prompts = map(escaped, self.data.example_captions())
        return self.pipeline.draw([prompt for prompt in prompts for _ in range(2)], seed=0, steps=20)


def encode_all(vae: VAE, images: Array, batch: int = 250) -> tuple[Array, Array]:
    """Mean and log-variance of every picture's latent, (N, h, w, C) each, on the host."""
    means, log_variances = [], []
    with no_grad():
        for start in range(0, len(images), batch):
            mean, log_variance = vae.encode(Tensor(to_unit_range(images[start : start + batch])).to(vae.device))
            means.append(to_host(mean.data))
            log_variances.append(to_host(log_variance.data))
    return np.concatenate(means), np.concatenate(log_variances)
