"""What draw writes, and how it refuses what it cannot do."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shlex
import struct
import sys
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_line import copy_of, minisd, refused, replace
from numpy.typing import NDArray
from PIL import Image

from minisd import __version__
from minisd import pipeline as pipeline_room
from minisd.cli import main
from minisd.cli.pictures import watched
from minisd.pipeline import Pipeline
from minisd.plots import load_about


def draw(model: Path, *arguments: Any) -> Result:
    return minisd("--backend", "numpy", "draw", "--model", model, "--steps", 2, *arguments)


def test_draw_names_the_picture_and_keeps_those_before(model: Path) -> None:
    for name in ("a-thick-7.png", "a-thick-7-2.png", "a-thick-7-3.png"):
        result = draw(model, "A thick... 7!")
        assert result.exit_code == 0, result.output
        assert f"wrote {name}\n" in result.stdout
        with Image.open(name) as picture:
            assert picture.size == (560, 560)
    assert draw(model, "").exit_code == 0
    assert Path("picture.png").exists()


def test_the_same_seed_gives_the_same_picture(model: Path) -> None:
    for num, seed in ((1, 3), (5, 3), (1, 4)):
        assert draw(model, "a seven", "--num", num, "--seed", seed, "--npz", f"{num}-{seed}.npz").exit_code == 0
    one, five, other = (np.load(f"{name}.npz")["images"] for name in ("1-3", "5-3", "1-4"))
    assert one.shape == (1, 28, 28) and five.shape == (5, 28, 28) and one.dtype == np.uint8
    np.testing.assert_array_equal(one[0], five[0])
    assert not np.array_equal(five[0], five[1]) and not np.array_equal(one, other)


def test_prompts_from_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\ufeffa seven\n\n  an 8  \r\n", encoding="utf-8")
    out = tmp_path / "new" / "folder" / "sheet.PNG"
    result = draw(model, "--prompts", tmp_path / "list.txt", "--num", 2, "--npz", "a.npz", "--out", out, "--show-steps")
    assert result.exit_code == 0 and not result.stderr
    with np.load("a.npz") as file:
        assert file["prompts"].tolist() == ["a seven", "a seven", "an 8", "an 8"]
        assert file["images"].shape == (4, 28, 28)
    assert out.exists() and out.with_name("sheet-steps.png").exists()
    assert result.stdout.splitlines() == [f"wrote {out}", f"wrote {out.with_name('sheet-steps.png')}", "wrote a.npz"]
    assert draw(model, "--prompts", tmp_path / "list.txt").exit_code == 0
    assert Path("list.png").exists()


def test_guidance_sampler_and_spacing_change_the_picture(model: Path) -> None:
    changes = ((), ("--guidance", 5), ("--sampler", "ddpm"), ("--spacing", "leading"))
    for name, options in zip("abcd", changes, strict=True):
        assert draw(model, "a seven", "--npz", f"{name}.npz", "--out", f"{name}.png", *options).exit_code == 0
    assert len(np.unique([np.load(f"{name}.npz")["images"] for name in "abcd"], axis=0)) == 4


@pytest.mark.parametrize("taken", ["mine.png", "mine-steps.png", "mine.npz"])
def test_what_is_there_is_never_replaced(model: Path, monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    Path(taken).write_bytes(b"old")
    refused(
        draw(model, "a seven", "--out", "mine.png", "--show-steps", "--npz", "mine.npz"), f"{taken} is there already"
    )
    assert Path(taken).read_bytes() == b"old" and os.listdir() == [taken]


@pytest.mark.parametrize(
    "names",
    [("--out", "y.png", "--npz", "y.png"), ("--out", "y.png", "--npz", "./y.png"),
     ("--out", "y.png", "--show-steps", "--npz", "y-steps.png"), ("--npz", "a-seven.png")],
)  # fmt: skip
def test_two_outputs_have_two_names(model: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    refused(draw(model, "a seven", *names), "is named for two outputs")
    assert not os.listdir()


def test_a_name_is_taken_the_moment_it_is_chosen(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command that starts while this one draws finds the names taken."""
    meanwhile = []

    def drawn(*args: Any, **options: Any) -> NDArray[np.uint8]:
        meanwhile.extend(os.listdir())
        return np.zeros((1, 28, 28), np.uint8)

    monkeypatch.setattr(Pipeline, "draw", drawn)
    assert draw(model, "a seven", "--npz", "a.npz").exit_code == 0
    assert sorted(meanwhile) == ["a-seven.png", "a.npz"]


