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
from functools import partial
from typing import Any, cast

import numpy as np
from minisd_kernels.devices import to_device

from minisd.autograd import Array
from minisd.diffusion.consistency import multistep
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import sample
from minisd.memory import available_memory
from minisd.pipeline.enlarging import check_size, enlarge
from minisd.pipeline.few_steps import check_few
from minisd.pipeline.given import RESAMPLE, SAMPLER, Given, steps_from
from minisd.pipeline.hearing import between, hear
from minisd.pipeline.model import Model, Prompt, SamplingDiverged, shipped_model
from minisd.pipeline.start import start_noise, way_to
from minisd.pipeline.watch import Callback, watching
from minisd.text.remarks import remarks
from minisd.text.weights import plain

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
        negative_prompt: str | Sequence[str] | None = None,
        to: str | None = None,
        to_seed: int | None = None,
        variation: float | None = None,
        image: Array | None = None,
        strength: float | None = None,
        mask_image: Array | None = None,
        resample: int | None = None,
        seed: int | None = 0,
        few: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        guidance_rescale: float = 0.0,
        guidance_interval: tuple[float, float] | None = None,
        clip_skip: int | None = None,
        sampler: str | None = None,
        spacing: str | None = None,
        size: int | None = None,
        hires: str = "chain",
        batch: int = BATCH,
        callback: Callback | None = None,
    ) -> Array:
        """One picture of every prompt; picture i depends on (seed, i, prompt) alone, not on the batch it is drawn in.

        With Numba's kernels that holds to the bit; NumPy's products round a little otherwise in another batch, by some
        1e-7, so that now and then a pixel may differ by a grey level.

        Words of a prompt may be weighted, "a (thick:1.5) seven": text/weights.py.

        Args:
            negative_prompt: what guidance goes away from, a text for all pictures or one for each; None for no text.
            to, to_seed: a second prompt, a second seed: the pictures lead from the first to it, all from one noise.
            variation: 0 to 1, how far each picture's noise lies from the first one's; all are then alike to the first.
            image: a picture to start from, uint8 as drawn, or one for each prompt.
            strength: 0 to 1, how much of it is drawn anew; if None 0.8, and 1 with a mask.
            mask_image: where to draw, True or white; elsewhere every pixel of `image` stays as it is.
            resample: how often each stretch of the way is gone, with noise added back up between (Lugmayr et al. 2022);
                if None 1, and 5 with a mask.
            seed: None for one that nobody chose; ``pipeline.seed`` says which it was.
            few: draw in so few steps, 1, 2 or 4, one evaluation each, by the network that was distilled for it; how it
                follows the prompt is settled, so that guidance, sampler and their kin cannot be given with it.
            steps: sampling steps, 1 to 1000.
            guidance: 1 follows the prompt as trained, more follows it more closely and varies less; 0 ignores it.
            guidance_rescale: 0 to 1, how much of the contrast that guidance adds is taken back (Lin et al. 2024).
            guidance_interval: (low, high): guidance acts where low <= t < high; None for the model's own.
            clip_skip: the text encoder's layer that is read, counted from the end; None for the model's own.
                Differs: diffusers counts one less.
            sampler, spacing: how the steps are taken and which t they visit, of SAMPLERS and SPACINGS; None for the
                model's own, and with a mask for ddpm, whose fresh noise makes the drawn part fit.
            size: pixels a side: the model's own, or twice or four times as many; all sizes show the same digit.
            hires: the way to more pixels: "chain", by a second network, "img2img" or "bicubic": see enlarging.py.
            batch: pictures at a time, which bounds the memory.
            callback: called after every step with (step, t, z_t, z_0 as predicted then), latents that ``decode`` shows;
                they live where the networks live.

        Raises:
            ValueError: no prompt, or an option out of its range.
            PromptError: a prompt's brackets or weights cannot be read.
            SamplingDiverged: the latents are no longer finite.

        Shapes: returns (N, H, W) or (N, H, W, 3) uint8, H and W `size` if it is given.
        """
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f'draw: wanted a list of one prompt or more, such as ["a seven"], got {prompts!r}')
        if batch < 1:
            raise ValueError(f"draw: wanted a batch of 1 or more pictures, got {batch}")
        check_size(self, size, hires)
        student = None
        if few is not None:
            student = check_few(
                self, few, steps=steps, sampler=sampler, spacing=spacing, guidance=guidance,
                guidance_rescale=guidance_rescale or None, guidance_interval=guidance_interval,
                negative_prompt=negative_prompt, image=image, strength=strength, mask_image=mask_image,
                resample=resample,
            )  # fmt: skip
            steps, spacing = few, "trailing"
        N, steps = len(prompts), self.info.steps if steps is None else steps
        negative_prompt = "" if negative_prompt is None else negative_prompt
        negative = [negative_prompt] * N if isinstance(negative_prompt, str) else [*negative_prompt]
        if len(negative) != N:
            raise ValueError(f"draw: wanted a negative prompt for all, or one for each of {N}, got {len(negative)}")
        given = Given.of(self, N, image, strength, mask_image)
        way = way_to(to, to_seed, N)
        if mask_image is not None:
            sampler, resample = sampler or SAMPLER, RESAMPLE if resample is None else resample
        guidance = self.info.guidance if guidance is None else guidance
        self.seed = secrets.randbits(32) if seed is None else seed

        drawn = []
        for start in range(0, N, batch):
            part = slice(start, start + batch)
            context = hear(self, prompts[part], clip_skip)
            if to is not None:
                context = between(context, hear(self, [to] * len(prompts[part]), clip_skip), way[part])
            model: Callable[[Array, Array], Array]
            if student is None:
                model = ClassifierFreeGuidance(
                    self.predict,
                    context,
                    hear(self, negative[part], clip_skip),
                    guidance,
                    interval=self.info.guidance_interval if guidance_interval is None else guidance_interval,
                    rescale=guidance_rescale,
                )
            else:
                model = partial(self.predict_end, prompt=context)
            rngs, noise = start_noise(self.latent_shape, self.seed, range(N)[part], variation, to_seed, way[part])
            z_T, t_start = to_device(noise, self.device), None
            if given is not None:
                z_T, t_start = given.start(self, part, z_T)
            with watching(callback, guidance) as watch:
                z_0 = sample(
                    model,
                    z_T,
                    self.schedule,
                    sampler=(sampler or self.info.sampler) if student is None else multistep,
                    steps=steps if given is None else steps_from(steps, given.strength),
                    spacing=spacing or self.info.spacing,
                    prediction=self.info.prediction if student is None else student.info.prediction,
                    rngs=rngs,
                    t_start=t_start,
                    hold=None if given is None else given.hold(self, part),
                    resample=1 if resample is None else resample,
                    callback=watch,
                )
                pictures = self.decode(z_0)
            drawn.append(pictures if given is None else given.paste(part, pictures))
        images = np.concatenate(drawn)
        return images if size is None else enlarge(self, images, prompts, size=size, seed=self.seed, hires=hires)

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
        """What a user should know of the prompts: words never seen in training, and what was too long and dropped; and
        of LoRAs that were trained on another model."""
        read = [self._as_read(plain(prompt)) for prompt in prompts]
        lines = remarks(read, self.tokenizer, self.clip.config.context_length, self.words)
        base = self.digest() if self.loras else ""
        for file, _ in self.loras:
            if file.about.get("base", base) != base:
                lines.append(f"{file.path} was trained on another model than this one, and may spoil what it draws")
        return lines
