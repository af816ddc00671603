"""Two results side by side: when they are the same, and what is said when they are not."""

from __future__ import annotations

import numpy as np

from minisd.course.compare import difference


def test_what_is_not_a_number_agrees_with_itself_alone() -> None:
    nothing = np.array([1.0, np.nan])
    assert difference(nothing, nothing, 1e-7) is None
    assert difference(np.array([1.0, np.inf]), nothing, 1e-7)
    assert difference(np.array([1.0, -np.inf]), np.array([1.0, np.inf]), 1e-7)
    assert difference(np.array([1.0, 2.0]), nothing, 1e-7)


def test_a_result_that_should_be_zero_everywhere() -> None:
    found = difference(np.ones(3), np.zeros(3), 1e-7)
    assert found == "the result[0] is 1; wanted is 0; 3 of 3 numbers differ. All should be zero"
    assert difference(np.zeros(3), np.zeros(3), 1e-7) is None
