"""How each network is trained: every number of it, and the values that minisd trains with.

recipe.json in a run's folder has them all. A recipe of one's own may say a few of them, and the others are these:

    {"settings": {"data": "strokes", "objective": "flow"},
     "vae": {"kl_weight": 1e-3, "share": 0.2},
     "unet": {"batch": 128, "lr_decay": "linear", "lr_hold": 0.7, "config": {"levels": [{"channels": 96, "heads": 3}]}}}

``minisd train --recipe FILE`` trains by it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeAlias

from minisd.diffusion.objectives.times import TIMES
from minisd.diffusion.samplers import SAMPLERS
from minisd.models.checks import check, check_choice, check_number, check_whole, is_number
from minisd.models.dit import DiTConfig
from minisd.models.unet import UNetConfig
from minisd.optim import DECAYS

LATENT_SCALES = ("all", "channel")

Steps: TypeAlias = int | tuple[tuple[int, int], ...]


def _are_betas(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(is_number(x) and 0 <= x < 1 for x in value)


def _are_steps(value: object) -> bool:
    if isinstance(value, tuple):
        pairs = all(isinstance(x, tuple) and [*map(type, x)] == [int, int] and min(x) >= 0 for x in value)
        return pairs and len(value) > 0
    return value is None or (type(value) is int and value > 0)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        peak_lr: learning rate after `warmup` steps.
        lr_decay: how it falls from there to 0, a name in DECAYS.
        lr_hold: the share of these steps for which it stays at its peak before.
        clip_norm: gradients longer than this are shortened to it.
        betas: of Adam's two moments.
        ema_decay: of the moving average of the weights, which is what is kept in the end.
        steps: how many; or as ``Plan`` writes them, pairs of a step and how many they were then to be in all; None for
            as many as the run's settings say, or fit into its time.

    Raises:
        ValueError: a field of the wrong kind or out of range.
    """

    batch: int
    peak_lr: float
    warmup: int = 100
    lr_decay: str = "cosine"
    lr_hold: float = 0.0
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    ema_decay: float = 0.998
    weight_decay: float = 0.0
    steps: Steps | None = None

    def __post_init__(self) -> None:
        check_whole(self, "batch")
        check_number(self, "peak_lr", 1e-9, 1000)
        check_whole(self, "warmup", least=0)
        check_choice(self, "lr_decay", DECAYS)
        check_number(self, "lr_hold", 0, 1)
        check_number(self, "clip_norm", 1e-9, 1e9)
        check(self, "betas", "two numbers of 0 or more and below 1", _are_betas)
        check_number(self, "ema_decay", 0, 1)
        check_number(self, "weight_decay", 0, 1000)
        check(self, "steps", "a whole number of 1 or more, pairs such as [[10, 4000]], or none", _are_steps)

    @property
    def totals(self) -> dict[int, int] | None:
        """The steps as ``Plan`` takes them."""
        return {0: self.steps} if isinstance(self.steps, int) else None if self.steps is None else dict(self.steps)


@dataclass(frozen=True)
class VAERecipe(Recipe):
    """Of the VAE.

    Attributes:
        share: of the whole training's time, for 28 x 28; beside those of the CLIP pair and the U-Net.
        kl_weight: of the latents' divergence from N(0, 1). It is small: they stay near it, so that noise can become
            one, without blurring the pictures.
        latent_channels: None for as many as fit the pictures, see ``models/fitting.py``.
    """

    batch: int = 64
    peak_lr: float = 3e-3
    ema_decay: float = 0.995
    share: float = 0.16
    kl_weight: float = 1e-4
    latent_channels: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "share", 1e-3, 1e3)
        check_number(self, "kl_weight", 0, 1000)
        check_whole(self, "latent_channels", most=64, none=True)


@dataclass(frozen=True)
class CLIPRecipe(Recipe):
    """Of the CLIP pair; `share` as the VAE's."""

    batch: int = 128
    peak_lr: float = 2e-3
    ema_decay: float = 0.99
    weight_decay: float = 1e-4
    share: float = 0.11

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "share", 1e-3, 1e3)


@dataclass(frozen=True)
class DenoiserRecipe(Recipe):
    """Of the network that tells picture from noise; `share` as the VAE's.

    Attributes:
        untold: the share of the captions that is replaced by the empty prompt: the same network learns to draw without
            a prompt, which classifier-free guidance needs (Ho & Salimans 2022).
        times: how often which t is trained, a name in TIMES; None for the objective's own.
        latent_scale: what makes the latents' variance 1: one factor for "all" of them, or for each "channel" one of its
            own, after its mean is taken away.
    """

    batch: int = 64
    peak_lr: float = 2e-3
    warmup: int = 200
    ema_decay: float = 0.999
    share: float = 0.73
    untold: float = 1 / 8
    times: str | None = None
    latent_scale: str = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "share", 1e-3, 1e3)
        check_number(self, "untold", 0, 1)
        check_choice(self, "times", TIMES, none=True)
        check_choice(self, "latent_scale", LATENT_SCALES)


