"""What the network for few steps learns from: ways of Gaussian data, under prompts that say the mean, known exactly."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import use_backend

from minisd.autograd import Array, Tensor
from minisd.data.dataset import CaptionedPictures
from minisd.diffusion.prediction import PREDICTIONS, target, x_0_and_noise
from minisd.diffusion.schedule import SCHEDULES, make_schedule
from minisd.few import FewInfo
from minisd.model_info import ModelInfo
from minisd.models.levels import Level
from minisd.models.unet import UNet, UNetConfig
from minisd.pipeline.model import Prompt
from minisd.train.few import FewTask, student
from minisd.train.loop import Fit
from minisd.train.recipe import FewRecipe

SD, MEANS = 0.5, {"": 0.1, "low": -0.4, "high": 0.9}
DATA = CaptionedPictures(np.zeros((6, 8, 8), np.uint8), ["low", "high"] * 3)
OWN, GUIDANCE = 1.5, 1.7  # of the teacher, and of what it draws for the student
KINDS = [each for each in itertools.product(SCHEDULES, PREDICTIONS) if each != ("flow", "noise")]


class Teacher:
    """Stands for a model: the best one of data N(m, SD^2) in each number, where the prompt says m."""

    device, latent_shape = "cpu", (2, 2, 1)

    def __init__(self, schedule: str = "cosine", prediction: str = "v") -> None:
        self.info = ModelInfo(
            scale_factor=1.0, schedule=schedule, prediction=prediction, guidance=OWN, guidance_interval=(0, 1000)
        )
        self.schedule, self.denoiser, self.few = make_schedule(schedule), SimpleNamespace(), None

    def encode_prompts(self, texts: list[str]) -> Prompt:
        means = np.array([MEANS[text] for text in texts])
        return Prompt(np.zeros((len(texts), 1, 1)), means[:, None])

    def predict(self, x_t: Array, t: Array, prompt: Prompt) -> Array:
        _, alpha, sigma = self.schedule.level(float(t[0]))
        mean = prompt.pooled.reshape(-1, 1, 1, 1)
        away = (x_t - alpha * mean) / (alpha**2 * SD**2 + sigma**2)
        return target(self.info.prediction, mean + alpha * SD**2 * away, sigma * away, alpha, sigma)


def ends(x_t: Array, alpha: Array, sigma: Array, mean: Array) -> Array:
    return mean + SD * (x_t - alpha * mean) / np.sqrt(alpha**2 * SD**2 + sigma**2)


def task(teacher: Any, seed: int = 0, **recipe: Any) -> FewTask:
    wanted = FewRecipe(**{"ways": 40} | recipe)
    return FewTask(DATA, teacher, student(teacher, wanted), np.random.default_rng(seed), wanted)


def guided_means(task: FewTask, rows: Array) -> Array:
    """Guidance between two Gaussians of one deviation is another Gaussian, whose mean goes on along the difference."""
    mean = np.array([MEANS[""], MEANS["high"], MEANS["low"]])[rows]  # captions in order, after the empty prompt
    return (MEANS[""] + GUIDANCE * (mean - MEANS[""])).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize(("schedule", "prediction"), KINDS)
def test_the_ways_lead_where_the_guided_teacher_leads(schedule: str, prediction: str) -> None:
    few = task(Teacher(schedule, prediction), sampler_steps=100)
    assert few.ways.shape == (40, 5, 2, 2, 1) and few.sample_count == 40
    assert few.t.tolist() == [999, 749, 499, 249]
    mean = guided_means(few, few.rows)
    for place, (alpha, sigma) in enumerate(zip(few.alpha, few.sigma, strict=True)):
        known = ends(few.ways[:, place], alpha, sigma, mean)
        np.testing.assert_allclose(few.ways[:, -1], known, atol=0.03)
    assert few.ways[:, 0].std() == pytest.approx(1, abs=0.2)  # noise
    assert {*few.rows.tolist()} >= {1, 2}


@pytest.mark.parametrize(("schedule", "prediction"), KINDS)
def test_who_knows_the_ends_has_no_loss(schedule: str, prediction: str) -> None:
    few = task(Teacher(schedule, prediction), sampler_steps=100)
    x_t, t, rows, wanted = few.batch(np.arange(40), np.random.default_rng(0))
    assert t.tolist() == [999, 749, 499, 249] * 10
    alpha, sigma = few.pipeline.schedule.rates(t, x_t)
    kind = few.few.info.prediction
    read, _ = x_0_and_noise(kind, wanted, x_t, alpha, sigma)
    np.testing.assert_allclose(read, few.ways[:, -1], atol=1e-5)
    np.testing.assert_array_equal(x_t, few.ways[np.arange(40), np.arange(40) % 4])
    np.testing.assert_array_equal(rows, few.rows)

    def loss(x_0: Array) -> float:
        answer = target(kind, x_0, (x_t - alpha * x_0) / sigma, alpha, sigma)
        few.module = lambda *asked: Tensor(answer)  # type: ignore[assignment]
        return few.loss(Tensor(x_t), Tensor(t), Tensor(rows), Tensor(wanted)).item()

    assert loss(few.ways[:, -1]) < 1e-9
    exact = loss(ends(x_t, alpha, sigma, guided_means(few, rows)))
    other = loss(ends(x_t, alpha, sigma, guided_means(few, rows) + 0.3))
    assert exact < 0.01 * other


def test_a_student_of_noise_learns_v() -> None:
    kinds = {prediction: student(Teacher(prediction=prediction)).info.prediction for prediction in PREDICTIONS}  # type: ignore[arg-type]
    assert kinds == {"noise": "v", "x_0": "x_0", "v": "v", "velocity": "velocity"}


def test_the_same_seed_gives_the_same_ways() -> None:
    one, again, other = (task(Teacher(), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.ways, again.ways)
    assert np.any(one.ways != other.ways)


def test_some_captions_are_left_empty() -> None:
    assert 0 < (task(Teacher(), ways=600).rows == 0).mean() < 0.08
    assert (task(Teacher(), untold=0).rows > 0).all()


def test_the_recipe_says_what_is_learned_from() -> None:
    few = task(Teacher(), more_guidance=2.0, sampler="ddpm", sampler_steps=12, ways=5)
    info = few.few.info
    assert (info.guidance, info.sampler, info.sampler_steps, len(few.ways)) == (3.5, "ddpm", 12, 5)
    for name, value in (("ways", 0), ("untold", 2), ("more_guidance", -1), ("sampler", "magic"), ("sampler_steps", 6)):
        with pytest.raises(ValueError, match=f"FewRecipe: {name}: wanted"):
            FewRecipe(**{name: value})


def test_a_network_learns_the_ends_from_the_teachers_weights() -> None:
    """A real one: it begins as a copy, the teacher stays as it was, and the loss falls."""
    config = UNetConfig(
        latent_channels=1, levels=(Level(8),), middle=Level(8), context_width=1, pooled_width=1, time_width=8
    )
    teacher: Any = Teacher()
    teacher.denoiser = UNet(config, rng=np.random.default_rng(0))
    teacher.encode_prompts = lambda texts: Prompt(
        *(vectors.astype(np.float32) for vectors in Teacher.encode_prompts(teacher, texts))
    )
    before = teacher.denoiser.state_dict()
    with use_backend("numpy"):
        few = task(teacher, ways=256, peak_lr=2e-2, warmup=5)
        for name, array in few.few.network.state_dict().items():
            np.testing.assert_array_equal(array, before[name])
        fit = Fit(few, seed=0, steps=60)
        while not fit.done:
            fit.step()
    for name, array in teacher.denoiser.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert np.mean(fit.losses[-10:]) < 0.8 * np.mean(fit.losses[:3])
    assert few.few.info == FewInfo(guidance=GUIDANCE, guidance_interval=(0, 1000))
