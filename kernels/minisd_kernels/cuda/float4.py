"""Whether a kernel may read arrays four numbers at a time, as float4.cuh does."""

from __future__ import annotations

from typing import Any

import numpy as np


def fits_float4(*arrays: Any) -> bool:
    """Whether all arrays are float32, of rows that are a multiple of 4 long, and begin at a multiple of 16 bytes.

    Whole arrays begin so; a view of one may begin at any of its numbers.
    """
    return all(a.dtype == np.float32 and a.shape[-1] % 4 == 0 and a.data.ptr % 16 == 0 for a in arrays)