def test_a_name_is_free_again_when_nothing_was_drawn(model: Path) -> None:
    refused(draw(model, "a seven", "--guidance", "1e308"), "no longer finite at step 2 of 2, t = 499", "than 1e+308")
    assert not os.listdir()


def test_prompts_from_standard_input(model: Path) -> None:
    command = ["--backend", "numpy", "draw", "--model", str(model), "--prompts", "-"]
    result = CliRunner().invoke(main, [*command, "--steps", "1", "--npz", "a.npz"], input="a seven\n\nan 八\n".encode())
    assert result.exit_code == 0 and result.stdout == "wrote prompts.png\nwrote a.npz\n" and not result.stderr
    with np.load("a.npz") as file:
        assert file["prompts"].tolist() == ["a seven", "an 八"]
    for given, said in ((b"\n", "standard input holds no prompt"), (b"\xff", "standard input is not UTF-8")):
        refused(CliRunner().invoke(main, command, input=given), said)


def test_too_many_pictures_are_refused_at_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    said = "100,000,000,000 pictures need about 1,25", "GB of memory; ", "at a time"
    refused(draw(model, "a seven", "--num", 10**11), *said)
    Path("list.txt").write_text("a seven\nan eight\n")
    monkeypatch.setattr(pipeline_room, "available_memory", lambda: 9 * (16 * 28 * 28 + 32) + 1)
    refused(
        draw(model, "--prompts", "list.txt", "--num", 6), "12 pictures need", "0.0 GB are free, enough for 9 at a time"
    )


def test_info_reads_back_how_a_picture_was_drawn(model: Path) -> None:
    assert draw(model, "a \x1b\\[31mthin 八", "--out", "a.png").exit_code == 0
    assert shlex.split(load_about("a.png")["command"])[:3] == ["minisd", "draw", "a \x1b\\[31mthin 八"]
    lines = [line.split(maxsplit=1) for line in minisd("info", "a.png").stdout.splitlines()]
    assert lines[0] == ["prompt", r"a \x1b\[31mthin 八"] and ["steps", "2"] in lines and ["seed", "0"] in lines
    Image.new("L", (4, 4)).save("other.png")
    refused(minisd("info", "other.png"), "other.png does not say how it was drawn")
    refused(minisd("info", "missing.png"), "missing.png: No such file")
    Path("list.txt").write_text("a one\na two\n")
    assert draw(model, "--prompts", "list.txt").exit_code == 0
    assert minisd("info", "list.png").stdout.splitlines()[1].split() == ["a", "two"]


