"""A LoRA's file: the names and layouts of the field, and every way in which it can be wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.checkpoint import CheckpointError, load_arrays, save_arrays
from minisd.lora import Merged, load_lora, prefix_of, save_lora
from minisd.models.dit import DiT
from minisd.nn import Conv2d, Linear, Module
from minisd.nn.lora import LoRA, LowRank

pytestmark = pytest.mark.usefixtures("numpy_backend")


class Small(Module):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.conv = Conv2d(3, 4, (3, 2), rng=rng)
        self.rows = [Linear(5, 2, rng=rng)]


def some(rank: int = 2, seed: int = 0) -> LoRA:
    lora, rng = LoRA.beginning(Small(), rank, rng=np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    for change in lora.layers.values():
        change.up.data = rng.standard_normal(change.up.shape, np.float32)
        change.alpha = 1.5
    return lora


def saved(folder: Path, rank: int = 2, seed: int = 0) -> Path:
    path = folder / f"{rank}-{seed}.safetensors"
    save_lora(path, some(rank, seed), {"base": "abc", "words": "a heart"})
    return path


def weights(network: Module) -> dict[str, Array]:
    return {name: array.copy() for name, array in network.state_dict().items()}


def same(one: dict[str, Array], other: dict[str, Array]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one.keys() | other.keys())


def test_the_file_is_as_peft_writes_it(tmp_path: Path) -> None:
    arrays, lora = load_arrays(saved(tmp_path)), some()
    assert {name: array.shape for name, array in arrays.items()} == {
        "unet.conv.lora_A.weight": (2, 3, 3, 2), "unet.conv.lora_B.weight": (4, 2, 1, 1), "unet.conv.alpha": (),
        "unet.rows.0.lora_A.weight": (2, 5), "unet.rows.0.lora_B.weight": (2, 2), "unet.rows.0.alpha": (),
    }  # fmt: skip
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)} and arrays["unet.conv.alpha"] == 1.5
    # What PyTorch's layout makes of them: a weight (O, C, kh, kw) of B A.
    A, B = arrays["unet.conv.lora_A.weight"], arrays["unet.conv.lora_B.weight"][:, :, 0, 0]
    wanted = np.einsum("or,rchw->hwco", B, A) * 1.5 / 2
    np.testing.assert_allclose(lora.layers["conv"].delta(), wanted, rtol=1e-5, atol=1e-6)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    file, lora = load_lora(saved(tmp_path)), some()
    assert file.words == ("a", "heart") and file.about["base"] == "abc"
    assert {*file.lora.layers} == {*lora.layers}
    for name, change in lora.layers.items():
        read = file.lora.layers[name]
        np.testing.assert_array_equal(read.down.data, change.down.data)
        np.testing.assert_array_equal(read.up.data, change.up.data)
        assert read.alpha == change.alpha and read.up.data.flags.c_contiguous


class Transformer(Small, DiT):
    """A diffusion transformer by its kind, of Small's layers."""


def test_a_transformers_file_begins_with_transformer(tmp_path: Path) -> None:
    path = tmp_path / "dit.safetensors"
    save_lora(path, some(), {}, prefix_of(Transformer()))
    assert all(name.startswith("transformer.") for name in load_arrays(path))
    Merged(Transformer()).add(load_lora(path), 1.0)
    with pytest.raises(CheckpointError, match="is for a diffusion transformer, and this model's denoiser is a U-Net"):
        Merged(Small()).add(load_lora(path), 1.0)
    with pytest.raises(CheckpointError, match="is for a U-Net, and this model's denoiser is a diffusion transformer"):
        Merged(Transformer()).add(load_lora(saved(tmp_path)), 1.0)
    save_arrays(path, load_arrays(path) | load_arrays(saved(tmp_path)))
    with pytest.raises(CheckpointError, match="holds changes of transformer and unet; wanted those of one network"):
        load_lora(path)


def test_a_file_of_another_program_needs_no_alpha_and_says_nothing(tmp_path: Path) -> None:
    arrays = {name: array.astype(np.float16) for name, array in load_arrays(saved(tmp_path)).items()}
    save_arrays(tmp_path / "b.safetensors", {name: array for name, array in arrays.items() if "alpha" not in name})
    file = load_lora(tmp_path / "b.safetensors")
    assert file.about == {} and file.words == () and {change.alpha for change in file.lora.layers.values()} == {2.0}


def test_several_add_up_and_the_network_comes_back_to_the_bit(tmp_path: Path) -> None:
    network = Small()
    before, merged = weights(network), Merged(network)
    one, two = load_lora(saved(tmp_path)), load_lora(saved(tmp_path, 3, 7))
    merged.add(one, 0.8)
    merged.add(two, -2.0)
    now = weights(network)
    for name, layer in (("conv", network.conv), ("rows.0", network.rows[0])):
        both = 0.8 * one.lora.layers[name].delta() - 2 * two.lora.layers[name].delta()
        np.testing.assert_allclose(layer.weight.data, before[f"{name}.weight"] + both, rtol=1e-5, atol=1e-6)
        assert np.array_equal(now[f"{name}.bias"], before[f"{name}.bias"])
    assert [scale for _, scale in merged.loras] == [0.8, -2.0]
    merged.remove_all()
    assert same(weights(network), before) and not merged.loras
    merged.add(one, 0.0)
    assert same(weights(network), before)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf, 1e300])
