"""The profile of a step: every operation is counted, the times add up, and what is watched learns the same."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minisd import plots
from minisd.autograd import Function
from minisd.data import DigitSet, draw_strokes
from minisd.train.classifier import ClassifierTask
from minisd.train.loop import Fit
from minisd.train.profile import Profile


@pytest.fixture(scope="module")
def digits() -> DigitSet:
    drawn = draw_strokes(16, 0)
    return DigitSet(drawn.images, drawn.labels, drawn)


def fit_of(digits: DigitSet) -> Fit:
    return Fit(ClassifierTask(digits, np.random.default_rng(0)), seed=0, steps=10)


def test_every_operation_of_a_step_is_counted(digits: DigitSet) -> None:
    fit, profile = fit_of(digits), Profile()
    with profile.watching():
        fit.step()
        fit.step()
    calls = {share.operation: share.calls for share in profile.shares()}
    assert calls["Conv2d"] == calls["GroupNorm"] == calls["MaxPool2d"] == 2 * 3
    assert calls["SiLU"] == 2  # the others belong to the group norms
    assert calls["AdamW"] == calls["EMA"] == calls["CrossEntropy"] == profile.steps == 2
    conv = next(share for share in profile.shares() if share.operation == "Conv2d")
    assert conv.forward > 0 and conv.backward > 0


def test_the_times_add_up(digits: DigitSet) -> None:
    fit, profile = fit_of(digits), Profile()
    with profile.watching():
        fit.step()
    assert sum(share.seconds for share in profile.shares()) == pytest.approx(profile.seconds)
    longest = [share.seconds for share in profile.shares()[:-1]]
    assert longest == sorted(longest, reverse=True)
    lines = profile.table("judge").splitlines()
    assert lines[0].startswith("judge: ") and lines[0].endswith(" ms a step, mean of 1")
    assert lines[-2].startswith("  rest: Python, batches") and max(map(len, lines)) < 80
    assert lines[-1] == f"  {profile.faults:,} page faults a step"


def test_watching_changes_nothing_and_ends(digits: DigitSet) -> None:
    watched, alone, before = fit_of(digits), fit_of(digits), dict(vars(Function))
    with pytest.raises(ZeroDivisionError), Profile().watching():
        watched.step()
        raise ZeroDivisionError
    assert dict(vars(Function)) == before
    alone.step()
    assert watched.losses == alone.losses
    np.testing.assert_array_equal(watched.optimizer.weights, alone.optimizer.weights)


def test_a_profile_is_drawn(digits: DigitSet, tmp_path: object) -> None:
    fit, profile = fit_of(digits), Profile()
    with profile.watching():
        fit.step()
    path = f"{tmp_path}/profile.png"
    plots.save_profile(path, {"judge": profile, "not watched": Profile()}, most=4)
    with Image.open(path) as image:
        assert image.size[0] > image.size[1] > 300
    assert Profile().table("unet") == "unet: no step was watched"
