"""From sentences to pictures: what a model's folder must hold, which options matter, and what a drawing answers."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisd import pipeline as room
from minisd.autograd import Array, Tensor, no_grad
from minisd.checkpoint import CheckpointError, load_json
from minisd.data import draw_strokes
from minisd.model_info import ModelInfo
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline, SamplingDiverged, shipped_model
from minisd.text.captions import DIGITS

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the model that comes with minisd, to be damaged."""
    shutil.copytree(shipped_model(), tmp_path / "model")
    return tmp_path / "model"


# What model.json may say


BAD = [
    ("scale_factor", 0),
    ("scale_factor", float("nan")),
    ("scale_factor", float("inf")),
    ("scale_factor", -1.8),
    ("scale_factor", "1.8"),
    ("scale_factor", True),
    ("scale_factor", 10**400),
    ("scale_factor", ()),
    ("scale_factor", (1.0, 0.0)),
    ("scale_factor", [1.0]),
    ("shift_factor", float("nan")),
    ("shift_factor", (1.0, "x")),
    ("shift_factor", None),
    ("latent_size", (7,)),
    ("latent_size", (7, 0)),
    ("latent_size", (7.0, 7.0)),
    ("latent_size", (7, 10**9)),
    ("latent_size", 7),
    ("schedule", "sinus"),
    ("schedule", None),
    ("schedule", ["cosine"]),
    ("timesteps", 10**9),
    ("timesteps", 0),
    ("timesteps", 1000.0),
    ("timesteps", "1000"),
    ("prediction", "score"),
    ("prediction", None),
    ("clip_skip", 0),
    ("clip_skip", -1),
    ("clip_skip", "2"),
    ("clip_skip", False),
    ("words", None),
    ("words", "seven"),
    ("words", (7,)),
    ("guidance", float("nan")),
    ("guidance", -1),
    ("guidance", 1e308),
    ("guidance", None),
    ("guidance_interval", (300,)),
    ("guidance_interval", (800, 300)),
    ("guidance_interval", (-1, 300)),
    ("guidance_interval", (300, "800")),
    ("guidance_interval", None),
    ("steps", 0),
    ("steps", 1001),
    ("steps", 50.5),
    ("steps", "50"),
    ("sampler", "magic"),
    ("spacing", "even"),
    ("sampler", 3),
    ("spacing", "even"),
    ("trained", None),
    ("trained", [1]),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: str(value)[:20])
def test_every_field_is_checked(name: str, value: Any) -> None:
    good = ModelInfo(scale_factor=1.8)
    with pytest.raises(ValueError, match=rf"^ModelInfo: {name}: wanted .*, got "):
        replace(good, **{name: value})


def test_sound_fields_at_their_ends() -> None:
    ends = ModelInfo(scale_factor=1, timesteps=1, steps=1, clip_skip=1, guidance=0, guidance_interval=(0, 0))
    assert ends.steps == 1 and replace(ends, timesteps=100_000, steps=100_000, guidance=1000, scale_factor=1e6)


def edited(path: Path, change: Callable[[Any], None]) -> None:
    about = load_json(path)
    change(about)
    path.write_text(json.dumps(about))


