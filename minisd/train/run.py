"""The whole training: VAE, CLIP and U-Net one after the other into one folder, stoppable and resumable at any moment.

folder/  run.json          what was asked for, and the number of steps planned for each network
         checkpoints/      the latest states of the network in training, and the networks that are finished
         *.safetensors, tokenizer.json, model.json      the model; model.json comes last
         loss-*.png, samples/                           what can be seen of the progress
"""

from __future__ import annotations

import dataclasses
import signal
import time
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minisd import checkpoint, plots
from minisd.memory import peak_memory
from minisd.model_info import ModelInfo
from minisd.models.clip import CLIP, CLIPConfig
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig, scale_factor
from minisd.nn import Module
from minisd.pipeline import Pipeline
from minisd.text.tokenizer import Tokenizer, clean, split_words
from minisd.train.clip import CLIPTask
from minisd.train.dataset import CaptionedImages, load_training_set
from minisd.train.loop import Fit, Task, TrainingDiverged
from minisd.train.profile import Profile
from minisd.train.unet import UNetTask, encode_all
from minisd.train.vae import VAETask

NETWORKS = ("vae", "clip", "unet")
SHARES = {"vae": 0.16, "clip": 0.11, "unet": 0.73}  # of the time
_CHECKPOINT_SECONDS, _PREVIEW_SECONDS = 30, 120
_COMPILING_STEPS = 2


@dataclass(frozen=True)
class Settings:
    """What `minisd train` was asked for.

    Attributes:
        minutes: the whole training's time; the number of steps is planned from the speed of each network's first ones.
        steps: if given, every network's number of steps, whatever the time.
        device: where the networks are trained: cpu, cuda or emu.
    """

    data: str = "mnist"
    data_dir: str | None = None
    seed: int = 0
    minutes: float = 14.0
    steps: int | None = None
    device: str = "cpu"


class Interrupted(Exception):
    """The user stopped the run; it has been saved and can go on."""


