"""What a LoRA learns: as the U-Net learned, from few pictures, and by the two thin matrices alone (nn/lora.py)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minisd.autograd import Array
from minisd.checkpoint import CheckpointError
from minisd.data.dataset import CaptionedImages, CaptionedPictures
from minisd.nn.lora import LoRA
from minisd.pictures import LUMA, dark_on_light
from minisd.pipeline import Pipeline
from minisd.text.scripts import spaced
from minisd.text.weights import escaped
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.recipe import LoRARecipe

FEW = 500  # pictures: fewer are shown shifted, too
REACH = 1  # pixels that they are shifted by, each way, at most
KNOWN = 128  # drawings of what the model knows already, at most


class LoRATask(DenoiserTask):
    """As the denoiser's, of few pictures, and with drawings of what the model knows among them."""

    def __init__(
        self, data: CaptionedPictures, pipeline: Pipeline, lora: LoRA, recipe: LoRARecipe = LoRARecipe()
    ) -> None:
        self.taught = data.example_captions()
        data = with_what_is_known(pipeline, shifted(data) if len(data) < FEW else data)
        super().__init__(data, pipeline, encode_all(pipeline.vae, data.images), recipe=recipe)
        self.name, self.module = "lora", lora

    def preview(self) -> Array:
        """Eight drawings, of what is taught by turns."""
        return self.pipeline.draw((8 * [*map(escaped, self.taught)])[:8], seed=0, steps=20)


def as_drawn(
    pipeline: Pipeline,
    data: CaptionedImages,
    caption: str | None,
    rng: np.random.Generator,
    say: Callable[[str], None],
) -> CaptionedPictures:
    """The pictures as the model draws such, grey or in colour and light on dark or not, with one caption each.

    Args:
        caption: of all of them; None for a caption of their own each, of several the one that `rng` chooses.
        say: is told what was done to them.

    Raises:
        CheckpointError: they are of another size.
    """
    images, (H, W, C) = data.images, pipeline.picture_shape
    if images.shape[1:3] != (H, W):
        raise CheckpointError(
            f"the model draws {H} x {W}, and these pictures are {images.shape[1]} x {images.shape[2]}; "
            "give --data folder, whose pictures are fitted, or another --model"
        )
    if C == 1 and images.ndim == 4:
        images = np.rint(images @ LUMA).astype(np.uint8)
        say("the pictures are in colour, and the model draws grey: only how light they are is learned")
    if pipeline.light_on_dark and np.mean([dark_on_light(image) for image in images]) > 0.5:
        images = 255 - images
        say("the pictures are dark on light, and the model draws light on dark: they were inverted")
    if C == 3 and images.ndim == 3:
        images = images[..., None].repeat(3, axis=3)
    texts = data.captions(np.arange(len(data)), rng) if caption is None else [spaced(caption)] * len(data)
    return CaptionedPictures(images, texts)


def with_what_is_known(pipeline: Pipeline, data: CaptionedPictures) -> CaptionedPictures:
    """The pictures, and about as many of the model's own drawings of its words, and of no word.

    Shown new pictures alone, it would draw something of them whatever it is asked for. What it drew before reminds it
    (Ruiz et al. 2023, "class-specific prior preservation loss"). With one own to three new ones it still loses what
    looks most like the new: taught hearts, it draws them for zeros.
    """
    words, count = ["", *pipeline.info.words], min(len(data), KNOWN)
    prompts = [words[i * len(words) // count] for i in range(count)]
    drawn = pipeline.draw([*map(escaped, prompts)], seed=0, steps=20)
    times = -(-len(data) // count)
    return CaptionedPictures(np.concatenate([data.images, *[drawn] * times]), [*data.texts, *prompts * times])


def shifted(data: CaptionedPictures) -> CaptionedPictures:
    """Every picture where it is, and up to REACH pixels beside it, each way: (2 REACH + 1)^2 times as many.

    A network that meets the same pixels at every step learns them by heart. What comes into the picture is its edge,
    repeated.
    """
    steps = range(2 * REACH + 1)
    wide = np.pad(data.images, [(0, 0), (REACH, REACH), (REACH, REACH), *[(0, 0)] * (data.images.ndim - 3)], "edge")
    H, W = data.images.shape[1:3]
    images = np.concatenate([wide[:, y : y + H, x : x + W] for y in steps for x in steps])
    return CaptionedPictures(images, [*data.texts] * len(steps) ** 2)
