"""Devices: the library gives the CPU's numbers there, what crosses is counted, what would cross unseen is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from minisd_kernels import devices
from minisd_kernels.backends import BackendUnavailable, use_backend
from minisd_kernels.cuda import gpu
from minisd_kernels.cuda.source import SOURCES
from minisd_kernels.devices import counted_crossings, device_of, namespace, to_device, to_host
from minisd_kernels.emulator.array import EmulatedArray
from minisd_kernels.emulator.module import EmulatedModule
from minisd_kernels.switches import tensor_cores
from strategies import on_cuda, on_emu

from minisd import memory, ops
from minisd.autograd import Array, Tensor
from minisd.bench.machine import measure_machine
from minisd.checkpoint import CheckpointError, load_json, load_weights
from minisd.cli import main
from minisd.data import DigitSet, draw_strokes
from minisd.data.cells import draw_cells
from minisd.data.dataset import CaptionedPictures
from minisd.evaluation import Judge
from minisd.evaluation.digits import _clip_quality, _vae_quality
from minisd.models.dit import DiT, DiTConfig
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.nn import Linear, Module
from minisd.optim import EMA, SGD, AdamW
from minisd.pipeline import Pipeline
from minisd.train.classifier import ClassifierTask
from minisd.train.clip import CLIPTask
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit, Task
from minisd.train.run import Run
from minisd.train.segmentation import SegmentationTask, Tiles, segment
from minisd.train.vae import VAETask

each_device = pytest.mark.parametrize("device", [on_emu, on_cuda])


@pytest.fixture(autouse=True)
def exact() -> Any:
    """The CPU's side is computed by the reference, and a GPU's products with all their digits."""
    with use_backend("numpy"), tensor_cores.off():
        yield


def few_digits() -> DigitSet:
    drawn = draw_strokes(2, 0)
    return DigitSet(drawn.images, drawn.labels, drawn)


def few_pictures() -> CaptionedPictures:
    """With few captions: a task encodes all that there are."""
    return CaptionedPictures(few_digits().images, ["a seven", "a thick two"])


def close(found: Array, wanted: Array, tolerance: float) -> None:
    """|found - wanted| <= tolerance |wanted|, lengths of whole arrays."""
    found, wanted = to_host(found), to_host(wanted)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert np.linalg.norm(found - wanted) <= tolerance * np.linalg.norm(wanted)


class PretendedCuPy(ModuleType):
    """CuPy's part, played by the emulator: what else only a machine with a GPU would reach runs without one."""

    __version__, ndarray = "14", EmulatedArray

    class RawModule:
        def __init__(self, code: str, options: tuple[str, ...], name_expressions: list[str]) -> None:
            (path,) = [source.path for source in SOURCES if source.text() == code]
            assert any(option.startswith("-I") for option in options)
            self.module = EmulatedModule(path, name_expressions)

        def get_function(self, name: str) -> Any:
            return self.module.get_function(name)

    cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(compute_capability="90", synchronize=lambda: None),
        runtime=SimpleNamespace(getDeviceProperties=lambda number: {"name": b"a GPU of paper"}),
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(namespace("emu"), name)


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "cupy", PretendedCuPy("cupy"))
    monkeypatch.setattr(EmulatedArray, "__module__", "cupy")
    monkeypatch.setattr(devices, "missing_device_reason", lambda device: None)
    for source in SOURCES:
        monkeypatch.setattr(source, "_modules", {})
        monkeypatch.setattr(source, "_kernels", {})
    gpu.capability.cache_clear()
    yield
    gpu.capability.cache_clear()


# ---- Networks


def vae_task(device: str) -> Task:
    task = VAETask(few_digits().images, np.random.default_rng(0))
    task.module.to(device)
    return task


def clip_task(device: str) -> Task:
    task = CLIPTask(few_pictures(), Pipeline.load().tokenizer, np.random.default_rng(0))
    task.module.to(device)
    return task


def unet_task(device: str) -> Task:
    data, pipeline = few_pictures(), Pipeline.load().to(device)
    return DenoiserTask(data, pipeline, encode_all(pipeline.vae, data.images))


