"""Guidance, where it helps

Classifier-free guidance asks the model with the prompt and without it, and goes on along the difference (Ho and
Salimans, 2022):

$$\\varepsilon = \\varepsilon_\\text{without} + s\\, (\\varepsilon_\\text{with} - \\varepsilon_\\text{without})$$

It helps in the middle of the way, and costs variety at its begin (Kynkäänniemi et al., 2024). So a scale other than 1
is used only where low <= t < high; elsewhere it is 1. In a batch every sample has a t of its own. Both predictions
have the shape (B, H, W, C), t has (B,), and interval is (low, high).
"""

import numpy as np

from minisd.diffusion.guidance import ClassifierFreeGuidance

POINTS, MINUTES = 2, 15
HINTS = (
    "What is left of the formula where the scale is 1?",
    "A scale for each sample, of shape (B,), by np.where; then axes of 1 behind it.",
    "scale = np.where((low <= t) & (t < high), guidance_scale, 1.0).reshape(-1, 1, 1, 1)",
)


def guided(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """The guided prediction, shaped as the two."""
    both = np.concatenate([without, with_prompt])

    def model(x_t, times, context):
        return both if len(times) == len(both) else with_prompt

    nothing = np.zeros((len(t), 1))
    return ClassifierFreeGuidance(model, nothing, nothing, guidance_scale, interval)(without, t)


def cases(rng, dtype):
    for shape, t, scale, interval in (
        ((3, 2, 2, 1), [10, 500, 990], 2.0, None),
        ((2, 2, 3, 1), [0, 999], 3.0, None),
        ((4, 2, 3, 4), [300, 299, 800, 799], 3.0, (300, 800)),
        ((3, 1, 2, 2), [900, 500, 100], 2.5, (300, 800)),
        ((2, 1, 2, 2), [5, 999], 0.0, (0, 6)),
        ((3, 3, 3, 3), [1, 2, 3], 7.5, (100, 200)),
        ((2, 2, 1, 1), [400, 401], -1.0, (100, 700)),
        ((2, 2, 2, 2), [50, 60], 1.0, (0, 100)),
    ):
        arrays = [rng.standard_normal(shape).astype(dtype) for _ in range(2)]
        yield (*arrays, np.array(t), scale) if interval is None else (*arrays, np.array(t), scale, interval)


def _scale(t, guidance_scale, inside):
    return np.where(inside, guidance_scale, 1.0).reshape(-1, *(1,) * 3)


def mistake_exchanged(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """At scale 1 the prediction with the prompt is left: you exchange the two."""
    s = _scale(t, guidance_scale, (interval[0] <= t) & (t < interval[1]))
    return with_prompt + s * (without - with_prompt)


def mistake_from_the_prompt(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """The way begins at the prediction without the prompt: yours goes one difference too far."""
    s = _scale(t, guidance_scale, (interval[0] <= t) & (t < interval[1]))
    return with_prompt + s * (with_prompt - without)


def mistake_everywhere(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """Outside the interval the scale is 1."""
    return without + guidance_scale * (with_prompt - without)


def mistake_nothing_outside(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """Outside the interval the scale is 1, which is the prediction with the prompt, not the one without it."""
    s = np.where((interval[0] <= t) & (t < interval[1]), guidance_scale, 0.0).reshape(-1, 1, 1, 1)
    return without + s * (with_prompt - without)


def mistake_high_included(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """t = high lies outside: low <= t < high."""
    s = _scale(t, guidance_scale, (interval[0] <= t) & (t <= interval[1]))
    return without + s * (with_prompt - without)


def mistake_low_left_out(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """t = low lies inside: low <= t < high."""
    s = _scale(t, guidance_scale, (interval[0] < t) & (t < interval[1]))
    return without + s * (with_prompt - without)


def mistake_first_t(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """Every sample has a t of its own: you ask where the first one lies, for all."""
    s = guidance_scale if interval[0] <= t[0] < interval[1] else 1.0
    return without + s * (with_prompt - without)


def mistake_any(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    """Every sample has a t of its own: you guide all of them as soon as one lies inside."""
    s = guidance_scale if ((interval[0] <= t) & (t < interval[1])).any() else 1.0
    return without + s * (with_prompt - without)


def right_loop(with_prompt, without, t, guidance_scale, interval=(0, 1000)):
    low, high = interval
    return np.stack(
        [
            w if not low <= time < high else guidance_scale * w + (1 - guidance_scale) * n
            for w, n, time in zip(with_prompt, without, t, strict=True)
        ]
    )


def right_masked(cond, uncond, t, s, interval=(0, 1000)):
    result = cond.copy()
    inside = (t >= interval[0]) & (t < interval[1])
    result[inside] += (s - 1) * (cond[inside] - uncond[inside])
    return result
