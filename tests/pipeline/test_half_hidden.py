"""Half a digit is hidden, and drawn again from its name: the right digit, without a seam to be seen."""

from __future__ import annotations

import os

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.data import DataError, load_digits
from minisd.evaluation import Judge
from minisd.pipeline import Pipeline
from minisd.text.captions import Caption, caption_text

BORDER, BESIDE = 13, [9, 10, 11, 15, 16, 17]  # between pixels 13 and 14, and between others nearby


def gradients(images: Array, lying: Array) -> tuple[float, float]:
    """Mean |difference| of neighbouring pixels across the border, and across lines beside it that no border is on.

    Args:
        lying: (N,) bool, whether the border lies, between rows.
    """
    upright = np.where(lying[:, None, None], images.transpose(0, 2, 1), images).astype(float)
    across = np.abs(np.diff(upright, axis=2)).mean(axis=(0, 1))
    return float(across[BORDER]), float(across[BESIDE].mean())


@pytest.mark.slow
@pytest.mark.skipif("MINISD_DATA" not in os.environ, reason="MINISD_DATA does not name the folder of MNIST's files")
def test_halves_of_real_digits_are_restored(count: int = 500, steps: int = 20) -> None:
    """The left, right, upper and lower half in turn; real digits at the same place are what a seam is held against."""
    try:
        test = load_digits("mnist", "test")
    except DataError as error:
        pytest.skip(str(error))
    chosen = np.random.default_rng(0).choice(len(test.images), count, replace=False)
    real, labels, sides = test.images[chosen], test.labels[chosen], np.arange(count) % 4
    halves = np.zeros((4, 28, 28), bool)
    halves[0, :, :14] = halves[1, :, 14:] = halves[2, :14] = halves[3, 14:] = True
    drawn = Pipeline.load().draw(
        [caption_text(Caption(int(digit))) for digit in labels], image=real, mask_image=halves[sides], steps=steps
    )
    np.testing.assert_array_equal(drawn[~halves[sides]], real[~halves[sides]])
    assert (Judge.load().digits(drawn) == labels).mean() >= 0.9
    border, beside = gradients(drawn, sides >= 2)
    assert abs(border / beside - 1) <= 0.1
    assert abs(border / gradients(real, sides >= 2)[0] - 1) <= 0.1
