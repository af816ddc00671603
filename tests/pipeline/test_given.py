"""Pictures to start from: how much of them stays, what is known to the byte, and what is never seen."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.data import draw_strokes
from minisd.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("numpy_backend")

IMAGES = draw_strokes(3, 0).images[:, 6:22, 6:22]
MASK = np.where(np.arange(16) < np.full((16, 1), 7), 255, 0).astype(np.uint8)  # the left is hidden
PROMPTS = ["an 8"] * 3


def test_a_little_strength_leaves_the_picture_and_all_of_it_nothing(tiny: Pipeline) -> None:
    reconstructed = tiny.decode(tiny.encode(IMAGES))
    far = [
        np.abs(tiny.draw(PROMPTS, steps=6, image=IMAGES, strength=s).astype(int) - reconstructed).mean()
        for s in (0, 0.3, 0.6, 0.9)
    ]
    assert far[0] < 3 and far == sorted(far)
    np.testing.assert_array_equal(tiny.draw(PROMPTS, image=IMAGES, strength=1), tiny.draw(PROMPTS))
    np.testing.assert_array_equal(
        tiny.draw(PROMPTS, image=IMAGES[0], strength=0.5)[:1], tiny.draw(PROMPTS[:1], image=IMAGES[:1], strength=0.5)
    )


def test_image_to_image_takes_its_share_of_the_steps(tiny: Pipeline) -> None:
    """As in diffusers: strength 0.5 of 6 steps are 3, the first at half the way."""
    told: list[tuple[float, Array]] = []
    tiny.draw(
        PROMPTS, steps=6, image=IMAGES, strength=0.5, callback=lambda step, t, z_t, z_0: told.append((t, z_t))
    )  # fmt: skip
    assert [t for t, _ in told] == [499, 332, 166]
    noise = np.stack([np.random.default_rng([0, i]).standard_normal((4, 4, 4)) for i in range(3)])
    z_0, level = tiny.encode(IMAGES), tiny.schedule.level(499)
    np.testing.assert_allclose(told[0][1], level.alpha * z_0 + level.sigma * noise, atol=1e-5)


@pytest.mark.parametrize("strength", [None, 0.5])
def test_known_pixels_stay_to_the_byte(tiny: Pipeline, strength: float | None) -> None:
    drawn = tiny.draw(PROMPTS, image=IMAGES, mask_image=MASK, strength=strength)
    np.testing.assert_array_equal(drawn[..., 7:], IMAGES[..., 7:])
    assert (drawn[..., :7] != IMAGES[..., :7]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(tiny.draw(PROMPTS, image=IMAGES, mask_image=MASK > 0, strength=strength), drawn)
    others = np.stack([MASK > 0, MASK < 255, MASK > 0])
    apart = tiny.draw(PROMPTS, image=IMAGES, mask_image=others, strength=strength)
    np.testing.assert_array_equal(apart[1, :, :7], IMAGES[1, :, :7])
    np.testing.assert_array_equal(apart[::2], drawn[::2])


def test_hidden_pixels_are_never_seen(tiny: Pipeline) -> None:
    """Whatever stands there, the drawing is the same; what is known changes it."""
    asked: dict[str, Any] = {"mask_image": MASK, "resample": 2, "sampler": "ddpm"}
    drawn = tiny.draw(PROMPTS, image=IMAGES, **asked)
    hidden, known = (np.where(level == MASK, 200, IMAGES).astype(np.uint8) for level in (255, 0))
    np.testing.assert_array_equal(tiny.draw(PROMPTS, image=hidden, **asked), drawn)
    assert (tiny.draw(PROMPTS, image=known, **asked)[..., :7] != drawn[..., :7]).any()


def test_each_prediction_is_decoded_covered_and_encoded(tiny: Pipeline) -> None:
    """Of what is predicted without the mask."""
    seen: list[Array] = []
    for options in ({}, {"image": IMAGES, "mask_image": MASK, "resample": 1}):
        tiny.draw(PROMPTS, steps=1, callback=lambda step, t, z_t, z_0: seen.append(z_0), **options)
    free, held = seen
    covered = np.where(MASK[..., None], tiny.to_pixels(free).clip(-1, 1), IMAGES[..., None] / np.float32(127.5) - 1)
    np.testing.assert_allclose(held, tiny.to_latents(covered.astype(np.float32)), atol=1e-5)


def test_resampling_goes_each_stretch_again(tiny: Pipeline) -> None:
    told: list[float] = []
    asked: dict[str, Any] = {"image": IMAGES, "mask_image": MASK, "steps": 4}
    often = tiny.draw(PROMPTS, resample=3, callback=lambda step, t, z_t, z_0: told.append(t), **asked)
    assert told == [999, 749] * 3 + [499, 249] * 3
    once = tiny.draw(PROMPTS, resample=1, **asked)
    assert (often != once).any()
    usual, named = tiny.draw(PROMPTS, **asked), tiny.draw(PROMPTS, resample=5, sampler="ddpm", **asked)
    np.testing.assert_array_equal(usual, named)
    assert (tiny.draw(PROMPTS, resample=5, sampler="ddim", **asked) != named).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strength": 0.5}, "give image, too"),
        ({"mask_image": MASK}, "give image, too"),
        ({"image": IMAGES[0], "strength": 1.1}, "a strength from 0 .* got 1.1"),
        ({"image": IMAGES[0], "strength": -0.1}, "a strength from 0 .* got -0.1"),
        ({"image": IMAGES[0], "strength": float("nan")}, "a strength from 0"),
        ({"image": IMAGES[0] / 255}, r"image: wanted uint8 of shape \(16, 16\), or \(1, 16, 16\).*got float64"),
        ({"image": IMAGES[0, 1:]}, r"got uint8 of shape \(15, 16\)"),
        ({"image": IMAGES}, r"got uint8 of shape \(3, 16, 16\)"),
        ({"image": IMAGES[0], "mask_image": MASK[1:]}, "mask_image: wanted bool or uint8"),
        ({"image": IMAGES[0], "mask_image": MASK / 255}, "mask_image: wanted bool or uint8"),
        ({"image": IMAGES[0], "mask_image": MASK // 255}, "hides no pixel.*wanted True, or 128 and more"),
        ({"image": IMAGES[0], "resample": 0}, "resample: wanted 1 or more"),
    ],
)
def test_impossible_pictures_are_refused(tiny: Pipeline, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiny.draw(["a seven"], **options)


@pytest.mark.slow
@pytest.mark.emu
def test_another_device_draws_the_same(tiny: Pipeline) -> None:
    """And nothing crosses unseen on the way: the emulator refuses it."""
    asked: dict[str, Any] = {"image": IMAGES[0], "steps": 1, "guidance": 3, "guidance_rescale": 0.5}
    ways: list[dict[str, Any]] = [
        {**asked, "mask_image": MASK, "resample": 2}, {**asked, "strength": 0.5}, {"to": "b (c:2)", "to_seed": 4},
    ]  # fmt: skip
    pipeline = copy.deepcopy(tiny)
    here = [pipeline.draw(PROMPTS, **way) for way in ways]
    pipeline.to("emu")
    for pictures, way in zip(here, ways, strict=True):
        assert np.abs(pipeline.draw(PROMPTS, **way).astype(int) - pictures).max() <= 2
