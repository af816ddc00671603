"""What the network that doubles pictures is given to learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.data.dataset import CaptionedPictures
from minisd.data.strokes import draw_strokes
from minisd.diffusion.prediction import x_0_and_noise
from minisd.hires import HIRES_UNET, MOST_AUGMENTED, HiresInfo, Upscaler
from minisd.models.levels import Level
from minisd.models.unet import UNet
from minisd.pictures import to_bytes
from minisd.resizing import area_mean, depth_to_space
from minisd.train import hires as room
from minisd.train.hires import HiresTask
from minisd.train.loop import Fit

pytestmark = pytest.mark.usefixtures("numpy_backend")

TINY = replace(HIRES_UNET, groups=2, levels=(Level(8),), middle=Level(8), pooled_width=8, time_width=8)


class Softening:
    """Stands for a model: its VAE makes pictures half as bright."""

    def encode(self, images: Array) -> Array:
        return images

    def decode(self, z: Array) -> Array:
        return z // 2


@pytest.fixture
def task() -> HiresTask:
    data = CaptionedPictures(draw_strokes(12, 0, size=16).images, ["a digit"] * 12)
    pipeline: Any = Softening()
    return HiresTask(data, pipeline, Upscaler(UNet(TINY, rng=np.random.default_rng(0)), HiresInfo()), strokes=8)


def pairs(task: HiresTask, count: int = 12) -> dict[int, list[tuple[Array, Array]]]:
    """Large pictures and the hints beside them, from some batches, by the large one's side."""
    found: dict[int, list[tuple[Array, Array]]] = {32: [], 64: []}
    for seed in range(count):
        x, t, s, v = task.batch(np.arange(12), np.random.default_rng(seed))
        alpha, sigma = task.schedule.rates(t, v)
        x_0, _ = x_0_and_noise("v", v, x[..., :4], alpha, sigma)
        hint = x[..., 4:] / np.sqrt(task.schedule.alpha_bar[s])[:, None, None, None]
        large = to_bytes(depth_to_space(x_0))
        found[large.shape[1]].append((large, to_bytes(hint)))
    return found


def test_both_doublings_are_learned_from_pictures_and_their_area_means(
    task: HiresTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_AUGMENTED", 0)  # hardly any noise on the hints
    found = pairs(task)
    softened = []
    for side, some in found.items():
        for large, hint in some:
            assert hint.shape == (12, side // 2, side // 2)
            wanted = area_mean(large, 2)
            far = np.abs(hint - wanted).mean((1, 2)) > 0.1 * wanted.mean((1, 2)) + 2
            softened.append((side, far.mean()))
    assert len({side for side, _ in softened}) == 2
    assert all(share == 0 for side, share in softened if side == 64)
    assert 0.4 < np.mean([share for side, share in softened if side == 32]) < 0.9  # through the VAE


def test_what_is_drawn_is_sharp_and_of_both_kinds(task: HiresTask) -> None:
    for large, _ in pairs(task)[64]:
        assert ((large > 10) & (large < 245)).mean() < 0.15  # ink or ground, but for the borders
        drawn = [any(np.abs(one.astype(int) - stroke).max() < 4 for stroke in task.strokes) for one in large]
        assert 0 < sum(drawn) < 12


def test_hints_carry_noise_of_all_levels_and_the_network_is_told_which(task: HiresTask) -> None:
    x, _, s, _ = task.batch(np.arange(12), np.random.default_rng(0))
    calm, loud = s.argmin(), s.argmax()
    assert s[calm] < 0.2 * MOST_AUGMENTED and 0.8 * MOST_AUGMENTED < s[loud] <= MOST_AUGMENTED
    corner = x[:, :3, :3, 4].std((1, 2))  # ground in every picture
    assert corner[calm] < corner[loud] / 2
    assert corner[loud] == pytest.approx(np.sqrt(1 - task.schedule.alpha_bar[s[loud]]), rel=0.6)


def test_every_weight_is_learned(task: HiresTask) -> None:
    fit = Fit(task, seed=0, steps=5)
    before = {name: parameter.data.copy() for name, parameter in task.module.named_parameters()}
    for _ in range(5):
        fit.step()
    still = [name for name, parameter in task.module.named_parameters() if np.all(parameter.data == before[name])]
    assert still == []
    assert np.isfinite(fit.losses).all()
