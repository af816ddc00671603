"""A judge is trained, a model measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import digits, minisd, refused

from minisd import checkpoint
from minisd.data import ColourSet, DigitSet, draw_colours
from minisd.evaluation import Judge
from minisd.evaluation.colours import ColourReport, Obeyed
from minisd.evaluation.digits import DrawingReport, Floor, GuidanceCurve, Report
from minisd.nn import Module
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


def measured() -> Report:
    """Numbers that are all different."""
    detailed = DrawingReport(
        "digit, thickness and slant", 200, 0.901, (0.871, 0.922), [i / 100 for i in range(10)],
        0.701, 0.602, 5.031, 0.412, 0.813, 0.714, 0.915, 0.336, 0.437,
    )  # fmt: skip
    plain = replace(detailed, prompts="digit alone", accuracy=0.809, thickness_as_asked=None, slant_as_asked=None)
    return Report(0.9911, [detailed, plain], 24.56, 0.9812, 0.9613, 0.8214, 0.7315)


def test_eval_says_what_was_measured(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def evaluate(pipeline: Pipeline, judge: Judge, train: DigitSet, test: DigitSet, **options: Any) -> Report:
        options.pop("say")("drawing")
        seen.append({"train": train.labels.tolist(), "test": test.labels.tolist(), **options})
        return measured()

    monkeypatch.setattr("minisd.evaluation.digits.evaluate", evaluate)
    options = ("--num", 110, "--seed", 4, "--guidance", 0, "--steps", 9, "--sampler", "ddpm", "--spacing", "karras")
    options += ("--json", "a.json")
    result = minisd("--backend", "numpy", "eval", *options)
    assert result.exit_code == 0 and result.stderr == "drawing\n", result.output
    assert seen == [
        {"train": digits(300, 0).labels.tolist(), "test": digits(300, 1).labels.tolist(),
         "count": 110, "seed": 4, "few": None, "guidance": 0, "steps": 9, "sampler": "ddpm", "spacing": "karras"}
    ]  # fmt: skip
    assert checkpoint.load_json("a.json") == json.loads(json.dumps(measured().as_json()))
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert [line.split() for line in result.stdout.splitlines()] == [line.split() for line in TABLE.splitlines()]


def test_eval_measures_the_model_and_asks_the_judge_that_are_named(
    tmp_path: Path, few_digits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def evaluate(pipeline: Pipeline, judge: Judge, *sets: DigitSet, **options: Any) -> Report:
        seen.extend([pipeline.info.steps, judge.classifier.to_logits.bias.data[0]])
        return measured()

    model, judge = Pipeline.load(), Judge.load()
    model.info = replace(model.info, steps=7)
    judge.classifier.to_logits.bias.data[0] = 123
    model.save(tmp_path)
    judge.save(tmp_path)
    moved: list[tuple[str, str]] = []
    monkeypatch.setattr(Module, "to", lambda self, device: moved.append((type(self).__name__, device)))
    monkeypatch.setattr("minisd.evaluation.digits.evaluate", evaluate)
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", lambda device: None)
    assert minisd("eval", "--model", tmp_path, "--judge", tmp_path, "--device", "emu", "--num", 100).exit_code == 0
    assert seen == [7, 123]
    assert moved == [*((name, "emu") for name in ("VAE", "CLIP", "UNet", "UNet", "Classifier"))]
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", lambda device: "no GPU here")
    refused(minisd("eval", "--device", "cuda"), "device 'cuda': no GPU here")


TABLE = """\
Drawings, told the digit, thickness and slant
  accuracy-200                      0.901 (95% interval 0.871 to 0.922)
  accuracy-20 of each digit         0: 0.00  1: 0.01  2: 0.02  3: 0.03  4: 0.04
                                    5: 0.05  6: 0.06  7: 0.07  8: 0.08  9: 0.09
  thickness as asked-200            0.701 (chance 0.336)
  slant as asked-200                0.602 (chance 0.437)
  Fréchet-200                       5.03 (real against real 0.41)
  precision-200                     0.813
  recall-200                        0.714
  diversity-200                     0.915 (real digits 1)
Drawings, told the digit alone
  accuracy-200                      0.809 (95% interval 0.871 to 0.922)
  accuracy-20 of each digit         0: 0.00  1: 0.01  2: 0.02  3: 0.03  4: 0.04
                                    5: 0.05  6: 0.06  7: 0.07  8: 0.08  9: 0.09
  Fréchet-200                       5.03 (real against real 0.41)
  precision-200                     0.813
  recall-200                        0.714
  diversity-200                     0.915 (real digits 1)
Judge
  accuracy on real digits-300       0.9911
VAE
  PSNR of reconstructions-300       24.56 dB
  accuracy on reconstructions-300   0.9812
CLIP, the caption nearest to a real picture
  right digit of ten-300            0.9613
  right thickness of three-300      0.8214
  right slant of three-300          0.7315