def refused(folder: Path, *said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        Pipeline.load(folder)
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda about: about["info"].update(clip_skip=9),
            "clip_skip: wanted 1 (the last layer) to 3",
        ),
        (lambda about: about["info"].update(words=None), "ModelInfo: words: wanted a list of words, got None"),
        (lambda about: about["info"].update(guidance_interval=[300]), "guidance_interval: wanted two whole numbers"),
        (lambda about: about["info"].update(timesteps=10**9), "timesteps: wanted a whole number from 1 to 100000, got"),
        (lambda about: about["info"].update(mood="good"), "ModelInfo: mood: there is no such field"),
        (lambda about: about["info"].pop("scale_factor"), "ModelInfo: scale_factor: is missing"),
        (lambda about: about.update(info=[]), "ModelInfo: wanted its fields by name, got []"),
        (lambda about: about.update(unet=None), "UNetConfig: wanted its fields by name, got None"),
        (lambda about: about.pop("unet"), "wanted one network of unet, dit, got none"),
        (lambda about: about.update(dit={}), "wanted one network of unet, dit, got unet and dit"),
        (
            lambda about: about["clip"].update(layers=10**9),
            "CLIPConfig: layers: wanted a whole number",
        ),
        (lambda about: about["clip"].update(vocabulary=577), "CLIPConfig: vocabulary: wanted 576, to fit"),
        (lambda about: about["clip"].update(end_id=3), "CLIPConfig: end_id: wanted 575, to fit"),
        (lambda about: about["vae"].update(groups=0), "VAEConfig: groups: wanted a whole number"),
        (lambda about: about["vae"].update(latent_channels=3), "UNetConfig: latent_channels: wanted 3, to fit"),
        (lambda about: about["vae"].update(image_channels=2), "VAEConfig: image_channels: wanted 1, grey, or 3"),
        (lambda about: about["vae"].update(image_channels=3), "CLIPConfig: picture: wanted (28, 28, 3), to fit"),
        (
            lambda about: about["clip"].update(picture=[28, 28, 2]),
            "CLIPConfig: picture: wanted height, width and 1 or 3",
        ),
        (lambda about: about["clip"].update(picture=[28, 28]), "CLIPConfig: picture: wanted height"),
        (lambda about: about["unet"].update(context_width=32), "UNetConfig: context_width: wanted 64, to fit"),
        (lambda about: about["unet"].update(pooled_width=32), "UNetConfig: pooled_width: wanted 64, to fit"),
        (lambda about: about.update(sha256={"vae.safetensors": "0"}), "sha256: wanted a digest of each of"),
        (lambda about: about.update(sha256=[]), "sha256: wanted a digest of each of"),
        (lambda about: about.update(sha256=None), "sha256: wanted a digest of each of"),
        (lambda about: about.update(sha256=7), "sha256: wanted a digest of each of"),
        (lambda about: about["unet"].update(middle=None), "UNetConfig: middle: wanted a Level, got None"),
        (lambda about: about["unet"].update(eps=10**400), "UNetConfig: eps: wanted a number above 0 and below 1"),
        (lambda about: about["clip"].update(width=2**20), "a network far larger than "),
        (lambda about: about["vae"]["levels"][0].update(channels=2**20), "a network far larger than "),
        (lambda about: about.update(format=3), "its format is 3, this minisd reads formats 1 to 2"),
        (lambda about: about.update(format=1, unet=None), ""),
    ],
)
def test_model_json_is_read_field_by_field(folder: Path, change: Callable[[Any], None], said: str) -> None:
    edited(folder / "model.json", change)
    refused(folder, "model.json does not describe a minisd model: ", said)


@pytest.mark.parametrize("text", ["{}", "[" * 100_000, "", "null"])
def test_a_damaged_tokenizer_is_named(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    refused(folder, "tokenizer.json: damaged: tokenizer: ")


# Damage and digests


FILES = ("vae.safetensors", "clip.safetensors", "unet.safetensors", "hires.safetensors", "tokenizer.json")


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, f"{name}: damaged: ")


def test_models_without_digests_still_load(folder: Path, pipeline: Pipeline) -> None:
    edited(folder / "model.json", lambda about: about.pop("sha256"))
    np.testing.assert_array_equal(Pipeline.load(folder).draw(["a 7"], steps=1), pipeline.draw(["a 7"], steps=1))


def test_models_that_name_no_spacing_draw_as_they_did(folder: Path) -> None:
    edited(folder / "model.json", lambda about: about["info"].pop("spacing"))
    assert Pipeline.load(folder).info.spacing == "trailing"


def test_a_path_may_be_text(tmp_path: Path, pipeline: Pipeline) -> None:
    (tmp_path / "copy").mkdir()
    pipeline.save(str(tmp_path / "copy"))
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {*FILES, "model.json"}
    assert load_json(tmp_path / "copy" / "model.json") == load_json(shipped_model() / "model.json")
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (shipped_model() / name).read_bytes()
    assert Pipeline.load(str(tmp_path / "copy")).info == pipeline.info


# What is drawn: the steps written out by hand


PROMPTS = ["a thick seven leaning left", "an 8", "a thin upright three", "zero", "the digit 4"]


# z_0 of the first prompt at row 3, columns 2 to 4, in four steps under seed 0.
GOLDEN_DDIM = [[1.258, 0.811, -0.624, -0.290], [-0.352, 1.589, -2.249, -1.794], [-2.054, -0.636, -0.087, -2.901]]
GOLDEN_DDPM = [[-0.112, -0.604, -0.180, -1.677], [0.930, 1.573, -0.776, -1.841], [-1.461, 0.705, -1.974, -2.301]]


