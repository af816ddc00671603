"""The table of samplers: what an evaluation is, who is asked how often, and what the numbers are of."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_line import digits

from minisd.autograd import Array
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import make_schedule
from minisd.evaluation import table as tables
from minisd.evaluation.digits import DrawingReport, Drawings, Floor
from minisd.evaluation.table import (
    FEW,
    Asked,
    Cell,
    Table,
    calls,
    lines,
    measure,
    plan,
    shortened,
    steps_for,
    total_steps,
)
from minisd.few import FewInfo, FewSteps
from minisd.pipeline import Pipeline

SCHEDULE = make_schedule("cosine", 100)


@pytest.mark.parametrize("schedule", ["cosine", "flow"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_as_many_steps_as_the_evaluations_allow(sampler: str, schedule: str) -> None:
    way = make_schedule(schedule, 100)
    for evaluations in range(1, 24):
        steps = steps_for(sampler, evaluations, way)
        if steps is None:
            assert sampler == "heun" and evaluations < 3
            continue
        assert calls(sampler, steps, way) <= evaluations < calls(sampler, steps + 1, way)


@pytest.mark.parametrize(("sampler", "evaluations"), [("ddim", 5), ("heun", 6), ("dpm_solver", 5), ("ddpm", 1)])
@pytest.mark.usefixtures("numpy_backend")
def test_an_evaluation_is_one_call_of_the_network(
    sampler: str, evaluations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guided pairs are one call, of twice the batch."""
    pipeline, asked, predict = Pipeline.load(), [], Pipeline.predict

    def counted(self: Pipeline, z_t: Array, *rest: Any) -> Array:
        asked.append(len(z_t))
        return predict(self, z_t, *rest)

    monkeypatch.setattr(Pipeline, "predict", counted)
    (one,) = plan({"mine": pipeline}, [sampler], [evaluations])
    pipeline.draw(["a seven"], sampler=sampler, steps=one.steps, guidance=2.0, guidance_interval=(0, 500))
    assert len(asked) == one.calls <= evaluations and set(asked) == ({1, 2} if one.calls > 1 else {1})


def test_each_model_has_the_samplers_that_are_usual_for_it() -> None:
    diffusion = SimpleNamespace(info=SimpleNamespace(schedule="cosine"), schedule=SCHEDULE, few=None)
    straight = SimpleNamespace(info=SimpleNamespace(schedule="flow"), schedule=SCHEDULE, few=None)
    asked = plan({"d": diffusion, "f": straight}, evaluations=[4, 1])  # type: ignore[dict-item]
    assert [(one.sampler, one.evaluations, one.steps) for one in asked if one.model == "d"] == [
        (sampler, n, n) for sampler in ("ddpm", "ddim", "dpm_solver", "dpm_solver_sde") for n in (1, 4)
    ]
    of_flow = [one for one in asked if one.model == "f"]
    assert [one.sampler for one in of_flow] == ["euler"] * 2 + ["heun"] + ["dpm_solver"] * 2 + ["dpm_solver_sde"] * 2
    assert of_flow[2] == Asked("f", "heun", 4, steps=2, calls=3)
    assert total_steps(asked, 1000) == 8 * (4 * 5 + 3 * 5 + 2)
    assert total_steps(asked[:1], 126) == 2  # batches
    with pytest.raises(ValueError, match=r"wanted 1\.\.100 steps"):
        plan({"d": diffusion}, ["ddim"], [101])  # type: ignore[dict-item]


def test_the_network_for_few_steps_has_a_line() -> None:
    model: Any = SimpleNamespace(
        info=SimpleNamespace(schedule="cosine"),
        schedule=SCHEDULE,
        few=FewSteps(SimpleNamespace(), FewInfo()),  # type: ignore[arg-type]
    )
    asked = [one for one in plan({"m": model}, evaluations=[1, 4, 8]) if one.sampler == FEW]
    assert asked == [Asked("m", FEW, n, n, n) for n in (1, 4)]
    assert not any(one.sampler == FEW for one in plan({"m": model}, ["ddim"], [4]))
    world = World()
    compared = Drawings(world, world.train, world.test, 100, 5)  # type: ignore[arg-type]
    list(measure({"m": world}, asked, compared, guidance=3.0, spacing=None))  # type: ignore[dict-item]
    assert [options for _, options in world.asked[1:]] == [{"seed": 5, "few": n} for n in (1, 4)]


class World:
    """A judge that sees what a picture is the n-th of, and a model that draws the digits that it has."""

    def __init__(self) -> None:
        self.train, self.test = digits(200, 0), digits(200, 1)
        self.asked: list[Any] = []
        self.number = {image.tobytes(): n for n, image in enumerate([*self.test.images, *self.train.images])}
        self.labels = np.concatenate([self.test.labels, self.train.labels])

    def digits(self, images: Array) -> Array:
        return self.labels[[self.number[image.tobytes()] for image in images]]

    def features(self, images: Array) -> Array:
        return np.stack([np.random.default_rng(self.number[image.tobytes()]).standard_normal(3) for image in images])

    def draw(self, prompts: list[str], callback: Any = lambda *_: None, **options: Any) -> Array:
        self.asked.append((prompts, options))
        for _ in range(options.get("steps") or options["few"]):
            callback(0, 0.0, None, None)
        return self.test.images[np.arange(len(prompts)) + 100 * (options.get("sampler") == "ddpm")]


