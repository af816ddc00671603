"""The verdicts on the overview's numbers: what they are, what they rest on, and that they follow what is claimed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from minisd_kernels import backends
from minisd_kernels.backends import use_backend

from minisd import ops
from minisd.autograd import Tensor
from minisd.cli import main
from minisd.models.fcn import FCN
from minisd.shapes.claims import CLAIMS, Claim, Evidence, Finding, check_claims, layers, networks, operations
from minisd.shapes.report.layers import Map

EVIDENCE = {claim.evidence: claim for claim in CLAIMS}


pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def findings() -> dict[Any, Finding]:
    with use_backend("numpy"):
        return dict(zip(EVIDENCE, check_claims(), strict=True))


def without_one(size: int, window: int, stride: int, padding: int) -> Fraction:
    return Fraction(size + 2 * padding - window, stride)


def rounded_down(size: int, window: int, stride: int, padding: int) -> int:
    return floor(layers.quotient(size, window, stride, padding))


# Every check with its verdict on what the overview claims, the numbers that it must show, and other claims' verdicts.
CASES: list[tuple[Any, str, list[str], list[tuple[tuple[Any, ...], str]]]] = [
    (layers.count, "right", ["327,184"], [((Map(572, 572, 1), 327_185), "wrong"), ((Map(28, 28, 1), 784), "right")]),
    (
        layers.latent,
        "wrong",
        ["64 x 64 x 4", "16,384", "none"],
        [
            ((Map(64, 64, 4), 16_384), "right"),
            ((Map(96, 96, 4), 36_864), "loose"),  # of a picture of 768 x 768
            ((Map(64, 64, 4), 16_385), "wrong"),
        ],
    ),
    (
        layers.first_convolution,
        "loose",
        ["570 x 570 x 64"],
        [
            ((Map(572, 572, 1), Map(570, 570, 64)), "right"),
            ((Map(572, 572, 1), Map(574, 574, 64)), "loose"),  # padding 2
            ((Map(572, 572, 1), Map(571, 571, 64)), "wrong"),
        ],
    ),
    (
        networks.on_the_way_down,
        "loose",
        ["138, 136", "540 pixels without padding", "512 or 1024 pixels with padding 1", "68 x 68 x 256"],
        [
            ((Map(136, 136, 256),), "right"),
            ((Map(129, 129, 256),), "wrong"),
            ((Map(128, 128, 192),), "wrong"),
        ],
    ),
    (
        networks.deepest,
        "loose",
        ["32 x 32 x 512", "30 x 30 x 1024", "636 pixels without padding", "512 pixels with padding 1"],
        [((Map(28, 28, 1024),), "right"), ((Map(33, 33, 1024),), "loose"), ((Map(32, 32, 512),), "wrong")],
    ),
    (
        networks.one_network,
        "wrong",
        ["1,846", "128 x 128 x 256 and 32 x 32 x 1024 (from 512 pixels with padding 1)"],
        [
            ((Map(572, 572, 1), Map(568, 568, 64), Map(136, 136, 256), Map(28, 28, 1024)), "right"),
            ((Map(512, 512, 1), Map(512, 512, 64), Map(128, 128, 256), Map(32, 32, 1024)), "loose"),
        ],
    ),
    (
        networks.efficiency,
        "loose",
        ["1,048,576: 3.2 times", "2.5 times", "9.66 billion", "20 times", "786,432", "48 times"],
        [
            ((Map(512, 512, 3), Map(64, 64, 4)), "right"),
            ((Map(572, 572, 1), Map(572, 572, 1024)), "wrong"),  # no smaller
            ((Map(64, 64, 1), Map(32, 32, 1024)), "wrong"),  # more even than behind the first convolution
        ],
    ),
    (operations.one_hot, "right", ["differ by 0", "49,408", "768"], [((49_408, 50_000), "wrong")]),
    (operations.stopping_at, "right", ["12 layers", "first 11"], [((1,), "wrong"), ((3,), "wrong")]),
    (networks.difference_to, "loose", ["20 of the U-Net's 46", "4 of them", "logits equal"], [((FCN,), "right")]),
    (operations.sliding_axes, "right", ["height or width", "2 axes", "= 45"], [((1,), "wrong"), ((3,), "wrong")]),
    (
        layers.formula_of_convolution,
        "loose",
        ["620", "329", "3.5"],
        [((rounded_down,), "right"), ((without_one,), "wrong")],
    ),
    (
        layers.two_convolutions,
        "right",
        ["572 -> 570 -> 568"],
        [((572, 570, 569), "wrong"), ((572, 572, 572), "loose"), ((573, 571, 569), "right")],
    ),
    (
        layers.second_convolution,
        "wrong",
        ["129 of 129", "568 x 568 x 0", "64 filters"],
        [((64, Map(284, 284, 64)), "right"), ((64, Map(284, 284, 32)), "wrong")],
    ),
    (
        layers.pooling,
        "right",
        ["284 x 284 x 64"],
        [
            ((Map(568, 568, 64), Map(284, 284, 128)), "wrong"),
            ((Map(569, 569, 2), Map(285, 285, 2)), "wrong"),
            ((Map(569, 569, 2), Map(284, 284, 2)), "right"),
        ],
    ),
    (layers.formula_of_both, "right", ["agreed in 620", "329"], [((without_one,), "wrong")]),
    (
        networks.repetition,
        "loose",
        ["568, 280, 136, 64, 28", "64, 128, 256, 512, 1024", "4 up-convolutions"],
        [((((64, 128, 256, 512, 1024)),), "right"), (((64, 64, 64),), "wrong")],
    ),
]
NAMES = [check.__name__ for check, *_ in CASES]


def test_every_claim_is_tested() -> None:
    assert len(EVIDENCE) == len(CLAIMS) and {check for check, *_ in CASES} == set(EVIDENCE)


@pytest.mark.parametrize(("check", "verdict", "numbers", "others"), CASES, ids=NAMES)
def test_verdict_and_numbers(
    findings: dict[Any, Finding], check: Any, verdict: str, numbers: list[str], others: object
) -> None:
    finding = findings[check]
    assert finding.verdict == verdict
    for number in numbers:
        assert number in f"{finding.evidence} {finding.condition} {finding.instead}"
    assert "{" not in finding.claim and finding.evidence
    assert bool(finding.condition) == (verdict == "loose") and bool(finding.instead) == (verdict != "right")


@pytest.mark.parametrize(("check", "verdict", "numbers", "others"), CASES, ids=NAMES)
def test_another_claim_gets_another_verdict(
    check: Any, verdict: str, numbers: object, others: list[tuple[tuple[Any, ...], str]]
) -> None:
    for claimed, wanted in others:
        assert EVIDENCE[check]._replace(claimed=claimed).check().verdict == wanted, claimed
    assert {wanted for _, wanted in others} - {verdict}


def test_the_verdict_follows_from_the_evidence() -> None:
    for holds, condition, verdict in ((True, "if", "right"), (False, "if", "loose"), (False, "", "wrong")):
        assert Claim("", (), lambda h=holds, c=condition: Evidence(h, "", c, "else")).check().verdict == verdict


# The checks look at what operations do: other operations, other verdicts


def test_convolutions_that_pad_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.conv2d
    monkeypatch.setattr(
        ops, "conv2d", lambda x, weight, padding=0, **more: right(x, weight, padding=padding + 1, **more)
    )
    assert EVIDENCE[layers.first_convolution].check().verdict == "right"
    assert EVIDENCE[layers.two_convolutions].check().verdict == "wrong"
    assert EVIDENCE[networks.repetition].check().verdict == "wrong"
    layers.cases.cache_clear()
    try:
        assert EVIDENCE[layers.formula_of_convolution].check().verdict == "wrong"
        assert EVIDENCE[layers.formula_of_both].check().verdict == "wrong"
    finally:
        layers.cases.cache_clear()


def test_an_embedding_of_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.embedding
    monkeypatch.setattr(ops, "embedding", lambda table, ids: right(table, ids[::-1]))
    assert EVIDENCE[operations.one_hot].check().verdict == "wrong"


def test_a_u_net_that_computes_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.copy_and_crop
    monkeypatch.setattr(ops, "copy_and_crop", lambda x, skip: right(x * 2.0, skip))
    finding = EVIDENCE[networks.difference_to].check()
    assert finding.verdict == "wrong" and "logits are not" in finding.evidence


def test_a_pooling_that_mixes_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "max_pool2d", lambda x, **geometry: Tensor(np.zeros((1, 284, 284, 1), np.float32)))
    assert EVIDENCE[layers.pooling].check().verdict == "wrong"


def test_the_fast_kernels_find_the_same(findings: dict[Any, Finding]) -> None:
    with use_backend("numba"):
        assert check_claims() == list(findings.values())


# The command


def test_command(findings: dict[Any, Finding], tmp_path: Path) -> None:
    file = tmp_path / "claims.json"
    result = CliRunner().invoke(main, ["claims", "--json", str(file)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    words = " ".join(result.stdout.split())
    for number, finding in enumerate(findings.values(), start=1):
        assert f"{number} {finding.verdict} {finding.claim} found {finding.evidence}" in words
        assert f"only if {finding.condition}" in words and f"instead {finding.instead}" in words
    assert not any(line.endswith(" x") or line.strip().startswith("x ") for line in lines)  # sizes are not torn
    assert lines[-2:] == ["7 right, 3 wrong, 7 loose", f"wrote {file}"]
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["totals"] == {"right": 7, "wrong": 3, "loose": 7}
    assert written["findings"] == [finding._asdict() for finding in findings.values()]


def test_command_refuses_a_file_that_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["claims", "--json", str(tmp_path / "file" / "claims.json")])
    assert result.exit_code == 2 and "could not be written" in result.stderr and not result.stdout


def test_command_runs_on_the_reference_or_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr("minisd.shapes.claims.check_claims", lambda: ran.append(backends.current_backend()) or [])
    monkeypatch.setattr(backends, "_chosen", None)
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    CliRunner().invoke(main, ["claims"])
    CliRunner().invoke(main, ["--backend", "numba", "claims"])
    CliRunner().invoke(main, ["claims"], env={"MINISD_BACKEND": "numba"})
    assert ran == ["numpy", "numba", "numba"]


def test_command_compiles_nothing() -> None:
    code = "import sys; from minisd.cli import main; main(['claims'], standalone_mode=False)"
    code += "; assert 'numba' not in sys.modules"
    environment = {name: value for name, value in os.environ.items() if name != "MINISD_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
