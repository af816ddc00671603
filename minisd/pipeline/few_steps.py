"""What drawing in few steps can be asked, and what was settled when the network for it was distilled."""

from __future__ import annotations

from typing import Any

from minisd.few import FewSteps
from minisd.pipeline.model import Model

# Options of draw that say how the many steps go, and that say what becomes of a picture.
SETTLED = ("steps", "sampler", "spacing", "guidance", "guidance_rescale", "guidance_interval", "negative_prompt")
FROM_A_PICTURE = ("image", "strength", "mask_image", "resample")


def check_few(model: Model, few: int, **given: Any) -> FewSteps:
    """The network by which `model` draws in `few` steps, if it can with the options that are `given`.

    Args:
        given: other options of ``Pipeline.draw``; None for those that were not.

    Raises:
        ValueError: it cannot; the message says what to do.
    """
    if model.few is None:
        raise ValueError(
            "this model has no network that draws in few steps; train one with: minisd train --stage few --model FOLDER"
        )
    choices = model.few.info.choices
    if few not in choices:
        raise ValueError(f"wanted {', '.join(map(str, choices[:-1]))} or {choices[-1]} steps, got {few}")
    if model.loras:
        raise ValueError("the network for few steps was distilled without a LoRA; leave out few, or the LoRA")
    for name in SETTLED:
        if given.get(name) is not None:
            raise ValueError(
                f"the network for few steps draws as it was distilled, with guidance {model.few.info.guidance:g}; "
                f"leave out {name}, or few"
            )
    for name in FROM_A_PICTURE:
        if given.get(name) is not None:
            raise ValueError(f"the network for few steps begins with noise, never with a picture; leave out {name}")
    return model.few
