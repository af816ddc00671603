"""The network that doubles pictures: what it is shown, what it makes of it, and the same bits in any company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array, Tensor
from minisd.data import draw_strokes
from minisd.diffusion.prediction import target
from minisd.hires import HIRES_UNET, HiresInfo, Upscaler, sides_from
from minisd.models.levels import Level
from minisd.models.time import time_embedding
from minisd.models.unet import UNet
from minisd.pictures import to_unit_range
from minisd.resizing import space_to_depth

pytestmark = pytest.mark.usefixtures("numpy_backend")

TINY = replace(HIRES_UNET, groups=2, levels=(Level(8), Level(8)), middle=Level(8), pooled_width=8, time_width=8)


def upscaler(**info: Any) -> Upscaler:
    """A tiny network with weights of all sizes: none is zero, as after training."""
    rng = np.random.default_rng(0)
    unet = UNet(TINY, rng=rng)
    for parameter in unet.parameters():
        parameter.data += (0.1 * rng.standard_normal(parameter.shape)).astype(np.float32)
    return Upscaler(unet, HiresInfo(**({"steps": 2} | info)))


class Knowing:
    """Stands for a network that knows the large pictures; it notes what it is shown."""

    def __init__(self, large: Array, upscaler: Upscaler) -> None:
        self.x_0, self.schedule = space_to_depth(to_unit_range(large)), upscaler.schedule
        self.config, self.device = upscaler.unet.config, "cpu"
        self.seen: list[tuple[Array, Array, Array]] = []

    def __call__(self, x: Tensor, t: Array, pooled: Tensor) -> Tensor:
        self.seen.append((x.data, t, pooled.data))
        alpha, sigma = self.schedule.rates(t, self.x_0)
        noise = (x.data[..., :4] - alpha * self.x_0) / sigma
        return Tensor(target("v", self.x_0, noise, alpha, sigma))


def test_a_network_that_knows_the_large_picture_draws_it_exactly() -> None:
    large, small = (draw_strokes(2, 0, size=size).images for size in (56, 28))
    double = upscaler(steps=5)
    double.unet = Knowing(large, double)  # type: ignore[assignment]
    np.testing.assert_array_equal(double.double(small, seed=0), large)


def test_the_network_is_shown_the_small_picture_with_noise_and_told_how_much() -> None:
    small = np.full((3, 16, 16), 255, np.uint8)
    for s in (0, 400):
        double = upscaler(steps=2, augmentation=s)
        knowing = double.unet = Knowing(np.zeros((3, 32, 32), np.uint8), double)  # type: ignore[assignment]
        double.double(small, seed=1)
        alpha, sigma = np.sqrt(double.schedule.alpha_bar[s]), np.sqrt(1 - double.schedule.alpha_bar[s])
        (first, _, level), (second, *_) = knowing.seen
        np.testing.assert_array_equal(first[..., 4], second[..., 4])  # one hint for all steps
        assert first[..., 4].mean() == pytest.approx(alpha, abs=4 * sigma / 27)
        assert first[..., 4].std() == pytest.approx(sigma, rel=0.15)
        np.testing.assert_allclose(level, time_embedding(np.full(3, s), 8), atol=1e-6)


def test_a_picture_depends_on_its_seed_and_place_and_on_no_other_picture() -> None:
    small, double = draw_strokes(3, 0).images, upscaler()
    all_three = double.enlarge(small, 112, seed=5)
    assert all_three.shape == (3, 112, 112) and all_three.dtype == np.uint8
    np.testing.assert_array_equal(
        double.double(double.double(small[2:], seed=5, first=2), seed=5, first=2)[0], all_three[2]
    )
    assert np.any(double.enlarge(small[:1], 112, seed=6) != all_three[:1])
    same = np.repeat(small[:1], 2, axis=0)
    assert np.any(np.diff(double.double(same, seed=5), axis=0) != 0)


def test_both_doublings_have_noise_of_their_own() -> None:
    first = []
    for side in (8, 16):
        double = upscaler(steps=1, augmentation=500)
        knowing = double.unet = Knowing(np.zeros((1, 2 * side, 2 * side), np.uint8), double)  # type: ignore[assignment]
        double.double(np.zeros((1, side, side), np.uint8), seed=0)
        first.append(knowing.seen[0][0][0, 0, 0])  # x_T and the hint where a stream begins
    assert np.all(np.abs(first[0] - first[1]) > 1e-3)


def test_the_steps_that_are_asked_for_are_taken() -> None:
    small, double = draw_strokes(1, 0).images, upscaler(steps=1)
    for more in (double.double(small, seed=0, steps=3), double.enlarge(small, 56, seed=0, steps=3)):
        np.testing.assert_array_equal(more, upscaler(steps=3).double(small, seed=0))
        assert np.any(more != double.double(small, seed=0))


def test_a_side_that_no_doubling_leads_to() -> None:
    double, small = upscaler(), np.zeros((1, 28, 28), np.uint8)
    assert sides_from(28) == [28, 56, 112]
    np.testing.assert_array_equal(double.enlarge(small, 28, seed=0), small)
    for side in (57, 14, 224):
        with pytest.raises(ValueError, match=f"wanted 28 or 56 or 112 pixels a side, got {side}"):
            double.enlarge(small, side, seed=0)


@pytest.mark.parametrize(
    ("name", "value"), [("latent_channels", 3), ("hint_channels", 0), ("context_width", 8), ("pooled_width", None)]
)
def test_a_network_that_is_made_for_something_else(name: str, value: Any) -> None:
    unet = UNet(replace(TINY, **{name: value}), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=f"hires: UNetConfig: {name}: wanted .*, got {value}"):
        Upscaler(unet, HiresInfo())


@pytest.mark.parametrize(
    ("name", "value"),
    [("schedule", "sinus"), ("timesteps", 0), ("augmentation", 1000), ("augmentation", -1), ("augmentation", 1.5),
     ("steps", 0), ("steps", 1001), ("sampler", "magic"), ("sampler", None), ("trained", [])],
)  # fmt: skip
def test_no_file_is_trusted(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"HiresInfo: {name}: wanted"):
        HiresInfo(**{name: value})
