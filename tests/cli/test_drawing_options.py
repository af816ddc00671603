"""What a drawing can be asked besides its prompt: it reaches the pipeline, or is refused before anything is drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from command_line import minisd, refused
from numpy.typing import NDArray
from PIL import Image

from minisd.pipeline import Pipeline
from minisd.plots import load_about


def draw(model: Path, *arguments: Any) -> Result:
    return minisd("--backend", "numpy", "draw", "--model", model, "--steps", 2, *arguments)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, Any]]]:
    """What the pipeline is told; nothing is drawn."""
    told: list[tuple[list[str], dict[str, Any]]] = []

    def pictures(self: Pipeline, texts: list[str], **options: Any) -> NDArray[np.uint8]:
        told.append((texts, options))
        return np.zeros((len(texts), 28, 28), np.uint8)

    monkeypatch.setattr(Pipeline, "draw", pictures)
    return told


def test_every_wish_reaches_the_drawing(model: Path, asked: list[tuple[list[str], dict[str, Any]]]) -> None:
    assert draw(model, "a seven", "--negative", "a thick seven", "--guidance-rescale", 0.7, "--guidance-interval",
                "100:900", "--clip-skip", 1, "--vary", 0.2).exit_code == 0  # fmt: skip
    ((texts, options),) = asked
    wanted = {"negative_prompt": "a thick seven", "guidance_rescale": 0.7, "guidance_interval": (100, 900),
              "clip_skip": 1, "variation": 0.2}  # fmt: skip
    assert texts == ["a seven"] and options.items() >= wanted.items()
    about = load_about("a-seven.png")
    assert about["guidance_interval"] == "100:900" and "--guidance-interval 100:900" in about["command"]
    assert "--vary 0.2" in about["command"] and "--negative 'a thick seven'" in about["command"]


@pytest.mark.parametrize("way", [("--to", "an eight"), ("--to-seed", 4)])
def test_a_way_is_a_strip_and_a_film(
    model: Path, asked: list[tuple[list[str], dict[str, Any]]], way: tuple[Any, ...]
) -> None:
    result = draw(model, "a seven", *way)
    assert result.stdout.splitlines() == ["wrote a-seven.png", "wrote a-seven.gif"] and not result.stderr
    assert draw(model, "a seven", *way, "--num", 3, "--out", "b.png").exit_code == 0
    assert [len(texts) for texts, _ in asked] == [9, 3]
    with Image.open("a-seven.png") as strip:
        assert strip.width > 8 * strip.height  # one row
    with Image.open("b.gif") as film:
        assert film.n_frames == 4 or film.n_frames == 1  # there and back; Pillow joins frames that are alike
    assert "--num 9" in load_about("a-seven.png")["command"]


def test_a_film_goes_there_and_back(model: Path) -> None:
    assert draw(model, "a seven", "--to", "a zero", "--num", 4).exit_code == 0
    with Image.open("a-seven.gif") as film:
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append((np.asarray(film.convert("L")), film.info["duration"]))
    assert len(frames) == 6 and frames[0][1] == frames[3][1] > frames[1][1]
    np.testing.assert_array_equal(frames[1][0], frames[5][0])
    assert (frames[0][0] != frames[3][0]).any()


def test_unknown_words_are_said_of_all_prompts(model: Path, asked: list[tuple[list[str], dict[str, Any]]]) -> None:
    result = draw(model, "a (wild:1.2) seven", "--negative", "a cat", "--to", "a dog")
    said = " ".join(result.stderr.split())
    assert "'a wild seven': the model never saw 'wild'" in said and "'cat'" in said and "'dog'" in said
    assert "--negative is not heard" not in said
    assert "--negative is not heard" in draw(model, "a seven", "--negative", "a 2", "--guidance", 1).stderr


def save(name: str, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(name)


@pytest.fixture
def seven(model: Path) -> NDArray[np.uint8]:
    """A seven that the model drew, in seven.png as minisd writes it, and masks for it."""
    assert draw(model, "a seven", "--out", "seven.png", "--npz", "seven.npz").exit_code == 0
    with np.load("seven.npz") as file:
        pixels: NDArray[np.uint8] = file["images"][0]
    mask = np.zeros((28, 28), np.uint8)
    mask[:, 14:] = 255
    save("right.png", mask)
    save("large.png", mask.repeat(20, axis=0).repeat(20, axis=1))
    return pixels


def test_a_drawing_of_minisd_is_read_back_pixel_by_pixel(
    model: Path, seven: NDArray[np.uint8], asked: list[tuple[list[str], dict[str, Any]]]
) -> None:
    asked.clear()
    assert draw(model, "an 8", "--init", "seven.png").exit_code == 0
    assert draw(model, "an 8", "--init", "seven.png", "--mask", "large.png", "--strength", 0.9).exit_code == 0
    assert draw(model, "an 8", "--init", "seven.png", "--mask", "right.png", "--resample", 2).exit_code == 0
    (plain, masked, small) = [options for _, options in asked]
    assert plain["sampler"] is None and masked["sampler"] == "ddpm"
    np.testing.assert_array_equal(plain["image"], seven)
    assert plain["strength"] == 0.8 and plain["resample"] == 1 and "mask_image" not in plain
    assert masked["strength"] == 0.9 and masked["resample"] > 1 and small["strength"] == 1 and small["resample"] == 2
    for options in (masked, small):
        np.testing.assert_array_equal(options["mask_image"], np.arange(28) >= np.full((28, 1), 14))
    command = load_about("an-8.png")["command"]
    assert "--init seven.png" in command and "--strength 0.8" in command
    assert "--sampler ddpm --" in load_about("an-8-2.png")["command"]


def test_known_pixels_are_in_the_file_to_the_byte(model: Path, seven: NDArray[np.uint8]) -> None:
    assert draw(model, "an 8", "--init", "seven.png", "--mask", "right.png", "--npz", "a.npz").exit_code == 0
    with np.load("a.npz") as file:
        np.testing.assert_array_equal(file["images"][0, :, :14], seven[:, :14])
        assert (file["images"][0, :, 14:] != seven[:, 14:]).any()


@pytest.mark.parametrize(("option", "inverted"), [((), True), (("--invert",), True), (("--no-invert",), False)])
def test_dark_ink_on_light_paper_is_inverted_and_that_is_said(
    model: Path,
    seven: NDArray[np.uint8],
    asked: list[tuple[list[str], dict[str, Any]]],
    option: tuple[str, ...],
    inverted: bool,
) -> None:
    asked.clear()
    save("scan.png", 255 - seven)
    result = draw(model, "an 8", "--init", "scan.png", *option)
    ((_, options),) = asked
    np.testing.assert_array_equal(options["image"], seven if inverted else 255 - seven)
    assert ("scan.png is dark on light: it was inverted" in result.stderr) == (option == ())


def test_a_picture_of_another_size_is_fitted(model: Path, asked: list[tuple[list[str], dict[str, Any]]]) -> None:
    photo = np.zeros((300, 200), np.uint8)
    photo[:, 100:] = 250
    save("photo.png", photo)
    assert draw(model, "an 8", "--init", "photo.png", "--mask", "photo.png", "--no-invert").exit_code == 0
    ((_, options),) = asked
    assert options["image"].shape == options["mask_image"].shape == (28, 28)
    assert options["mask_image"][14, 20] and not options["mask_image"][14, 8]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a (thick:1.3 seven",), "the bracket '(' at character 3 is never closed"),
        (("a (thick:x) seven",), "a weight is a number from 0 to 10, such as 1.3, got 'x'"),
        (("a (thick:nan) seven",), "a weight is a number from 0 to 10"),
        (("a seven", "--negative", "b)"), "closes none that is open"),
        (("a seven", "--to", "b]"), "closes none that is open"),
        (("a seven", "--guidance-rescale", "1.1"), "--guidance-rescale"),
        (("a seven", "--guidance-rescale", "nan"), "not a finite number"),
        (("a seven", "--guidance-interval", "800:300"), "the lower one comes first: 300:800"),
        (("a seven", "--guidance-interval", "300"), "write two times from 0 to 1000, such as 300:800"),
        (("a seven", "--guidance-interval", "a:b"), "write two times from 0 to 1000"),
        (("a seven", "--guidance-interval", "300:1001"), "the model's times end at 1000, got 300:1001"),
        (("a seven", "--clip-skip", "4"), "wanted 1 (the last layer) to 3"),
        (("a seven", "--clip-skip", "0"), "--clip-skip"),
        (("a seven", "--vary", "-0.1"), "--vary"),
        (("a seven", "--to-seed", "-1"), "--to-seed"),
        (("a seven", "--to", "an eight", "--num", "1"), "2 pictures or more"),
        (("--prompts", "list.txt", "--to", "an eight"), "lead away from one PROMPT"),
        (("a seven", "--to", "an eight", "--vary", "0.1"), "--vary draws around one picture"),
        (("a seven", "--strength", "0.5"), "--strength says what becomes of a picture; give it with --init"),
        (("a seven", "--mask", "black.png"), "give it with --init"),
        (("a seven", "--resample", "2"), "give it with --init"),
        (("a seven", "--no-invert"), "give it with --init"),
        (("a seven", "--init", "black.png", "--strength", "1.1"), "--strength"),
        (("a seven", "--init", "black.png", "--strength", "nan"), "not a finite number"),
        (("a seven", "--init", "black.png", "--resample", "0"), "--resample"),
        (("a seven", "--init", "list.txt"), "list.txt: cannot be read as a picture"),
        (("a seven", "--init", "missing.png"), "does not exist"),
        (("a seven", "--init", "black.png", "--mask", "list.txt"), "list.txt: cannot be read as a picture"),
        (
            ("a seven", "--init", "black.png", "--mask", "small.png"),
            "small.png has 20 x 10 pixels, and black",
        ),
        (("a seven", "--init", "black.png", "--mask", "black.png"), "black.png is black everywhere"),
    ],
)
def test_impossible_wishes_are_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("minisd.pipeline.sample", None)  # nothing is drawn before the arguments are checked
    Path("list.txt").write_text("a seven\n")
    save("black.png", np.zeros((28, 28), np.uint8))
    save("small.png", np.full((10, 20), 255, np.uint8))
    refused(draw(model, *arguments), said)
    assert sorted(os.listdir()) == ["black.png", "list.txt", "small.png"]
