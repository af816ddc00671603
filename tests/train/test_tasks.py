"""What each network learns, by hand: what a batch is made of, and its loss with a stub for the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import rng

from minisd.autograd import Array, Tensor
from minisd.data import DigitSet
from minisd.data.dataset import CaptionedPictures
from minisd.diffusion.schedule import cosine_schedule
from minisd.model_info import ModelInfo
from minisd.models.dit import DiTConfig
from minisd.models.unet import UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.pictures import to_unit_range
from minisd.text.tokenizer import Tokenizer
from minisd.train import classifier
from minisd.train.classifier import ClassifierTask, train_judge
from minisd.train.clip import CLIPTask
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit
from minisd.train.plan import Plan
from minisd.train.recipe import Recipe, Recipes, VAERecipe
from minisd.train.segmentation import SegmentationTask
from minisd.train.vae import VAETask


class Stub:
    """A network that answers as it was told to, and keeps what it was asked."""

    device = "cpu"

    def __init__(self, *answer: Tensor) -> None:
        self.answer, self.asked = answer, []

    def __call__(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return self.answer if len(self.answer) > 1 else self.answer[0]


def numbers(*shape: int, seed: int = 0) -> Array:
    return rng(seed).standard_normal(shape)


def log_softmax(x: Array) -> Array:
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def test_the_recipes_are_those_of_the_figures_in_the_readme() -> None:
    recipes, adam = Recipes(), {"clip_norm": 1, "betas": (0.9, 0.99), "lr_decay": "cosine", "lr_hold": 0, "steps": None}
    wanted: dict[str, dict[str, Any]] = {
        "vae": {"batch": 64, "peak_lr": 3e-3, "warmup": 100, "ema_decay": 0.995, "weight_decay": 0,
                "share": 0.16, "kl_weight": 1e-4,
                "latent_channels": None},
        "clip": {"batch": 128, "peak_lr": 2e-3, "warmup": 100, "ema_decay": 0.99, "weight_decay": 1e-4, "share": 0.11},
        "unet": {"batch": 64, "peak_lr": 2e-3, "warmup": 200, "ema_decay": 0.999, "weight_decay": 0,
                 "share": 0.73, "untold": 1 / 8, "times": None, "latent_scale": "all", "config": UNetConfig()},
        "dit": {"batch": 64, "peak_lr": 2e-3, "warmup": 200, "ema_decay": 0.999, "weight_decay": 0,
                "share": 0.73, "untold": 1 / 8, "times": None, "latent_scale": "all", "config": DiTConfig()},
        "hires": {"batch": 16, "peak_lr": 2e-3, "warmup": 100, "ema_decay": 0.998, "weight_decay": 0},
        "lora": {"batch": 32, "peak_lr": 2e-3, "warmup": 20, "ema_decay": 0.99, "weight_decay": 0, "untold": 0},
    }  # fmt: skip
    assert {name: vars(recipes.of(name)) for name in wanted} == {name: adam | own for name, own in wanted.items()}
    assert ClassifierTask.recipe == Recipe(batch=128, peak_lr=3e-3, ema_decay=0.995, weight_decay=1e-2)
    assert SegmentationTask.recipe == Recipe(batch=1, peak_lr=4e-3, warmup=50, ema_decay=0.98)


# The judge


@pytest.fixture
def digits() -> DigitSet:
    images = np.zeros((6, 28, 28), np.uint8)
    images[:, 14, 14] = 40 * np.arange(1, 7)  # one dot, whose grey level names the picture
    return DigitSet(images, np.array([3, 1, 4, 1, 5, 9]))


def test_the_judge_sees_whole_batches_moved_by_up_to_two_pixels(digits: DigitSet) -> None:
    task, moves = ClassifierTask(digits, rng()), set()
    assert task.sample_count == 6
    for seed in range(200):
        x, labels = task.batch(np.array([5, 0, 2]), rng(seed))
        assert x.shape == (3, 28, 28, 1) and x.dtype == np.float32 and labels.tolist() == [9, 3, 4]
        places = {tuple(np.argwhere(picture > -1)[0]) for picture in x}
        assert len(places) == 1  # all alike
        (row, column, _) = places.pop()
        np.testing.assert_allclose(x[:, row, column, 0], np.array([240, 40, 120]) / 127.5 - 1, atol=1e-6)
        moves.add((int(row) - 14, int(column) - 14))
    assert moves == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_the_judges_loss(digits: DigitSet) -> None:
    task, logits = ClassifierTask(digits, rng()), numbers(3, 10)
    task.module = Stub(Tensor(logits), Tensor(numbers(3, 64)))  # type: ignore[assignment]
    loss = task.loss(Tensor(numbers(3, 28, 28, 1)), Tensor(np.array([9, 3, 4])))
    assert loss.item() == pytest.approx(-log_softmax(logits)[[0, 1, 2], [9, 3, 4]].mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_a_trained_judge_is_the_average(digits: DigitSet, seed: int) -> None:
    judge = train_judge(digits, seed=seed, minutes=0, steps=3)
    fit = Fit(ClassifierTask(digits, rng(seed)), seed=seed, steps=3)
    while not fit.done:
        fit.step()
    np.testing.assert_array_equal(judge.flat_parameters(), fit.ema.average)


def test_without_a_number_of_steps_a_judge_has_its_minutes(digits: DigitSet, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr(classifier, "drive", lambda fit, plan: plans.append(plan))
    train_judge(digits, minutes=3)
    train_judge(digits, minutes=3, steps=7)
    assert plans[0]._seconds == 180 and plans[0].total(0) is None
    assert plans[1].seconds_left() is None and plans[1].total(0) == 7


# The VAE


def test_the_vaes_batch_is_pictures_and_noise_for_their_latents(digits: DigitSet) -> None:
    task = VAETask(digits.images, rng())
    x, noise = task.batch(np.array([4, 1]), rng(7))
    np.testing.assert_array_equal(x, to_unit_range(digits.images[[4, 1]]))
    np.testing.assert_array_equal(noise, rng(7).standard_normal((2, 7, 7, 4), np.float32))


def test_the_vaes_loss() -> None:
    """mean (x - x')^2 + kl_weight KL / number of latents, KL = 1/2 sum (mean^2 + variance - log variance - 1)."""
    x, again, mean, log_variance = (
        numbers(2, 8, 8, 1),
        numbers(2, 8, 8, 1, seed=1),
        numbers(2, 2, 2, 4),
        numbers(2, 2, 2, 4, seed=2),
    )
    kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum() / mean.size
    for weight in (1e-4, 0.5):
        task = VAETask(np.zeros((2, 8, 8), np.uint8), rng(), VAERecipe(kl_weight=weight))
        task.module = stub = Stub(Tensor(again), Tensor(mean), Tensor(log_variance))  # type: ignore[assignment]
        noise = numbers(2, 2, 2, 4, seed=3)
        assert task.loss(Tensor(x), Tensor(noise)).item() == pytest.approx(((x - again) ** 2).mean() + weight * kl)
        np.testing.assert_array_equal(stub.asked[0][1], noise)


def test_the_vaes_preview_puts_what_comes_back_beside_each_picture() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    preview = VAETask(images, rng()).preview()
    assert preview.shape == (32, 28, 28) and preview.dtype == np.uint8
    np.testing.assert_array_equal(preview[::2], images[:16])


# CLIP


def test_clips_pictures_meet_their_own_captions() -> None:
    images = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None], (4, 28, 28))
    texts = ["a cat", "two dogs", "three birds", "a red cat"]
    tokenizer = Tokenizer.train(texts)
    task = CLIPTask(CaptionedPictures(images, texts), tokenizer, rng())
    for samples in ([2, 0, 3], [1]):
        x, ids = task.batch(np.array(samples), rng())
        np.testing.assert_array_equal(x, to_unit_range(images[samples]))
        wanted, _ = tokenizer([texts[i] for i in samples], task.module.config.context_length)
        np.testing.assert_array_equal(ids, wanted)
    task.module = stub = Stub(Tensor(np.float64(3)))  # type: ignore[assignment]
    x, ids = Tensor(numbers(2, 28, 28, 1)), Tensor(np.array([[1, 2], [3, 4]]))
    assert task.loss(x, ids).item() == 3 and stub.asked[0][0] is x and stub.asked[0][1] is ids.data


