"""The whole training: VAE, CLIP and denoiser one after the other into one folder, stoppable and resumable at any time.

Further stages take such a model. hires adds the network that doubles its pictures, and few the one that draws in few
steps; lora teaches it something new from few pictures, and leaves a small file beside which the model stays as it is.

folder/  recipe.json       what was asked for, how each network is trained, and the steps planned for it
         checkpoints/      the latest states of the network in training, and the networks that are finished
         *.safetensors, tokenizer.json, model.json      the model; model.json comes last; or lora.safetensors alone
         loss-*.png, samples/                           what can be seen of the progress
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from minisd_kernels.devices import DEVICES
from tqdm import tqdm

from minisd import checkpoint, plots
from minisd.data.colours import ColourSet
from minisd.data.dataset import CaptionedImages, Source
from minisd.data.digits import DigitSet
from minisd.data.picture_file import FITS, GROUNDS
from minisd.data.sets import DATA_SETS, load_pictures
from minisd.data.sizes import check_size
from minisd.diffusion.guidance import same_noise
from minisd.diffusion.objectives import OBJECTIVES, Objective
from minisd.diffusion.objectives.weighting import WEIGHTINGS
from minisd.diffusion.schedule import make_schedule
from minisd.hires import HIRES_UNET, HiresInfo, Upscaler
from minisd.lora import prefix_of, save_lora
from minisd.memory import peak_memory
from minisd.model_info import ModelInfo
from minisd.models.checks import check, check_choice, check_whole, is_number, is_pair
from minisd.models.clip import CLIP
from minisd.models.denoiser import DENOISERS, make_denoiser
from minisd.models.fitting import clip_config, denoiser_config, vae_config
from minisd.models.levels import from_json
from minisd.models.unet import UNet
from minisd.models.vae import VAE, channel_factors, scale_factor
from minisd.nn import Module
from minisd.nn.lora import LoRA
from minisd.pictures import picture_shape
from minisd.pipeline import Pipeline, shipped_model
from minisd.text.tokenizer import Tokenizer, clean, split_words
from minisd.train.clip import CLIPTask
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.drive import drive
from minisd.train.few import FewTask, student
from minisd.train.hires import HiresTask
from minisd.train.loop import Fit, Task, TrainingDiverged
from minisd.train.lora import LoRATask, as_drawn
from minisd.train.plan import Plan, read_totals
from minisd.train.profile import Profile
from minisd.train.recipe import DiTRecipe, Recipes, UNetRecipe
from minisd.train.vae import VAETask

NETWORKS = ("vae", "clip", "unet")
STAGES = ("model", "hires", "few", "lora")
ALL_NETWORKS = (*NETWORKS, "hires", "lora", "dit", "few")
OF_A_STAGE = {  # settings
    **dict.fromkeys(("network", "objective", "weighting"), "model"),
    **dict.fromkeys(("rank", "caption"), "lora"),
}
PRODUCTS = ("model.json", "lora.safetensors")  # a run in whose folder one of them stands is finished
_COMPILING_STEPS = 2
_VOCABULARY = 1024  # symbols at most; the captions of digits need fewer, those of one's own pictures may need all


@dataclass(frozen=True)
class Settings:
    """What `minisd train` was asked for.

    Attributes:
        minutes: the whole training's time; the number of steps is planned from their speed, and again while they go.
        steps: if given, every network's number of steps, whatever the time.
        device: where the networks are trained: cpu, cuda or emu.
        stage: "model" for a whole model, "hires" for the network that doubles the pictures of one, "few" for the one
            that draws in few steps what it draws in many, "lora" for a LoRA beside one.
        model: the folder of that one; None for the model that comes with minisd.
        background: the ground under transparent pictures of a folder, white or black; None to choose by their ink.
        size: height and width of a folder's pictures; None for what fits most of them.
        fit: what is done with those of another shape, pad or crop.
        rank, caption: of a LoRA, and the caption of all its pictures; None for the captions that they have.
        network: that tells picture from noise, a name in DENOISERS.
        objective: what it learns to predict, along which way; a name in OBJECTIVES.
        weighting: how much which time counts in its loss; a name in WEIGHTINGS.

    Raises:
        ValueError: a field of the wrong kind or out of range.
    """

    data: str = "mnist"
    data_dir: str | None = None
    seed: int = 0
    minutes: float = 14.0
    steps: int | None = None
    device: str = "cpu"
    background: str | None = None
    stage: str = "model"
    model: str | None = None
    size: tuple[int, int] | None = None
    fit: str = "pad"
    rank: int = 4
    caption: str | None = None
    network: str = "unet"
    objective: str = "v"
    weighting: str = "none"

    def __post_init__(self) -> None:
        check_choice(self, "data", DATA_SETS)
        check(self, "data_dir", "a path or none", _is_path)
        check_choice(self, "stage", STAGES)
        check(self, "model", "a path or none", _is_path)
        check(self, "seed", "a whole number of 0 or more", lambda x: type(x) is int and x >= 0)
        check(self, "minutes", "a number above 0", lambda x: is_number(x) and 0 < x < math.inf)
        check(self, "steps", "a whole number of 1 or more, or none", lambda x: x is None or (type(x) is int and x > 0))
        check_choice(self, "device", DEVICES)
        check_choice(self, "background", GROUNDS, none=True)
        if self.size is not None:
            check(self, "size", "a height and a width", is_pair)
            check_size(self.size)
        check_choice(self, "fit", FITS)
        check_whole(self, "rank", most=256)
        check(self, "caption", "a text or none", lambda x: x is None or (isinstance(x, str) and bool(x.strip())))
        check_choice(self, "network", DENOISERS)
        check_choice(self, "objective", OBJECTIVES)
        check_choice(self, "weighting", WEIGHTINGS)

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that are trained, one after the other."""
        return ("vae", "clip", self.network) if self.stage == "model" else (self.stage,)