def test_the_picture_is_opened_where_there_is_a_viewer(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(click, "launch", lambda path: opened.append(path) or int("b.png" in path))
    monkeypatch.setenv("DISPLAY", ":0")
    result = draw(model, "a seven", "--open", "--out", "a.png")
    assert result.exit_code == 0 and opened == [str(Path("a.png").resolve())] and not result.stderr
    result = draw(model, "a seven", "--open", "--out", "b.png")
    assert result.exit_code == 0 and "there is no viewer here to open b.png with" in result.stderr
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    result = draw(model, "a seven", "--open", "--out", "c.png")
    assert result.exit_code == 0 and "to open c.png with" in result.stderr and len(opened) == 2


def test_a_long_drawing_shows_a_bar_and_a_short_one_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of tqdm is moved on by hand."""
    now = [0.0]
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    for seconds, shown in ((0.4, False), (0.6, True)):
        with watched(4) as (watch, moments):
            for step in range(4):
                now[0] += seconds
                watch(step, 999 - step, np.zeros((9, 7, 7, 4)), np.zeros(0))
        assert ("drawing:" in screen.getvalue()) == shown
        assert list(moments) == [999, 998, 997, 996] and moments[999].shape == (8, 7, 7, 4)


def test_every_option_reaches_the_drawing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def pictures(self: Pipeline, texts: list[str], **options: Any) -> NDArray[np.uint8]:
        options.pop("callback")
        seen.append(options)
        return np.zeros((len(texts), 28, 28), np.uint8)

    monkeypatch.setattr(Pipeline, "draw", pictures)
    minisd("draw", "a seven")
    minisd("draw", "a seven", "--seed", 7, "--steps", 3, "--guidance", 0, "--sampler", "ddpm", "--spacing", "karras")
    assert seen == [
        {"seed": 0, "few": None, "steps": 50, "guidance": None, "sampler": None, "spacing": None},
        {"seed": 7, "few": None, "steps": 3, "guidance": 0, "sampler": "ddpm", "spacing": "karras"},
    ]


def test_the_sheet_has_a_row_a_prompt_and_says_which(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int | None, dict[str, Any]]] = []
    drawn: list[list[str]] = []

    def save_grid(path: Path, images: NDArray[np.uint8], columns: int | None, **options: Any) -> None:
        options.pop("about")
        seen.append((columns, options))
        path.write_bytes(b"png")

    def pictures(self: Pipeline, texts: list[str], **options: Any) -> NDArray[np.uint8]:
        drawn.append(list(texts))
        return np.zeros((len(texts), 28, 28), np.uint8)

    monkeypatch.setattr("minisd.plots.save_grid", save_grid)
    monkeypatch.setattr(Pipeline, "draw", pictures)
    Path("two.txt").write_text("a seven\na thin 八\n", encoding="utf-8")
    Path("same.txt").write_text("a seven\na seven\n")
    for arguments in (
        ("--prompts", "two.txt", "--num", 3), ("--prompts", "two.txt", "--num", 3, "--columns", 2),
        ("--prompts", "two.txt"), ("--prompts", "same.txt"), ("a seven", "--num", 4, "--columns", 4), ("a seven",),
    ):  # fmt: skip
        assert draw(model, *arguments).exit_code == 0
    names = ["a seven"] * 3 + ["a thin eight"] * 3
    assert drawn[0] == ["a seven"] * 3 + ["a thin 八"] * 3
    assert seen == [
        (3, {"names": ["a seven", "a thin eight"]}),
        (2, {"captions": names}),
        (None, {"captions": names[2:4]}),
        (None, {"captions": None}),
        (4, {"captions": None}),
        (None, {"captions": None}),
    ]


def test_letters_that_the_sheet_does_not_have_are_said(model: Path) -> None:
    Path("two.txt").write_text("a thin 八\nan שמונה\n", encoding="utf-8")
    result = draw(model, "--prompts", "two.txt")
    assert result.exit_code == 0 and "the sheet has no letters for שמונה: a question mark" in result.stderr


def test_a_picture_says_how_it_was_drawn(model: Path, tmp_path: Path) -> None:
    Path("two.txt").write_text("a seven\na thin 八\n", encoding="utf-8")
    told = ("--num", 2, "--seed", 5, "--guidance", 2, "--show-steps", "--columns", 4, "--out", "a.png")
    assert draw(model, "--prompts", "two.txt", *told).exit_code == 0
    about = load_about("a.png")
    assert load_about("a-steps.png") == about
    digest = about.pop("model_sha256")
    assert digest == hashlib.sha256((model / "model.json").read_bytes()).hexdigest()
    command = about.pop("command")
    assert about == {
        "prompts": ["a seven", "a thin 八"], "num": 2, "device": "cpu", "seed": 5, "steps": 2, "guidance": 2.0,
        "sampler": "ddim", "spacing": "trailing", "model": str(model), "backend": "numpy", "minisd": __version__,
    }  # fmt: skip
    again = CliRunner().invoke(
        main, ["--backend", "numpy", *shlex.split(command)[1:], "--out", "b.png", "--columns", "4"]
    )
    assert again.exit_code == 0 and Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_the_steps_show_the_first_pictures_from_noise_to_drawn(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def save_strip(path: Path, frames: NDArray[np.uint8], labels: list[str], about: dict[str, Any]) -> None:
        seen.extend((frames, labels))
        path.write_bytes(b"png")

    monkeypatch.setattr("minisd.plots.save_strip", save_strip)
    monkeypatch.setattr("minisd.pipeline.Pipeline.draw", partialmethod(Pipeline.draw, batch=9))
    result = draw(model, "a seven", "--num", 10, "--show-steps", "--npz", "a.npz", "--steps", 12, "--guidance", 1)
    assert result.exit_code == 0
    frames, labels = seen
    assert labels == [
        "t = 999",
        "t = 916",
        "t = 749",
        "t = 666",
        "t = 499",
        "t = 416",
        "t = 332",
        "t = 166",
        "t = 82",
        "drawn",
    ]
    assert frames.shape == (10, 8, 28, 28)  # the first 8 of the first batch, which later ones do not replace
    with np.load("a.npz") as file:
        np.testing.assert_array_equal(frames[-1], file["images"][:8])
    noise = np.stack([np.random.default_rng([0, i]).standard_normal((7, 7, 4)) for i in range(8)])
    np.testing.assert_array_equal(frames[0], Pipeline.load().decode(noise.astype(np.float32)))


def test_the_device_that_is_asked_for_draws(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    monkeypatch.setattr(Pipeline, "to", lambda self, device: moved.append(device))
    monkeypatch.setattr(Pipeline, "draw", lambda self, texts, **options: np.zeros((1, 28, 28), np.uint8))
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", lambda device: None)
    assert draw(model, "a seven", "--device", "emu").exit_code == 0 and draw(model, "a seven").exit_code == 0
    assert moved == ["emu", "cpu"]
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", lambda device: "no GPU here")
    refused(draw(model, "a seven", "--device", "cuda"), "device 'cuda': no GPU here")


def test_large_numbers_are_drawn_in_chunks(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = []
    predict = Pipeline.predict

    def watched(self: Pipeline, z_t: Any, t: Any, prompt: Any) -> Any:
        chunks.append(len(z_t))
        return predict(self, z_t, t, prompt)

    monkeypatch.setattr(Pipeline, "predict", watched)
    assert draw(model, "a seven", "--num", 130, "--npz", "a.npz", "--guidance", 1).exit_code == 0
    assert chunks == [125, 125, 5, 5]
    with np.load("a.npz") as file:
        assert len(np.unique(file["images"], axis=0)) == 130  # the second chunk has noise of its own


def test_unknown_words_and_long_prompts_are_warned_of(model: Path) -> None:
    result = draw(model, "a fluffy seven")
    assert result.exit_code == 0 and "never saw 'fluffy'" in result.stderr
    assert "the words that the model knows" not in result.stderr
    result = draw(model, "a fluffy cat")
    assert "never saw 'fluffy', 'cat' and may ignore them" in result.stderr
    assert "the words that the model knows: 0 1 2 3" in result.stderr and "upright zero" in result.stderr
    result = draw(model, "a thick seven leaning left " * 5 + "a zero")
    assert result.exit_code == 0 and "its last 17 words were dropped" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say what to draw"),
        (("a", "thick", "seven"), 'Put quotes around a prompt of several words: minisd draw "a thick seven"'),
        (("a seven", "--model", ""), "the name is empty"),
        (("a seven", "--num", "0"), "--num"),
        (("a seven", "--num", "-3"), "--num"),
        (("a seven", "--steps", "0"), "--steps"),
        (("a seven", "--steps", "1001"), "wanted 1..1000 steps"),
        (("a seven", "--sampler", "magic"), "choose one of ddpm, ddim"),
        (("a seven", "--spacing", "even"), "choose one of trailing, leading"),
        (("a seven", "--guidance", "nan"), "not a finite number"),
        (("a seven", "--guidance", "inf"), "not a finite number"),
        (("a seven", "--seed", "-1"), "--seed"),
        (("a seven", "--out", "a.jpg"), "does not end in .png"),
        (("a seven", "--out", "folder.png"), "is a directory"),
        (("a seven", "--out", "file"), "does not end in .png"),
        (("a seven", "--out", "file/a.png"), "could not be written"),
        (("a seven", "--npz", "file/deeper/a.npz"), "could not be written"),
        (("a seven", "--prompts", "empty.txt"), "not both"),
        (("--prompts", "empty.txt"), "holds no prompt"),
        (("--prompts", "latin.txt"), "is not UTF-8"),
        (("--prompts", "missing.txt"), "does not exist"),
        (("--prompts", "folder.png"), "is a directory"),
        (("a seven", "--model", "missing"), "model.json: there is no such file"),
        (("a seven", "--model", "file"), "is a file"),
    ],
)
def test_draw_refuses(model: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)  # nothing is drawn before the arguments are checked
    Path("folder.png").mkdir()
    Path("file").write_text("")
    Path("empty.txt").write_text("\n  \n")
    Path("latin.txt").write_bytes("größe".encode("latin-1"))
    before = sorted(os.listdir())
    refused(minisd("draw", "--model", model, *arguments), said)
    assert sorted(os.listdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_draw_to_a_full_device(model: Path) -> None:
    refused(draw(model, "a seven", "--npz", "/dev/full"), "/dev/full: could not be written: No space left")


def test_draw_on_a_full_disk(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.png").write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(draw(model, "a seven", "--out", "b.png"), "b.png: could not be written: No space left")
    assert os.listdir() == ["a.png"]


# Damaged models


def safetensors_with(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def with_other_channels(data: bytes) -> bytes:
    about = json.loads(data)
    for level in about["unet"]["levels"]:
        level["channels"] += 96
    return json.dumps(about).encode()


def without_digests(folder: Path) -> None:
    """As models were written before their files' digests were noted."""
    about = json.loads((folder / "model.json").read_text())
    del about["sha256"]
    replace(folder / "model.json", json.dumps(about).encode())


def with_nan(data: bytes) -> bytes:
    return data[:-2] + struct.pack("<e", float("nan"))


OVERLAPPING = json.dumps(
    {name: {"dtype": "F32", "shape": [2], "data_offsets": [at, at + 8]} for name, at in (("a", 0), ("b", 4))}
).encode()


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("model.json", with_other_channels, "of another architecture than UNet"),
        ("model.json", lambda data: data[:100], "model.json: damaged"),
        ("model.json", lambda data: b"[1, 2]", "its format is [1, 2], this minisd reads formats 1 to 2"),
        ("model.json", lambda data: b'{"format": 99}', "its format is 99"),
        ("model.json", lambda data: data.replace(b'"cosine"', b'"sinus"'), "does not describe a minisd model"),
        ("tokenizer.json", lambda data: b"{}", "tokenizer.json: damaged: tokenizer: wanted"),
        ("tokenizer.json", lambda data: b"[" * 100_000, "tokenizer.json: damaged: tokenizer: not JSON"),
        ("tokenizer.json", lambda data: b"\xff", "tokenizer.json: damaged"),
        ("vae.safetensors", lambda data: data[: len(data) // 2], "vae.safetensors: damaged"),
        ("vae.safetensors", lambda data: struct.pack("<Q", 2**40) + data[8:], "vae.safetensors: damaged"),
        ("unet.safetensors", lambda data: safetensors_with(OVERLAPPING, bytes(12)), "unet.safetensors: damaged"),
        ("unet.safetensors", lambda data: safetensors_with(b"{}"), "of another architecture than UNet: missing"),
        ("clip.safetensors", with_nan, "holds NaN or infinite numbers"),
    ],
)
def test_damaged_models_are_refused(
    model: Path, tmp_path: Path, name: str, damage: Callable[[bytes], bytes], said: str
) -> None:
    folder = copy_of(model, tmp_path / "model")
    without_digests(folder)  # what such a model says is to be heard from the files themselves
    replace(folder / name, damage((folder / name).read_bytes()))
    refused(draw(folder, "a seven"), said)
    refused(minisd("eval", "--model", folder, "--data", "strokes"), said)
    assert not os.listdir()
