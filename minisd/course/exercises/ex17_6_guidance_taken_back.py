"""Guidance, and its contrast taken back

Guidance goes on along the difference of two predictions, $\\varepsilon = \\varepsilon_\\text{without} + w\\,
(\\varepsilon_\\text{with} - \\varepsilon_\\text{without})$. What comes out is longer than either, and the picture gets
too much contrast. Lin et al. (2024, equations 14 to 16) take it back: with $\\sigma$ the standard deviation over all
numbers of **one sample**,

$$\\varepsilon_\\text{rescaled} = \\varepsilon\\, \\frac{\\sigma_\\text{with}}{\\sigma_\\varepsilon}, \\qquad
\\text{result} = \\varphi\\, \\varepsilon_\\text{rescaled} + (1 - \\varphi)\\, \\varepsilon$$

The predictions have the shape (B, H, W, C), w and the share $\\varphi$ are numbers.
"""

import numpy as np

from minisd.diffusion.guidance import guided, rescaled

POINTS, MINUTES = 2, 20
HINTS = (
    "Two steps: guide, then rescale. What is left of the second where the share is 0?",
    "One deviation a sample: .std(axis=(1, 2, 3), keepdims=True) has the shape (B, 1, 1, 1).",
    "factor = with_prompt.std(...) / both.std(...); the result is share * factor * both + (1 - share) * both.",
)


def taken_back(with_prompt, without, guidance_scale, rescale=0.7):
    """The guided prediction with the share `rescale` of its added contrast taken back, shaped as the two."""
    return rescaled(guided(with_prompt, without, guidance_scale), with_prompt, rescale)


def cases(rng, dtype):
    for shape, w, rescale in (
        ((2, 3, 4, 1), 7.5, 0.7),
        ((3, 2, 3, 4), 3.0, 1.0),
        ((2, 4, 2, 3), 5.0, 0.0),
        ((2, 3, 3, 2), 2.0, 0.3),
        ((1, 5, 2, 2), 0.0, 0.7),
        ((3, 2, 2, 2), 1.0, 0.5),
    ):
        with_prompt, without = rng.standard_normal((2, *shape)) * rng.uniform(0.3, 3, (2, shape[0], 1, 1, 1))
        channels = rng.uniform(-1, 1, shape[3])  # means that are not 0, and differ
        yield (with_prompt + channels).astype(dtype), (without - channels + 0.5).astype(dtype), w, rescale


def _mixed(with_prompt, without, w, rescale, deviation=None, factor=None):
    both = without + w * (with_prompt - without)
    deviation = deviation or (lambda x: x.std(axis=(1, 2, 3), keepdims=True))
    factor = factor or (lambda: deviation(with_prompt) / deviation(both))
    return rescale * factor() * both + (1 - rescale) * both


def mistake_all_samples_together(with_prompt, without, guidance_scale, rescale=0.7):
    """Every sample has a deviation of its own: yours runs over the batch, so a picture depends on its neighbours."""
    return _mixed(with_prompt, without, guidance_scale, rescale, np.std)


def mistake_by_channel(with_prompt, without, guidance_scale, rescale=0.7):
    """One deviation a sample, over its channels too: yours is one for each channel."""
    return _mixed(with_prompt, without, guidance_scale, rescale, lambda x: x.std(axis=(1, 2), keepdims=True))


def mistake_variance(with_prompt, without, guidance_scale, rescale=0.7):
    """The factor is a ratio of standard deviations: yours is one of variances."""
    return _mixed(with_prompt, without, guidance_scale, rescale, lambda x: x.var(axis=(1, 2, 3), keepdims=True))


def mistake_length(with_prompt, without, guidance_scale, rescale=0.7):
    """The deviation is taken about the mean: yours is the root of the mean square."""
    return _mixed(
        with_prompt,
        without,
        guidance_scale,
        rescale,
        lambda x: np.sqrt((x**2).mean(axis=(1, 2, 3), keepdims=True)),
    )


def mistake_without_the_prompt(with_prompt, without, guidance_scale, rescale=0.7):
    """The contrast to go back to is that of the prediction with the prompt, not of the one without."""
    both = guided(with_prompt, without, guidance_scale)
    return rescaled(both, without, rescale)


def mistake_upside_down(with_prompt, without, guidance_scale, rescale=0.7):
    """The factor makes the guided prediction smaller: its own deviation stands below the line."""
    both = guided(with_prompt, without, guidance_scale)
    factor = both.std(axis=(1, 2, 3), keepdims=True) / with_prompt.std(axis=(1, 2, 3), keepdims=True)
    return rescale * factor * both + (1 - rescale) * both


def mistake_shares_exchanged(with_prompt, without, guidance_scale, rescale=0.7):
    """With a share of 0 nothing is taken back: your two shares are exchanged."""
    return _mixed(with_prompt, without, guidance_scale, 1 - rescale)


def mistake_mixed_with_the_prompt(with_prompt, without, guidance_scale, rescale=0.7):
    """The rest is the guided prediction as it was, not the one with the prompt alone."""
    both = guided(with_prompt, without, guidance_scale)
    return rescaled(both, with_prompt, 1.0) * rescale + (1 - rescale) * with_prompt


def mistake_always_all(with_prompt, without, guidance_scale, rescale=0.7):
    """Only the share is taken back: the rest stays as guidance made it."""
    return rescaled(guided(with_prompt, without, guidance_scale), with_prompt, 1.0)


def mistake_guidance_exchanged(with_prompt, without, guidance_scale, rescale=0.7):
    """At scale 1 the prediction with the prompt is left: you exchange the two in guidance."""
    return rescaled(guided(without, with_prompt, guidance_scale), with_prompt, rescale)


def right_loop(with_prompt, without, guidance_scale, rescale=0.7):
    result = np.empty_like(with_prompt)
    for i, (one, other) in enumerate(zip(with_prompt, without, strict=True)):
        both = guidance_scale * one + (1 - guidance_scale) * other
        result[i] = both * (1 + rescale * (np.std(one) / np.std(both) - 1))
    return result


def right_flat(cond, uncond, w, phi=0.7):
    def deviation(x):
        flat = x.reshape(len(x), -1)
        return np.sqrt(((flat - flat.mean(axis=1, keepdims=True)) ** 2).mean(axis=1)).reshape(-1, 1, 1, 1)

    away = uncond + (cond - uncond) * w
    return (1 - phi) * away + phi * (away / deviation(away)) * deviation(cond)
