"""PyTorch's side of the benchmarks computes what minisd computes. Needs the extra: pip install "minisd[bench]"."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import use_backend

from minisd.bench import Candidate, Case, Mismatch, Work, kernels, steps
from minisd.bench.runner import largest_error

pytest.importorskip("torch")
from minisd.bench import in_torch

# PyTorch's compiler, which is only made ready here, uses what PyTorch calls outdated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

KERNELS = {
    "conv2d forward": kernels.Convolution("", 2, 9, 3, 5, stride=2).forward,
    "conv2d input gradient": kernels.Convolution("", 2, 9, 3, 5, stride=2).input_gradient,
    "conv2d weight gradient": kernels.Convolution("", 2, 9, 3, 5, window=1, padding=0).weight_gradient,
    "up-convolution forward": partial(kernels._up_convolution, backward=False),
    "up-convolution backward": partial(kernels._up_convolution, backward=True),
    "group norm": partial(kernels._group_norm_silu, (2, 5, 4, 6), 3),
    "layer norm": partial(kernels._layer_norm, 7, 6),
    "max-pool": partial(kernels._max_pool, (2, 7, 6, 3)),
    "linear": partial(kernels._linear, 4, 5, 6),
    "attention forward": partial(kernels._attention, 2, 5, 3, 4, backward=False),
    "attention": partial(kernels._attention, 2, 5, 3, 4, backward=True),
    "Adam": partial(kernels._adam, 50),
}


def check(work: Work, tolerance: float, count: int) -> None:
    """Our outputs are those of PyTorch's first `count` ways, from the first call on, and every way can be run again."""
    ours = work.ours.outputs()
    for theirs in work.theirs(in_torch)[:count]:
        largest_error(Case("", "", "", tolerance, lambda device: work), ours, theirs.name, theirs.outputs())
        theirs.run()
    work.ours.run()


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name: str) -> None:
    with use_backend("numpy"):
        check(KERNELS[name]("cpu"), kernels.TOLERANCE, 2)


# The first two ways are eager; compiling takes minutes.
@pytest.mark.parametrize("build", [steps._unet_step, steps._dit_step, steps._vae_step, steps._clip_step])
def test_training_steps(build: Any) -> None:
    work = build(4, "cpu")
    ours = work.ours.outputs()
    assert {"loss", "moved", "average moved"} < ours.keys() and 0 < np.abs(ours["moved"]).max() < 1.5 * steps.RATE
    check(build(4, "cpu"), steps.TOLERANCE, 2)


@pytest.mark.slow
@pytest.mark.parametrize("backward", [False, True])
def test_the_classic_u_net(backward: bool) -> None:
    check(steps._classic(188, "cpu", backward=backward), steps.RELU_TOLERANCE if backward else steps.TOLERANCE, 1)


def test_an_error_in_a_training_step_is_found() -> None:
    work = steps._vae_step(4, "cpu")

    def forgets_to_clip() -> dict[str, Any]:
        found = work.ours.outputs()
        return found | {"moved": 1.01 * found["moved"]}

    wrong = work._replace(ours=Candidate("minisd", work.ours.run, forgets_to_clip))
    with pytest.raises(Mismatch, match="moved differs"):
        check(wrong, steps.TOLERANCE, 1)
