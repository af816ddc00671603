"""A judge is trained, a model measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import minisd, refused

from minisd import checkpoint
from minisd.pipeline import Pipeline


def test_judge_and_eval(model: Path, few_digits: None) -> None:
    result = minisd("judge", "--steps", 2, "--out", "judge")
    assert result.exit_code == 0, result.output
    assert "accuracy on 300 test digits: 0." in result.output
    result = minisd("eval", "--model", model, "--judge", "judge", "--num", 100, "--steps", 1, "--json", "a/b.json")
    assert result.exit_code == 0, result.output
    names = (
        "accuracy-100 ", "accuracy-10 of each digit", "slant as asked-100", "Fréchet-100 ", "(real against real",
        "recall-100", "accuracy on real digits-300", "PSNR of reconstructions-300", "right digit of ten-300",
    )  # fmt: skip
    for name in names:
        assert name in result.stdout
    report = checkpoint.load_json("a/b.json")
    assert [part["count"] for part in report["drawings"]] == [100, 100]
    assert len(report["drawings"][0]["accuracy_by_digit"]) == 10


def test_judge_for_some_time(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.train.plan._MEASURED", 1)
    monkeypatch.setattr("minisd.train.plan._COMPILING", 0)
    result = minisd("judge", "--minutes", 0.001, "--out", "judge")
    assert result.exit_code == 0 and checkpoint.load_weights("judge/judge.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--num", "0"), "--num"),
        (("--num", "105"), "a multiple of 10"),
        (("--num", "5000"), "ten times the rarest digit"),
        (("--steps", "1001"), "wanted 1..1000 steps"),
        (("--judge", "missing"), "judge.safetensors: there is no such file"),
        (("--json", "file/a.json"), "could not be written"),
        (("--data", "strokes", "--data-dir", "."), "leave out --data-dir"),
    ],
)
def test_eval_refuses(
    model: Path, few_digits: None, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    Path("file").write_text("")
    refused(minisd("eval", "--model", model, *arguments), said)


def test_judge_refuses() -> None:
    Path("file").write_text("")
    refused(minisd("judge", "--out", "file/judge"), "could not be written")
    refused(minisd("judge", "--steps", "0"), "--steps")
    refused(minisd("judge", "--data-dir", "missing"), "--data strokes")
