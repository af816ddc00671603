"""A model whose noise is found by a transformer: saved, loaded and drawn with as one with a U-Net."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_pipeline

from minisd.checkpoint import CheckpointError, load_json
from minisd.lora import save_lora
from minisd.models.dit import DiT, DiTConfig
from minisd.nn.lora import LoRA
from minisd.pipeline import Pipeline

CONFIG = DiTConfig(width=8, depth=2, heads=2, context_width=8, pooled_width=8, time_width=8)


@pytest.fixture(scope="module")
def transformer() -> Pipeline:
    return tiny_pipeline(CONFIG)


def test_it_draws_what_the_prompt_says_whatever_the_batch(transformer: Pipeline) -> None:
    pictures = transformer.draw(["a", "b", "c"], guidance=2)
    assert pictures.shape == (3, 16, 16) and np.any(pictures[0] != pictures[1])
    np.testing.assert_array_equal(transformer.draw(["a", "b", "c"], guidance=2, batch=1), pictures)
    assert np.any(transformer.draw(["d", "b", "c"], guidance=2)[0] != pictures[0])


def test_it_is_saved_and_loaded(transformer: Pipeline, tmp_path: Path) -> None:
    transformer.save(tmp_path)
    about = load_json(tmp_path / "model.json")
    assert "unet" not in about and about["dit"]["depth"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "vae.safetensors", "clip.safetensors", "dit.safetensors", "tokenizer.json", "model.json"
    }  # fmt: skip
    again = Pipeline.load(tmp_path)
    assert isinstance(again.denoiser, DiT) and again.denoiser.config == CONFIG
    for name, array in again.denoiser.state_dict().items():
        np.testing.assert_array_equal(array, transformer.denoiser.state_dict()[name].astype(np.float16))
    assert np.abs(again.draw(["a"]).astype(int) - transformer.draw(["a"])).max() <= 2

    (tmp_path / "dit.safetensors").write_bytes((tmp_path / "clip.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"dit\.safetensors"):
        Pipeline.load(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("patch", 3, "DiT: 4 x 4 is no multiple of the patch, 3; nearest: 3 x 3"),
        ("latent_channels", 3, "DiTConfig: latent_channels: wanted 4, to fit"),
        ("context_width", 9, "DiTConfig: context_width: wanted 8, to fit"),
        ("heads", 3, "DiTConfig: heads: a width of 8 does not split into 3 heads"),
        ("width", 2**20, "a network far larger than "),
        ("levels", [], "DiTConfig: levels: there is no such field"),
    ],
)
def test_what_does_not_fit_is_named(
    transformer: Pipeline, tmp_path: Path, field: str, value: object, said: str
) -> None:
    transformer.save(tmp_path)
    about = load_json(tmp_path / "model.json")
    about["dit"][field] = value
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match="does not describe a minisd model") as refused:
        Pipeline.load(tmp_path)
    assert said in str(refused.value)


def test_weights_of_another_transformer_are_refused(transformer: Pipeline, tmp_path: Path) -> None:
    transformer.save(tmp_path)
    about = load_json(tmp_path / "model.json")
    about["dit"]["depth"] = 3
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match=r"of another architecture than DiT: missing: blocks\.2"):
        Pipeline.load(tmp_path)


def test_patches_draw_too_and_other_sizes_have_other_tokens(transformer: Pipeline) -> None:
    patched = tiny_pipeline(replace(CONFIG, patch=2))
    assert patched.draw(["a"]).shape == (1, 16, 16)
    larger = transformer.draw(["a"], size=32, hires="img2img")
    assert larger.shape == (1, 32, 32)


def test_a_lora_is_merged_into_it(transformer: Pipeline, tmp_path: Path) -> None:
    pipeline, before = copy.deepcopy(transformer), transformer.draw(["a"])
    lora = LoRA.beginning(pipeline.denoiser, 2, rng=np.random.default_rng(0))
    for change in lora.layers.values():
        change.up.data += 0.3
    save_lora(tmp_path / "a.safetensors", lora, {}, "transformer")
    pipeline.add_lora(tmp_path / "a.safetensors")
    assert np.any(pipeline.draw(["a"]) != before)
    np.testing.assert_array_equal(pipeline.remove_loras().draw(["a"]), before)
