"""What the CLIP pair learns: which caption belongs to which picture (Radford et al. 2021)."""

from __future__ import annotations

import numpy as np

from minisd.autograd import Array, Tensor
from minisd.models.clip import CLIP, CLIPConfig
from minisd.pictures import to_unit_range
from minisd.text.tokenizer import Tokenizer
from minisd.train.dataset import CaptionedImages
from minisd.train.loop import Recipe


class CLIPTask:
    """Contrastive loss of a batch of pictures and their captions, equal captions masked."""

    name = "clip"
    recipe = Recipe(batch=128, peak_lr=2e-3, ema_decay=0.99, weight_decay=1e-4)

    def __init__(self, data: CaptionedImages, tokenizer: Tokenizer, rng: np.random.Generator) -> None:
        self.data, self.tokenizer = data, tokenizer
        self.module = CLIP(CLIPConfig(vocabulary=tokenizer.size, end_id=tokenizer.end), rng=rng)

    @property
    def sample_count(self) -> int:
        return len(self.data)

    def loss(self, indices: Array, rng: np.random.Generator) -> Tensor:
        captions = self.data.captions(indices, rng)
        ids, _ = self.tokenizer(captions, self.module.config.context_length)
        return self.module(Tensor(to_unit_range(self.data.images[indices])), ids)

    def preview(self) -> None:
        return None
