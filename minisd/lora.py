"""A LoRA's file: a few hundred kilobytes that teach a model something new (nn/lora.py has the equation).

It is a safetensors file of the names that diffusers and peft write, arrays as PyTorch lays them out:

    unet.NAME.lora_A.weight   (r, C), or (r, C, kh, kw) of a convolution
    unet.NAME.lora_B.weight   (O, r), or (O, r, 1, 1)
    unet.NAME.alpha           (), as kohya's scripts write it; without it alpha = r, as diffusers has it

and "transformer" in the place of "unet" for a diffusion transformer.

Differs: NAME is the layer's name in minisd's networks; a LoRA for diffusers' Stable Diffusion names other layers.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import checkpoint
from minisd.autograd import Array
from minisd.checkpoint import CheckpointError
from minisd.models.dit import DiT
from minisd.nn import Module, Parameter
from minisd.nn.lora import Layer, LoRA, LowRank

_PREFIXES = {"unet": "U-Net", "transformer": "diffusion transformer"}
_PARTS = ("lora_A.weight", "lora_B.weight", "alpha")


@dataclass(frozen=True)
class LoRAFile:
    """What a file holds.

    Attributes:
        prefix: "unet" or "transformer": what it was trained beside.
        about: what it says of itself: `base`, the digest of the model that it was trained on; `words`, those of its
            captions; `rank`, `caption`, `data`, `steps` and so on; empty for a file of another program.
    """

    path: Path
    lora: LoRA
    prefix: str
    about: dict[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.about.get("words", "").split())

    def fitting(self, network: Module) -> dict[str, tuple[LowRank, Layer]]:
        """As ``LoRA.fitting``.

        Raises:
            CheckpointError: it is of another architecture.
        """
        try:
            if self.prefix != (wanted := prefix_of(network)):
                raise ValueError(
                    f"is for a {_PREFIXES[self.prefix]}, and this model's denoiser is a {_PREFIXES[wanted]}"
                )
            return self.lora.fitting(network)
        except ValueError as error:
            raise CheckpointError(f"{self.path}: {error}; use it with a model such as it was trained on") from error


def prefix_of(network: Module) -> str:
    """What a network's names begin with in a LoRA's file, as diffusers calls the networks of its pipelines."""
    return "transformer" if isinstance(network, DiT) else "unet"


def save_lora(path: Path | str, lora: LoRA, about: dict[str, str], prefix: str = "unet") -> None:
    """Write a LoRA, in float32.

    Raises:
        CheckpointError: as ``checkpoint.save_arrays``.
    """
    arrays: dict[str, Array] = {}
    for name, change in lora.layers.items():
        A, B = to_host(change.down.data), to_host(change.up.data).T
        if A.ndim == 4:
            A, B = A.transpose(3, 2, 0, 1), B[:, :, None, None]
        else:
            A = A.T
        parts = zip(_PARTS, (A, B, np.array(change.alpha)), strict=True)
        arrays |= {f"{prefix}.{name}.{part}": np.array(array, np.float32, order="C") for part, array in parts}
    checkpoint.save_arrays(path, arrays, about)


def load_lora(path: Path | str) -> LoRAFile:
    """Read a LoRA.

    Raises:
        CheckpointError: the file is missing or damaged, or holds something else; the message names the layer.
    """
    path = Path(path)
    found: dict[str, dict[str, Array]] = defaultdict(dict)
    prefixes = set()
    for key, array in checkpoint.load_weights(path).items():
        match = re.fullmatch(rf"({'|'.join(_PREFIXES)})\.(.+)\.({'|'.join(map(re.escape, _PARTS))})", key)
        if match is None:
            raise CheckpointError(
                f"{path}: {key!r} is no part of a LoRA as minisd reads it; wanted names such as "
                f"unet.conv_out.{_PARTS[0]}"
            )
        prefixes.add(match[1])
        found[match[2]][match[3]] = array
    if len(prefixes) != 1:
        what = " and ".join(sorted(prefixes)) or "nothing"
        raise CheckpointError(f"{path}: holds changes of {what}; wanted those of one network")
    lora = LoRA({name: _change(path, name, parts) for name, parts in found.items()})
    return LoRAFile(path, lora, prefixes.pop(), checkpoint.load_about(path))


def _change(path: Path, name: str, parts: dict[str, Array]) -> LowRank:
    """One layer's two matrices, as LowRank has them."""
    for part in _PARTS[:2]:
        if part not in parts:
            raise CheckpointError(f"{path}: {name}: {part} is missing; a LoRA has both, use the file that it came from")
    A, B = parts[_PARTS[0]], parts[_PARTS[1]]
    rank = len(A) if A.ndim in (2, 4) else 0
    if rank == 0 or B.ndim != A.ndim or B.shape[1:] != (rank, *[1] * (A.ndim - 2)):
        raise CheckpointError(
            f"{path}: {name}: lora_A of shape {A.shape} and lora_B of shape {B.shape} do not meet; wanted (r, C) and "
            "(O, r), or for a convolution (r, C, kh, kw) and (O, r, 1, 1)"
        )
    alpha = parts.get(_PARTS[2], np.array(rank))
    if alpha.size != 1:
        raise CheckpointError(f"{path}: {name}: alpha has shape {alpha.shape}; wanted one number")
    down, up = A.T if A.ndim == 2 else A.transpose(2, 3, 1, 0), B.reshape(len(B), rank).T
    with np.errstate(over="ignore"):  # what float32 cannot hold is said when it is merged
        down, up = np.ascontiguousarray(down, np.float32), np.ascontiguousarray(up, np.float32)
    return LowRank(down, up, float(alpha.reshape(())))


class Merged:
    """The LoRAs in a network's weights, which are kept as they were.

        W' = W + sum over LoRAs of scale (alpha / r) A B

    Attributes:
        loras: each with its scale.
        kept: the weights before, by their names.
    """

    def __init__(self, network: Module) -> None:
        self.network = network
        self.loras: list[tuple[LoRAFile, float]] = []
        self.kept: dict[str, Array] = {}

    def add(self, file: LoRAFile, scale: float) -> None:
        """Merge one more; one that does not fit changes nothing.

        Raises:
            CheckpointError: it does not fit the network.
            ValueError: the scale is not finite, or the weights would not be.
        """
        if not math.isfinite(scale):
            raise ValueError(f"{file.path}: wanted a finite scale, got {scale}")
        pairs, changed = file.fitting(self.network), {}
        for name, (change, layer) in pairs.items():
            weight = to_host(layer.weight.data)
            with np.errstate(all="ignore"):
                changed[name] = weight + weight.dtype.type(scale) * change.delta()
            if not np.isfinite(changed[name]).all():
                raise ValueError(
                    f"{file.path}: {name}: at a scale of {scale:g} its weights are no longer finite numbers"
                )
        for name, (_, layer) in pairs.items():
            self.kept.setdefault(f"{name}.weight", to_host(layer.weight.data).copy())
            _write(layer.weight, changed[name])
        self.loras.append((file, scale))

    def remove_all(self) -> None:
        """The network as it was, to the bit."""
        parameters = dict(self.network.named_parameters())
        for name, weight in self.kept.items():
            _write(parameters[name], weight)
        self.loras, self.kept = [], {}


def _write(parameter: Parameter, array: Array) -> None:
    parameter.data[...] = to_device(array, parameter.device)
    parameter.changed()
