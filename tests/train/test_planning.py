"""How a run plans its steps from the time, and that a step that diverges moves nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from minisd.autograd import Tensor
from minisd.nn import Linear
from minisd.train import run as run_module
from minisd.train.loop import Fit, Recipe, TrainingDiverged
from minisd.train.run import NETWORKS, SHARES, Run, Settings


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_gets_its_share_of_the_time_that_was_left(network, tmp_path, monkeypatch):
    run = Run(tmp_path, Settings(minutes=10))
    run._sitting = 0.0
    monkeypatch.setattr(run_module.time, "monotonic", lambda: 110.0)  # 100 s before it began, 10 s for 100 steps
    fit = SimpleNamespace(task=SimpleNamespace(name=network), steps_done=100, steps=None)
    run._plan(fit, begun=100.0, seconds_a_step=0.1)
    share = SHARES[network] / sum(SHARES[later] for later in NETWORKS[NETWORKS.index(network) :])
    assert fit.steps == 100 + int(0.9 * (share * 500 - 10) / 0.1)
    assert Run.resume(tmp_path).planned == {network: fit.steps}  # planned once: whoever resumes keeps to it


def test_a_network_whose_time_is_over_takes_one_more_step(tmp_path, monkeypatch):
    run = Run(tmp_path, Settings(minutes=1))
    run._sitting = 0.0
    monkeypatch.setattr(run_module.time, "monotonic", lambda: 1000.0)
    fit = SimpleNamespace(task=SimpleNamespace(name="unet"), steps_done=200, steps=None)
    run._plan(fit, begun=50.0, seconds_a_step=0.1)
    assert fit.steps == 201


class Infinite:
    """A task whose loss is infinite while its gradient is not."""

    name, recipe, sample_count = "infinite", Recipe(batch=2, peak_lr=0.1), 4

    def __init__(self) -> None:
        self.module = Linear(2, 1, rng=np.random.default_rng(0))

    def batch(self, samples, rng):
        return (np.ones((2, 2), np.float32),)

    def loss(self, x):
        return self.module(x).sum() + Tensor(np.float32(np.inf))

    def preview(self):
        return None


def test_an_infinite_loss_stops_before_anything_moves():
    fit = Fit(Infinite(), seed=0, steps=5)
    before = fit.optimizer.weights.copy()
    with pytest.raises(TrainingDiverged, match="infinite, step 0: the loss is inf"):
        fit.step()
    np.testing.assert_array_equal(fit.optimizer.weights, before)
    assert fit.steps_done == 0 and fit.ema.steps == 0