def test_a_cell_is_measured_as_eval_measures() -> None:
    world, done = World(), []
    compared = Drawings(world, world.train, world.test, 100, 5)  # type: ignore[arg-type]
    asked = [Asked("mine", "ddpm", 2, 2, 2), Asked("mine", "heun", 4, 2, 3)]
    cells = list(measure({"mine": world}, asked, compared, lambda: done.append(None), guidance=3.0))  # type: ignore[dict-item]
    assert len(done) == total_steps(asked, 100) == 4
    (_, first), *drawn = world.asked  # the first one is not counted
    assert first == {"steps": 1}
    prompts = compared.prompts(detailed=True)
    assert drawn == [
        (prompts, {"seed": 5, "sampler": sampler, "steps": 2, "guidance": 3.0}) for sampler in ("ddpm", "heun")
    ]
    for cell, one, images in zip(cells, asked, (world.test.images[100:], world.test.images[:100]), strict=True):
        assert (cell.model, cell.sampler, cell.evaluations, cell.steps, cell.calls) == one
        assert cell.drawings == compared.report(images, detailed=True) and 0 <= cell.seconds < 1
    assert cells[0].drawings != cells[1].drawings


def cell(model: str, sampler: str, evaluations: int, calls: int, accuracy: float) -> Cell:
    report = DrawingReport(
        "digit, thickness and slant",
        1000,
        accuracy,
        (0.1, 0.2),
        [accuracy] * 10,
        0.7,
        0.6,
        12.345,
        1.4,
        0.8,
        0.75,
        0.9,
        None,
        None,
    )
    return Cell(model, sampler, evaluations, calls, calls, 0.0123, report)


REAL = Floor(0.992, 1.41, 0.89, 0.91, 1.0)

TABLE = """\
1,000 drawings a number, told digit, thickness and slant; the same noise.
Columns: how many evaluations of the network a picture may take.

accuracy                       1       4
mine
  ddim                     0.100   0.900
  heun                         -   0.800
other
  euler                    0.300   0.400
real digits                0.992

Fréchet                        1       4
mine
  ddim                     12.35   12.35
  heun                         -   12.35
other
  euler                    12.35   12.35
real digits                 1.41

recall                         1       4
mine
  ddim                     0.750   0.750
  heun                         -   0.750
other
  euler                    0.750   0.750
real digits                0.910

CPU ms a picture               1       4
mine
  ddim                      12.3    12.3
  heun                         -    12.3
other
  euler                     12.3    12.3

An evaluation is a question of the sampler to the network. Where guidance acts,
the network answers each twice, with the prompt and without.
heun asks twice a step but for the last: 3 for 4
"""


def test_the_table_in_lines() -> None:
    cells = [
        cell("mine", "ddim", 1, 1, 0.1), cell("mine", "ddim", 4, 4, 0.9), cell("mine", "heun", 4, 3, 0.8),
        cell("other", "euler", 1, 1, 0.3), cell("other", "euler", 4, 4, 0.4),
    ]  # fmt: skip
    assert "\n".join(lines(Table(REAL, cells))) + "\n" == TABLE


def test_the_network_for_few_steps_is_explained() -> None:
    remark = "few is the network that was distilled"
    for sampler, told in ((FEW, 1), ("ddim", 0)):
        said = "\n".join(lines(Table(REAL, [cell("mine", sampler, 1, 1, 0.1)])))
        assert said.count(remark) == told


def test_a_wide_table_is_stacked() -> None:
    counts = [2**k for k in range(10)]
    cells = [cell("runs/" + "long" * 30, "dpm_solver_sde", n, n, n / 1000) for n in counts]
    said = list(lines(Table(REAL, cells)))
    assert max(map(len, said)) <= 80
    headings = [line.split()[1:] for line in said if line.startswith("accuracy")]
    assert [int(n) for part in headings for n in part] == counts and len(headings) == 2
    assert shortened("runs/mine", 9) == "runs/mine" and shortened("runs/mine", 8) == ".../mine"[-8:]


def test_json_holds_every_number() -> None:
    one = replace(cell("mine", "ddim", 1, 1, 0.1), seconds=0.5)
    about = Table(REAL, [one]).as_json()
    assert about["real"]["recall"] == 0.91
    assert {name: about["cells"][0][name] for name in ("model", "sampler", "calls", "seconds")} == {
        "model": "mine", "sampler": "ddim", "calls": 1, "seconds": 0.5,
    }  # fmt: skip
    assert about["cells"][0]["drawings"]["accuracy"] == 0.1 and tables.EVALUATIONS == (1, 2, 4, 8, 16, 50)