wrote a.json
"""


CURVE = """\
Drawings, told the digit, thickness and slant: 200 for each guidance
  guidance  accuracy  thickness   slant   Fréchet  precision  recall  diversity
         0     0.901      0.701   0.602      5.03      0.813   0.714      0.915
       1.5     1.000      0.701   0.602    123.46      0.813   0.714      0.915
      real     0.991                         1.41      0.888   0.777      0.999
Drawings, told the digit alone: 200 for each guidance
  guidance  accuracy  Fréchet  precision  recall  diversity
         0     0.809     5.03      0.813   0.714      0.915
       1.5     0.809     5.03      0.813   0.714      0.915
      real     0.991     1.41      0.888   0.777      0.999
wrote a.json
wrote a.png
"""


def test_several_guidances_make_a_curve(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    plots: list[Any] = []
    detailed, plain = measured().drawings
    better = replace(detailed, accuracy=1.0, frechet=123.456)
    curve = GuidanceCurve(Floor(0.991, 1.41, 0.888, 0.777, 0.999), [0, 1.5], [[detailed, plain], [better, plain]])

    def guidance_curve(*parts: Any, say: Any, **options: Any) -> GuidanceCurve:
        seen.append((parts[-1], options))
        return curve

    def save_panels(path: Path, x: list[float], panels: Any, xlabel: str, level: Any) -> None:
        plots.append((x, [*panels.values()], xlabel, level[0], [*level[1].values()]))
        path.write_bytes(b"png")

    monkeypatch.setattr("minisd.evaluation.digits.guidance_curve", guidance_curve)
    monkeypatch.setattr("minisd.plots.save_panels", save_panels)
    options = ("--guidance", "1.5, 0,1.5", "--num", 110, "--json", "a.json", "--plot", "a.png")
    result = minisd("--backend", "numpy", "eval", *options)
    assert result.exit_code == 0, result.output
    assert seen == [([1.5, 0], {"count": 110, "seed": 0, "few": None, "steps": None, "sampler": None, "spacing": None})]
    assert result.stdout == CURVE and max(map(len, CURVE.splitlines())) <= 80
    assert checkpoint.load_json("a.json") == json.loads(json.dumps(curve.as_json()))
    ((x, panels, xlabel, name, levels),) = plots
    assert (x, xlabel, name, levels) == ([0, 1.5], "guidance", "real digits", [0.991, 1.41, 0.777, 0.999])
    told, alone = "told the digit, thickness and slant", "told the digit alone"
    assert panels[0] == {told: [0.901, 1.0], alone: [0.809, 0.809]} and panels[1][told] == [5.031, 123.456]


def test_eval_replaces_no_file(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.evaluation.digits.evaluate", None)
    Path("a.json").write_text("old")
    refused(minisd("eval", "--json", "a.json"), "a.json is there already")
    assert Path("a.json").read_text() == "old"


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
        (("--guidance", "1,nan"), "not a finite number"),
        (("--guidance", "1,-1"), "-1"),
        (("--guidance", "1,,2"), "'' is not a valid float"),
        (("--plot", "a.png"), "give several values, such as --guidance 0,0.5,1,1.5,2,4"),
        (("--plot", "a.png", "--guidance", "1,1"), "give several values"),
        (("--plot", "a.svg", "--guidance", "1,2"), "does not end in .png"),
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


def test_eval_of_coloured_digits_is_told_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def evaluate(pipeline: Pipeline, judge: Judge, test: ColourSet, **options: Any) -> ColourReport:
        options.pop("say")("drawing")
        seen.append({"test": test, **options})
        shown, hidden = Obeyed("shown", 10, 0.1, 0.2, 0.3, 0.01), Obeyed("never shown", 10, 0.4, 0.5, 0.6, 0.02)
        return ColourReport(Obeyed("drawn by code", 5, 1.0, 0.99, 0.98, 0.97), [shown, hidden], 31.25)

    few = draw_colours(2, 0)
    monkeypatch.setattr("minisd.evaluation.colours.evaluate", evaluate)
    monkeypatch.setattr("minisd.data.load_pictures", lambda name, split: few)
    monkeypatch.setattr("minisd.cli.evaluate._check_fits", lambda *parts: None)
    result = minisd("--backend", "numpy", "eval", "--data", "colours", "--guidance", 2, "--json", "a.json")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()[1:5]] == [
        ["shown-10", "0.100", "0.200", "0.300", "0.010"],
        ["never", "shown-10", "0.400", "0.500", "0.600", "0.020"],
        ["drawn", "by", "code-5", "1.000", "0.990", "0.980", "0.970"],
        ["PSNR", "of", "reconstructions", "by", "the", "VAE", "31.25", "dB"],
    ]
    assert seen == [
        {
            "test": few,
            "guidance": 2.0,
            "count": 1000,
            "seed": 0,
            "few": None,
            "steps": None,
            "sampler": None,
            "spacing": None,
        }
    ]
    assert checkpoint.load_json("a.json")["drawings"][1]["ground"] == 0.6


def test_drawings_are_measured_by_pictures_of_their_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.data.load_pictures", lambda name, split: draw_colours(1, 0))
    said = "the model draws 28 x 28 grey, and the pictures of --data colours are 32 x 32 in colour"
    refused(minisd("eval", "--data", "colours"), said)
    refused(minisd("eval", "--data", "colours", "--guidance", "1,2"), "measures at one --guidance at a time")


@pytest.fixture
def hasty_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models draw what code has drawn, more or less of it."""

    def draw(self: Pipeline, prompts: list[str], *, steps: int, **options: Any) -> Any:
        return digits(len(prompts), 2).images // (1 + steps)

    monkeypatch.setattr(Pipeline, "draw", draw)