def by_hand(pipeline: Pipeline, prompts: list[str], seed: int, guidance: float) -> Array:
    """z_0 in two steps of DDIM, at t = 999 and 499, of which only the second is guided: 300 <= t < 800."""
    clip, alpha_bar = pipeline.clip, pipeline.schedule.alpha_bar

    def told(texts: list[str]) -> tuple[Tensor, Tensor]:
        ids = np.array([pipeline.tokenizer.frame(text, 12)[0] for text in texts])
        with no_grad():
            last_but_one, pooled = clip.text(ids, clip_skip=2)
        assert pooled is not None
        return last_but_one, pooled

    def v(z: Array, t: int, context: Tensor, pooled: Tensor) -> Array:
        with no_grad():
            return pipeline.denoiser(Tensor(z), np.full(len(z), t), context, pooled).data

    noise = [np.random.default_rng([seed, i]).standard_normal((7, 7, 4)) for i in range(len(prompts))]
    z_T = np.stack(noise).astype(np.float32)
    alpha, sigma = (np.float32(np.sqrt(part)) for part in (alpha_bar[999], 1 - alpha_bar[999]))
    v_999 = v(z_T, 999, *told(prompts))
    z_0, noise_pred = alpha * z_T - sigma * v_999, sigma * z_T + alpha * v_999
    alpha, sigma = (np.float32(np.sqrt(part)) for part in (alpha_bar[499], 1 - alpha_bar[499]))
    z_499 = alpha * z_0 + sigma * noise_pred
    told_nothing = v(z_499, 499, *told([""] * len(prompts)))
    guided = told_nothing + np.float32(guidance) * (v(z_499, 499, *told(prompts)) - told_nothing)
    return alpha * z_499 - sigma * guided


@pytest.mark.parametrize(("asked", "means"), [(None, 1.5), (0, 0.0), (1.0, 1.0), (4, 4.0)])
def test_drawing_is_its_equations(pipeline: Pipeline, asked: float | None, means: float) -> None:
    seen: list[Array] = []
    drawn = pipeline.draw(
        PROMPTS, seed=3, steps=2, guidance=asked, callback=lambda step, t, z_t, z_0: seen.append(z_0)
    )  # fmt: skip
    expected = by_hand(pipeline, PROMPTS, 3, means)
    np.testing.assert_allclose(seen[-1], expected, atol=2e-4)
    with no_grad():
        decoded = pipeline.vae.decode(Tensor(expected / np.float32(1.8030526638031006))).data[..., 0]
    picture = ((decoded.clip(-1, 1) + 1) * 127.5).round()
    assert drawn.shape == (5, 28, 28) and drawn.dtype == np.uint8
    assert np.abs(drawn - picture).max() <= 1


def test_the_latents_of_the_shipped_model(pipeline: Pipeline) -> None:
    """Golden values: what a change of the arithmetic, of the weights or of the noise would move."""
    seen: dict[str, Array] = {}
    for sampler, steps in (("ddim", 4), ("ddpm", 4)):
        pipeline.draw(
            ["a thick seven leaning left"], steps=steps, sampler=sampler,
            callback=lambda step, t, z_t, z_0, name=sampler: seen.update({name: z_0}),  # type: ignore[misc]
        )  # fmt: skip
    np.testing.assert_allclose(seen["ddim"][0, 3, 2:5], GOLDEN_DDIM, atol=2e-3)
    np.testing.assert_allclose(seen["ddpm"][0, 3, 2:5], GOLDEN_DDPM, atol=2e-3)


def test_every_step_is_told_to_the_callback(pipeline: Pipeline) -> None:
    told: list[tuple[int, int]] = []
    first: list[Array] = []

    def watch(step: int, t: int, z_t: Array, z_0: Array) -> None:
        told.append((step, t))
        first.append(z_t)

    pipeline.draw(PROMPTS[:3], steps=4, batch=2, callback=watch)
    assert told == [(0, 999), (1, 749), (2, 499), (3, 249)] * 2
    np.testing.assert_array_equal(first[4][0], np.random.default_rng([0, 2]).standard_normal((7, 7, 4)).astype("f4"))


# Options


