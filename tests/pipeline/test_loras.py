"""LoRAs in a model: what it draws with them, and that nothing of them stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_pipeline

from minisd.autograd import Array
from minisd.checkpoint import CheckpointError
from minisd.lora import save_lora
from minisd.nn.lora import LoRA
from minisd.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture
def model() -> Pipeline:
    return tiny_pipeline()


@pytest.fixture
def lora(model: Pipeline, tmp_path: Path) -> Path:
    path = tmp_path / "heart.safetensors"
    save_lora(path, random_lora(model), {"base": model.digest(), "words": "a heart"})
    return path


def random_lora(model: Pipeline) -> LoRA:
    lora, rng = LoRA.beginning(model.denoiser, 2, rng=np.random.default_rng(0)), np.random.default_rng(1)
    for change in lora.layers.values():
        change.up.data = rng.standard_normal(change.up.shape, np.float32)
    return lora


def drawn(model: Pipeline) -> Array:
    return model.draw(["a heart", "a seven"], seed=0)


def test_it_is_drawn_with_and_removed_to_the_bit(model: Pipeline, lora: Path) -> None:
    before, weights, digest = drawn(model), model.denoiser.flat_parameters().copy(), model.digest()
    assert model.add_lora(lora) is model and [scale for _, scale in model.loras] == [1.0]
    assert np.any(drawn(model) != before) and np.any(model.denoiser.flat_parameters() != weights)
    assert model.digest() == digest  # it is the same model
    model.add_lora(lora, -0.5).remove_loras()
    np.testing.assert_array_equal(model.denoiser.flat_parameters(), weights)
    np.testing.assert_array_equal(drawn(model), before)
    assert model.loras == ()


def test_at_scale_0_it_draws_nothing_else(model: Pipeline, lora: Path) -> None:
    before = drawn(model)
    np.testing.assert_array_equal(drawn(model.add_lora(lora, 0)), before)


def test_what_is_merged_draws_as_what_was_trained_beside(model: Pipeline, lora: Path) -> None:
    with random_lora(model).beside(model.denoiser):
        beside = model.draw(["a heart"] * 3, steps=4)
    merged = model.add_lora(lora).draw(["a heart"] * 3, steps=4)
    assert np.abs(merged.astype(int) - beside).max() <= 1  # a grey level of rounding


def test_a_model_is_saved_with_its_loras(model: Pipeline, lora: Path, tmp_path: Path) -> None:
    for network in (model.vae, model.clip, model.denoiser):  # files hold float16
        network.flat_parameters()[...] = network.flat_parameters().astype(np.float16)
    model.add_lora(lora).save(tmp_path)
    again = Pipeline.load(tmp_path)
    assert again.info.words == ("a", "heart") and again.loras == ()
    for name, array in again.denoiser.state_dict().items():
        np.testing.assert_array_equal(array, model.denoiser.state_dict()[name].astype(np.float16))


def test_its_words_are_known_and_a_strange_model_is_said(model: Pipeline, lora: Path) -> None:
    assert "never saw 'a', 'heart'" in model.remarks(["a heart"])[0]
    assert model.add_lora(lora).remarks(["a heart"]) == []
    assert "never saw 'blue'" in model.remarks(["a blue heart"])[0]
    model.remove_loras()
    model.clip.flat_parameters()[0] += 1
    model.clip.parameters()[0].changed()
    (said,) = model.add_lora(lora).remarks(["a heart"])
    assert said.startswith(f"{lora} was trained on another model than this one")
    with pytest.warns(UserWarning, match="trained on another model"):
        model("a heart")


def test_what_is_no_lora_changes_nothing(model: Pipeline, lora: Path, tmp_path: Path) -> None:
    before = drawn(model)
    with pytest.raises(CheckpointError, match=r"b\.safetensors"):
        model.add_lora(tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="wanted a finite scale, got nan"):
        model.add_lora(lora, float("nan"))
    np.testing.assert_array_equal(drawn(model), before)
    assert model.loras == ()