def test_a_scale_that_no_weight_can_bear_changes_nothing(tmp_path: Path, scale: float) -> None:
    network = Small()
    before, merged = weights(network), Merged(network)
    with pytest.raises(ValueError, match=r"2-0.safetensors: .*(finite scale|no longer finite)"):
        merged.add(load_lora(saved(tmp_path)), scale)
    assert same(weights(network), before) and not merged.loras


def test_one_for_another_network_changes_nothing(tmp_path: Path) -> None:
    lora, network = some(), Small()
    lora.layers["rows.0"] = LowRank.beginning((6, 2), 2, rng=np.random.default_rng(0))
    save_lora(tmp_path / "a.safetensors", lora, {})
    before, merged = weights(network), Merged(network)
    with pytest.raises(
        CheckpointError, match=r"a.safetensors: rows.0: is for a weight of shape \(6, 2\), and .* \(5, 2\)"
    ):
        merged.add(load_lora(tmp_path / "a.safetensors"), 1.0)
    assert same(weights(network), before)


def zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"unet.rows.0.lora_B.weight": None}, "rows.0: lora_B.weight is missing"),
    ({"unet.conv.lora_A.weight": None}, "conv: lora_A.weight is missing"),
    (
        {"unet.rows.0.lora_A.weight": zeros(3, 5)},
        r"rows.0: lora_A of shape \(3, 5\) and lora_B of shape \(2, 2\) do not",
    ),
    ({"unet.rows.0.lora_A.weight": zeros(0, 5), "unet.rows.0.lora_B.weight": zeros(2, 0)}, "rows.0: .* do not meet"),
    ({"unet.rows.0.lora_A.weight": zeros(5)}, "rows.0: .* do not meet"),
    ({"unet.rows.0.lora_A.weight": zeros()}, "rows.0: .* do not meet"),
    ({"unet.rows.0.lora_B.weight": zeros()}, "rows.0: .* do not meet"),
    ({"unet.conv.lora_B.weight": zeros(4, 2, 3, 1)}, "conv: .* do not meet"),
    ({"unet.conv.lora_B.weight": zeros(4, 2)}, "conv: .* do not meet"),
    ({"unet.conv.alpha": zeros(2)}, r"conv: alpha has shape \(2,\); wanted one number"),
    (
        {"unet.conv.lora_A.weight": np.full((2, 3, 3, 2), np.nan, np.float32)},
        "'unet.conv.lora_A.weight' .* NaN or infinite",
    ),
    ({"unet.conv.alpha": np.array(np.inf, np.float32)}, "'unet.conv.alpha' .* NaN or infinite"),
    ({"unet.conv.lora_A.weight": np.zeros((2, 3, 3, 2), np.int32)}, "'unet.conv.lora_A.weight' is of type int32"),
    (
        {"unet.rows.0.weight": zeros(5, 2)},
        "'unet.rows.0.weight' is no part of a LoRA as minisd reads it; wanted names such",
    ),
    ({"text_encoder.rows.0.lora_A.weight": zeros(2, 5)}, "'text_encoder.rows.0.lora_A.weight' is no part"),
    ({"lora_unet_rows_0.lora_down.weight": zeros(2, 5)}, "'lora_unet_rows_0.lora_down.weight' is no part"),
    ({"": zeros(1)}, "'' is no part"),
]


@pytest.mark.parametrize(("changed", "said"), HOSTILE)
def test_a_hostile_file_is_one_message(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    arrays = load_arrays(saved(tmp_path)) | changed
    path = tmp_path / "hostile.safetensors"
    save_arrays(path, {name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(CheckpointError, match=rf"{re.escape(str(path))}: {said}"):
        load_lora(path)


def test_numbers_that_float32_cannot_hold_are_one_message(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    save_arrays(path, load_arrays(saved(tmp_path)) | {"unet.rows.0.lora_A.weight": np.full((2, 5), 1e300)})
    with pytest.raises(ValueError, match=r"rows\.0: at a scale of 1 its weights are no longer finite"):
        Merged(Small()).add(load_lora(path), 1.0)


def test_an_empty_a_missing_and_a_damaged_file_are_one_message(tmp_path: Path) -> None:
    path = saved(tmp_path)
    save_arrays(tmp_path / "empty.safetensors", {})
    data = path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[:-8])
    (tmp_path / "head.safetensors").write_bytes(data[:20])
    (tmp_path / "no.safetensors").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("not a LoRA at all, but a text")
    for name in ("empty", "cut", "head", "no", "text", "missing"):
        with pytest.raises(CheckpointError, match=rf"{name}\.safetensors: "):
            load_lora(tmp_path / f"{name}.safetensors")
