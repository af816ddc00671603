"""No CUDA kernel races, and none depends on the order of blocks and threads: each runs watched, in both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minisd_kernels.conv2d.cupy_gpu import bias_gradient
from minisd_kernels.devices import to_device, to_host
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.examples import Make, examples, operations, outcome

pytestmark = pytest.mark.emu


@pytest.mark.parametrize("operation", operations())
def test_every_operation(operation: str) -> None:
    def results(*, in_reverse: bool) -> list[Any]:
        found = []
        for example in (*examples(operation), *examples(operation, ladder=True)):
            calls = example.calls(Make("emu"))
            with watching(reversed=in_reverse):
                found += [to_host(array) for call in calls.values() for array in outcome(call)]
        return found

    for forwards, backwards in zip(results(in_reverse=False), results(in_reverse=True), strict=True):
        np.testing.assert_array_equal(forwards, backwards)


def test_the_bias_gradient() -> None:
    grad = np.random.default_rng(0).standard_normal((2, 9, 10, 70)).astype(np.float32)
    with watching():
        found = bias_gradient(to_device(grad, "emu"))
    np.testing.assert_allclose(to_host(found), grad.sum(axis=(0, 1, 2)), rtol=1e-4, atol=1e-4)
