"""No CUDA kernel races, and none depends on the order of blocks and threads: each runs watched, in both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minisd_kernels.conv2d.cupy_gpu import bias_gradient
from minisd_kernels.devices import to_device, to_host
from minisd_kernels.emulator.examples import EXAMPLES
from minisd_kernels.emulator.inspect.watching import watching

pytestmark = pytest.mark.emu


def arrays(result: Any) -> list[Any]:
    parts = result if isinstance(result, tuple) else (result,)
    return [to_host(part) for part in parts if part is not None]


@pytest.mark.parametrize("operation", EXAMPLES)
def test_every_operation(operation: str) -> None:
    results = []
    for reverse in (False, True):
        steps = EXAMPLES[operation]().steps
        with watching(reversed=reverse):
            results.append([array for step in steps.values() for array in arrays(step.run())])
    for forwards, backwards in zip(*results, strict=True):
        np.testing.assert_array_equal(forwards, backwards)


def test_the_bias_gradient() -> None:
    grad = np.random.default_rng(0).standard_normal((2, 9, 10, 70)).astype(np.float32)
    with watching():
        found = bias_gradient(to_device(grad, "emu"))
    np.testing.assert_allclose(to_host(found), grad.sum(axis=(0, 1, 2)), rtol=1e-4, atol=1e-4)
