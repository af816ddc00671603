"""Configurations check themselves: every field names itself, what came and what was wanted; JSON gives them back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from minisd.models.clip import CLIPConfig
from minisd.models.dit import DiTConfig
from minisd.models.levels import Layer, Level, block, from_json, middle
from minisd.models.unet import UNetConfig
from minisd.models.vae import VAEConfig

KINDS: dict[type[Any], dict[str, Any]] = {
    Level: {"channels": 8},
    UNetConfig: {},
    DiTConfig: {},
    VAEConfig: {},
    CLIPConfig: {"vocabulary": 30, "end_id": 29},
}
COUNTED = {
    Level: ["channels", "blocks"],
    UNetConfig: ["latent_channels", "groups", "time_width", "expansion"],
    DiTConfig: ["latent_channels", "patch", "width", "depth", "heads", "expansion", "time_width"],
    VAEConfig: ["image_channels", "latent_channels", "groups"],
    CLIPConfig: ["vocabulary", "context_length", "width", "layers", "heads"],
}
OPTIONAL = {
    Level: ["heads"],
    UNetConfig: ["context_width", "pooled_width"],
    DiTConfig: ["context_width", "pooled_width"],
    CLIPConfig: ["embedding_width"],
}
CHOSEN = {UNetConfig: ["copies", "activation"], VAEConfig: ["resampling"], CLIPConfig: ["activation"]}
FLAGS = {UNetConfig: ["projections"], VAEConfig: ["quant_convs"], CLIPConfig: ["bias"]}
SMALL = {UNetConfig: ["eps"], VAEConfig: ["eps"]}
NO_COUNT = [0, -1, 1.0, "1", True, [8], float("nan"), 10**9]
WRONG = [
    *((COUNTED, value) for value in [*NO_COUNT, None]),
    *((OPTIONAL, value) for value in NO_COUNT),
    *((CHOSEN, value) for value in ("nothing", "", 1, None, ["level"], True)),
    *((FLAGS, value) for value in (0, 1, None, "true")),
    *((SMALL, value) for value in (0, 1, -1e-5, float("nan"), float("inf"), "1e-5", None, True)),
]


@pytest.mark.parametrize(("table", "value"), WRONG, ids=lambda x: repr(x)[:20])
def test_a_field_of_the_wrong_kind_or_range_is_named(table: dict[type[Any], list[str]], value: Any) -> None:
    for kind, names in table.items():
        for name in names:
            with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name}: wanted .*, got ") as error:
                kind(**KINDS[kind] | {name: value})
            assert repr(value) in str(error.value)


@pytest.mark.parametrize("kind", [UNetConfig, VAEConfig])
def test_levels_that_are_none_are_named(kind: type[Any]) -> None:
    for levels in ((), [Level(8)], (8,), 8, None, {"channels": 8}):
        with pytest.raises(ValueError, match=f"^{kind.__name__}: levels: wanted one Level or more"):
            kind(levels=levels)
    with pytest.raises(ValueError, match="levels: wanted 16 at most, got 17"):
        kind(levels=(Level(8),) * 17)
    with pytest.raises(ValueError, match="middle: wanted a Level, got 8"):
        kind(middle=8)
    with pytest.raises(ValueError, match="groups: 12 channels do not split into 8 groups"):
        kind(levels=(Level(12),))
    with pytest.raises(ValueError, match="groups: 12 channels do not split into 8 groups"):
        kind(middle=Level(12))
    with pytest.raises(ValueError, match="middle: its attention stands between residual blocks"):
        kind(middle=Level(8, heads=2))


def test_what_does_not_fit_together_is_named() -> None:
    with pytest.raises(ValueError, match="Level: 10 channels do not split into 4 heads"):
        Level(10, heads=4)
    with pytest.raises(ValueError, match="levels: wanted an even number of channels first"):
        UNetConfig(levels=(Level(9),), groups=3, middle=Level(9))
    with pytest.raises(ValueError, match="CLIPConfig: heads: a width of 10 does not split into 4 heads"):
        CLIPConfig(vocabulary=30, end_id=29, width=10, heads=4)
    for name in ("end_id", "padding_id"):
        for value in (30, -1, 1.5):
            with pytest.raises(ValueError, match=f"CLIPConfig: {name}: wanted a whole number from 0 to 29"):
                CLIPConfig(**{"vocabulary": 30, "end_id": 29} | {name: value})
    for channels in ((8,), [8, 8], (8, 12), (8.0, 16), 8, None):
        with pytest.raises(ValueError, match="CLIPConfig: image_channels: wanted two multiples of 8"):
            CLIPConfig(vocabulary=30, end_id=29, image_channels=channels)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(),
        UNetConfig(levels=(Level(8, 2, heads=4), Level(16)), middle=Level(16, 2, heads=2), copies="block"),
        DiTConfig(patch=2, pooled_width=None),
        VAEConfig(),
        VAEConfig(middle=Level(64, 2, heads=1)),
        CLIPConfig(vocabulary=30, end_id=29, embedding_width=None),
    ],
)
def test_json_gives_a_configuration_back(config: Any) -> None:
    assert from_json(type(config), json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_json_of_another_shape_is_explained() -> None:
    with pytest.raises(ValueError, match=r"VAEConfig: wanted its fields by name, got \[1\]"):
        from_json(VAEConfig, [1])
    with pytest.raises(ValueError, match="VAEConfig: depth: there is no such field; wanted image_channels, "):
        from_json(VAEConfig, {"depth": 3})
    with pytest.raises(ValueError, match="CLIPConfig: end_id: is missing"):
        from_json(CLIPConfig, {"vocabulary": 3})
    with pytest.raises(ValueError, match="Level: blocks: wanted a whole number from 1 to 64, got 0"):
        from_json(UNetConfig, {"levels": [{"channels": 8, "blocks": 0}]})


def test_a_block_and_a_middle_are_the_paper_s() -> None:
    assert block(4, Level(8)) == [Layer("residual", 4, 8)]
    assert block(4, Level(8, heads=2)) == [Layer("residual", 4, 8), Layer("attention", 8, 8, 2)]
    assert middle(4, Level(8)) == [Layer("residual", 4, 8)]
    assert middle(4, Level(8, 3, heads=2)) == [
        Layer("residual", 4, 8),
        Layer("attention", 8, 8, 2),
        Layer("residual", 8, 8),
        Layer("attention", 8, 8, 2),
        Layer("residual", 8, 8),
    ]
