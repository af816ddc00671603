"""What is known stays known down the whole way, whatever the sampler; going back up adds the noise that is missing."""

from __future__ import annotations

import numpy as np
import pytest

from minisd.diffusion.inpainting import back_up, stretches
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample, sample_rngs
from minisd.diffusion.schedule import Array, NoiseLevel, make_schedule
from minisd.diffusion.spacing import SPACINGS, make_levels

SCHEDULE = make_schedule("cosine")
KNOWN = np.linspace(-1, 1, 24).reshape(1, 4, 6, 1)
HIDDEN = np.arange(6).reshape(1, 1, 6, 1) >= 3


def model(x_t: Array, t: Array) -> Array:
    """Predicts some v, far from what is known."""
    return np.tanh(x_t) + 0.3


def hold(x_0: Array) -> Array:
    return np.where(HIDDEN, x_0, KNOWN)


@pytest.mark.parametrize("resample", [1, 3])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_ends_at_what_is_known(sampler: str, spacing: str, resample: int) -> None:
    rngs = sample_rngs(seed=0, count=2)
    x_T = initial_noise((4, 6, 1), rngs, np.float64)
    drawn = sample(
        model, x_T, SCHEDULE, sampler=sampler, steps=7, spacing=spacing, prediction="v",
        rngs=rngs, hold=hold, resample=resample,
    )  # fmt: skip
    np.testing.assert_allclose(hold(drawn), drawn, atol=1e-9)
    assert np.abs(drawn - KNOWN)[np.broadcast_to(HIDDEN, drawn.shape)].min() > 1e-6


def test_the_known_part_carries_the_noise_of_each_level() -> None:
    """DDIM keeps the noise that x_T has there: x_t = alpha x_0 + sigma noise all the way."""
    x_T = initial_noise((4, 6, 1), sample_rngs(seed=0, count=2), np.float64)
    seen: list[tuple[float, Array]] = []
    sample(
        model, x_T, SCHEDULE, steps=7, prediction="v", hold=hold,
        callback=lambda step, t, x_t, x_0: seen.append((t, x_t)),
    )  # fmt: skip
    first = SCHEDULE.level(999)
    noise = (x_T - first.alpha * KNOWN) / first.sigma
    assert len(seen) == 7
    for t, x_t in seen:
        level = SCHEDULE.level(t)
        np.testing.assert_allclose((x_t - level.alpha * KNOWN - level.sigma * noise)[..., :3, :], 0, atol=1e-9)


def test_stretches_cover_the_way_each_as_often() -> None:
    levels = make_levels(SCHEDULE, 7)
    for resample in (1, 2, 3):
        found = stretches(levels, resample, jump=3)
        ends = [(stretch[0].t, stretch[-1].t) for stretch in found]
        if resample == 1:
            assert found == [levels]
        else:
            assert ends == [(levels[i].t, levels[j].t) for i, j in ((0, 3), (3, 6), (6, 7)) for _ in range(resample)]
        assert sum(len(stretch) - 1 for stretch in found) == 7 * resample


def test_back_up_is_the_forward_process() -> None:
    """From clean it is add_noise; two ways up come to the variance of one; no way up changes nothing."""
    rng = np.random.default_rng(0)
    x, noise, more = rng.standard_normal((3, 2, 4, 6, 1))
    low, middle, high = (SCHEDULE.level(t) for t in (-1, 300, 700))
    np.testing.assert_allclose(back_up(x, low, high, noise), high.alpha * x + high.sigma * noise, rtol=1e-12)
    np.testing.assert_allclose(back_up(x, high, high, noise), x, atol=1e-6)
    share = NoiseLevel(0, high.alpha / middle.alpha, 0).alpha
    twice = back_up(back_up(x, low, middle, noise), middle, high, more)
    added = np.sqrt(high.sigma**2 - (share * middle.sigma) ** 2)
    np.testing.assert_allclose(twice, high.alpha * x + share * middle.sigma * noise + added * more, rtol=1e-9)


def test_resampling_sees_every_stretch_again_and_needs_fresh_noise() -> None:
    x_T = initial_noise((4, 6, 1), sample_rngs(seed=0, count=1))
    told: list[tuple[int, float]] = []
    sample(
        model, x_T, SCHEDULE, steps=4, prediction="v", rngs=sample_rngs(seed=0, count=1), resample=2,
        callback=lambda step, t, x_t, x_0: told.append((step, t)),
    )  # fmt: skip
    assert [step for step, _ in told] == list(range(8))
    assert sorted({t for _, t in told}) == [249, 499, 749, 999]
    with pytest.raises(ValueError, match="pass rngs"):
        sample(model, x_T, SCHEDULE, steps=4, prediction="v", resample=2)
    with pytest.raises(ValueError, match="resample: wanted 1 or more, got 0"):
        sample(model, x_T, SCHEDULE, steps=4, prediction="v", resample=0)
