"""What is asked besides the prompt: each wish changes the picture, and is its equation at the ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("numpy_backend")


def test_every_wish_changes_the_picture(tiny: Pipeline) -> None:
    plain = tiny.draw(["a seven"], guidance=3)
    others: list[dict[str, Any]] = [
        {"negative_prompt": "thick"}, {"negative_prompt": ["thin"]}, {"guidance_rescale": 0.7},
        {"guidance_interval": (0, 1000)}, {"clip_skip": 2},
    ]  # fmt: skip
    pictures = [tiny.draw(["a seven"], **{"guidance": 3, **options}) for options in others]
    assert len(np.unique([plain, *pictures], axis=0)) == 1 + len(others)
    named = tiny.draw(
        ["a seven"], guidance=3,
        negative_prompt=None, guidance_rescale=0, guidance_interval=(300, 800), clip_skip=1, variation=None, resample=1,
    )  # fmt: skip
    np.testing.assert_array_equal(named, plain)


def test_a_negative_prompt_stands_where_nothing_stood(tiny: Pipeline) -> None:
    """Guided by 0 towards one prompt is drawing the other."""
    always: dict[str, Any] = {"guidance_interval": (0, 1000)}
    away = tiny.draw(["a seven", "a two"], guidance=0, negative_prompt=["a three", "an 8"], **always)
    np.testing.assert_array_equal(away, tiny.draw(["a three", "an 8"], guidance=1, **always))
    for_all = tiny.draw(["a seven", "a two"], guidance=0, negative_prompt="an 8", **always)
    np.testing.assert_array_equal(for_all, tiny.draw(["an 8", "an 8"], guidance=1, **always))


def test_weighted_words_are_sums_of_prompts(tiny: Pipeline) -> None:
    def heard(*prompts: str) -> list[Array]:
        seen: list[Array] = []
        tiny.draw(prompts, steps=1, guidance=1, callback=lambda step, t, z_t, z_0: seen.append(z_0))
        return [*seen[0]]

    plain, one, nothing, without, more = (
        heard(prompt)[0] for prompt in ("a 78", "a (7:1)8", "a (7:0)8", "a 8", "a (7:2)8")
    )
    np.testing.assert_array_equal(one, plain)
    np.testing.assert_allclose(nothing, without, atol=1e-5)
    assert np.abs(more - plain).max() > 1e-3
    np.testing.assert_allclose(heard("a (7:2)8", "b", "a (7:0)b")[0], more, atol=1e-5)


def test_unknown_words_are_told_of_without_their_weights(tiny: Pipeline) -> None:
    assert tiny.remarks(["a (fluffy:1.5) 7"])[0].startswith("'a fluffy 7': the model never saw 'a', 'fluffy'")


@pytest.mark.filterwarnings("ignore:.*never saw")
def test_the_way_to_another_prompt_and_seed(tiny: Pipeline) -> None:
    drawn = tiny("a seven", num=5, to="a zero", to_seed=8, seed=3, batch=2)
    assert len(np.unique(drawn, axis=0)) == 5
    np.testing.assert_array_equal(tiny("a seven", num=5, to="a zero", to_seed=8, seed=3, batch=3), drawn)
    np.testing.assert_array_equal(drawn[:1], tiny.draw(["a seven"], seed=3))
    np.testing.assert_array_equal(drawn[-1:], tiny.draw(["a zero"], seed=8))
    one_noise = tiny("a seven", num=3, to="a zero", seed=3)
    np.testing.assert_array_equal(one_noise[-1:], tiny.draw(["a zero"], seed=3))
    one_prompt = tiny("a seven", num=3, to_seed=8, seed=3, sampler="ddpm")  # whose fresh noise is one for all
    np.testing.assert_array_equal(one_prompt[:1], tiny.draw(["a seven"], seed=3, sampler="ddpm"))


def test_variations_lie_around_the_first_picture(tiny: Pipeline) -> None:
    prompts = ["a seven"] * 4
    plain = tiny.draw(prompts)
    distances = []
    for variation in (0.0, 0.1, 0.4, 1.0):
        drawn = tiny.draw(prompts, variation=variation, batch=3)
        np.testing.assert_array_equal(drawn[0], plain[0])
        distances.append(np.abs(drawn[1:].astype(int) - plain[0]).mean())
    assert distances[0] == 0 and distances == sorted(set(distances))
    np.testing.assert_array_equal(drawn, plain)  # all of the way is each picture's own noise


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"negative_prompt": ["a", "b"]}, "a negative prompt for all, or one for each of 1, got 2"),
        ({"guidance_rescale": 2}, "a rescale from 0 to 1, got 2"),
        ({"guidance_interval": (800, 300)}, "low <= high"),
        ({"clip_skip": 3}, r"clip_skip: wanted 1 \(the last layer\) to 2"),
        ({"variation": 1.5}, "a variation from 0 .* got 1.5"),
        ({"variation": float("nan")}, "a variation from 0 .* got nan"),
        ({"to_seed": -1, "prompts": ["a", "b"]}, "to_seed: wanted a whole number from 0, got -1"),
        ({"to": "a zero"}, "2 pictures or more"),
        ({"to_seed": 4}, "2 pictures or more"),
        ({"prompts": ["a (thick:1.3 seven"]}, "is never closed"),
        ({"negative_prompt": "b)"}, "closes none that is open"),
    ],
)
def test_impossible_wishes_are_refused(tiny: Pipeline, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiny.draw(**{"prompts": ["a seven"], **options})
