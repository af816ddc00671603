"""From a sentence to a picture: tokenizer, text encoder, U-Net and decoder in one call.

    prompt -> tokens -> context            z_T ~ N(0, 1) -> sampler and U-Net, step by step -> z_0 -> decoder -> picture

Text-to-image draws z_T directly among the latents; the encoder is needed only for training.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import checkpoint
from minisd.autograd import Array, Tensor, no_grad
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.diffusion.schedule import NoiseSchedule, make_schedule
from minisd.models import first_format
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.levels import from_json
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.pictures import to_bytes, to_unit_range
from minisd.text.tokenizer import Tokenizer, clean, split_words

FORMAT = 2


class Prompt(NamedTuple):
    """What the U-Net is told of prompts: each token's vector (B, M, D), and the sentence's (B, E)."""

    context: Array
    pooled: Array


@dataclass(frozen=True)
class ModelInfo:
    """What belongs to a model besides its networks.

    Attributes:
        scale_factor: the U-Net works on scale_factor times the VAE's latents.
        clip_skip: the text encoder's layer whose tokens the U-Net reads, counted from the end.
        latent_size: height and width of the latents.
        words: the words of the captions it was trained on.
        guidance, steps, sampler: how it draws unless told otherwise.
        guidance_interval: guidance acts where low <= t < high. At the noisiest t it would make all pictures of a
            prompt alike, at the cleanest it does little (Kynkäänniemi et al. 2024).
        trained: how it was made: command, seed, steps, data, minutes.
    """

    scale_factor: float
    latent_size: tuple[int, int] = (7, 7)
    schedule: str = "cosine"
    timesteps: int = 1000
    prediction: str = "v"
    clip_skip: int = 2
    words: tuple[str, ...] = ()
    guidance: float = 1.5
    guidance_interval: tuple[int, int] = (300, 800)
    steps: int = 50
    sampler: str = "ddim"
    trained: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pipeline:
    """A trained model.

    >>> pipeline = Pipeline.load()
    >>> pipeline("a seven", seed=0).shape
    (1, 28, 28)
    """

    vae: VAE
    clip: CLIP
    unet: UNet
    tokenizer: Tokenizer
    info: ModelInfo

    def __post_init__(self) -> None:
        self.schedule: NoiseSchedule = make_schedule(self.info.schedule, self.info.timesteps)

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
        """
        prompts = [prompt] * num if isinstance(prompt, str) else list(prompt)
        for remark in self.remarks(prompts):
            warnings.warn(remark, stacklevel=2)
        return self.draw(prompts, **options)

    def draw(
        self,
        prompts: Sequence[str],
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        batch: int = 125,
        callback: Callable[[int, int, Array, Array], None] | None = None,
    ) -> Array:
        """One picture of every prompt; picture i depends on (seed, i, prompt) alone, not on the batch it is drawn in.

        Args:
            steps: sampling steps, 1 to 1000.
            guidance: 1 follows the prompt as trained, more follows it more closely and varies less.
            batch: pictures at a time, which bounds the memory.
            callback: called after every step with (step, t, z_t, z_0 as predicted then), latents that ``decode`` shows;
                they live where the networks live.

        Raises:
            ValueError: no prompt, no such sampler, or impossible steps.

        Shapes: returns (N, 28, 28) uint8.
        """
        if not prompts:
            raise ValueError('draw: wanted at least one prompt, such as "a seven", got none')
        drawn = []
        for start in range(0, len(prompts), batch):
            part = prompts[start : start + batch]
            rngs = sample_rngs(seed, len(part), first=start)
            z_T = to_device(initial_noise(self.latent_shape, rngs), self.device)
            model = ClassifierFreeGuidance(
                self.predict,
                self.encode_prompts(part),
                self.encode_prompts([""] * len(part)),
                self.info.guidance if guidance is None else guidance,
                interval=self.info.guidance_interval,
            )
            z_0 = sample(
                model,
                z_T,
                self.schedule,
                sampler=sampler or self.info.sampler,
                steps=self.info.steps if steps is None else steps,
                prediction=self.info.prediction,
                rngs=rngs,
                callback=callback,
            )
            drawn.append(self.decode(z_0))
        return np.concatenate(drawn)

    def encode_prompts(self, prompts: Sequence[str]) -> Prompt:
        """The text encoder's view of every prompt, where the networks live."""
        ids, _ = self.tokenizer(prompts, self.clip.config.context_length)
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
        """Pictures (N, H, W) uint8 of scaled latents (N, h, w, C)."""
        with no_grad():
            images = self.vae.decode(Tensor(z / np.float32(self.info.scale_factor)).to(self.device))
        return to_bytes(to_host(images.data))

    def remarks(self, prompts: Sequence[str]) -> list[str]:
        """What a user should know of the prompts: words never seen in training, and what was too long and dropped."""
        found: dict[str, None] = {}
        for prompt in prompts:
            unknown = [word for word in split_words(clean(prompt)) if word not in self.info.words]
            if unknown:
                found[f"{prompt!r}: the model never saw {', '.join(map(repr, unknown))} and may ignore it"] = None
            _, dropped = self.tokenizer.frame(prompt, self.clip.config.context_length)
            if dropped:
                limit = self.clip.config.context_length - 2
                found[f"{prompt!r} is longer than {limit} tokens: {dropped!r} was dropped"] = None
        return list(found)

    def predict(self, z_t: Array, t: Array, prompt: Prompt) -> Array:
        """What the U-Net says of latents z_t (N, h, w, C) at times t (N,): noise or v, see ``info.prediction``."""
        with no_grad():
            return self.unet(Tensor(z_t), t, Tensor(prompt.context), Tensor(prompt.pooled)).data

    def save(self, folder: Path) -> None:
        """Write model.json, tokenizer.json and a safetensors file for each network into `folder`.

        The weights are rounded to float16, as Stable Diffusion's are when they are passed on: half the size, and no
        difference to be seen. Whoever loads them computes in float32.
        """
        for name, network in self._networks().items():
            halved = {key: array.astype(np.float16) for key, array in network.state_dict().items()}
            checkpoint.save_arrays(folder / f"{name}.safetensors", halved)
        checkpoint.write_atomically(folder / "tokenizer.json", self.tokenizer.to_json().encode())
        checkpoint.save_json(
            folder / "model.json",
            {
                "format": FORMAT,
                **{name: dataclasses.asdict(network.config) for name, network in self._networks().items()},
                "info": dataclasses.asdict(self.info),
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
        rng = np.random.default_rng(0)
        try:
            if about["format"] not in (1, FORMAT):
                raise ValueError(f"its format is {about['format']}, this minisd reads format {FORMAT}")
            if old := about["format"] == 1:
                about = first_format.configurations(about)
            pipeline = cls(
                vae=VAE(from_json(VAEConfig, about["vae"]), rng=rng),
                clip=CLIP(from_json(CLIPConfig, about["clip"]), rng=rng),
                unet=UNet(from_json(UNetConfig, about["unet"]), rng=rng),
                tokenizer=Tokenizer.from_json(checkpoint.load_text(folder / "tokenizer.json")),
                info=_config(ModelInfo, about["info"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.CheckpointError(
                f"{folder / 'model.json'} does not describe a minisd model: {error}"
            ) from error
        for name, network in pipeline._networks().items():
            rename = partial(first_format.unet_name, levels=len(pipeline.unet.config.levels)) if old else str
            checkpoint.load_module(network, folder / f"{name}.safetensors", rename if name == "unet" else str)
        return pipeline

    def _networks(self) -> dict[str, VAE | CLIP | UNet]:
        return {"vae": self.vae, "clip": self.clip, "unet": self.unet}


def shipped_model() -> Path:
    """The folder of the model that comes with minisd."""
    return Path(str(files("minisd") / "weights"))


def _config(kind: Any, values: dict[str, Any]) -> Any:
    """A configuration from JSON, which knows lists and no tuples."""
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