@dataclass(frozen=True)
class UNetRecipe(DenoiserRecipe):
    """Of the U-Net.

    Attributes:
        config: of the network; what follows from the VAE and the text encoder does so, whatever stands here.
    """

    config: UNetConfig = UNetConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "config", "its fields by name", lambda x: isinstance(x, UNetConfig))
        check(self, "config", "hint_channels of 0", lambda x: x.hint_channels == 0)


@dataclass(frozen=True)
class DiTRecipe(DenoiserRecipe):
    """Of the transformer; `config` as the U-Net's."""

    config: DiTConfig = DiTConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "config", "its fields by name", lambda x: isinstance(x, DiTConfig))


@dataclass(frozen=True)
class HiresRecipe(Recipe):
    """Of the network that doubles pictures."""

    batch: int = 16
    peak_lr: float = 2e-3


@dataclass(frozen=True)
class FewRecipe(Recipe):
    """Of the network that draws in few steps.

    Attributes:
        ways: drawings of the model that it learns from.
        untold: the share of them that are drawn of the empty prompt, so that it can be drawn in few steps, too.
        more_guidance: added to the model's own in these drawings: what a student does not tell apart costs accuracy,
            which a little guidance brings back.
        sampler, sampler_steps: how they are drawn.
    """

    batch: int = 64
    peak_lr: float = 1e-3
    warmup: int = 50
    ema_decay: float = 0.995
    ways: int = 12_800
    untold: float = 1 / 32
    more_guidance: float = 0.2
    sampler: str = "dpm_solver"
    sampler_steps: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "ways")
        check_number(self, "untold", 0, 1)
        check_number(self, "more_guidance", 0, 1000)
        check_choice(self, "sampler", SAMPLERS)
        check_whole(self, "sampler_steps", most=1000)
        check(self, "sampler_steps", "a multiple of 4", lambda x: x % 4 == 0)


@dataclass(frozen=True)
class LoRARecipe(Recipe):
    """Of a LoRA; `untold` as the U-Net's, and 0: what guidance leads away from stays as it was."""

    batch: int = 32
    peak_lr: float = 2e-3
    warmup: int = 20
    ema_decay: float = 0.99
    untold: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "untold", 0, 1)


@dataclass(frozen=True)
class Recipes:
    """Those of all networks that a run may train, by name.

    Attributes:
        mention: how often a caption says each attribute, of digits that have some; None for the data set's own.

    >>> Recipes().unet.batch, Recipes(vae=VAERecipe(batch=32)).changes("vae", "unet")
    (64, {'vae': {'batch': 32}})
    """

    vae: VAERecipe = VAERecipe()
    clip: CLIPRecipe = CLIPRecipe()
    unet: UNetRecipe = UNetRecipe()
    dit: DiTRecipe = DiTRecipe()
    hires: HiresRecipe = HiresRecipe()
    few: FewRecipe = FewRecipe()
    lora: LoRARecipe = LoRARecipe()
    mention: float | None = None

    def __post_init__(self) -> None:
        for name in _NETWORKS:
            check(self, name, "its fields by name", lambda x: isinstance(x, Recipe))
        check_number(self, "mention", 0, 1, none=True)

    def of(self, network: str) -> Recipe:
        """That of one network."""
        recipe: Recipe = getattr(self, network)
        return recipe

    def with_steps(self, planned: dict[str, dict[int, int]]) -> Recipes:
        """The same, for so many steps of these networks, and of the others as many as will be planned."""
        steps = {name: tuple(sorted(planned[name].items())) if name in planned else None for name in _NETWORKS}
        changed: dict[str, Any] = {name: dataclasses.replace(self.of(name), steps=some) for name, some in steps.items()}
        return dataclasses.replace(self, **changed)

    def changes(self, *networks: str) -> dict[str, Any]:
        """What is not as minisd trains these networks unless told otherwise, but for what model.json has elsewhere."""
        mine, usual = dataclasses.asdict(self), dataclasses.asdict(Recipes())
        found = {
            network: {k: v for k, v in mine[network].items() if k not in ("steps", "config") and v != usual[network][k]}
            for network in networks
        }
        said = {} if self.mention is None else {"mention": self.mention}
        return {network: changed for network, changed in found.items() if changed} | said


_NETWORKS = [field.name for field in dataclasses.fields(Recipes) if isinstance(field.default, Recipe)]