# The U-Net


class Prompts:
    """A pipeline whose U-Net is a stub, and whose prompts are known numbers: of row i all are i."""

    device = "cpu"

    def __init__(self) -> None:
        self.schedule, self.info = cosine_schedule(), ModelInfo(scale_factor=2.5)
        self.denoiser = Stub(Tensor(np.zeros((1, 7, 7, 4))))
        self.drawn: list[Any] = []

    def encode_prompts(self, texts: list[str]) -> tuple[Array, Array]:
        self.texts, rows = texts, np.arange(float(len(texts)))
        return rows[:, None, None] + np.zeros((16, 8)), rows[:, None] + np.zeros(8)

    def draw(self, prompts: list[str], **options: Any) -> Array:
        self.drawn.append((prompts, options))
        return np.zeros((len(prompts), 28, 28), np.uint8)


def unet_task(count: int = 8) -> tuple[DenoiserTask, Array]:
    mean = numbers(count, 7, 7, 4).astype(np.float32)
    data = CaptionedPictures(np.zeros((count, 28, 28), np.uint8), [f"number {i % 3}" for i in range(count)])
    return DenoiserTask(data, Prompts(), (mean, np.full_like(mean, -80))), mean  # type: ignore[arg-type]


def apart(task: DenoiserTask, x_t: Array, t: Array, v: Array) -> tuple[Array, Array]:
    """x_0 and noise, of x_t = a x_0 + b noise and v = a noise - b x_0, with a^2 = alpha_bar and b^2 = 1 - alpha_bar."""
    alpha_bar = np.asarray(task.schedule.alpha_bar, np.float64)[t][:, None, None, None]
    a, b = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    return a * x_t - b * v, b * x_t + a * v


