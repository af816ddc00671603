"""From a sentence to a picture: tokenizer, text encoder, U-Net and decoder in one call.

    prompt -> tokens -> context            z_T ~ N(0, 1) -> sampler and U-Net, step by step -> z_0 -> decoder -> picture

Text-to-image draws z_T directly among the latents; the encoder is needed only for training.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import checkpoint
from minisd.autograd import Array, Tensor, no_grad
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.diffusion.schedule import NoiseSchedule, make_schedule
from minisd.memory import available_memory
from minisd.model_info import ModelInfo
from minisd.models import first_format
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.levels import from_json
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.pictures import to_bytes, to_unit_range
from minisd.text.captions import DIGITS, in_english
from minisd.text.remarks import remarks
from minisd.text.tokenizer import Tokenizer, TokenizerError

FORMAT = 2

BATCH = 125  # pictures at a time

_TOKENIZER = "tokenizer.json"
_SIDE = 4  # pixels of a picture to a latent's one, up and across


class Prompt(NamedTuple):
    """What the U-Net is told of prompts: each token's vector (B, M, D), and the sentence's (B, E)."""

    context: Array
    pooled: Array


class SamplingDiverged(ArithmeticError):
    """The numbers of a drawing are no longer finite: the message says at which step."""


@dataclass
class Pipeline:
    """A trained model.

    >>> pipeline = Pipeline.load()
    >>> pipeline("a seven", seed=0).shape
    (1, 28, 28)

    Attributes:
        seed: of the pictures drawn last; says which it was after a drawing with seed None.

    Raises:
        ValueError: the parts do not fit each other.
    """

    vae: VAE
    clip: CLIP
    unet: UNet
    tokenizer: Tokenizer
    info: ModelInfo
    seed: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.schedule: NoiseSchedule = make_schedule(self.info.schedule, self.info.timesteps)
        vae, clip, unet, tokenizer = self.vae.config, self.clip.config, self.unet.config, self.tokenizer
        for what, found, wanted in (
            ("UNetConfig: latent_channels", unet.latent_channels, vae.latent_channels),
            ("UNetConfig: context_width", unet.context_width, clip.width),
            ("UNetConfig: pooled_width", unet.pooled_width, clip.embedding_width),
            ("CLIPConfig: vocabulary", clip.vocabulary, tokenizer.size),
            ("CLIPConfig: end_id", clip.end_id, tokenizer.end),
            ("VAEConfig: image_channels", vae.image_channels, 1),
        ):
            if found != wanted:
                raise ValueError(f"{what}: wanted {wanted}, to fit the rest of the model, got {found}")
        clip.check_clip_skip(self.info.clip_skip)

    @property
    def device(self) -> str:
        """Where the networks live: cpu, cuda or emu."""
        return self.unet.device

    def to(self, device: str) -> Self:
        """Move the networks to a device, cpu, cuda or emu; returns the pipeline itself.

        Raises:
            BackendUnavailable: the device cannot be used here.
        """
        for network in self._networks().values():
            network.to(device)
        return self

    def __call__(self, prompt: str | Sequence[str], *, num: int = 1, **options: Any) -> Array:
        """Draw `num` pictures of a prompt, or one of each of several; see ``draw`` for the options.

        Words that the model never saw, and the end of a prompt that is too long, are named in a warning.

        Shapes: returns (N, 28, 28) uint8, light strokes on a dark ground.

        Raises:
            ValueError: as draw; or more pictures than the memory holds.
        """
        if isinstance(prompt, str):
            self.check_count(num)
        several = isinstance(prompt, Iterable) and not isinstance(prompt, str)
        prompts = list(prompt) if several else [cast(str, prompt)] * num
        for remark in self.remarks(prompts):
            warnings.warn(remark, stacklevel=2)
        return self.draw(prompts, **options)

    def draw(
        self,
        prompts: Sequence[str],
        *,
        seed: int | None = 0,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        batch: int = BATCH,
        callback: Callable[[int, int, Array, Array], None] | None = None,
    ) -> Array:
        """One picture of every prompt; picture i depends on (seed, i, prompt) alone, not on the batch it is drawn in.

        Args:
            seed: None for one that nobody chose; ``pipeline.seed`` says which it was.
            steps: sampling steps, 1 to 1000.
            guidance: 1 follows the prompt as trained, more follows it more closely and varies less; 0 ignores it.
            batch: pictures at a time, which bounds the memory.
            callback: called after every step with (step, t, z_t, z_0 as predicted then), latents that ``decode`` shows;
                they live where the networks live.

        Raises:
            ValueError: no prompt, no such sampler, impossible steps or batch, or a guidance that is no number.
            SamplingDiverged: the latents are no longer finite.

        Shapes: returns (N, 28, 28) uint8.
        """
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f'draw: wanted a list of one prompt or more, such as ["a seven"], got {prompts!r}')
        if batch < 1:
            raise ValueError(f"draw: wanted a batch of 1 or more pictures, got {batch}")
        guidance = self.info.guidance if guidance is None else guidance
        if not math.isfinite(guidance):
            raise ValueError(f"draw: wanted a finite guidance, such as {self.info.guidance}, got {guidance}")
        steps = self.info.steps if steps is None else steps
        self.seed = secrets.randbits(32) if seed is None else seed

        drawn = []
        for start in range(0, len(prompts), batch):
            part = prompts[start : start + batch]
            rngs = sample_rngs(self.seed, len(part), first=start)
            model = ClassifierFreeGuidance(
                self.predict,
                self.encode_prompts(part),
                self.encode_prompts([""] * len(part)),
                guidance,
                interval=self.info.guidance_interval,
            )
            totals: list[tuple[int, Array]] = []  # t and the sum of z_0 of each step, which stays where it was made

            def watch(step: int, t: int, z_t: Array, z_0: Array, totals: list[tuple[int, Array]] = totals) -> None:
                totals.append((t, z_0.sum()))
                if callback is not None:
                    callback(step, t, z_t, z_0)

            with np.errstate(all="ignore"):  # what overflows is said in words
                z_0 = sample(
                    model,
                    to_device(initial_noise(self.latent_shape, rngs), self.device),
                    self.schedule,
                    sampler=sampler or self.info.sampler,
                    steps=steps,
                    prediction=self.info.prediction,
                    rngs=rngs,
                    callback=watch,
                )
            try:
                drawn.append(self.decode(z_0))
            except SamplingDiverged:  # only now is anything fetched from a device to look at it
                for step, (t, total) in enumerate(totals):
                    if not np.isfinite(to_host(total)):
                        raise SamplingDiverged(
                            f"drawing: the numbers are no longer finite at step {step + 1} of {steps}, t = {t}; "
                            f"draw with less guidance than {guidance:g}, or have the model's weights looked at"
                        ) from None
                raise
        return np.concatenate(drawn)

    def check_count(self, count: int, *, bytes_each: int | None = None) -> None:
        """Can `count` pictures be held in memory, where each takes `bytes_each`, if not only its pixels?

        Raises:
            ValueError: none, or too many: the message estimates what they need.
        """
        if count < 1:
            raise ValueError(f"wanted 1 picture or more, got {count}")
        size = bytes_each or 2 * _SIDE**2 * math.prod(self.info.latent_size)
        free = available_memory() or 2**32
        if count * size > free:
            raise ValueError(
                f"{count:,} pictures need about {count * size / 1e9:,.0f} GB of memory; {free / 1e9:.1f} GB are free, "
                f"enough for {free // size:,} at a time: draw the others with other seeds"
            )

    def encode_prompts(self, prompts: Sequence[str]) -> Prompt:
        """The text encoder's view of every prompt, where the networks live."""
        config = self.clip.config
        ids, _ = self.tokenizer([self._as_read(p) for p in prompts], config.context_length, config.padding_id)
        with no_grad():
            context, pooled = self.clip.text(to_device(ids, self.device), clip_skip=self.info.clip_skip)
        return Prompt(context.data, pooled.data)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(h, w, C) of one picture's latents."""
        return (*self.info.latent_size, self.vae.config.latent_channels)

    def encode(self, images: Array) -> Array:
        """Scaled latents (N, h, w, C), the most likely ones, of pictures (N, H, W) uint8; they stay with the VAE."""
        with no_grad():
            mean, _ = self.vae.encode(Tensor(to_unit_range(images)).to(self.device))
        return mean.data * np.float32(self.info.scale_factor)

    def decode(self, z: Array) -> Array:
        """Pictures (N, H, W) uint8 of scaled latents (N, h, w, C).

        Raises:
            SamplingDiverged: the decoder's numbers are not finite.
        """
        with no_grad(), np.errstate(all="ignore"):
            images = to_host(self.vae.decode(Tensor(z / np.float32(self.info.scale_factor)).to(self.device)).data)
        if not np.isfinite(images).all():
            raise SamplingDiverged("decoding: the pictures' numbers are not finite; have the model's weights looked at")
        return to_bytes(images)

    def remarks(self, prompts: Sequence[str]) -> list[str]:
        """What a user should know of the prompts: words never seen in training, and what was too long and dropped."""
        read = [self._as_read(prompt) for prompt in prompts]
        return remarks(read, self.tokenizer, self.clip.config.context_length, self.info.words)

    def _as_read(self, prompt: str) -> str:
        """The prompt as the tokenizer is given it: with all digits in English, if the model knows English ones."""
        if not isinstance(prompt, str):
            raise TypeError(f'draw: a prompt is a text, such as "a seven", got {prompt!r}')
        return in_english(prompt) if {*DIGITS} <= {*self.info.words} else prompt

    def predict(self, z_t: Array, t: Array, prompt: Prompt) -> Array:
        """What the U-Net says of latents z_t (N, h, w, C) at times t (N,): noise or v, see ``info.prediction``."""
        with no_grad():
            return self.unet(Tensor(z_t), t, Tensor(prompt.context), Tensor(prompt.pooled)).data

    def save(self, folder: str | Path) -> None:
        """Write model.json, tokenizer.json and a safetensors file for each network into `folder`.

        The weights are rounded to float16, as Stable Diffusion's are when they are passed on: half the size, and no
        difference to be seen. Whoever loads them computes in float32. model.json comes last, and holds the others'
        SHA-256.

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
                **{name: dataclasses.asdict(network.config) for name, network in self._networks().items()},
                "info": dataclasses.asdict(self.info),
                "sha256": {name: checkpoint.digest(folder / name) for name in self._files()},
            },
        )

    @classmethod
    def load(cls, path: str | Path | None = None) -> Pipeline:
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
            pipeline = cls(
                vae=VAE(from_json(VAEConfig, about.get("vae")), rng=first("vae")),
                clip=CLIP(from_json(CLIPConfig, about.get("clip")), rng=first("clip")),
                unet=UNet(from_json(UNetConfig, about.get("unet")), rng=first("unet")),
                tokenizer=tokenizer,
                info=from_json(ModelInfo, about.get("info")),
            )
            digests = about.get("sha256", {})
            if not isinstance(digests, dict) or (digests and {*digests} != {*pipeline._files()}):
                raise ValueError(f"sha256: wanted a digest of each of {', '.join(pipeline._files())}, got {digests!r}")
        except checkpoint.CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise checkpoint.CheckpointError(
                f"{folder / 'model.json'} does not describe a minisd model: {what}"
            ) from error
        for name, wanted in digests.items():
            checkpoint.check_digest(folder / name, str(wanted))
        for name, network in pipeline._networks().items():
            rename = partial(first_format.unet_name, levels=len(pipeline.unet.config.levels)) if old else str
            checkpoint.load_module(network, folder / f"{name}.safetensors", rename if name == "unet" else str)
        return pipeline

    def _files(self) -> list[str]:
        return [*(f"{name}.safetensors" for name in self._networks()), _TOKENIZER]

    def _networks(self) -> dict[str, VAE | CLIP | UNet]:
        return {"vae": self.vae, "clip": self.clip, "unet": self.unet}


def shipped_model() -> Path:
    """The folder of the model that comes with minisd."""
    return Path(str(files("minisd") / "weights"))
