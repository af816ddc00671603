"""What the U-Net may learn, each on strokes, with the VAE and the text encoder that come with minisd."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from minisd.data import draw_strokes
from minisd.data.dataset import CaptionedPictures
from minisd.diffusion.objectives import OBJECTIVES, Objective
from minisd.diffusion.objectives.weighting import WEIGHTINGS
from minisd.models.levels import Level
from minisd.models.unet import UNet, UNetConfig
from minisd.pipeline import Pipeline
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit

MakeTask = Callable[..., DenoiserTask]


@pytest.fixture(scope="module")
def denoiser_task() -> MakeTask:
    """A small U-Net, and the objective that it is to learn."""
    shipped, strokes = Pipeline.load(), draw_strokes(64, 0)
    data = CaptionedPictures(strokes.images, [f"a {label}" for label in strokes.labels])
    latents = encode_all(shipped.vae, data.images)

    def make(objective: Objective, weighting: str) -> DenoiserTask:
        config = UNetConfig(levels=(Level(16), Level(16)), middle=Level(16), time_width=16)
        info = dataclasses.replace(shipped.info, schedule=objective.schedule, prediction=objective.prediction)
        unet = UNet(config, rng=np.random.default_rng(0))
        pipeline = Pipeline(shipped.vae, shipped.clip, unet, shipped.tokenizer, info)
        return DenoiserTask(data, pipeline, latents, objective, weighting)

    return make


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_each_objective_lowers_its_loss(denoiser_task: MakeTask, objective: Objective, weighting: str) -> None:
    task = denoiser_task(objective, weighting)
    task.recipe = dataclasses.replace(task.recipe, warmup=5, peak_lr=5e-3)
    fit = Fit(task, seed=0, steps=30)
    while not fit.done:
        fit.step()
    assert np.mean(fit.losses[-5:]) < 0.9 * np.mean(fit.losses[:5])


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_batch_is_the_objectives(denoiser_task: MakeTask, weighting: str) -> None:
    task = denoiser_task(OBJECTIVES["flow"], weighting)
    x_t, t, _, wanted, weight = task.batch(np.arange(50), np.random.default_rng(0))
    tau = ((t + 1) / 1000)[:, None, None, None]
    x_0, noise = x_t - tau * wanted, x_t + (1 - tau) * wanted
    assert 0.9 < noise.std() < 1.1 and abs(np.corrcoef(x_0.ravel(), noise.ravel())[0, 1]) < 0.1
    assert (t < 500).mean() == pytest.approx(0.5, abs=0.02) and (t < 100).mean() < 0.05
    snr = ((1 - tau) / tau).ravel() ** 2
    wanted_weight = np.minimum(snr, 5) / (np.sqrt(snr) + 1) ** 2 if weighting == "min-snr" else np.ones(50)
    np.testing.assert_allclose(weight, wanted_weight, rtol=1e-5)
    assert x_t.dtype == wanted.dtype == weight.dtype == np.float32


def test_an_objective_that_is_not_the_models_is_refused(denoiser_task: MakeTask) -> None:
    task = denoiser_task(OBJECTIVES["v"], "none")
    with pytest.raises(ValueError, match=r"wanted a model that draws with flow and velocity, got .*cosine.*v"):
        DenoiserTask(task.data, task.pipeline, (task.mean, task.log_variance), OBJECTIVES["flow"])
