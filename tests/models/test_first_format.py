"""Model folders of format 1 become those of today: every name of the U-Net's parameters, and every configuration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minisd import checkpoint
from minisd.models import first_format
from minisd.models.levels import Level, from_json
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAEConfig
from minisd.pipeline import Pipeline, shipped_model

LEVELS = 3
# Where format 1 had a part, and where it is now, for three levels: written down by hand.
PARTS = {
    "conv_in": "down.0.0",
    "down_blocks.0": "down.0.1",
    "down_attentions.0": "down.0.2",
    "downsamplers.0": "down.1.0",
    "down_blocks.1": "down.1.1",
    "down_attentions.1": "down.1.2",
    "downsamplers.1": "down.2.0",
    "down_blocks.2": "down.2.1",
    "down_attentions.2": "down.2.2",
    "middle": "middle.0",
    "up_blocks.2": "up.0.0",
    "up_attentions.2": "up.0.1",
    "upsamplers.1": "up.0.2.conv",
    "up_blocks.1": "up.1.0",
    "up_attentions.1": "up.1.1",
    "upsamplers.0": "up.1.2.conv",
    "up_blocks.0": "up.2.0",
    "up_attentions.0": "up.2.1",
    **{part: part for part in ("time_1", "time_2", "prompt_norm", "from_prompt", "norm_out", "conv_out")},
}


def test_every_part_of_the_u_net_has_its_place() -> None:
    for old, new in PARTS.items():
        assert first_format.unet_name(f"{old}.block.attend_self.weight", LEVELS) == f"{new}.block.attend_self.weight"
    unet = UNet(UNetConfig(levels=(Level(8), Level(8), Level(8))), rng=np.random.default_rng(0))
    parts = [part for part in PARTS.values() if "attention" not in part]
    assert all(any(name.startswith(f"{part}.") for part in parts) for name, _ in unet.named_parameters())


def test_a_name_of_no_part_stays_and_is_refused_later() -> None:
    for strange in ("", "weight", "down_blocks", "a.b.c", "down_blocks.x.weight"):
        assert first_format.unet_name(strange, LEVELS) == strange


def test_the_mnist_model_s_configurations_are_todays() -> None:
    about = {
        "unet": {
            "latent_channels": 4, "channels": [64, 96], "head_width": 32, "groups": 8, "context_width": 64,
            "pooled_width": 64, "time_width": 128,
        },
        "vae": {"image_channels": 1, "latent_channels": 4, "channels": [32, 64], "groups": 8},
        "clip": {"vocabulary": 576},
    }  # fmt: skip
    now = first_format.configurations(about)
    assert from_json(UNetConfig, now["unet"]) == UNetConfig()
    assert from_json(VAEConfig, now["vae"]) == VAEConfig()
    assert now["clip"] == about["clip"]
    for wrong in (30, 0, None):
        about["unet"]["head_width"] = wrong  # type: ignore[index]
        with pytest.raises(ValueError, match=rf"head_width is {wrong}; wanted a divisor of its channels, \[64, 96\]"):
            first_format.configurations(about)


def test_a_folder_of_format_1_loads_as_one_of_today(tmp_path: Path) -> None:
    old_part = {new: old for old, new in PARTS.items()}
    # Of two levels: format 1's level 1 was the bottom.
    two = {"up.0": "up.1", "up.1": "up.2", "down.0": "down.0", "down.1": "down.1", "middle": "middle"}
    shipped, about = shipped_model(), checkpoint.load_json(shipped_model() / "model.json")
    weights = {}
    for name, array in checkpoint.load_arrays(shipped / "unet.safetensors").items():
        row = next((row for row in two if name.startswith(f"{row}.")), None)
        moved = name if row is None else two[row] + name.removeprefix(row)
        part = max((part for part in old_part if moved.startswith(f"{part}.")), key=len)
        weights[old_part[part] + moved.removeprefix(part)] = array
    checkpoint.save_arrays(tmp_path / "unet.safetensors", weights)
    for file in ("vae.safetensors", "clip.safetensors", "tokenizer.json"):
        (tmp_path / file).write_bytes((shipped / file).read_bytes())
    about["format"] = 1
    for later in ("sha256", "hires", "hires_info"):
        del about[later]
    for field in ("levels", "middle", "copies", "eps", "projections", "activation", "expansion"):
        del about["unet"][field]
    for field in ("levels", "middle", "resampling", "quant_convs", "eps"):
        del about["vae"][field]
    for field in ("bias", "activation", "padding_id"):
        del about["clip"][field]
    about["unet"] |= {"channels": [64, 96], "head_width": 32}
    about["vae"] |= {"channels": [32, 64]}
    (tmp_path / "model.json").write_text(json.dumps(about))
    old, new = Pipeline.load(tmp_path), Pipeline.load()
    assert (old.denoiser.config, old.vae.config, old.clip.config) == (
        new.denoiser.config,
        new.vae.config,
        new.clip.config,
    )
    for name, array in new.denoiser.state_dict().items():
        np.testing.assert_array_equal(old.denoiser.state_dict()[name], array)
