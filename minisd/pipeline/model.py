"""A trained model: its networks, tokenizer and settings, as they are saved, loaded and asked.

The networks are asked here with plain arrays: texts in and vectors out, pictures in and latents out, and back.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import checkpoint
from minisd.autograd import Array, Tensor, no_grad
from minisd.diffusion.schedule import NoiseSchedule, make_schedule
from minisd.few import FewInfo, FewSteps
from minisd.hires import HiresInfo, Upscaler
from minisd.lora import LoRAFile, Merged, load_lora
from minisd.model_info import ModelInfo
from minisd.models import first_format
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.denoiser import DENOISERS, Denoiser, make_denoiser, name_of
from minisd.models.dit import DiTConfig
from minisd.models.levels import from_json
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.pictures import to_bytes, to_unit_range
from minisd.text.captions import DIGITS, in_english
from minisd.text.scripts import spaced
from minisd.text.tokenizer import Tokenizer, TokenizerError

FORMAT = 2

_TOKENIZER = "tokenizer.json"


class Prompt(NamedTuple):
    """What the denoiser is told of prompts: each token's vector (B, M, D), and the sentence's (B, E)."""

    context: Array
    pooled: Array


class SamplingDiverged(ArithmeticError):
    """The numbers of a drawing are no longer finite: the message says at which step."""


@dataclass
class Model:
    """The parts of a trained model, which fit each other.

    Attributes:
        denoiser: the U-Net or the transformer that tells picture from noise.
        hires: doubles the side of a picture; None for a model without.
        few: draws in few steps; None for a model without.

    Raises:
        ValueError: they do not.
    """

    vae: VAE
    clip: CLIP
    denoiser: Denoiser
    tokenizer: Tokenizer
    info: ModelInfo
    hires: Upscaler | None = None
    few: FewSteps | None = None

    def __post_init__(self) -> None:
        self.schedule: NoiseSchedule = make_schedule(self.info.schedule, self.info.timesteps)
        vae, clip, denoiser, tokenizer = self.vae.config, self.clip.config, self.denoiser.config, self.tokenizer
        kind = type(denoiser).__name__
        if vae.image_channels not in (1, 3):
            raise ValueError(
                f"VAEConfig: image_channels: wanted 1, grey, or 3, red, green and blue, got {vae.image_channels}"
            )
        for what, found, wanted in (
            (f"{kind}: latent_channels", denoiser.latent_channels, vae.latent_channels),
            (f"{kind}: context_width", denoiser.context_width, clip.width),
            (f"{kind}: pooled_width", denoiser.pooled_width, clip.embedding_width),
            ("CLIPConfig: vocabulary", clip.vocabulary, tokenizer.size),
            ("CLIPConfig: end_id", clip.end_id, tokenizer.end),
            ("CLIPConfig: picture", clip.picture, self.picture_shape),
        ):
            if found != wanted:
                raise ValueError(f"{what}: wanted {wanted}, to fit the rest of the model, got {found}")
        for name in ("scale_factor", "shift_factor"):
            if isinstance(found := getattr(self.info, name), tuple) and len(found) != vae.latent_channels:
                raise ValueError(
                    f"ModelInfo: {name}: wanted one number, or one for each of the latents' {vae.latent_channels} "
                    f"channels, got {len(found)}"
                )
        clip.check_clip_skip(self.info.clip_skip)
        if isinstance(denoiser, DiTConfig):
            denoiser.check_size(*self.info.latent_size)
        self._merged = Merged(self.denoiser)
        if self.few is not None:
            self.few.info.levels(self.schedule)

    @property
    def device(self) -> str:
        """Where the networks live: cpu, cuda or emu."""
        return self.denoiser.device

    def to(self, device: str) -> Self:
        """Move the networks to a device, cpu, cuda or emu; returns the model itself.

        Raises:
            BackendUnavailable: the device cannot be used here.
        """
        for network in self._networks().values():
            network.to(device)
        return self

    def add_lora(self, path: str | Path, scale: float = 1.0) -> Self:
        """Merge the LoRA in a file into the weights, beside those that are there; returns the model itself.

        Args:
            scale: how much of it: 1 as it was trained, 0 none, below 0 away from it.

        Raises:
            CheckpointError: no LoRA there, a damaged one, or one for another architecture.
            ValueError: the scale is not finite, or too large.
        """
        self._merged.add(load_lora(path), scale)
        return self

    def remove_loras(self) -> Self:
        """Have the weights back that were there before the first ``add_lora``, to the bit; returns the model itself."""
        self._merged.remove_all()
        return self

    @property
    def loras(self) -> tuple[tuple[LoRAFile, float], ...]:
        """The LoRAs in the weights, each with its scale."""
        return tuple(self._merged.loras)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the captions that it was trained on, its LoRAs' included."""
        more = {word for lora, _ in self.loras for word in lora.words} - {*self.info.words}
        return (*self.info.words, *sorted(more))

    def digest(self) -> str:
        """The SHA-256 of the weights that a LoRA is trained beside, as they are without any."""
        sha = hashlib.sha256()
        for network in (self.vae, self.clip, self.denoiser):
            for name, array in network.state_dict().items():
                plain = network is not self.denoiser or name not in self._merged.kept
                sha.update((array if plain else self._merged.kept[name]).tobytes())
        return sha.hexdigest()

    def encode_prompts(self, prompts: Sequence[str], *, clip_skip: int | None = None) -> Prompt:
        """The text encoder's view of every prompt, word for word, where the networks live.

        Args:
            clip_skip: the layer that is read, counted from the end; None for the one that the denoiser was trained on.
        """
        config = self.clip.config
        ids, _ = self.tokenizer([self._as_read(p) for p in prompts], config.context_length, config.padding_id)
        clip_skip = self.info.clip_skip if clip_skip is None else clip_skip
        with no_grad():
            context, pooled = self.clip.text(to_device(ids, self.device), clip_skip=clip_skip)
        return Prompt(context.data, pooled.data)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(h, w, C) of one picture's latents."""
        return (*self.info.latent_size, self.vae.config.latent_channels)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one picture: C is 1 for grey, 3 for red, green and blue."""
        (h, w), vae = self.info.latent_size, self.vae.config
        return h * vae.factor, w * vae.factor, vae.image_channels

    @property
    def light_on_dark(self) -> bool:
        """Whether it learned light strokes on a dark ground: all data sets of grey digits are so."""
        return self.picture_shape[2] == 1 and self.info.trained.get("data") != "folder"

    def encode(self, images: Array) -> Array:
        """Scaled latents (N, h, w, C), the most likely ones, of pictures uint8 as drawn; they stay with the VAE."""
        return self.to_latents(to_device(to_unit_range(images), self.device))

    def decode(self, z: Array) -> Array:
        """Pictures, (N, H, W) or (N, H, W, 3) uint8, of scaled latents (N, h, w, C).

        Raises:
            SamplingDiverged: the decoder's numbers are not finite.
        """
        with np.errstate(all="ignore"):
            images = to_host(self.to_pixels(to_device(z, self.device)))
        if not np.isfinite(images).all():
            raise SamplingDiverged("decoding: the pictures' numbers are not finite; have the model's weights looked at")
        return to_bytes(images)

    def to_latents(self, x: Array) -> Array:
        """Scaled latents (N, h, w, C) of pictures (N, H, W, channels) in [-1, 1], where the VAE lives."""
        with no_grad():
            mean, _ = self.vae.encode(Tensor(x))
        return self.info.scaled(mean.data)

    def to_pixels(self, z: Array) -> Array:
        """Pictures (N, H, W, channels), mostly in [-1, 1], of scaled latents (N, h, w, C), where the VAE lives."""
        with no_grad():
            return self.vae.decode(Tensor(self.info.unscaled(z))).data

    def predict(self, z_t: Array, t: Array, prompt: Prompt) -> Array:
        """What the denoiser says of latents z_t (N, h, w, C) at times t (N,): noise or v, see ``info.prediction``."""
        return _asked(self.denoiser, z_t, t, prompt)

    def predict_end(self, z_t: Array, t: Array, prompt: Prompt) -> Array:
        """What the network for few steps says, as ``predict``: it leads to where the way from z_t ends."""
        assert self.few is not None, "check_few came before"
        return _asked(self.few.network, z_t, t, prompt)

    def _as_read(self, text: str) -> str:
        """The text as the tokenizer is given it: as the captions were that the model was trained on.

        If it knows the English digits, all digits are in English; and unless it knows words of several Chinese or
        Japanese characters, each is a word.
        """
        words = self.info.words
        text = in_english(text) if {*DIGITS} <= {*words} else text
        return spaced(text) if all(spaced(word) == word for word in words) else text

    def save(self, folder: str | Path) -> None:
        """Write model.json, tokenizer.json and a safetensors file for each network into `folder`.

        The weights are rounded to float16, as Stable Diffusion's are when they are passed on: half the size, and no
        difference to be seen. Whoever loads them computes in float32. model.json comes last, and holds the others'
        SHA-256. LoRAs are in the weights for good.

        Raises:
            CheckpointError: the folder is missing or cannot be written.
        """
        folder = Path(folder)
        for name, network in self._networks().items():
            halved = {key: array.astype(np.float16) for key, array in network.state_dict().items()}
            checkpoint.save_arrays(folder / f"{name}.safetensors", halved)
        checkpoint.write_atomically(folder / _TOKENIZER, self.tokenizer.to_json().encode())
        checkpoint.save_json(
            folder / "model.json",
            {
                "format": FORMAT,
                **{
                    name: dataclasses.asdict(network.config)
                    for name, network in self._networks().items()
                    if name != "few"  # it is built as the one that it was a copy of
                },
                "info": dataclasses.asdict(dataclasses.replace(self.info, words=self.words)),
                **({"hires_info": dataclasses.asdict(self.hires.info)} if self.hires else {}),
                **({"few_info": dataclasses.asdict(self.few.info)} if self.few else {}),
                "sha256": {name: checkpoint.digest(folder / name) for name in self._files()},
            },
        )

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read the model in the folder `path`; without one, the model that comes with minisd.

        Raises:
            CheckpointError: no model there, damaged files, or another architecture.
        """
        folder = shipped_model() if path is None else Path(path)
        about = checkpoint.load_json(folder / "model.json")

        def first(network: str) -> checkpoint.FirstWeights:
            return checkpoint.FirstWeights(folder / f"{network}.safetensors")

        try:
            tokenizer = Tokenizer.from_json(checkpoint.load_text(folder / _TOKENIZER))
        except TokenizerError as error:
            raise checkpoint.CheckpointError(f"{folder / _TOKENIZER}: damaged: {error}") from error
        try:
            found = about.get("format") if isinstance(about, dict) else about
            if found not in (1, FORMAT):
                raise ValueError(f"its format is {found!r}, this minisd reads formats 1 to {FORMAT}")
            if old := found == 1:
                about = first_format.configurations(about)
            model = cls(
                vae=VAE(from_json(VAEConfig, about.get("vae")), rng=first("vae")),
                clip=CLIP(from_json(CLIPConfig, about.get("clip")), rng=first("clip")),
                denoiser=_denoiser(about, first),
                tokenizer=tokenizer,
                info=from_json(ModelInfo, about.get("info")),
                hires=_upscaler(about, first) if "hires" in about else None,
            )
            if "few_info" in about:
                student = make_denoiser(model.denoiser.config, rng=first("few"))
                model = dataclasses.replace(model, few=FewSteps(student, from_json(FewInfo, about["few_info"])))
            digests = about.get("sha256", {})
            if not isinstance(digests, dict) or (digests and {*digests} != {*model._files()}):
                raise ValueError(f"sha256: wanted a digest of each of {', '.join(model._files())}, got {digests!r}")
        except checkpoint.CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise checkpoint.CheckpointError(
                f"{folder / 'model.json'} does not describe a minisd model: {what}"
            ) from error
        for name, wanted in digests.items():
            checkpoint.check_digest(folder / name, str(wanted))
        for name, network in model._networks().items():
            rename = partial(first_format.unet_name, levels=len(about["unet"]["levels"])) if old else str
            checkpoint.load_module(network, folder / f"{name}.safetensors", rename if name == "unet" else str)
        return model

    def _files(self) -> list[str]:
        return [*(f"{name}.safetensors" for name in self._networks()), _TOKENIZER]

    def _networks(self) -> dict[str, VAE | CLIP | Denoiser]:
        hires = {"hires": self.hires.unet} if self.hires else {}
        few = {"few": self.few.network} if self.few else {}
        return {"vae": self.vae, "clip": self.clip, name_of(self.denoiser): self.denoiser, **hires, **few}


def _asked(network: Denoiser, z_t: Array, t: Array, prompt: Prompt) -> Array:
    with no_grad():
        return network(Tensor(z_t), t, Tensor(prompt.context), Tensor(prompt.pooled)).data


def _denoiser(about: Mapping[str, Any], first: Callable[[str], checkpoint.FirstWeights]) -> Denoiser:
    match [name for name in DENOISERS if name in about]:
        case [name]:
            return make_denoiser(from_json(DENOISERS[name], about[name]), rng=first(name))
        case found:
            raise ValueError(f"wanted one network of {', '.join(DENOISERS)}, got {' and '.join(found) or 'none'}")


def _upscaler(about: Mapping[str, Any], first: Callable[[str], checkpoint.FirstWeights]) -> Upscaler:
    unet = UNet(from_json(UNetConfig, about["hires"]), rng=first("hires"))
    return Upscaler(unet, from_json(HiresInfo, about.get("hires_info")))


def shipped_model() -> Path:
    """The folder of the model that comes with minisd."""
    return Path(str(files("minisd") / "weights"))
