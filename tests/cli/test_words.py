"""minisd words: every picture stands under a word that fits it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import digits, minisd, refused

from minisd.data import DigitSet

Sheet = dict[str, object]


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> Sheet:
    """What is drawn, instead of a file."""
    seen: Sheet = {}
    monkeypatch.setattr(
        "minisd.plots.save_grid", lambda path, images, columns, **rest: seen.update(rest, images=images, path=path)
    )
    return seen


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("about", ["slant", "thickness"])
def test_each_word_has_digits_that_it_fits_in_their_order(about: str, sheet: Sheet) -> None:
    result = minisd("words", about, "--num", 4, "--seed", 3)
    assert result.exit_code == 0, result.output
    test = digits(300, 1)
    values, fits = (test.slant, test.slant_bin) if about == "slant" else (test.thickness, test.thickness_bin)
    number = {image.tobytes(): i for i, image in enumerate(test.images)}
    strips = np.asarray(sheet["images"])
    assert strips.shape == (30, 28, 4 * 28)
    for digit, word in np.ndindex(10, 3):
        pictures = strips[3 * digit + word].reshape(28, 4, 28).swapaxes(0, 1)
        shown = [number[picture.tobytes()] for picture in pictures if picture.any()]
        wanted = (test.labels == digit) & (fits == word)
        assert len(shown) == len(set(shown)) == min(4, wanted.sum()) and wanted[shown].all()
        assert sorted(values[shown]) == values[shown].tolist()
        assert not pictures[len(shown) :].any()  # black where there are no more
    words = {"slant": ["leaning left", "upright", "leaning right"], "thickness": ["thin", "medium", "thick"]}[about]
    assert [str(heading).partition(":")[0] for heading in sheet["headings"]] == words  # type: ignore[attr-defined]
    assert sheet["names"] == ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    assert str(sheet["path"]) == f"{about}.png"
    rows = re.findall(r"^(\w+) +([\d.]+)% +([\d.]+)% +([\d.]+)%$", result.stdout, re.MULTILINE)
    shares = {name: [float(part) for part in parts] for name, *parts in rows}
    assert len(shares) == 11
    np.testing.assert_allclose(shares["all"], 100 * np.bincount(fits) / 300, atol=0.06)
    np.testing.assert_allclose(
        shares["three"], 100 * np.bincount(fits[test.labels == 3], minlength=3) / (test.labels == 3).sum(), atol=0.06
    )


def test_the_edges_stand_over_the_columns(few_digits: None, sheet: Sheet) -> None:
    minisd("words", "slant")
    assert sheet["headings"] == ["leaning left: below -3°", "upright: -3 to 12°", "leaning right: from 12°"]
    minisd("words", "thickness")
    assert sheet["headings"] == ["thin: below 2.31 pixels", "medium: 2.31 to 2.83 pixels", "thick: from 2.83 pixels"]


def test_it_writes_a_picture_and_replaces_none(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "wrote slant.png" in minisd("words", "slant").stdout
    assert "wrote slant-2.png" in minisd("words", "slant").stdout and Path("slant-2.png").stat().st_size > 1000
    refused(minisd("words", "slant", "--out", "slant.png"), "slant.png is there already")
    few = digits(3, 0)
    monkeypatch.setattr("minisd.data.load_digits", lambda *_: DigitSet(few.images, few.labels, few))
    assert minisd("words", "slant", "--out", "few.png").exit_code == 0  # digits that there are none of


def test_what_it_refuses() -> None:
    refused(minisd("words"), "Missing argument")
    refused(minisd("words", "colour"), "'colour' is not one of 'slant', 'thickness'")
    refused(minisd("words", "slant", "--num", 0), "--num")
    refused(minisd("words", "slant", "--data", "strokes", "--data-dir", "."), "leave out --data-dir")
    refused(minisd("words", "slant"), "could not download", "--data strokes")
    assert not list(Path().iterdir())