def test_the_unets_batch_is_noised_latents_and_their_v() -> None:
    task, mean = unet_task()
    samples = np.array([5, 0, 2, 7])
    x_t, t, _, v, _ = task.batch(samples, rng())
    assert x_t.dtype == v.dtype == np.float32 and t.dtype == np.int64
    x_0, noise = apart(task, x_t, t, v)
    np.testing.assert_allclose(x_0, 2.5 * mean[samples], atol=1e-5)
    assert 0.9 < noise.std() < 1.1 and abs(noise.mean()) < 0.1
    assert np.abs(np.corrcoef(noise.ravel(), x_0.ravel())[0, 1]) < 0.1


def test_the_unets_latents_are_drawn_with_their_own_deviation() -> None:
    task, mean = unet_task()
    deviations, samples = np.array([0.5, 1, 2, 4, 8, 16, 32, 64]), np.array([6, 1, 3])
    task.log_variance = np.broadcast_to(2 * np.log(deviations)[:, None, None, None], mean.shape).astype(np.float32)
    x_t, t, _, v, _ = task.batch(samples, rng())
    x_0, noise = apart(task, x_t, t, v)
    drawn = (x_0 / 2.5 - mean[samples]) / deviations[samples][:, None, None, None]
    assert all(0.8 < one.std() < 1.2 for one in drawn) and abs(np.corrcoef(drawn.ravel(), noise.ravel())[0, 1]) < 0.1


def test_every_batch_sees_all_times() -> None:
    task, _ = unet_task(64)
    for seed in range(5):
        _, t, *_ = task.batch(np.arange(64), rng(seed))
        parts = np.arange(64) * 1000 / 64
        assert (np.floor(parts) <= t).all() and (t < parts + 1000 / 64).all()
    ends = [task.batch(np.arange(1), rng(seed))[1][0] for seed in range(300)]
    assert min(ends) < 20 and 980 < max(ends) < 1000


def test_captions_belong_to_their_pictures_and_one_in_eight_is_empty() -> None:
    task, _ = unet_task(64)
    texts = task.pipeline.texts  # type: ignore[attr-defined]
    assert texts[0] == "" and set(texts[1:]) == {"number 0", "number 1", "number 2"}
    empty = 0
    for seed in range(40):
        samples = rng(seed).permutation(64)[:50]
        rows = task.batch(samples, rng(seed))[2]
        empty += int((rows == 0).sum())
        assert all(row == 0 or texts[row] == f"number {i % 3}" for row, i in zip(rows, samples, strict=True))
    assert empty / 2000 == pytest.approx(1 / 8, abs=0.02)


def test_the_unets_loss() -> None:
    task, _ = unet_task()
    task.network = stub = Stub(Tensor(numbers(3, 7, 7, 4)))  # type: ignore[assignment]
    x_t, t, rows, target, weight = (
        numbers(3, 7, 7, 4, seed=1),
        np.array([0, 500, 999]),
        np.array([2, 0, 1]),
        numbers(3, 7, 7, 4, seed=2),
        np.array([0.5, 0, 4]),
    )
    loss = task.loss(*map(Tensor, (x_t, t, rows, target, weight)))
    errors = ((numbers(3, 7, 7, 4) - target) ** 2).mean(axis=(1, 2, 3))
    assert loss.item() == pytest.approx((weight * errors).mean())
    seen, times, context, pooled = stub.asked[0]
    assert seen.data is x_t and times is t
    assert context.data[:, 0, 0].tolist() == pooled.data[:, 0].tolist() == [2, 0, 1]


def test_the_unets_preview_draws_each_example_twice() -> None:
    task, _ = unet_task()
    assert task.preview().shape == (6, 28, 28)
    prompts, options = task.pipeline.drawn[0]  # type: ignore[attr-defined]
    assert prompts == [f"number {i}" for i in range(3) for _ in range(2)] and options == {"seed": 0, "steps": 20}


def test_all_pictures_are_encoded_whatever_the_batch() -> None:
    vae = VAE(VAEConfig(), rng=rng())
    images = rng().integers(0, 256, (7, 28, 28), dtype=np.uint8)
    mean, log_variance = encode_all(vae, images, batch=3)
    one = [vae.encode(Tensor(to_unit_range(images[i : i + 1]))) for i in range(7)]
    np.testing.assert_allclose(mean, np.concatenate([m.data for m, _ in one]), atol=1e-5)
    np.testing.assert_allclose(log_variance, np.concatenate([v.data for _, v in one]), atol=1e-5)


# Segmentation


def test_the_segmenters_loss_counts_what_all_networks_predict() -> None:
    """Cross-entropy a pixel times its weight, over the middle of what the network predicts."""
    logits, classes, weights = numbers(1, 6, 6, 2), np.array([[[0, 1], [1, 1]]]), numbers(1, 2, 2, seed=1) ** 2
    task = SegmentationTask(Stub(Tensor(logits)), None)  # type: ignore[arg-type]
    loss = task.loss(Tensor(numbers(1, 10, 10, 1)), Tensor(classes), Tensor(weights))
    chosen = np.take_along_axis(log_softmax(logits[:, 2:4, 2:4]), classes[..., None], axis=-1)[..., 0]
    assert loss.item() == pytest.approx(-(weights * chosen).mean())
