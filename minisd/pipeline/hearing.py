"""What the denoiser is told: prompts with their weighted words, and what lies between two prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minisd.autograd import Array
from minisd.diffusion.interpolation import lerp
from minisd.pipeline.model import Model, Prompt
from minisd.text.weights import combination


def hear(model: Model, prompts: Sequence[str], clip_skip: int | None) -> Prompt:
    """The text encoder's view of every prompt, each weighted word as loud as it is meant (text/weights.py)."""
    sums = {prompt: combination(prompt) for prompt in prompts}
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for terms in sums.values() for text in terms))}
    encoded = model.encode_prompts([*rows], clip_skip=clip_skip)

    def summed(vectors: Array, terms: dict[str, float]) -> Array:
        return sum(number * vectors[rows[text] : rows[text] + 1] for text, number in terms.items())

    parts = ({prompt: summed(vectors, sums[prompt]) for prompt in sums} for vectors in encoded)
    return Prompt(*(np.concatenate([part[prompt] for prompt in prompts]) for part in parts))


def between(prompt: Prompt, other: Prompt, way: Array) -> Prompt:
    """What lies between two prompts, as far along as `way` says for each picture, 0 to 1, (B,)."""
    return Prompt(*(lerp(a, b, way) for a, b in zip(prompt, other, strict=True)))
