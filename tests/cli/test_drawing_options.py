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
        (("a seven", "--clip-skip", "4"), "wanted 1 (the last layer) to 3"),
        (("a seven", "--clip-skip", "0"), "--clip-skip"),
        (("a seven", "--vary", "-0.1"), "--vary"),
        (("a seven", "--to-seed", "-1"), "--to-seed"),
        (("a seven", "--to", "an eight", "--num", "1"), "2 pictures or more"),
        (("--prompts", "list.txt", "--to", "an eight"), "lead away from one PROMPT"),
    ],
)
def test_impossible_wishes_are_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("minisd.pipeline.sample", None)  # nothing is drawn before the arguments are checked
    Path("list.txt").write_text("a seven\n")
    refused(draw(model, *arguments), said)
    assert os.listdir() == ["list.txt"]