def dit_task(device: str) -> Task:
    """A small transformer that has begun to learn: at first only its last layer has a gradient."""
    data, shipped, rng = few_pictures(), Pipeline.load(), np.random.default_rng(0)
    dit = DiT(DiTConfig(width=16, depth=1, heads=2, time_width=8), rng=rng)
    for parameter in dit.parameters():
        parameter.data += 0.1 * rng.standard_normal(parameter.shape, np.float32)
    pipeline = Pipeline(shipped.vae, shipped.clip, dit, shipped.tokenizer, shipped.info).to(device)
    return DenoiserTask(data, pipeline, encode_all(pipeline.vae, data.images))


def judge_task(device: str) -> Task:
    task = ClassifierTask(few_digits(), np.random.default_rng(0))
    task.module.to(device)
    return task


def gradients(task: Task) -> dict[str, Array]:
    batch = task.batch(np.arange(2), np.random.default_rng(0))
    task.loss(*(Tensor(array).to(task.module.device) for array in batch)).backward()
    return {name: parameter.grad for name, parameter in task.module.named_parameters()}


# What a batch is made of crosses: the VAE's pictures and noise; CLIP's pictures and ids; of U-Net and transformer x_t,
# the target, the rows of the captions, t and the weights; the judge's pictures and labels.
CROSSINGS: dict[str, tuple[Callable[[str], Task], int]] = {
    "vae": (vae_task, 2),
    "clip": (clip_task, 2),
    "unet": (unet_task, 5),
    "dit": (dit_task, 5),
    "judge": (judge_task, 2),
}


@each_device
@pytest.mark.parametrize("network", CROSSINGS)
def test_a_training_step_gives_the_cpus_numbers(network: str, device: str) -> None:
    make, to_there = CROSSINGS[network]
    for (name, found), wanted in zip(gradients(make(device)).items(), gradients(make("cpu")).values(), strict=True):
        assert device_of(found) == device, name
        if np.linalg.norm(wanted) > 1e-6:  # else rounding is all there is
            close(found, wanted, 1e-3)

    there, here = Fit(make(device), seed=0, steps=9), Fit(make("cpu"), seed=0, steps=9)
    for _ in range(2):
        with counted_crossings() as crossed:
            there.step()
        # Back come the loss and the gradient's length.
        assert (crossed.to_device, crossed.to_host) == (to_there, 2)
        with counted_crossings() as crossed:
            here.step()
        assert (crossed.to_device, crossed.to_host) == (0, 0)
    np.testing.assert_allclose(there.losses, here.losses, rtol=1e-4)
    for buffer in (there.optimizer.weights, there.optimizer.m, there.optimizer.v, there.ema.average):
        assert device_of(buffer) == device
    close(there.optimizer.m, here.optimizer.m, 1e-3)


@each_device
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_drawing_is_the_cpus(sampler: str, device: str) -> None:
    pipeline, prompts = Pipeline.load(), ["a seven", "a thick two"]
    here = pipeline.draw(prompts, steps=2, sampler=sampler)
    with counted_crossings() as crossed:
        assert pipeline.to(device) is pipeline and pipeline.device == device
    assert (crossed.to_device, crossed.to_host) == (4, 0)  # a buffer for each network
    seen = []
    with counted_crossings() as crossed:
        there = pipeline.draw(prompts, steps=2, sampler=sampler, callback=lambda *step: seen.append(step))
    # The first noise, the ids of the prompts and of the empty prompt, each step's embedding of t, for ddpm each step's
    # noise; and the pictures come back.
    assert (crossed.to_device, crossed.to_host) == (3 + 2 * (2 if sampler == "ddpm" else 1), 1)
    assert type(there) is np.ndarray and there.dtype == np.uint8
    assert np.abs(there.astype(int) - here).max() <= 1  # a grey level of 256
    assert [device_of(z) for step in seen for z in step[2:]] == [device] * 4


@each_device
def test_every_answer_of_a_pipeline(device: str) -> None:
    images, there, here = few_digits().images, Pipeline.load().to(device), Pipeline.load()
    close(there.encode(images), here.encode(images), 1e-4)
    again = there.decode(there.encode(images))
    assert np.abs(again.astype(int) - here.decode(here.encode(images))).max() <= 1
    for found, wanted in zip(there.encode_prompts(["a six"]), here.encode_prompts(["a six"]), strict=True):
        close(found, wanted, 1e-4)


