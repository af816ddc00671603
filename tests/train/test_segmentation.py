"""Segmentation: what tiles show, that every network sees the same ones, and the command that compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from minisd_kernels.shapes import UNetShape
from PIL import Image

from minisd.autograd import Array, Tensor
from minisd.checkpoint import load_module
from minisd.cli import main
from minisd.data.cells import CellSet, draw_cells
from minisd.models.overlap_tile import predict
from minisd.models.unet_classic import UNetClassicConfig
from minisd.ops import crop
from minisd.pictures import to_unit_range
from minisd.train import segmentation
from minisd.train.loop import Fit
from minisd.train.segmentation import NETWORKS, SegmentationTask, Segmenter, Tiles, segment, train_segmenter, turned

SMALL = UNetClassicConfig(base=2, depth=1)
each_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


@pytest.fixture(scope="module")
def cells() -> CellSet:
    return draw_cells(3, seed=0, size=64)


@pytest.fixture(scope="module")
def tiles(cells: CellSet) -> Tiles:
    return Tiles(cells, SMALL.shape, 44)


# ---- Tiles


def test_what_is_seen_what_is_wanted_and_its_weight_lie_on_each_other() -> None:
    """Three pictures of one and the same pattern: each names the place of every pixel."""
    place = np.arange(40 * 40, dtype=np.int32).reshape(40, 40)
    pattern = (place * 7919 % 251 + 1).astype(np.uint8)
    cells = CellSet(pattern[None], np.where(pattern > 128, place, 0)[None])
    tiles = Tiles.__new__(Tiles)
    tiles.cells, tiles.tile, tiles.margin, tiles.weights = cells, 32, 16, pattern[None] * np.float32(2)
    ways = set()
    for seed in range(60):
        seen, classes, weights = tiles.draw(np.array([0]), np.random.default_rng(seed))
        inner = seen[:, 8:-8, 8:-8]
        np.testing.assert_array_equal(classes, inner > 128)
        np.testing.assert_array_equal(weights, 2.0 * inner)
        ways.update(way for way in range(8) if found_in(inner[0], pattern, way))
    assert ways == set(range(8))


def found_in(part: Array, picture: Array, way: int) -> bool:
    """Is `part` a piece of the picture, turned that way?"""
    windows = np.lib.stride_tricks.sliding_window_view(turned(picture, way), part.shape)
    return bool((windows == part).all(axis=(2, 3)).any())


def test_past_the_border_a_tile_is_mirrored(cells: CellSet) -> None:
    """A margin larger than half of the picture: its border is seen from every place."""
    shape = UNetShape(depth=2)
    tiles = Tiles(cells, shape, shape.covering(64))
    seen, _, _ = tiles.draw(np.array([2]), np.random.default_rng(0))
    half = shape.margin // 2
    mirrored = np.pad(cells.images[2], half, mode="reflect")
    assert any(np.array_equal(seen[0], turned(mirrored, way)) for way in range(8))


def test_the_eight_ways_differ() -> None:
    picture = np.arange(9).reshape(3, 3)
    assert len({turned(picture, way).tobytes() for way in range(8)}) == 8


# ---- Networks


@each_network
def test_every_network_predicts_the_same_pixels(network: type[Segmenter], cells: CellSet) -> None:
    """Whatever the network's own margin: moving a tile moves the prediction, and tiles leave no seams."""
    module = network(SMALL, rng=np.random.default_rng(0))
    images = to_unit_range(cells.images[:1])
    whole, in_tiles = (predict(module, images, tile=tile) for tile in (96, 28))
    np.testing.assert_allclose(in_tiles, whole, atol=1e-5)
    around = SMALL.shape.margin // 2
    tile = images[:, 10 - around : 10 + 20 + around, 20 - around : 20 + 20 + around]
    np.testing.assert_allclose(crop(module(Tensor(tile)), 20, 20).data, whole[:, 10:30, 20:40], atol=1e-5)


def test_all_networks_learn_from_the_same_tiles(tiles: Tiles, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []

    def record(indices: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        tile = Tiles.draw(tiles, indices, rng)
        drawn.append(tile[0].tobytes())
        return tile

    monkeypatch.setattr(tiles, "draw", record)
    for name, network in NETWORKS.items():
        train_segmenter(network(SMALL, rng=np.random.default_rng(0)), tiles, seed=1, steps=4, name=name)
    assert len(set(drawn)) == 4 and drawn == 3 * drawn[:4]


def test_the_average_is_kept(tiles: Tiles) -> None:
    module, again = (NETWORKS["U-Net"](SMALL, rng=np.random.default_rng(0)) for _ in range(2))
    losses, _ = train_segmenter(module, tiles, seed=5, steps=3, name="a network")
    fit = Fit(SegmentationTask(again, tiles), seed=5, steps=3)
    while not fit.done:
        fit.step()
    np.testing.assert_array_equal(module.flat_parameters(), fit.ema.average)
    assert losses == fit.losses and np.any(again.flat_parameters() != fit.ema.average)


@each_network
def test_training_is_reproducible(network: type[Segmenter], tiles: Tiles) -> None:
    def trained() -> tuple[list[float], Array]:
        module = network(SMALL, rng=np.random.default_rng(0))
        losses, seconds = train_segmenter(module, tiles, seed=0, steps=3, name="a network")
        assert seconds > 0
        return losses, module.flat_parameters()

    (losses, weights), (again, weights_again) = trained(), trained()
    assert losses == again and len(losses) == 3
    np.testing.assert_array_equal(weights, weights_again)


@pytest.mark.slow
def test_copy_and_crop_pays() -> None:
    """As in the command, with half of the channels and a third of the steps; the FCN is then still far behind."""
    config = UNetClassicConfig(base=8, depth=3)
    tiles, held_out = Tiles(draw_cells(8, seed=0), config.shape, 156), draw_cells(1, seed=1)
    scores = {}
    for name in ("FCN", "U-Net"):
        module = NETWORKS[name](config, rng=np.random.default_rng(0))
        losses, _ = train_segmenter(module, tiles, seed=0, steps=200, name=name)
        assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])
        scores[name] = segment(module, held_out, tile=156)
    assert scores["U-Net"].pixel_iou > max(0.7, scores["FCN"].pixel_iou + 0.05)
    assert scores["U-Net"].object_iou > max(0.6, scores["FCN"].object_iou + 0.05)


