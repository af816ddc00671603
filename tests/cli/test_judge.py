"""judge: what it trains with, where it keeps it, and how it stops."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import digits, minisd, refused

from minisd.data import DigitSet
from minisd.evaluation import Judge
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.train.drive import Interrupted

FILE = Judge.FILE


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command asked for; a judge that nobody trained is what it gets."""
    asked: list[tuple[Any, ...]] = []

    def load(name: str, split: str, data_dir: Path | None) -> DigitSet:
        asked.append((name, split, data_dir))
        return digits(20, split == "test")

    def train(real: DigitSet, **options: Any) -> Classifier:
        asked.append((len(real), real.images[0].sum(), options))
        return Classifier(ClassifierConfig(), rng=np.random.default_rng(options["seed"]))

    monkeypatch.setattr("minisd.data.load_digits", load)
    monkeypatch.setattr("minisd.train.classifier.train_judge", train)
    return asked


def test_what_was_asked_for_reaches_the_training(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    first = digits(20, 0).images[0].sum()
    assert minisd("judge").exit_code == 0
    default = {"seed": 0, "minutes": 2.0, "steps": None, "device": "cpu"}
    assert asked == [("mnist", "train", None), ("mnist", "test", None), (20, first, default)]
    asked.clear()
    options = ["--data-dir", tmp_path, "--seed", 3, "--steps", 5, "--minutes", 1]
    assert minisd("judge", *options).exit_code == 0
    assert asked[0] == ("mnist", "train", tmp_path)
    assert asked[2] == (20, first, {"seed": 3, "minutes": 1.0, "steps": 5, "device": "cpu"})
    asked.clear()
    assert minisd("judge", "--data", "strokes").exit_code == 0 and asked[1] == ("strokes", "test", None)
    refused(minisd("judge", "--data", "folder", "--data-dir", tmp_path), "'folder' is not one of 'mnist', 'strokes'")
    refused(minisd("judge", "--data", "strokes", "--data-dir", tmp_path), "leave out --data-dir")


@pytest.mark.parametrize(("answer", "accuracy"), [([7] * 20, 0.05), (range(20), 0.05), ([1] * 10 + [2] * 10, 0.5)])
def test_the_accuracy_is_that_of_test_digits(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, answer: Any, accuracy: float
) -> None:
    def load(name: str, split: str, data_dir: Path | None) -> DigitSet:
        labels = np.array([7] * 20 if split == "train" else [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, *[5] * 9])
        return DigitSet(digits(20, split == "test").images, labels)

    monkeypatch.setattr("minisd.data.load_digits", load)
    monkeypatch.setattr(Judge, "digits", lambda judge, images: np.array(answer) + 0 * len(images))
    assert f"accuracy on 20 test digits: {accuracy:.4f}\n" in minisd("judge").stdout


def test_what_is_kept_is_said_and_never_replaced(asked: list[tuple[Any, ...]]) -> None:
    for name in ("judge", "judge-2", "judge-3"):
        result = minisd("judge", "--seed", len(name))
        said = result.stdout.splitlines()
        assert said[0].startswith("accuracy on 20 test digits: 0.") or said[0].startswith(
            "accuracy on 20 test digits: 1"
        )
        assert said[1:] == [f"wrote runs/{name}/{FILE}", f"next: minisd eval --judge runs/{name}"]
        wanted = Classifier(ClassifierConfig(), rng=np.random.default_rng(len(name)))
        kept = Judge.load(Path("runs") / name).classifier
        np.testing.assert_array_equal(kept.flat_parameters(), wanted.flat_parameters())
    assert minisd("judge", "--out", "mine").exit_code == 0
    refused(minisd("judge", "--out", "mine"), f"mine/{FILE} is there already; choose another name")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_judge_leaves_nothing(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Interrupted("stopped at step 9 of judge", number)

    monkeypatch.setattr("minisd.train.classifier.train_judge", stopped)
    result = minisd("judge")
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines()[-1] == "stopped at step 9 of judge; nothing is kept" and not Path("runs").exists()


def test_missing_data_leave_nothing() -> None:
    refused(minisd("judge", "--data-dir", "missing"), "--data strokes")
    refused(minisd("judge"), "could not download", "--data strokes", "--data-dir FOLDER")
    assert not Path("runs").exists()
