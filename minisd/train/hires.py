"""What the network that doubles pictures learns: the large picture, shown a small noisy one (Ho et al. 2022)."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.data.dataset import CaptionedImages
from minisd.data.sharp import FACTOR, sharpened
from minisd.data.strokes import draw_strokes
from minisd.diffusion.objectives import OBJECTIVES
from minisd.hires import MOST_AUGMENTED, Upscaler
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline
from minisd.resizing import area_mean, space_to_depth
from minisd.train.recipe import HiresRecipe


class HiresTask:
    """Predict v of pictures of 56 or 112 pixels a side, the mean squared error as loss.

    A step learns one of the two sizes. Half of its large pictures are digits of the data, sharpened, and half are
    strokes drawn large: the first look as what the model draws, and of the second the truth is known. The small ones
    beside them are their area means; for 28 x 28, where the first model's drawings will stand, two in three go through
    its VAE and come back as soft as those.
    """

    name = "hires"

    def __init__(
        self,
        data: CaptionedImages,
        pipeline: Pipeline,
        upscaler: Upscaler,
        recipe: HiresRecipe = HiresRecipe(),
        strokes: int = 2000,
    ) -> None:
        self.recipe = recipe
        self.data, self.pipeline, self.upscaler, self.module = data, pipeline, upscaler, upscaler.unet
        self.schedule = upscaler.schedule
        self.strokes = draw_strokes(strokes, 1, size=FACTOR * data.images.shape[1]).images

    @property
    def sample_count(self) -> int:
        return len(self.data)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        B = len(samples)
        small = self.data.images[samples]
        large = sharpened(small)
        drawn = rng.random(B) < 0.5
        large[drawn] = self.strokes[rng.integers(len(self.strokes), size=drawn.sum())]
        half = _rounded(area_mean(large, 2))
        if rng.random() < 0.5:
            x_0, hint = large, half
        else:
            small[drawn] = _rounded(area_mean(large[drawn], FACTOR))
            soft = rng.random(B) < 2 / 3
            if soft.any():
                small[soft] = self.pipeline.decode(self.pipeline.encode(small[soft]))
            x_0, hint = half, small
        s = rng.integers(MOST_AUGMENTED + 1, size=B)
        hint = to_unit_range(hint)
        hint = self.schedule.add_noise(hint, rng.standard_normal(hint.shape, np.float32), s)
        x_0 = space_to_depth(to_unit_range(x_0))
        noise = rng.standard_normal(x_0.shape, np.float32)
        t = OBJECTIVES["v"].draw_times(B, self.schedule.steps, rng)
        x_t, wanted = OBJECTIVES["v"].noised(x_0, noise, t, self.schedule)
        return np.concatenate([x_t, hint], axis=-1), t, s, wanted

    def loss(self, x_t: Tensor, t: Tensor, s: Tensor, wanted: Tensor) -> Tensor:
        predicted = self.module(x_t, t.data, pooled=self.upscaler.level_embedding(s.data))
        return ops.mean_squared_error(predicted, wanted)

    def preview(self) -> Array:
        """Drawings of the first model, each beside what becomes of it at twice the side."""
        small = self.pipeline.draw(self.data.example_captions(), seed=0, steps=20)
        return self.upscaler.double(small, seed=0)


def _rounded(images: Array) -> Array:
    return np.rint(images).astype(np.uint8)
