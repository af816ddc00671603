"""What the network for few steps learns: where the model's ways end, from the places along them (Song et al. 2023).

    x_T ~ N(0, 1), a caption;  teacher:  x_T -> ... -> x_t -> ... -> x_0        guided, no fresh noise on the way
    loss = |student(x_t, t, caption) - what leads from x_t to x_0|^2            t: the levels of 4 steps

Guidance is distilled with the rest (Meng et al. 2023): the ways are guided, and the student is told the caption alone.

Differs: Song et al. learn each place's end from the next place's, since a whole way of a large network costs seconds.
Here it costs milliseconds: all ways are gone beforehand, and the student sees their true ends, as in Luhman & Luhman
2021, who learned them from x_T alone. No pictures are needed, but the captions that go with them.
"""

from __future__ import annotations

import copy

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.data.dataset import CaptionedImages
from minisd.diffusion.consistency import leading_to
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import sample
from minisd.few import FewInfo, FewSteps
from minisd.pipeline import Pipeline
from minisd.pipeline.model import Prompt
from minisd.text.weights import escaped
from minisd.train.recipe import FewRecipe

BATCH = 256  # ways at a time


def student(pipeline: Pipeline, recipe: FewRecipe = FewRecipe()) -> FewSteps:
    """A copy of the model's network, to learn to draw in few steps as the model draws in those of the recipe.

    It predicts what the model predicts, but for noise: no x_0 can be read from noise where there is nothing else, so
    that this one has to learn to predict v.
    """
    info = pipeline.info
    prediction = "v" if info.prediction == "noise" else info.prediction
    return FewSteps(
        copy.deepcopy(pipeline.denoiser),
        FewInfo(
            prediction=prediction,
            guidance=info.guidance + recipe.more_guidance,
            guidance_interval=info.guidance_interval,
            sampler=recipe.sampler,
            sampler_steps=recipe.sampler_steps,
        ),
    )


class FewTask:
    """Predict, at each level of four steps, what leads to the end of the teacher's way; the mean squared error as loss.

    Args:
        data: whose captions are drawn.
        pipeline: the teacher, which gets the student as its ``few``.
        rng: the ways' captions and noise are drawn from it.
    """

    name = "few"

    def __init__(
        self,
        data: CaptionedImages,
        pipeline: Pipeline,
        few: FewSteps,
        rng: np.random.Generator,
        recipe: FewRecipe = FewRecipe(),
    ) -> None:
        self.recipe, ways = recipe, recipe.ways
        self.data, self.pipeline, self.few, self.module = data, pipeline, few, few.network
        pipeline.few = few
        levels = few.info.levels(pipeline.schedule)
        self.t, self.alpha, self.sigma = (np.array(each) for each in zip(*levels, strict=True))
        texts = ["", *data.all_captions()]
        rows = {text: row for row, text in enumerate(texts)}
        self.prompts = pipeline.encode_prompts(texts)
        self.rows = np.array([rows[caption] for caption in data.captions(rng.integers(len(data), size=ways), rng)])
        self.rows[rng.random(ways) < recipe.untold] = rows[""]
        parts = (self.rows[start : start + BATCH] for start in range(0, ways, BATCH))
        self.ways = np.concatenate([self._ways(part, rng) for part in parts])  # (N, levels + 1, h, w, C)

    def _ways(self, rows: Array, rng: np.random.Generator) -> Array:
        """The teacher's ways under these captions, from level to level, and their ends: (B, levels + 1, h, w, C)."""
        pipeline, info = self.pipeline, self.few.info
        noise = rng.standard_normal((len(rows), *pipeline.latent_shape), np.float32)
        places: list[Array] = []
        end = sample(
            ClassifierFreeGuidance(
                pipeline.predict, self._told(rows), self._told(0 * rows), info.guidance, interval=info.guidance_interval
            ),
            to_device(noise, pipeline.device),
            pipeline.schedule,
            sampler=info.sampler,
            steps=info.sampler_steps,
            prediction=pipeline.info.prediction,
            rngs=rng.spawn(len(rows)),  # for samplers with fresh noise
            callback=lambda step, t, x_t, x_0: places.append(to_host(x_t)),
        )
        return np.stack([*places[:: info.sampler_steps // info.steps], to_host(end)], axis=1)

    def _told(self, rows: Array) -> Prompt:
        return Prompt(*(vectors[rows] for vectors in self.prompts))

    @property
    def sample_count(self) -> int:
        return len(self.ways)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        """As many places of each level, of ways as they come."""
        level = np.arange(len(samples)) % len(self.t)
        x_t, x_0 = self.ways[samples, level], self.ways[samples, -1]
        alpha, sigma = (rates[level].astype(x_t.dtype).reshape(-1, 1, 1, 1) for rates in (self.alpha, self.sigma))
        wanted = leading_to(self.few.info.prediction, x_0, x_t, alpha, sigma)
        return x_t, self.t[level], self.rows[samples], wanted

    def loss(self, x_t: Tensor, t: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
        context, pooled = map(Tensor, self._told(rows.data))
        return ops.mean_squared_error(self.module(x_t, t.data, context, pooled), wanted)

    def preview(self) -> Array:
        """Some captions of the data, drawn in as few steps as can be, and in more."""
        prompts = [*map(escaped, self.data.example_captions())]
        return np.concatenate([self.pipeline.draw(prompts, seed=0, few=few) for few in self.few.info.choices])