def test_a_loss_is_weighted(cells: CellSet, tiles: Tiles, monkeypatch: pytest.MonkeyPatch) -> None:
    task = SegmentationTask(NETWORKS["U-Net"](SMALL, rng=np.random.default_rng(0)), tiles)
    losses = []
    for weights in (tiles.weights, 3 * tiles.weights):
        monkeypatch.setattr(tiles, "weights", weights)
        batch = task.batch(np.array([0]), np.random.default_rng(0))
        losses.append(task.loss(*map(Tensor, batch)).item())
    assert losses[1] == pytest.approx(3 * losses[0], rel=1e-5)


class Oracle:
    """Its logits are right: it knows the grey levels of cells."""

    config, device = UNetClassicConfig(depth=0), "cpu"

    def __call__(self, x: Tensor) -> Tensor:
        inner = x.data[:, 2:-2, 2:-2]
        return Tensor(np.concatenate([-inner, inner], axis=-1))


def test_a_perfect_network_has_a_perfect_score(cells: CellSet) -> None:
    painted = CellSet(np.where(cells.instances > 0, 255, 0).astype(np.uint8), cells.instances)
    found: Any = segment(Oracle(), painted, tile=16)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.masks, cells.instances > 0)
    assert (found.pixel_iou, found.object_iou) == (1, 1)


# ---- The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "CONFIG", SMALL)
    monkeypatch.setattr("minisd.cli.segment._TRAINING", 1)
    monkeypatch.setattr("minisd.cli.segment._HELD_OUT", 1)


def command(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["segment", *map(str, arguments)])


@pytest.mark.usefixtures("quick")
def test_the_command_compares_and_keeps_what_it_made(tmp_path: Path) -> None:
    result = command("--steps", 2, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    for name, network in NETWORKS.items():
        (line,) = (line for line in lines if line.startswith(f"{name}  "))
        pixels, objects, parameters, _ = line.removeprefix(name).split()
        module = network(SMALL, rng=np.random.default_rng(1))
        assert 0 <= float(objects) <= 1 and 0 <= float(pixels) <= 1
        assert int(parameters.replace(",", "")) == module.parameter_count()
        load_module(module, tmp_path / "run" / f"{name.lower().replace(' ', '-')}.safetensors")
    for picture in ("cells.png", "loss.png"):
        with Image.open(tmp_path / "run" / picture) as image:
            assert image.format == "PNG" and min(image.size) > 100


@pytest.mark.usefixtures("quick")
def test_the_command_stops_at_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segmentation, "train_segmenter", interrupted)
    result = command("--out", tmp_path / "run")
    assert result.exit_code == 130
    assert result.stderr.strip() == f"stopped; the networks that were trained to the end are in {tmp_path / 'run'}"


@pytest.mark.usefixtures("quick")
def test_the_command_passes_on_what_was_asked_for_and_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []

    def trained(module: Segmenter, tiles: Tiles, *, seed: int, steps: int, name: str) -> tuple[list[float], float]:
        calls.append((type(module), module.flat_parameters().sum(), tiles.cells.images.sum(), seed, steps, name))
        return [1.0, 0.5], 0.25

    monkeypatch.chdir(tmp_path)

    def drawn(count: int, seed: int) -> CellSet:
        sets.append((count, seed))
        return draw_cells(count, seed)

    sets: list[tuple[int, int]] = []
    monkeypatch.setattr("minisd.data.cells.draw_cells", drawn)
    monkeypatch.setattr(segmentation, "train_segmenter", trained)
    for arguments in ((), ("--seed", 1, "--steps", 7), ("--seed", 1, "--out", "mine")):
        assert command(*arguments).exit_code == 0
    assert [call[3:5] for call in calls] == [(0, 600)] * 3 + [(1, 7)] * 3 + [(1, 600)] * 3
    assert [(call[0], call[5]) for call in calls[:3]] == [(network, name) for name, network in NETWORKS.items()]
    assert all(a[1] != b[1] and a[2] != b[2] for a, b in zip(calls[:3], calls[3:6], strict=True))
    assert [call[:4] for call in calls[3:6]] == [call[:4] for call in calls[6:]]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["segment", "segment-2"]
    refused = command("--out", "mine")
    assert refused.exit_code == 2 and "mine/fcn.safetensors is there already" in " ".join(refused.stderr.split())
    assert len(calls) == 9 and sets == [
        (1, 0),
        (1, 1),
        *2 * [(1, 2), (1, 3)],
    ]  # held out is what no other seed trains on


def test_the_command_refuses_before_it_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, said in (
        (("--steps", 0), "Invalid value for '--steps'"),
        (("--out", tmp_path / "file"), "is a file"),
        (("--out", tmp_path / "file" / "below"), "could not be written"),
    ):
        result = command(*arguments)
        assert result.exit_code == 2 and "drawing" not in result.output
        assert said in " ".join(result.stderr.split())