@pytest.mark.usefixtures("few_digits", "hasty_judge", "hasty_model")
def test_a_table_of_two_models(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plots: list[Any] = []
    monkeypatch.setattr("minisd.plots.save_lines", lambda path, *parts: plots.append(parts))
    options = ("--num", 100, "--samplers", "heun,ddim", "--evaluations", "3,1", "--json", "a.json", "--plot", "a.png")
    Path("other").symlink_to(model)
    result = minisd("--backend", "numpy", "eval", "--table", "--model", model, "--model", "other", *options)
    assert result.exit_code == 0, result.output
    both = checkpoint.load_json("a.json")["cells"]
    assert [cell["model"] for cell in both] == [str(model)] * 3 + ["other"] * 3
    cells = both[:3]
    assert [(cell["sampler"], cell["evaluations"], cell["calls"]) for cell in cells] == [
        ("heun", 3, 3), ("ddim", 1, 1), ("ddim", 3, 3),
    ]  # fmt: skip
    assert both[3]["drawings"] == cells[0]["drawings"] != cells[1]["drawings"]
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and lines[3] == f"{'accuracy':<24}{1:>8}{3:>8}"
    assert (
        f"  ddim                  {cells[1]['drawings']['accuracy']:8.3f}{cells[2]['drawings']['accuracy']:8.3f}"
        in lines
    )
    assert result.stderr.count(": accuracy ") == 6
    ((panels, columns, *_),) = plots
    assert columns == 2 and [[*panel.lines] for panel in panels] == [["heun", "ddim"]] * 4
    assert panels[0].lines["heun"] == [(3.0, 100 * cells[0]["drawings"]["accuracy"])]


@pytest.mark.usefixtures("few_digits", "hasty_judge", "hasty_model")
def test_a_table_that_is_stopped_is_shown_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Pipeline.draw

    def stopped(self: Pipeline, prompts: list[str], *, sampler: str | None = None, **options: Any) -> Any:
        if sampler == "euler":
            raise KeyboardInterrupt
        return draw(self, prompts, sampler=sampler, **options)

    monkeypatch.setattr(Pipeline, "draw", stopped)
    options = ("--num", 100, "--samplers", "ddim,euler", "--evaluations", "1", "--json", "a.json")
    result = minisd("--backend", "numpy", "eval", "--table", *options)
    assert result.exit_code == 130 and "stopped; 1 of 2 numbers are measured" in result.stderr
    assert "  ddim  " in result.stdout and "euler" not in result.stdout
    assert [cell["sampler"] for cell in checkpoint.load_json("a.json")["cells"]] == ["ddim"]


@pytest.mark.usefixtures("few_digits", "hasty_judge")
def test_neighbours_are_measured_and_drawn() -> None:
    options = ("--num", 100, "--steps", 1, "--json", "a.json", "--neighbours", "a.png")
    result = minisd("--backend", "numpy", "eval", *options)
    assert result.exit_code == 0, result.output
    report = checkpoint.load_json("a.json")
    assert report["drawings"]["count"] == 100 and len(report["shown"]) == 10
    assert f"Drawings nearer than 1% of the test digits      {report['nearer']:.1%}" in result.stdout
    assert result.stdout.endswith("wrote a.json\nwrote a.png\n") and Path("a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--table", "--evaluations", "2000"), "wanted 1..1000 steps"),
        (("--table", "--evaluations", "2", "--samplers", "heun"), "need 3 evaluations or more"),
        (("--table", "--evaluations", "0"), "'--evaluations'"),
        (("--table", "--samplers", "ddim,dddim"), "no sampler is called 'dddim'"),
        (("--table", "--model", "missing"), "missing/model.json: there is no such file"),
        (("--table", "--steps", 4), "in the place of --steps"),
        (("--table", "--sampler", "ddim"), "in the place of --sampler"),
        (("--table", "--guidance", "1,2"), "--table and several values of --guidance measure different things"),
        (("--table", "--neighbours", "a.png"), "--table and --neighbours measure different things"),
        (("--samplers", "ddim"), "--samplers is for --table"),
        (("--evaluations", "4"), "--evaluations is for --table"),
        (("--neighbours", "a.jpg"), "does not end in .png"),
        (("--neighbours", "a.png", "--plot", "b.png"), "give several values"),
        (("--model", "a", "--model", "b"), "several models are compared by --table"),
        (("--table", "--data", "colours"), "those are of grey digits"),
    ],
)
def test_tables_and_neighbours_that_cannot_be(
    few_digits: None, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...], said: str
) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    refused(minisd("eval", *arguments), said)
    assert not Path("a.png").exists()