@each_device
def test_a_segmenter_learns_and_predicts(device: str) -> None:
    config, cells = UNetClassicConfig(base=4, depth=1), draw_cells(1, seed=0, size=40)
    losses, masks = [], []
    for place in (device, "cpu"):
        network = UNetClassic(config, rng=np.random.default_rng(0)).to(place)
        fit = Fit(SegmentationTask(network, Tiles(cells, config.shape, 28)), seed=0, steps=1)
        fit.step()
        losses += fit.losses
        masks.append(segment(network, cells, tile=28).masks)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert (masks[0] != masks[1]).mean() < 0.01  # where both classes are as likely, rounding decides


# ---- Tensors


EXPRESSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "numbers": lambda a, b: (2.0 - a) * 3.0 + 1.0 / (a * a + 1.0) - -b,
    "broadcasting": lambda a, b: a[:, :1] * b - b[0] / (1.5 + a * a) + (a + b[:, :1]),
    "sums": lambda a, b: a.sum() * b.sum(axis=1) + a.mean(axis=-1) * b.mean(),
    "powers": lambda a, b: (a * a + 1.0) ** 0.5 * (b * b + 0.5).log() + (a * 0.1).exp(),
    "matrices": lambda a, b: a.reshape(2, 2, 3).transpose(0, -1, 1) @ b.reshape(2, 2, 3),
    "slices": lambda a, b: a[1:3, ..., None, -1] * b[2:, None, 0],
    "one tensor often": lambda a, b: a * b + a + a + b,
    "concatenation": lambda a, b: ops.concatenate([a, b[:, :1], a], axis=1),
    "array and tensor": lambda a, b: a.detach().data * b + b * a.detach().data,
    "a sum and a number": lambda a, b: (a * b).sum() + 1.0,
}


@each_device
@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_gives_the_cpus_numbers(expression: str, dtype: type[Any], device: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 3)).astype(dtype)
    found = {}
    for place in ("cpu", device):
        leaves = [Tensor(to_device(x, place), requires_grad=True) for x in (a, b)]
        with counted_crossings() as crossed:
            y = EXPRESSIONS[expression](*leaves)
            (y * y).sum().backward()
        assert crossed.to_device == crossed.to_host == 0
        found[place] = [y.data, *(leaf.grad for leaf in leaves if leaf.grad is not None)]
        assert {device_of(array) for array in found[place]} == {place}
    for there, here in zip(found[device], found["cpu"], strict=True):
        close(there, np.asarray(here), 1e-5 if dtype is np.float32 else 1e-12)


@each_device
def test_an_index_of_places_is_an_array_of_the_device(device: str) -> None:
    x = Tensor(to_device(np.arange(6.0).reshape(3, 2), device), requires_grad=True)
    for index, wanted in (
        (np.array([0, 2, 2]), [[1, 1], [0, 0], [2, 2]]),
        (np.array([True, False, True]), [[1, 1], [0, 0], [1, 1]]),
        ((np.arange(3), np.array([1, 1, 0])), [[0, 1], [0, 1], [1, 0]]),
    ):
        parts = index if isinstance(index, tuple) else (index,)
        there = tuple(to_device(part, device) for part in parts)
        x.grad = None
        x[there if isinstance(index, tuple) else there[0]].sum().backward()
        assert to_host(x.grad).tolist() == wanted
    if device == "emu":  # CuPy would copy it
        with pytest.raises(TypeError, match="meets a NumPy array"):
            x[np.array([0, 2])]


@each_device
def test_a_tensor_moves_and_its_gradient_comes_back(device: str) -> None:
    x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    with counted_crossings() as crossed:
        there = x.to(device)
        assert there.to(device) is there and there.device == device and x.device == "cpu"
        (there * there).sum().to("cpu").backward()
    assert (crossed.to_device, crossed.to_host) == (2, 2)  # x, its gradient and the sum; the sum's gradient goes
    assert x.grad is not None and x.grad.tolist() == [2, 4, 6] and device_of(x.grad) == "cpu"
    with counted_crossings() as crossed:
        assert there.sum().item() == 6
    assert (crossed.to_device, crossed.to_host) == (0, 1)


