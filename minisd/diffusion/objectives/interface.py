"""What an objective looks like: a schedule, a prediction and how often which time is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisd.diffusion.objectives.times import TIMES
from minisd.diffusion.prediction import PREDICTIONS, target
from minisd.diffusion.schedule import SCHEDULES, Array, NoiseSchedule


@dataclass(frozen=True)
class Objective:
    """What a diffusion model is trained for.

    Attributes:
        schedule: the way from the picture to the noise, a name in SCHEDULES.
        prediction: what the model says of x_t, a name in PREDICTIONS.
        times: how t is drawn, a name in TIMES.
        about: what it is, in a few words.

    Raises:
        ValueError: a name that is not there.

    >>> Objective("cosine", "v").draw_times(4, 1000, np.random.default_rng(0)).tolist()
    [159, 317, 510, 754]
    """

    schedule: str
    prediction: str
    times: str = "uniform"
    about: str = ""

    def __post_init__(self) -> None:
        for field, choices in (("schedule", SCHEDULES), ("prediction", PREDICTIONS), ("times", TIMES)):
            if (found := getattr(self, field)) not in choices:
                raise ValueError(f"Objective: {field}: wanted one of {', '.join(choices)}, got {found!r}")

    def draw_times(self, count: int, steps: int, rng: np.random.Generator) -> Array:
        """A t in 0..steps-1 for each of `count` samples, (count,) int64, rising.

        One from each of `count` parts of the density that are equally likely: so every batch sees all noise levels,
        and the loss varies less from batch to batch (Kingma et al. 2021, appendix I.1).
        """
        share = (np.arange(count) + rng.random(count)) / count
        return (TIMES[self.times](share) * steps).astype(np.int64).clip(0, steps - 1)

    def noised(self, x_0: Array, noise: Array, t: Array, schedule: NoiseSchedule) -> tuple[Array, Array]:
        """What the model is shown, x_t, and what it should say of it.

        Shapes: x_0, noise and both results (B, H, W, C); t (B,).
        """
        return schedule.add_noise(x_0, noise, t), target(self.prediction, x_0, noise, *schedule.rates(t, x_0))
