"""From a sentence to a picture: tokenizer, text encoder, U-Net and decoder in one call.

    prompt -> tokens -> context            z_T ~ N(0, 1) -> sampler and U-Net, step by step -> z_0 -> decoder -> picture

Text-to-image draws z_T directly among the latents; the encoder is needed only for training.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd.autograd import Array
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.memory import available_memory
from minisd.pipeline.model import Model, Prompt, SamplingDiverged, shipped_model
from minisd.text.remarks import remarks

__all__ = ["BATCH", "Pipeline", "Prompt", "SamplingDiverged", "shipped_model"]

BATCH = 125  # pictures at a time


@dataclass
class Pipeline(Model):
    """A trained model.

    >>> pipeline = Pipeline.load()
    >>> pipeline("a seven", seed=0).shape
    (1, 28, 28)

    Attributes:
        seed: of the pictures drawn last; says which it was after a drawing with seed None.

    Raises:
        ValueError: the parts do not fit each other.
    """

    seed: int | None = field(default=None, init=False, repr=False)

    def __call__(self, prompt: str | Sequence[str], *, num: int = 1, **options: Any) -> Array:
        """Draw `num` pictures of a prompt, or one of each of several; see ``draw`` for the options.

        Words that the model never saw, and the end of a prompt that is too long, are named in a warning.

        Shapes: returns (N, H, W) uint8, or (N, H, W, 3) if the model draws in colour; the one that comes with minisd
        draws 28 x 28, light strokes on a dark ground.

        Raises:
            ValueError: as draw; or more pictures than the memory holds.
        """
        if isinstance(prompt, str):
            self.check_count(num)
        several = isinstance(prompt, Iterable) and not isinstance(prompt, str)
        prompts = list(prompt) if several else [cast(str, prompt)] * num
        for remark in self.remarks(prompts):
            warnings.warn(remark, stacklevel=2)
        return self.draw(prompts, **options)

    def draw(
        self,
        prompts: Sequence[str],
        *,
        seed: int | None = 0,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        batch: int = BATCH,
        callback: Callable[[int, int, Array, Array], None] | None = None,
    ) -> Array:
        """One picture of every prompt; picture i depends on (seed, i, prompt) alone, not on the batch it is drawn in.

        Args:
            seed: None for one that nobody chose; ``pipeline.seed`` says which it was.
            steps: sampling steps, 1 to 1000.
            guidance: 1 follows the prompt as trained, more follows it more closely and varies less; 0 ignores it.
            batch: pictures at a time, which bounds the memory.
            callback: called after every step with (step, t, z_t, z_0 as predicted then), latents that ``decode`` shows;
                they live where the networks live.

        Raises:
            ValueError: no prompt, no such sampler, impossible steps or batch, or a guidance that is no number.
            SamplingDiverged: the latents are no longer finite.

        Shapes: returns (N, H, W) or (N, H, W, 3) uint8.
        """
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f'draw: wanted a list of one prompt or more, such as ["a seven"], got {prompts!r}')
        if batch < 1:
            raise ValueError(f"draw: wanted a batch of 1 or more pictures, got {batch}")
        guidance = self.info.guidance if guidance is None else guidance
        if not math.isfinite(guidance):
            raise ValueError(f"draw: wanted a finite guidance, such as {self.info.guidance}, got {guidance}")
        steps = self.info.steps if steps is None else steps
        self.seed = secrets.randbits(32) if seed is None else seed

        drawn = []
        for start in range(0, len(prompts), batch):
            part = prompts[start : start + batch]
            rngs = sample_rngs(self.seed, len(part), first=start)
            model = ClassifierFreeGuidance(
                self.predict,
                self.encode_prompts(part),
                self.encode_prompts([""] * len(part)),
                guidance,
                interval=self.info.guidance_interval,
            )
            totals: list[tuple[int, Array]] = []  # t and the sum of z_0 of each step, which stays where it was made

            def watch(step: int, t: int, z_t: Array, z_0: Array, totals: list[tuple[int, Array]] = totals) -> None:
                totals.append((t, z_0.sum()))
                if callback is not None:
                    callback(step, t, z_t, z_0)

            with np.errstate(all="ignore"):  # what overflows is said in words
                z_0 = sample(
                    model,
                    to_device(initial_noise(self.latent_shape, rngs), self.device),
                    self.schedule,
                    sampler=sampler or self.info.sampler,
                    steps=steps,
                    prediction=self.info.prediction,
                    rngs=rngs,
                    callback=watch,
                )
            try:
                drawn.append(self.decode(z_0))
            except SamplingDiverged:  # only now is anything fetched from a device to look at it
                for step, (t, total) in enumerate(totals):
                    if not np.isfinite(to_host(total)):
                        raise SamplingDiverged(
                            f"drawing: the numbers are no longer finite at step {step + 1} of {steps}, t = {t}; "
                            f"draw with less guidance than {guidance:g}, or have the model's weights looked at"
                        ) from None
                raise
        return np.concatenate(drawn)

    def check_count(self, count: int, *, bytes_each: int | None = None) -> None:
        """Can `count` pictures be held in memory, where each takes `bytes_each`, if not only its pixels?

        Raises:
            ValueError: none, or too many: the message estimates what they need.
        """
        if count < 1:
            raise ValueError(f"wanted 1 picture or more, got {count}")
        size = bytes_each or 2 * math.prod(self.picture_shape)
        free = available_memory() or 2**32
        if count * size > free:
            raise ValueError(
                f"{count:,} pictures need about {count * size / 1e9:,.0f} GB of memory; {free / 1e9:.1f} GB are free, "
                f"enough for {free // size:,} at a time: draw the others with other seeds"
            )

    def remarks(self, prompts: Sequence[str]) -> list[str]:
        """What a user should know of the prompts: words never seen in training, and what was too long and dropped."""
        read = [self._as_read(prompt) for prompt in prompts]
        return remarks(read, self.tokenizer, self.clip.config.context_length, self.info.words)
