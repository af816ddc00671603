"""--few: what it draws and measures, and what cannot be combined with it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import minisd, refused

from minisd.few import FewInfo, FewSteps
from minisd.pipeline import Pipeline
from minisd.plots import load_about


@pytest.fixture(autouse=True)
def distilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model has a network for few steps: a copy of its own."""
    load = Pipeline.load.__func__  # type: ignore[attr-defined]

    def loaded(cls: type[Pipeline], path: Path | None = None) -> Pipeline:
        pipeline: Pipeline = load(cls, path)
        return replace(pipeline, few=FewSteps(copy.deepcopy(pipeline.denoiser), FewInfo()))

    monkeypatch.setattr(Pipeline, "load", classmethod(loaded))


def draw(*arguments: Any) -> Any:
    return minisd("--backend", "numpy", "draw", "a seven", *arguments)


def test_a_drawing_in_few_steps_and_the_command_that_draws_it_again() -> None:
    result = draw("--few", 2, "--out", "a.png", "--npz", "a.npz", "--show-steps")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load("a.npz")["images"], Pipeline.load().draw(["a seven"], few=2))
    about = load_about(Path("a.png"))
    assert about["few"] == 2 and not {"steps", "guidance", "sampler", "spacing"} & {*about}
    assert about["command"] == "minisd draw 'a seven' --few 2 --seed 0"
    assert draw("--few", 1, "--to", "a two", "--num", 3).exit_code == 0


def test_what_cannot_be_combined() -> None:
    for option, value in (
        ("--steps", 4), ("--guidance", 2), ("--negative", "thick"), ("--sampler", "ddim"), ("--spacing", "leading"),
        ("--guidance-interval", "1:2"), ("--guidance-rescale", 0.5), ("--strength", 0.5), ("--resample", 2),
    ):  # fmt: skip
        refused(draw("--few", 4, option, value), "that were distilled; leave out " + option + ", or --few")
    refused(draw("--few", 3), "--few: wanted 1, 2 or 4 steps, got 3")
    Path("mine.py").write_text("def mine(denoise, x_T, levels, fresh_noise):\n    yield x_T, x_T\n", encoding="utf-8")
    refused(draw("--few", 4, "--with", "mine.py"), "--few takes steps of its own, not those of a sampler")
    assert not [*Path().glob("*.png")]


def test_few_steps_are_measured(monkeypatch: pytest.MonkeyPatch, few_digits: None) -> None:
    seen: list[dict[str, Any]] = []

    def evaluate(*parts: Any, **options: Any) -> Any:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("minisd.evaluation.digits.evaluate", evaluate)
    monkeypatch.setattr("minisd.cli.evaluate.compile_first", lambda device: None)
    minisd("eval", "--few", 2, "--num", 100)
    assert seen[0]["few"] == 2 and seen[0]["steps"] is None
    refused(minisd("eval", "--few", 2, "--guidance", "1,2"), "leave out --guidance, or --few")
    refused(minisd("eval", "--few", 5), "--few: wanted 1, 2 or 4 steps, got 5")
