"""How a network is told a time: as a row of waves."""

from __future__ import annotations

import numpy as np
from minisd_kernels.devices import device_of, namespace

from minisd.autograd import Array


def time_embedding(t: Array, width: int) -> Array:
    """cos and sin of t at width / 2 frequencies from 1 down to 1/10000 (Vaswani et al. 2017, section 3.5).

    >>> time_embedding(np.array([0]), 4).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    frequencies = np.exp(-np.log(10000) * namespace(device_of(t)).arange(width // 2) / (width // 2))
    angles = t[:, None] * frequencies
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