@dataclass
class Run:
    """A training run in `folder`.

    Attributes:
        planned: for each network, after how many steps -> how many they will be in all, as ``Plan`` writes it.
        seconds: how long it has been training, earlier sittings included.
    """

    folder: Path
    settings: Settings
    planned: dict[str, dict[int, int]] = field(default_factory=dict)
    seconds: float = 0.0
    recipes: Recipes = Recipes()
    _shares: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._shares = shares(self.settings, self.recipes)
        for network in self.settings.networks:
            if (totals := self.recipes.of(network).totals) is not None:
                self.planned[network] = totals

    @classmethod
    def start(cls, folder: Path, settings: Settings, recipes: Recipes = Recipes()) -> Run:
        """A new run.

        Raises:
            CheckpointError: the folder holds a run or a model already.
        """
        run = cls(folder, settings, recipes=recipes)
        if (folder / "recipe.json").exists():
            raise checkpoint.CheckpointError(
                f"{folder} holds a training run already: go on with --resume --out {folder}, "
                "or choose another folder with --out"
            )
        if run.finished or any(run._weights(network).exists() for network in ALL_NETWORKS):
            raise checkpoint.CheckpointError(f"{folder} holds a model already: choose another folder with --out")
        return run

    @classmethod
    def resume(cls, folder: Path, device: str | None = None) -> Run:
        """The run in `folder`, to go on with, on another `device` if one is named.

        Raises:
            CheckpointError: no run there, or a damaged one.
        """
        path = folder / "recipe.json"
        about = checkpoint.load_json(path)
        if not isinstance(about, dict) or not {"settings", "planned", "seconds"} <= about.keys():
            raise checkpoint.CheckpointError(
                f"{path} does not describe a training run that was begun; start one with another --out"
            )
        run = cls._read(path, about)
        run.settings = dataclasses.replace(run.settings, device=device or run.settings.device)
        return run

    @classmethod
    def _read(cls, path: Path, about: object) -> Run:
        """The run that the file `path` is about; of what it does not say, the usual."""
        match about:
            case {"planned": planned} if not isinstance(planned, dict) or not planned.keys() <= {*ALL_NETWORKS}:
                problem = f"planned: wanted plans by the names of networks, got {planned!r}"
            case {"seconds": seconds} if not is_number(seconds) or not 0 <= seconds < math.inf:
                problem = f"seconds: wanted a number of 0 or more, got {seconds!r}"
            case dict():
                planned = about.get("planned", {})
                totals = {name: read_totals(value, f"{path}: the plan of {name}") for name, value in planned.items()}
                rest = {name: value for name, value in about.items() if name not in ("settings", "planned", "seconds")}
                try:
                    settings, recipes = from_json(Settings, about.get("settings", {})), from_json(Recipes, rest)
                    return cls(path.parent, settings, totals, float(about.get("seconds", 0)), recipes)
                except ValueError as error:
                    problem = str(error)
            case _:
                problem = f"wanted settings and recipes by name, got {about!r}"
        raise checkpoint.CheckpointError(f"{path} does not describe a training run: {problem}; correct it")

    @property
    def finished(self) -> bool:
        return any((self.folder / product).exists() for product in PRODUCTS)

    def _save_plan(self) -> None:
        checkpoint.save_json(
            self.folder / "recipe.json",
            {
                "settings": dataclasses.asdict(self.settings),
                **dataclasses.asdict(self.recipes),
                "planned": self._pairs(),
                "seconds": self.seconds,
            },
        )

    def _pairs(self) -> dict[str, list[tuple[int, int]]]:
        """The plans as JSON can hold them."""
        return {network: sorted(totals.items()) for network, totals in self.planned.items()}

    def train(
        self, say: Callable[[str], None] = print, profile: bool = False, prepare: Callable[[], object] = lambda: None
    ) -> Path:
        """Train what is not trained yet; returns the folder, then a model that ``Pipeline.load`` reads, or a LoRA's.

        With `profile`, where the steps' time went is said for each network, and drawn in profile.png. `prepare` is
        called when the data are there, and before the time begins to count.

        Raises:
            Interrupted: by Ctrl-C or SIGTERM; the state is saved.
            TrainingDiverged: a loss is no longer finite; the message names the last good checkpoint.
            CheckpointError: another run is writing to the folder, or it cannot be written.
        """
        with self._nothing_left_unless_begun(), checkpoint.lock_folder(self.folder):
            if self.finished:
                say(f"{self.folder} is trained already")
                return self.folder
            device = self.settings.device
            base = None if self.settings.stage == "model" else self._base()
            data = self._mentioning(load_pictures(self.settings.data, "train", self._source(base, say)))
            if base is not None and self.settings.stage == "few":
                self._check_fits(base, data)
            prepare()
            self._sitting = time.monotonic() - self.seconds
            self._save_plan()
            H, W, C = shape = picture_shape(data.images)
            self._shares = time_shares(shape, self._shares) if base is None else self._shares
            self._profiles = {network: Profile(device) for network in self._shares} if profile else {}
            what = f"{len(data):,} picture{'s' if len(data) != 1 else ''} of {self.settings.data}"
            say(f"{what}, {H} x {W}, {'in colour' if C == 3 else 'grey'}")
            if base is None:
                self._fit_model(data, say).save(self.folder)
            elif self.settings.stage == "hires":
                self._fit_hires(base, data, say).save(self.folder)
            elif self.settings.stage == "few":
                self._fit_few(base, data, say).save(self.folder)
            else:
                self._fit_lora(base, data, say)
            if self._profiles:
                say("\n\n".join(profile.table(network) for network, profile in self._profiles.items()))
                plots.save_profile(self.folder / "profile.png", self._profiles)
            if (peak := peak_memory()) is not None:
                say(f"at most {peak / 1e6:.0f} MB of memory were in use")
            if device == "cuda" and (peak := peak_memory(device)) is not None:
                say(f"at most {peak / 1e6:.0f} MB of the GPU's memory were in use")
            return self.folder

    def _source(self, base: Pipeline | None, say: Callable[[str], None]) -> Source:
        settings = self.settings
        folder = Path(settings.data_dir) if settings.data_dir else None
        size = settings.size if base is None else base.picture_shape[:2]
        return Source(folder, settings.background, size, settings.fit, say, settings.caption)

    def _mentioning(self, data: CaptionedImages) -> CaptionedImages:
        """The data with captions that say as much as the recipe says.

        Raises:
            CheckpointError: they have captions of which no part can be left out.
        """
        if self.recipes.mention is None:
            return data
        if not isinstance(data, DigitSet | ColourSet):
            raise checkpoint.CheckpointError(
                f"the recipe's mention is for captions that code makes up, not for --data {self.settings.data}: "
                "leave it out of the recipe"
            )
        return dataclasses.replace(data, mention=self.recipes.mention)

    def _fit_model(self, data: CaptionedImages, say: Callable[[str], None]) -> Pipeline:
        self._fit("vae", lambda: VAETask(data.images, self._rng("vae"), self.recipes.vae), say)
        self._fit("clip", lambda: CLIPTask(data, self._tokenizer(data), self._rng("clip"), self.recipes.clip), say)
        pipeline, latents = self._pipeline(data)
        self._say_what_is_not_heard(pipeline, data, say)
        network, recipe = self.settings.network, self._denoiser_recipe
        told = self._objective(), self.settings.weighting, recipe
        self._fit(network, lambda: DenoiserTask(data, pipeline, latents, *told), say)
        self._load(pipeline.denoiser, network)
        pipeline.info = dataclasses.replace(pipeline.info, trained=self._how())
        return pipeline

    def _say_what_is_not_heard(self, pipeline: Pipeline, data: CaptionedImages, say: Callable[[str], None]) -> None:
        """Whether captions are longer than a prompt may be."""
        length = pipeline.clip.config.context_length
        captions = data.all_captions()
        ends = [end for end in pipeline.tokenizer(captions, length).dropped if end]
        if ends:
            many = f"{len(ends):,} of {len(captions):,} captions are longer than {length - 2} tokens"
            say(f"{many}: of the rest of each, such as {ends[0][:60]!r}, nothing is heard")

    def _base(self) -> Pipeline:
        """The model that a stage adds to.

        Raises:
            CheckpointError: no model there, or one whose pictures the network cannot learn to double.
        """
        base = Pipeline.load(self.settings.model)
        if self.settings.stage == "hires" and base.picture_shape != (28, 28, 1):
            raise checkpoint.CheckpointError(
                f"{self.settings.model} draws {_said(base.picture_shape)}; --stage hires learns from "
                "digits to double 28 x 28 grey pictures, and takes a model of such: --data mnist or strokes"
            )
        return base.to(self.settings.device)

    def _check_fits(self, base: Pipeline, data: CaptionedImages) -> None:
        """Whether the data are such as the model draws.

        Raises:
            CheckpointError: they are not.
        """
        if (draws := base.picture_shape) != (found := picture_shape(data.images)):
            raise checkpoint.CheckpointError(
                f"the model draws {_said(draws)}, and the pictures of --data {self.settings.data} are {_said(found)}; "
                "name the --data that it was trained on"
            )

    def _fit_hires(self, base: Pipeline, data: CaptionedImages, say: Callable[[str], None]) -> Pipeline:
        upscaler = Upscaler(UNet(HIRES_UNET, rng=self._rng("hires")), HiresInfo())
        self._fit("hires", lambda: HiresTask(data, base, upscaler, self.recipes.hires), say)
        self._load(upscaler.unet, "hires")
        upscaler.info = dataclasses.replace(upscaler.info, trained=self._how())
        base.hires = upscaler
        return base

    def _fit_lora(self, base: Pipeline, data: CaptionedImages, say: Callable[[str], None]) -> None:
        lora = LoRA.beginning(base.denoiser, self.settings.rank, rng=self._rng("lora"))
        pictures = as_drawn(base, data, self.settings.caption, self._rng("lora"), say)
        self._say_what_is_not_heard(base, pictures, say)
        with lora.beside(base.denoiser):
            self._fit("lora", lambda: LoRATask(pictures, base, lora, self.recipes.lora), say)
        self._load(lora, "lora")
        about = {name: str(value) for name, value in self._how().items() if value is not None}
        words = sorted({word for text in pictures.texts for word in split_words(clean(text))})
        about |= {"base": base.digest(), "words": " ".join(words)}
        save_lora(self.folder / "lora.safetensors", lora, about, prefix_of(base.denoiser))

    def _fit_few(self, base: Pipeline, data: CaptionedImages, say: Callable[[str], None]) -> Pipeline:
        few = student(base, self.recipes.few)

        def task() -> FewTask:
            say("few: the model draws what the network learns from, before its first step")
            return FewTask(data, base, few, self._rng("few"), self.recipes.few)

        self._fit("few", task, say)
        self._load(few.network, "few")
        few.info = dataclasses.replace(few.info, trained=self._how())
        base.few = few
        return base

    def _how(self) -> dict[str, Any]:
        """How the networks of this run were made; folders are somebody's own."""
        settings, stage = dataclasses.asdict(self.settings), self.settings.stage
        said = {name: value for name, value in settings.items() if OF_A_STAGE.get(name, stage) == stage}
        del said["data_dir"], said["model"]
        changes = {"recipe": changed} if (changed := self.recipes.changes(*self.settings.networks)) else {}
        return said | {"planned": self._pairs()} | changes

    @contextmanager
    def _nothing_left_unless_begun(self) -> Iterator[None]:
        """A run that cannot begin, as the data are missing say, leaves nothing in the way of the next one."""
        made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        try:
            yield
        finally:
            if made and not (self.folder / "recipe.json").exists():
                with suppress(OSError):
                    (self.folder / ".lock").unlink(missing_ok=True)
                    for folder in made:
                        folder.rmdir()

    def _rng(self, network: str) -> np.random.Generator:
        """The stream that a network's first weights are drawn from."""
        return np.random.default_rng([self.settings.seed, ALL_NETWORKS.index(network)])

    def _weights(self, network: str) -> Path:
        return self.folder / "checkpoints" / f"{network}.safetensors"

    def _load(self, module: Module, network: str) -> None:
        checkpoint.load_module(module, self._weights(network))

    def _tokenizer(self, data: CaptionedImages) -> Tokenizer:
        return Tokenizer.train(data.all_captions(), _VOCABULARY)

    def _pipeline(self, data: CaptionedImages) -> tuple[Pipeline, tuple[Any, Any]]:
        """VAE and CLIP as trained, a denoiser still to train, and the latents of the data."""
        tokenizer = self._tokenizer(data)
        picture = picture_shape(data.images)
        vae = VAE(vae_config(picture, self.recipes.vae.latent_channels), rng=self._rng("vae"))
        clip = CLIP(clip_config(picture, tokenizer, data.all_captions()), rng=self._rng("clip"))
        self._load(vae, "vae")
        self._load(clip, "clip")
        vae.to(self.settings.device)
        mean, log_variance = encode_all(vae, data.images)
        objective = self._objective()
        each = self._denoiser_recipe.latent_scale == "channel"
        scale, shift = channel_factors(mean) if each else (scale_factor(mean), 0.0)
        info = ModelInfo(
            scale_factor=scale,
            shift_factor=shift,
            latent_size=(mean.shape[1], mean.shape[2]),
            schedule=objective.schedule,
            prediction=objective.prediction,
            guidance_interval=same_noise(
                ModelInfo.guidance_interval, make_schedule(ModelInfo.schedule), make_schedule(objective.schedule)
            ),
            words=tuple(sorted({word for text in data.all_captions() for word in split_words(clean(text))})),
        )
        config = denoiser_config(self._denoiser_recipe.config, vae.config, clip.config)
        denoiser = make_denoiser(config, rng=self._rng(self.settings.network))
        pipeline = Pipeline(vae, clip, denoiser, tokenizer, info)
        return pipeline.to(self.settings.device), (mean, log_variance)

    @property
    def _denoiser_recipe(self) -> UNetRecipe | DiTRecipe:
        return self.recipes.dit if self.settings.network == "dit" else self.recipes.unet

    def _objective(self) -> Objective:
        """What the denoiser is to learn, at the times that the recipe says."""
        objective = OBJECTIVES[self.settings.objective]
        return dataclasses.replace(objective, times=self._denoiser_recipe.times or objective.times)

    def _fit(self, network: str, make_task: Callable[[], Task], say: Callable[[str], None]) -> None:
        """Train one network, from its last checkpoint if there is one, unless it is trained already."""
        if self._weights(network).exists():
            return
        begun = time.monotonic() - self._sitting
        task = make_task()
        task.module.to(self.settings.device)
        fit = Fit(task, seed=self.settings.seed)
        checkpoints = checkpoint.Checkpoints(self.folder / "checkpoints")
        self._go_on(fit, checkpoints, say)
        try:
            drive(
                fit,
                self._plan(network, begun, say),
                save=lambda: self._save(fit, checkpoints),
                preview=lambda: self._preview(fit),
                watching=lambda step: self._watched(network, step),
            )
        except TrainingDiverged as error:
            raise TrainingDiverged(f"{error}; {self._last_good(checkpoints)}") from error
        fit.keep_average()
        checkpoint.save_arrays(self._weights(network), task.module.state_dict())

    def _go_on(self, fit: Fit, checkpoints: checkpoint.Checkpoints, say: Callable[[str], None]) -> None:
        """Go on from the newest state of the network that fits it, if there is any of it.

        Raises:
            CheckpointError: there are such states, and none of them fits.
        """
        network, problem = fit.task.name, ""
        for state in checkpoints.states():
            if state.about.get("network") != network:
                continue
            try:
                fit.load_state(state.arrays)
            except ValueError as error:
                problem = f"{checkpoints.folder / state.name} does not fit this network: {error}"
                say(f"{problem}; going back to the state before it")
                continue
            say(f"{network}: going on from step {fit.steps_done}")
            return
        if problem:
            raise checkpoint.CheckpointError(f"{problem}; remove {checkpoints.folder} to train this network anew")

    def _plan(self, network: str, begun: float, say: Callable[[str], None]) -> Plan:
        """So many steps as were asked for, or as fit into the network's share of the time.

        The share is one of the time that was left when the network was `begun`, so that a network that took longer
        than planned takes from all that follow.
        """
        if self.recipes.of(network).steps is not None:
            return Plan(self.planned[network])
        if self.settings.steps is not None:
            return Plan({0: self.settings.steps})
        networks = [*self._shares]
        share = self._shares[network] / sum(self._shares[later] for later in networks[networks.index(network) :])
        seconds = share * (self.settings.minutes * 60 - begun) - (time.monotonic() - self._sitting - begun)
        totals = self.planned.setdefault(network, {})
        said = any(self.planned.values())  # once is enough

        def changed() -> None:
            nonlocal said
            self._save_plan()
            if not said and (hint := too_few(network, totals[max(totals)])):
                with tqdm.external_write_mode():
                    say(hint)
            said = True

        return Plan(totals, seconds, changed)

    def _watched(self, network: str, step: int) -> AbstractContextManager[None]:
        """The first steps are not watched: they compile."""
        profile = self._profiles.get(network)
        return profile.watching() if profile and step >= _COMPILING_STEPS else nullcontext()

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
        return where


