"""A model that was trained for two steps, the one that comes with minisd, and a folder without surprises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from command_line import digits, minisd

from minisd.autograd import Array
from minisd.data import mnist
from minisd.evaluation import Judge
from minisd.pipeline import shipped_model


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """A model of two steps, and what the command said that made it."""
    folder = tmp_path_factory.mktemp("runs") / "strokes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minisd.train.run.load_pictures", lambda *_: digits(32, 0))
        result = minisd("train", "--data", "strokes", "--steps", 2, "--out", folder)
    yield folder, result


@pytest.fixture
def model() -> Path:
    """The model that comes with minisd."""
    return shipped_model()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are made up land in a folder of their own, and no data set is there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("MINISD_DATA", raising=False)
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    monkeypatch.setenv("MINISD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.data.load_digits", lambda name, split, data_dir=None: digits(300, split == "test"))


@pytest.fixture
def hasty_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that looks at some pixels, and is done at once."""

    def look(self: Judge, images: Array) -> tuple[Array, Array]:
        features = images[:, 4:24:5, 4:24:5].reshape(len(images), -1) / 255.0  # (N, 16)
        return features[:, :10], features + 1e-3 * np.arange(16)

    monkeypatch.setattr(Judge, "_look", look)