def test_a_picture_depends_on_its_place_and_not_on_its_batch(pipeline: Pipeline) -> None:
    same = ["a seven"] * 3
    for sampler in ("ddim", "ddpm"):
        whole = pipeline.draw(same, steps=2, sampler=sampler)
        assert len(np.unique(whole, axis=0)) == 3
        np.testing.assert_array_equal(pipeline.draw(same, steps=2, sampler=sampler, batch=2), whole)
        np.testing.assert_array_equal(pipeline("a seven", num=3, steps=2, sampler=sampler, batch=1), whole)


def test_prompts_are_filled_up_with_the_id_that_the_text_encoder_wants(pipeline: Pipeline) -> None:
    before = pipeline.encode_prompts(["a seven"]).context
    pipeline.clip.config = replace(pipeline.clip.config, padding_id=3)
    ids, _ = pipeline.tokenizer(["a seven"], pipeline.clip.config.context_length, 3)
    with no_grad():
        wanted, _ = pipeline.clip.text(ids, clip_skip=pipeline.info.clip_skip)
    after = pipeline.encode_prompts(["a seven"]).context
    np.testing.assert_array_equal(after, wanted.data)
    assert (after[:, -1] != before[:, -1]).any()


def test_every_option_changes_the_picture(pipeline: Pipeline) -> None:
    plain = pipeline.draw(["a seven"], steps=3)
    others: list[dict[str, Any]] = [
        {"seed": 1}, {"steps": 4}, {"guidance": 0}, {"guidance": 1}, {"guidance": 5}, {"sampler": "ddpm"},
        {"spacing": "karras"},
    ]  # fmt: skip
    pictures = [pipeline.draw(["a seven"], **{"steps": 3, **options}) for options in others]
    assert len(np.unique([plain, *pictures], axis=0)) == 1 + len(others)
    named = pipeline.draw(["a seven"], steps=3, seed=0, guidance=1.5, sampler="ddim", batch=7)
    np.testing.assert_array_equal(named, plain)


@pytest.mark.parametrize(
    "changed",
    [{"clip_skip": 1}, {"guidance": 3.0}, {"guidance_interval": (0, 1000)}, {"steps": 3}, {"sampler": "ddpm"},
     {"spacing": "leading"}, {"prediction": "noise"}, {"schedule": "linear"}, {"scale_factor": 1.0}],
    ids=str,
)  # fmt: skip
def test_what_model_json_says_is_obeyed(pipeline: Pipeline, changed: dict[str, Any]) -> None:
    info = replace(pipeline.info, steps=4)
    before, after = (
        Pipeline(pipeline.vae, pipeline.clip, pipeline.denoiser, pipeline.tokenizer, about).draw(["a seven"])
        for about in (info, replace(info, **changed))
    )
    assert not np.array_equal(before, after)


def test_guidance_0_does_not_hear_the_prompt(pipeline: Pipeline) -> None:
    info = replace(pipeline.info, guidance_interval=(0, 1000))
    deaf = Pipeline(pipeline.vae, pipeline.clip, pipeline.denoiser, pipeline.tokenizer, info)
    one, other = (deaf.draw([text], steps=2, guidance=0) for text in ("a seven", "a thin zero"))
    np.testing.assert_array_equal(one, other)


