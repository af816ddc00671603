"""What the CLIP pair learns: which caption belongs to which picture (Radford et al. 2021)."""

from __future__ import annotations

import numpy as np

from minisd.autograd import Array, Tensor
from minisd.data.dataset import CaptionedImages
from minisd.models.clip import CLIP
from minisd.models.fitting import clip_config
from minisd.pictures import picture_shape, to_unit_range
from minisd.text.tokenizer import Tokenizer
from minisd.train.recipe import CLIPRecipe


class CLIPTask:
    """Contrastive loss of a batch of pictures and their captions, equal captions masked."""

    name = "clip"

    def __init__(
        self,
        data: CaptionedImages,
        tokenizer: Tokenizer,
        rng: np.random.Generator,
        recipe: CLIPRecipe = CLIPRecipe(),
    ) -> None:
        self.data, self.recipe = data, recipe
        texts = data.all_captions()
        config = clip_config(picture_shape(data.images), tokenizer, texts)
        self.module = CLIP(config, rng=rng)
        self.ids, _ = tokenizer(texts, config.context_length, config.padding_id)
        self.rows = {text: row for row, text in enumerate(texts)}

    @property
    def sample_count(self) -> int:
        return len(self.data)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        rows = [self.rows[caption] for caption in self.data.captions(samples, rng)]
        return to_unit_range(self.data.images[samples]), self.ids[rows]

    def loss(self, images: Tensor, ids: Tensor) -> Tensor:
        return self.module(images, ids.data)

    def preview(self) -> None:
        return None