@each_device
def test_devices_do_not_mix(device: str) -> None:
    here = Tensor(np.ones((2, 3), np.float32))
    there, advice = here.to(device), rf"inputs live on cpu and {device}; move them to one device, with .to\(device\)"
    weight = Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    for operation in (
        lambda: here + there, lambda: there * here, lambda: there - Tensor(np.ones((1, 3), np.float32)),
        lambda: ops.linear(there, weight), lambda: ops.linear(here, weight.to(device)),
        lambda: ops.mean_squared_error(there, here), lambda: ops.concatenate([here, there]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=advice):
            operation()
    with pytest.raises(TypeError, match=r"ids live on cpu, not where the table is"):
        ops.embedding(there, np.array([0, 1]))
    module = Linear(3, 4, rng=np.random.default_rng(0))
    optimizer = AdamW(module)
    module.to(device)
    ops.linear(there, module.weight).sum().backward()
    with pytest.raises(TypeError, match=rf"adam: its arrays live on cpu and {device}"):
        optimizer.step(0.1)  # it would move weights that nobody computes with


# ---- Modules, and what belongs to them


def two_layers() -> Module:
    module = Module()
    rng = np.random.default_rng(0)
    module.layers = [Linear(2, 3, rng=rng), Linear(3, 2, rng=rng)]  # type: ignore[attr-defined]
    return module


@each_device
def test_a_module_moves_in_one_buffer(device: str) -> None:
    module = two_layers()
    before = {name: array.copy() for name, array in module.state_dict().items()}
    module.parameters()[0].grad = np.ones((2, 3), np.float32)
    with counted_crossings() as crossed:
        assert module.to("cpu") is module and module.to(device) is module and module.to(device).device == device
    assert (crossed.to_device, crossed.to_host) == (1, 0)
    buffer = module.flat_parameters()
    assert module.flat_parameters() is buffer and device_of(buffer) == device
    assert {parameter.device for parameter in module.parameters()} == {device}
    assert module.parameters()[0].grad is None
    buffer += 1
    for name, array in module.state_dict().items():
        assert device_of(array) == "cpu"
        np.testing.assert_array_equal(array, before[name] + 1)
    module.load_state_dict(before)
    with counted_crossings() as crossed:
        module.to("cpu")
    assert (crossed.to_device, crossed.to_host) == (0, 1)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    module.layers[0].to(device)  # type: ignore[attr-defined]
    assert [parameter.device for parameter in module.parameters()] == [device] * 2 + ["cpu"] * 2


@each_device
def test_optimisers_and_averages_go_on_wherever_they_are_loaded(device: str) -> None:
    def trained(place: str, *, resumed_on: str) -> tuple[Array, Array]:
        def step(module: Module, optimizer: AdamW, ema: EMA, seed: int) -> None:
            for parameter in module.parameters():
                grad = np.random.default_rng(seed).standard_normal(parameter.shape).astype(np.float32)
                parameter.grad = to_device(grad, module.device)
            optimizer.step(0.1, 0.5)
            ema.update()

        module = two_layers().to(place)
        parts = module, AdamW(module, weight_decay=0.1), EMA(module, 0.9)
        step(*parts, seed=1)
        states = [part.state_dict() for part in parts]
        assert {device_of(array) for state in states for array in state.values()} == {"cpu"}
        module = two_layers().to(resumed_on)
        parts = module, AdamW(module, weight_decay=0.1), EMA(module, 0.9)
        for part, state in zip(parts, states, strict=True):
            part.load_state_dict(state)
        step(*parts, seed=2)
        with parts[2].in_use():
            averaged = to_host(module.flat_parameters()).copy()
        return to_host(module.flat_parameters()), averaged

    wanted = trained("cpu", resumed_on="cpu")
    for places in ((device, device), (device, "cpu"), ("cpu", device)):
        for found, exact in zip(trained(places[0], resumed_on=places[1]), wanted, strict=True):
            close(found, exact, 1e-5)


@each_device
def test_sgd_moves_weights_where_they_are(device: str) -> None:
    module = two_layers().to(device)
    buffer, before = module.flat_parameters(), to_host(module.flat_parameters()).copy()
    for parameter in module.parameters():
        parameter.grad = namespace(device).ones_like(parameter.data)
    SGD(module.parameters()).step(0.5)
    np.testing.assert_allclose(to_host(buffer), before - 0.5)


def test_a_gpus_memory_is_its_pools_and_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    pool = SimpleNamespace(total_bytes=lambda: 512)
    gpu = SimpleNamespace(synchronize=lambda: waited.append(1))
    cupy = SimpleNamespace(get_default_memory_pool=lambda: pool, cuda=SimpleNamespace(Device=lambda: gpu))
    for module in (memory, devices):
        monkeypatch.setattr(module, "namespace", {"cuda": cupy}.__getitem__)
    assert memory.peak_memory("cuda") == 512
    for device in ("cpu", "emu", "cuda"):
        devices.synchronise(device)
    assert waited == [1]


# ---- The command line

NO_GPU = "class cuda:\n    is_available = staticmethod(lambda: False)\n"
NO_COMPILER = """
class cuda:
    is_available = staticmethod(lambda: True)
class RawModule:
    def __init__(self, **options): assert "mma.h" in options["code"]
    def compile(self): raise RuntimeError('Failure finding "libnvrtc.so.13"\\nsearched everywhere')
"""
MISSING = {
    "no CuPy": (None, "device 'cuda': CuPy is not installed: pip install 'minisd[gpu]'"),
    "no GPU": (
        NO_GPU,
        "device 'cuda': CuPy is installed but finds no CUDA device: an NVIDIA GPU and its driver are needed",
    ),
    "no NVRTC": (
        NO_COMPILER,
        "device 'cuda': CuPy finds no NVRTC, or no CUDA headers, to compile kernels (Failure finding "
        "\"libnvrtc.so.13\"): pip install 'minisd[gpu]'",
    ),
    "a broken CuPy": (
        "raise ImportError('no libcudart')",
        "device 'cuda': CuPy is installed but cannot be imported (no libcudart); install it anew: "
        "pip install 'minisd[gpu]'",
    ),
}


def run_without(what: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with the CuPy that `what` says, or without any."""
    cupy, _ = MISSING[what]
    if cupy is not None:
        (folder / "cupy").mkdir(exist_ok=True)
        (folder / "cupy" / "__init__.py").write_text(cupy)
    hidden = "sys.modules['cupy'] = None; " if cupy is None else f"sys.path.insert(0, {str(folder)!r}); "
    code = f"import sys; {hidden}from minisd.cli import main; main(prog_name='minisd')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=folder, env=environment
    )


@pytest.mark.parametrize("what", MISSING)
def test_a_missing_gpu_is_one_message(what: str, tmp_path: Path) -> None:
    message = MISSING[what][1]
    done = run_without(what, tmp_path, "draw", "a seven", "--device", "cuda")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"Error: {message}\n")
    said = run_without(what, tmp_path, "info")
    words = " ".join(said.stdout.split())  # info breaks lines to fit the terminal
    assert said.returncode == 0 and f" cuda {message.partition(': ')[2]} emu " in words
    drawn = run_without(what, tmp_path, "--backend", "numpy", "draw", "a seven", "--steps", "1", "--out", "a.png")
    assert (drawn.returncode, drawn.stdout, drawn.stderr) == (0, "wrote a.png\n", "")


@pytest.mark.parametrize(
    "arguments", [("draw", "a seven"), ("train", "--data", "strokes"), ("eval",), ("bench", "kernels")], ids=" ".join
)
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "Error: device 'cuda': CuPy is not installed: pip install 'minisd[gpu]'\n"),
        ("emu", "Error: device 'emu': no C++ compiler was found: install g++ or clang, or name one in CXX\n"),
    ],
)
def test_every_command_says_that_its_device_is_missing(
    arguments: tuple[str, ...], device: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(asked: str) -> str:
        assert asked == device
        return message.removeprefix(f"Error: device {device!r}: ").removesuffix("\n")

    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", missing)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*arguments, "--device", device])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert not os.listdir()


def test_without_a_compiler_there_is_no_emulator() -> None:
    code = "from minisd_kernels.devices import to_device; import numpy as np; to_device(np.ones(1), 'emu')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": "/nowhere"}
    environment.pop("CXX", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    wanted = "BackendUnavailable: device 'emu': no C++ compiler was found: install g++ or clang, or name one in CXX"
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith(wanted)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(BackendUnavailable, match=r"unknown device 'tpu'; choose one of cpu, cuda, emu"):
        to_device(np.ones(1), "tpu")
    result = CliRunner().invoke(main, ["draw", "a seven", "--device", "tpu"])
    assert result.exit_code == 2 and "'tpu' is not one of 'cpu', 'cuda', 'emu'" in result.stderr


@each_device
def test_training_and_drawing(device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minisd.train.run.load_pictures", lambda *_: few_pictures())
    monkeypatch.setattr(VAETask, "preview", lambda task: None)
    monkeypatch.setattr(DenoiserTask, "preview", lambda task: None)  # 20 drawings
    step, places = Fit.step, []

    def seen(fit: Fit) -> None:
        places.append(fit.task.module.device)
        step(fit)

    monkeypatch.setattr(Fit, "step", seen)

    def minisd(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    images = []
    for place in (device, "cpu"):
        with counted_crossings() as crossed:
            said = minisd("train", "--data", "strokes", "--steps", "1", "--out", place, "--device", place)
        assert places[-3:] == [place] * 3
        assert bool(crossed.to_device) == (place != "cpu") and ("of the GPU's memory" in said) == (place == "cuda")
        assert load_json(f"{place}/recipe.json")["settings"]["device"] == place
        with counted_crossings() as crossed:
            minisd("draw", "a seven", "--model", place, "--device", place, "--steps", "1", "--npz", f"{place}.npz")
        assert bool(crossed.to_device) == (place != "cpu")
        images.append(np.load(f"{place}.npz")["images"].astype(int))
    # Adam's first step goes up or down where the gradient is 0 but for rounding.
    assert np.abs(images[0] - images[1]).mean() < 2

    assert "is trained already" in minisd("train", "--resume", "--out", device)
    assert Run.resume(Path(device)).settings.device == device
    assert Run.resume(Path(device), "cpu").settings.device == "cpu"


@each_device
def test_the_judge_and_the_segmenters(device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("minisd.data.load_digits", lambda name, part, folder: few_digits())
    monkeypatch.setattr("minisd.train.segmentation.CONFIG", UNetClassicConfig(base=2, depth=1))
    monkeypatch.setattr("minisd.train.segmentation.TILE", 76)
    monkeypatch.setattr("minisd.cli.segment._TRAINING", 1)
    monkeypatch.setattr("minisd.cli.segment._HELD_OUT", 1)
    monkeypatch.setattr("minisd.data.cells.draw_cells", lambda count, seed: draw_cells(count, seed, size=96))
    for command, files in (("judge", 1), ("segment", 3)):
        found = {}
        for place in (device, "cpu"):
            out = tmp_path / command / place
            with counted_crossings() as crossed:
                result = CliRunner().invoke(main, [command, "--steps", "1", "--out", str(out), "--device", place])
            assert result.exit_code == 0, (result.output, result.exception)
            assert bool(crossed.to_device) == (place != "cpu")
            found[place] = {path.name: load_weights(path) for path in out.glob("*.safetensors")}
        assert len(found[device]) == files
        for name, weights in found[device].items():
            for weight, array in weights.items():
                close(array, found["cpu"][name][weight], 0.1)  # as above: Adam's first step


@pytest.mark.emu
@pytest.mark.usefixtures("pretended_gpu")
def test_the_way_to_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    x = to_device(np.arange(3), "cuda")
    assert device_of(x) == "cuda" and to_host(x).tolist() == [0, 1, 2]
    for arguments in (["--device", "cuda"], []):
        options = ["--steps", "1", "--npz", f"{len(arguments)}.npz"]
        result = CliRunner().invoke(main, ["draw", "a seven", *options, *arguments])
        assert result.exit_code == 0, (result.output, result.exception)
    there, here = (np.load(f"{count}.npz")["images"].astype(int) for count in (2, 0))
    assert np.abs(there - here).max() <= 2
    machine = measure_machine(None, rounds=1, device="cuda")
    assert (machine.processor, machine.ceiling_by, machine.versions["cupy"]) == ("a GPU of paper", "CuPy", "14")


@each_device
def test_measuring(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def evaluate(pipeline: Pipeline, judge: Judge, *args: Any, **options: Any) -> None:
        found.append((pipeline.device, judge.classifier.device))
        raise CheckpointError("seen")

    monkeypatch.setattr("minisd.evaluation.digits.evaluate", evaluate)
    monkeypatch.setattr("minisd.evaluation.digits.check_count", lambda *args: None)
    monkeypatch.setattr("minisd.data.load_digits", lambda name, split, data_dir=None: few_digits())
    assert CliRunner().invoke(main, ["eval", "--device", device]).stderr == "Error: seen\n" and found == [(device,) * 2]

    digits, answers = few_digits(), []
    for place in (device, "cpu"):
        pipeline, judge = Pipeline.load().to(place), Judge.load()
        judge.classifier.to(place)
        answers.append(
            (judge.features(digits.images), _vae_quality(pipeline, judge, digits), _clip_quality(pipeline, digits))
        )
    close(answers[0][0], answers[1][0], 1e-3)
    assert answers[0][1] == pytest.approx(answers[1][1], rel=1e-2) and answers[0][2] == answers[1][2]
