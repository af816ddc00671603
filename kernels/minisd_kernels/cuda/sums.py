"""The memory between the two steps of a sum over all elements (sums.cuh)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import empty

_MOST = 1024  # blocks of 256 threads: as many as fill a large GPU, and few enough to be added up by one of them


def empty_parts(array: Any) -> Any:
    """A float64 number for each block that takes part in a sum over `array`."""
    return empty((min(_MOST, four_a_thread(array.size)[0]),), array, np.float64)
