"""What a diffusion model is trained for, a small file each: what it predicts, along which way from picture to noise.

    x_t = alpha_t x_0 + sigma_t noise,      t drawn by ``times.py``
    loss = w_t |model(x_t, t) - target|^2,  target by ``prediction.py``, w_t by ``weighting.py``

All of them learn the same thing, E[x_0 | x_t], and every sampler draws with each; what differs is which errors weigh
how much, and where dividing by alpha or sigma magnifies them. A new objective is one file here (``interface.py`` says
what it looks like) and one line in OBJECTIVES.
"""

from __future__ import annotations

from minisd.diffusion.objectives.flow import flow
from minisd.diffusion.objectives.interface import Objective
from minisd.diffusion.objectives.noise import noise
from minisd.diffusion.objectives.v import v
from minisd.diffusion.objectives.x_0 import x_0

__all__ = ["OBJECTIVES", "Objective"]

OBJECTIVES: dict[str, Objective] = {
    "noise": noise,
    "x_0": x_0,
    "v": v,
    "flow": flow,
}