def test_no_seed_draws_one_and_says_which(pipeline: Pipeline) -> None:
    assert pipeline.seed is None
    first = pipeline("a seven", seed=None, steps=1)
    chosen = pipeline.seed
    assert isinstance(chosen, int)
    second = pipeline("a seven", seed=None, steps=1)
    assert pipeline.seed != chosen and not np.array_equal(first, second)
    np.testing.assert_array_equal(pipeline("a seven", seed=chosen, steps=1), first)
    pipeline("a seven", steps=1)
    assert pipeline.seed == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompts": []}, "a list of one prompt or more"),
        ({"prompts": "a seven"}, "a list of one prompt or more"),
        ({"batch": 0}, "a batch of 1 or more pictures, got 0"),
        ({"guidance": float("nan")}, "a finite guidance, such as 1.5, got nan"),
        ({"guidance": float("inf")}, "a finite guidance, such as 1.5, got inf"),
        ({"steps": 0}, "wanted 1..1000 steps"),
        ({"steps": 1001}, "wanted 1..1000 steps"),
        ({"sampler": "magic"}, "choose one of ddpm, ddim"),
        ({"spacing": "even"}, "choose one of trailing, leading"),
        ({"seed": -1}, "draw: seed: wanted a whole number from 0, got -1"),
    ],
)
def test_draw_refuses(pipeline: Pipeline, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pipeline.draw(**{"prompts": ["a seven"], **options})


@pytest.mark.parametrize("prompt", [None, 7, b"a seven", ["a seven", None]])
def test_a_prompt_is_text(pipeline: Pipeline, prompt: Any) -> None:
    with pytest.raises(TypeError, match='a prompt is a text, such as "a seven", got '):
        pipeline(prompt)


def test_too_many_are_refused_before_a_list_of_them_is_made(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="1,000,000,000,000 pictures need about 1,568,000 GB of memory; "):
        pipeline("a seven", num=10**12)
    with pytest.raises(ValueError, match="wanted 1 picture or more, got 0"):
        pipeline("a seven", num=0)
    monkeypatch.setattr(room, "available_memory", lambda: 5_000)
    pipeline.check_count(5, bytes_each=1000)
    with pytest.raises(ValueError, match=r"6 pictures need .* GB of memory; 0\.0 GB are free, enough for 5 at a time"):
        pipeline.check_count(6, bytes_each=1000)
    monkeypatch.setattr(room, "available_memory", lambda: None)  # where the system does not say: 4 GB
    with pytest.raises(ValueError, match=r"4\.3 GB are free"):
        pipeline.check_count(10**8)


# Numbers that are no longer finite


def test_overflow_is_an_error_with_its_step(pipeline: Pipeline) -> None:
    with pytest.raises(SamplingDiverged, match=r"at step 2 of 3, t = 666; draw with less guidance than 1e\+308"):
        pipeline.draw(["a seven"], steps=3, guidance=1e308)


def test_broken_weights_are_an_error(pipeline: Pipeline) -> None:
    for name, parameter in pipeline.denoiser.named_parameters():
        if name.endswith("bias"):
            parameter.data[...] = np.nan
    with pytest.raises(SamplingDiverged, match="at step 1 of 3, t = 999"):
        pipeline.draw(["a seven"], steps=3)
    for _, parameter in pipeline.vae.named_parameters():
        parameter.data[...] = np.inf
    with pytest.raises(SamplingDiverged, match="decoding: the pictures' numbers are not finite"):
        pipeline.decode(np.zeros((1, 7, 7, 4), np.float32))


# Prompts


def test_what_is_not_read_is_said_once(pipeline: Pipeline) -> None:
    with pytest.warns(UserWarning) as said:
        pipeline(["a fluffy seven", "a seven", "a fluffy seven", "a seven 🙂"], steps=1)
    assert [str(warning.message) for warning in said] == [
        "'a fluffy seven': the model never saw 'fluffy' and may ignore it",
        "'a seven 🙂': the model never saw '🙂' and may ignore it",
    ]
    assert all(warning.filename == __file__ for warning in said)
    assert pipeline.remarks(PROMPTS) == []


def test_chinese_digits_are_known(pipeline: Pipeline) -> None:
    chinese = [f"a thick {digit}" for digit in "零一二三四五六七八九"]
    english = [f"a thick {digit}" for digit in DIGITS]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = pipeline(chinese, steps=1)
    np.testing.assert_array_equal(drawn, pipeline(english, steps=1))


def test_a_model_that_knows_no_english_digit_reads_the_prompt_as_it_is(pipeline: Pipeline) -> None:
    info = replace(pipeline.info, words=("七", "a"))
    chinese = Pipeline(pipeline.vae, pipeline.clip, pipeline.denoiser, pipeline.tokenizer, info)
    assert not np.array_equal(chinese.draw(["a 七"], steps=1), pipeline.draw(["a 七"], steps=1))
    assert chinese.remarks(["a 七"]) == []


# Pictures and latents


def test_latents_are_scaled_and_come_back(pipeline: Pipeline) -> None:
    images = draw_strokes(50, 0).images
    z = pipeline.encode(images)
    with no_grad():
        mean, _ = pipeline.vae.encode(Tensor(to_unit_range(images)))
    np.testing.assert_allclose(z, mean.data * 1.8030526638031006, rtol=1e-6)
    assert z.shape == (50, *pipeline.latent_shape) == (50, 7, 7, 4) and z.dtype == np.float32
    again = pipeline.decode(z)
    assert again.shape == images.shape and again.dtype == np.uint8
    assert np.abs(again.astype(int) - images).mean() < 8  # grey levels of 255