@dataclass
class Run:
    """A training run in `folder`.

    Attributes:
        planned: steps of each network, as soon as they are known.
        seconds: how long it has been training, earlier sittings included.
    """

    folder: Path
    settings: Settings
    planned: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def start(cls, folder: Path, settings: Settings) -> Run:
        """A new run.

        Raises:
            CheckpointError: the folder holds a run or a model already.
        """
        run = cls(folder, settings)
        if (folder / "run.json").exists():
            raise checkpoint.CheckpointError(
                f"{folder} holds a training run already: go on with --resume, or choose another folder with --out"
            )
        if run.finished or any(run._weights(network).exists() for network in NETWORKS):
            raise checkpoint.CheckpointError(f"{folder} holds a model already: choose another folder with --out")
        return run

    @classmethod
    def resume(cls, folder: Path, device: str | None = None) -> Run:
        """The run in `folder`, to go on with, on another `device` if one is named.

        Raises:
            CheckpointError: no run there, or a damaged one.
        """
        about = checkpoint.load_json(folder / "run.json")
        try:
            settings = Settings(**about["settings"] | ({} if device is None else {"device": device}))
            return cls(folder, settings, about["planned"], about["seconds"])
        except (KeyError, TypeError) as error:
            raise checkpoint.CheckpointError(
                f"{folder / 'run.json'} does not describe a training run: {error}"
            ) from error

    @property
    def finished(self) -> bool:
        return (self.folder / "model.json").exists()

    def _save_plan(self) -> None:
        checkpoint.save_json(
            self.folder / "run.json",
            {"settings": dataclasses.asdict(self.settings), "planned": self.planned, "seconds": self.seconds},
        )

    def train(self, say: Callable[[str], None] = print, profile: bool = False) -> Path:
        """Train what is not trained yet; returns the folder, then a model that ``Pipeline.load`` reads.

        With `profile`, where the steps' time went is said for each network, and drawn in profile.png.

        Raises:
            Interrupted: by Ctrl-C; the state is saved.
            TrainingDiverged: a loss is no longer finite; the message names the last good checkpoint.
            CheckpointError: another run is writing to the folder, or it cannot be written.
        """
        with checkpoint.lock_folder(self.folder), _interrupt_flag() as interrupted:
            if self.finished:
                say(f"{self.folder} is trained already")
                return self.folder
            self._sitting = time.monotonic() - self.seconds
            self._interrupted = interrupted
            device = self.settings.device
            self._profiles = {network: Profile(device) for network in NETWORKS} if profile else {}
            data = load_training_set(self.settings.data, Path(d) if (d := self.settings.data_dir) else None)
            self._save_plan()  # not before the data are there: a run that cannot start leaves nothing in the way
            say(f"{len(data):,} pictures of {self.settings.data}")
            self._fit("vae", lambda: VAETask(data.images, self._rng("vae")), say)
            self._fit("clip", lambda: CLIPTask(data, self._tokenizer(data), self._rng("clip")), say)
            pipeline, latents = self._pipeline(data)
            self._fit("unet", lambda: UNetTask(data, pipeline, latents), say)
            self._load(pipeline.unet, "unet")
            pipeline.save(self.folder)
            if self._profiles:
                say("\n\n".join(profile.table(network) for network, profile in self._profiles.items()))
                plots.save_profile(self.folder / "profile.png", self._profiles)
            if (peak := peak_memory()) is not None:
                say(f"at most {peak / 1e6:.0f} MB of memory were in use")
            if device == "cuda" and (peak := peak_memory(device)) is not None:
                say(f"at most {peak / 1e6:.0f} MB of the GPU's memory were in use")
            return self.folder

    def _rng(self, network: str) -> np.random.Generator:
        """The stream that a network's first weights are drawn from."""
        return np.random.default_rng([self.settings.seed, NETWORKS.index(network)])

    def _weights(self, network: str) -> Path:
        return self.folder / "checkpoints" / f"{network}.safetensors"

    def _load(self, module: Module, network: str) -> None:
        checkpoint.load_module(module, self._weights(network))

    def _tokenizer(self, data: CaptionedImages) -> Tokenizer:
        return Tokenizer.train(data.all_captions())

    def _pipeline(self, data: CaptionedImages) -> tuple[Pipeline, tuple[Any, Any]]:
        """VAE and CLIP as trained, a U-Net still to train, and the latents of the data."""
        tokenizer = self._tokenizer(data)
        vae = VAE(VAEConfig(), rng=self._rng("vae"))
        clip = CLIP(CLIPConfig(vocabulary=tokenizer.size, end_id=tokenizer.end), rng=self._rng("clip"))
        self._load(vae, "vae")
        self._load(clip, "clip")
        vae.to(self.settings.device)
        mean, log_variance = encode_all(vae, data.images)
        info = ModelInfo(
            scale_factor=scale_factor(mean),
            latent_size=(mean.shape[1], mean.shape[2]),
            words=tuple(sorted({word for text in data.all_captions() for word in split_words(clean(text))})),
            trained={
                **{key: value for key, value in dataclasses.asdict(self.settings).items() if key != "data_dir"},
                "planned": self.planned,
            },
        )
        config = UNetConfig(context_width=clip.config.width, pooled_width=clip.config.embedding_width)
        pipeline = Pipeline(vae, clip, UNet(config, rng=self._rng("unet")), tokenizer, info)
        return pipeline.to(self.settings.device), (mean, log_variance)

    def _fit(self, network: str, make_task: Callable[[], Task], say: Callable[[str], None]) -> None:
        """Train one network, from its last checkpoint if there is one, unless it is trained already."""
        if self._weights(network).exists():
            return
        begun = time.monotonic() - self._sitting
        task = make_task()
        task.module.to(self.settings.device)
        fit = Fit(task, seed=self.settings.seed, steps=self.planned.get(network, self.settings.steps))
        checkpoints = checkpoint.Checkpoints(self.folder / "checkpoints")
        found = checkpoints.latest()
        if found is not None and found.about["network"] == network:
            fit.load_state(found.arrays)
            say(f"{network}: going on from step {fit.steps_done}")
        last_save = last_preview = time.monotonic()
        durations: list[float] = []
        with tqdm(total=fit.steps, initial=fit.steps_done, desc=network, unit="step", dynamic_ncols=True) as bar:
            while not fit.done:
                started = time.monotonic()
                try:
                    with self._watched(network, fit.steps_done):
                        fit.step()
                except TrainingDiverged as error:
                    raise TrainingDiverged(f"{error}; {self._last_good(checkpoints)}") from error
                now = time.monotonic()
                bar.update()
                durations.append(now - started)
                if fit.steps is None and fit.steps_done >= fit.task.recipe.warmup:
                    self._plan(fit, begun, float(np.mean(durations[len(durations) // 2 :])))
                    bar.total = fit.steps
                bar.set_postfix(
                    {
                        "loss": f"{np.mean(fit.losses[-50:]):.4f}",
                        "images/s": f"{fit.batch_size / np.mean(durations[-20:]):.0f}",
                    },
                    refresh=False,
                )
                if self._interrupted or now - last_save > _CHECKPOINT_SECONDS:
                    self._save(fit, checkpoints)
                    last_save = now
                if self._interrupted:
                    raise Interrupted(f"stopped at step {fit.steps_done} of {network}")
                if now - last_preview > _PREVIEW_SECONDS:
                    self._preview(fit)
                    last_preview = now
        self._preview(fit)
        self._save(fit, checkpoints)
        with fit.ema.in_use():
            checkpoint.save_arrays(self._weights(network), fit.task.module.state_dict())

    def _watched(self, network: str, step: int) -> AbstractContextManager[None]:
        """The first steps are not watched: they compile."""
        profile = self._profiles.get(network)
        return profile.watching() if profile and step >= _COMPILING_STEPS else nullcontext()

    def _plan(self, fit: Fit, begun: float, seconds_a_step: float) -> None:
        """Decide, once, how many steps fit into the network's share of the time: then the run is reproducible.

        The share is one of the time that was left when the network was `begun`, so that a network that took longer
        than planned takes from all that follow. Until now the learning rate has only warmed up.
        """
        share = SHARES[fit.task.name] / sum(SHARES[name] for name in NETWORKS[NETWORKS.index(fit.task.name) :])
        left = share * (self.settings.minutes * 60 - begun) - (time.monotonic() - self._sitting - begun)
        # A tenth is left for checkpoints, previews, and a machine that slows down.
        fit.steps = self.planned[fit.task.name] = fit.steps_done + max(1, int(0.9 * left / seconds_a_step))
        self._save_plan()

    def _save(self, fit: Fit, checkpoints: checkpoint.Checkpoints) -> None:
        arrays, about = fit.state()
        checkpoints.save(f"{fit.task.name}-{fit.steps_done:08d}", arrays, about)
        self.seconds = time.monotonic() - self._sitting
        self._save_plan()

    def _preview(self, fit: Fit) -> None:
        plots.save_loss_curve(self.folder / f"loss-{fit.task.name}.png", {fit.task.name: fit.losses})
        with fit.ema.in_use():
            pictures = fit.task.preview()
        if pictures is not None:
            checkpoint.make_folder(self.folder / "samples")
            plots.save_grid(self.folder / "samples" / f"{fit.task.name}-{fit.steps_done:06d}.png", pictures, columns=8)

    def _last_good(self, checkpoints: checkpoint.Checkpoints) -> str:
        found = checkpoints.latest()
        where = "no checkpoint was written yet" if found is None else f"the last good checkpoint is {found.name}"
        return f"{where}; look at the data, or lower the learning rate"


class _Flag:
    """Set once, read many times."""

    def __init__(self) -> None:
        self.is_set = False

    def __bool__(self) -> bool:
        return self.is_set


@contextmanager
def _interrupt_flag() -> Iterator[_Flag]:
    """Ctrl-C sets a flag instead of stopping in the middle of a step, whose weights would be neither old nor new."""
    flag = _Flag()

    def note(signum: int, frame: types.FrameType | None) -> None:
        flag.is_set = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
