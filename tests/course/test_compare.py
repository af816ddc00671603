"""Two results side by side: when they are the same."""

from __future__ import annotations

import numpy as np

from minisd.course.compare import difference


def test_what_is_not_a_number_agrees_with_itself_alone() -> None:
    nothing = np.array([1.0, np.nan])
    assert difference(nothing, nothing, 1e-7) is None
    assert difference(np.array([1.0, np.inf]), nothing, 1e-7)
    assert difference(np.array([1.0, -np.inf]), np.array([1.0, np.inf]), 1e-7)
    assert difference(np.array([1.0, 2.0]), nothing, 1e-7)