def read_recipe(path: Path) -> tuple[Settings, Recipes]:
    """What a recipe.json asks for: if it is a run's, its very steps.

    Raises:
        CheckpointError: there is no such file, or what it says cannot be.
    """
    run = Run._read(path, checkpoint.load_json(path))
    return run.settings, run.recipes.with_steps(run.planned)


def shares(settings: Settings, recipes: Recipes) -> dict[str, float]:
    """The part of the time that each network of a run has, for 28 x 28."""
    parts = {network: getattr(recipes.of(network), "share", 1.0) for network in settings.networks}
    return {network: part / sum(parts.values()) for network, part in parts.items()}


def time_shares(picture: tuple[int, int, int], usual: dict[str, float]) -> dict[str, float]:
    """Each network's part of the time, so that their numbers of steps are to each other as the `usual` ones of MNIST's.

    The VAE works on pictures of H x W pixels and the denoiser on latents, which larger pictures need not make larger;
    most of CLIP's work is on the captions.

    >>> {name: round(share, 2) for name, share in time_shares((64, 64, 3), shares(Settings(), Recipes())).items()}
    {'vae': 0.44, 'clip': 0.06, 'unet': 0.5}
    """
    pixels = picture[0] * picture[1]
    work, on_latents = {"vae": pixels / 28**2, "clip": 1.0}, pixels / vae_config(picture).factor ** 2 / 7**2
    parts = {name: usual[name] * work.get(name, on_latents) for name in usual}
    return {name: part / sum(parts.values()) for name, part in parts.items()}


def _said(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} x {shape[1]} {'in colour' if shape[2] == 3 else 'grey'}"


def _is_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and "\0" not in value)


def too_few(network: str, steps: int) -> str | None:
    """What to say of a plan of fewer than half of the steps that the model that comes with minisd was trained for."""
    about = checkpoint.load_json(shipped_model() / "model.json")
    match about.get(f"{network}_info", about.get("info")):
        case {"trained": {"planned": dict() as planned}} if network in planned:
            wanted = max(read_totals(planned[network], network).items())[1]
            if 2 * steps < wanted:
                return (
                    f"{network}: about {steps} steps fit into its share of the time; the model that comes with minisd, "
                    f"whose figures the README has, had {wanted}: expect less of this one, or give it more --minutes"
                )
    return None
