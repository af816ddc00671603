"""What the networks' configurations are made of: levels and layers as data.

A U-Net and a VAE are pyramids. A configuration lists their levels, a table spells them out as layers with their
channels, and the network gives every layer of the table its weights: sizes can be read before there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from minisd.models.checks import check_whole

Config = TypeVar("Config")


@dataclass(frozen=True)
class Level:
    """A level of a pyramid, the maps of one size: a line of the paper's table.

    Attributes:
        channels: of every map.
        blocks: residual blocks, one behind the other.
        heads: of the attention behind every residual block; None for no attention.
    """

    channels: int
    blocks: int = 1
    heads: int | None = None

    def __post_init__(self) -> None:
        check_whole(self, "channels")
        check_whole(self, "blocks", most=64)
        if self.heads is not None:
            check_whole(self, "heads", most=self.channels)
            if self.channels % self.heads:
                raise ValueError(f"Level: {self.channels} channels do not split into {self.heads} heads")


class Layer(NamedTuple):
    """One layer of a network's table: what it is, and its channels.

    Attributes:
        kind: "conv", "halve", "double", "residual" or "attention".
        heads: of "attention".
    """

    kind: str
    inputs: int
    outputs: int
    heads: int = 0


def block(inputs: int, level: Level) -> list[Layer]:
    """A residual block to the level's channels, and attention behind it where the level has some."""
    C = level.channels
    return [Layer("residual", inputs, C), *([Layer("attention", C, C, level.heads)] if level.heads else [])]


def middle(inputs: int, level: Level) -> list[Layer]:
    """The bottom of a pyramid: residual blocks with attention between each two (Ho et al. 2020, appendix B).

    >>> [layer.kind for layer in middle(8, Level(8, blocks=2, heads=1))]
    ['residual', 'attention', 'residual']
    """
    layers: list[Layer] = []
    for _ in range(level.blocks):
        if layers and level.heads:
            layers.append(Layer("attention", level.channels, level.channels, level.heads))
        layers.append(Layer("residual", layers[-1].outputs if layers else inputs, level.channels))
    return layers


def check_levels(config: Any, middle: Level | None) -> None:
    """Demand levels in the field `levels`, and groups and a middle that fit their channels."""
    where, levels = type(config).__name__, config.levels
    if not isinstance(levels, tuple) or not all(isinstance(level, Level) for level in levels) or not levels:
        raise ValueError(f"{where}: levels: wanted one Level or more, got {levels!r}")
    if len(levels) > 16:
        raise ValueError(f"{where}: levels: wanted 16 at most, got {len(levels)}")
    check_whole(config, "groups")
    if middle is not None and not isinstance(middle, Level):
        raise ValueError(f"{where}: middle: wanted a Level, got {middle!r}")
    if middle is not None and middle.heads and middle.blocks < 2:
        raise ValueError(f"{where}: middle: its attention stands between residual blocks, wanted 2 or more, got 1")
    for level in (*levels, *([middle] if middle else [])):
        if level.channels % config.groups:
            raise ValueError(f"{where}: groups: {level.channels} channels do not split into {config.groups} groups")


def from_json(kind: type[Config], values: object) -> Config:
    """The configuration whose dataclasses.asdict was written as JSON: lists are tuples again, Levels Levels, and so on.

    Raises:
        ValueError: a field is unknown, missing or impossible; the message names it.

    >>> from_json(Level, {"channels": 64, "heads": 2})
    Level(channels=64, blocks=1, heads=2)
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__}: wanted its fields by name, got {values!r}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in values.keys() - known.keys():
        raise ValueError(f"{kind.__name__}: {name}: there is no such field; wanted {', '.join(known)}")
    for name in known.keys() - values.keys():
        if known[name].default is MISSING and known[name].default_factory is MISSING:
            raise ValueError(f"{kind.__name__}: {name}: is missing")
    hints = get_type_hints(kind)
    return kind(**{name: _revived(value, hints[name]) for name, value in values.items()})


def _revived(value: Any, hint: Any) -> Any:
    if isinstance(value, list) and get_origin(hint) is not dict:
        return tuple(_revived(item, hint) for item in value)
    kind = _dataclass_in(hint)
    return from_json(kind, value) if isinstance(value, Mapping) and kind else value


def _dataclass_in(hint: Any) -> type[Any] | None:
    """The dataclass that a type is put together of: Level, of ``tuple[Level, ...] | None``."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    return next(filter(None, map(_dataclass_in, get_args(hint))), None)
