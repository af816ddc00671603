"""Drawing in 1, 2 or 4 evaluations, by a second network that learned where the first one's ways end.

    teacher   x_T -> x -> x -> x -> x_0      some ten steps, guided: up to two evaluations each
    student   x_T -----------------> x_0     one evaluation, the guidance already in it        (Meng et al. 2023)

The student is a copy of the teacher, trained on from its weights (train/few.py). It is asked once a step and hears the
prompt alone: how closely to follow it was settled when it was distilled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minisd.diffusion.prediction import PREDICTIONS
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import NoiseLevel, NoiseSchedule
from minisd.diffusion.spacing import make_levels
from minisd.models.checks import check, check_choice, check_number, check_whole, is_pair
from minisd.models.denoiser import Denoiser


@dataclass(frozen=True)
class FewInfo:
    """What belongs to the network that draws in few steps, besides its weights.

    Attributes:
        steps: the most; it knows the levels that so many steps visit, so that it takes this many or a divisor of it.
        prediction: what it predicts, of PREDICTIONS.
        guidance, guidance_interval: those of the teacher's drawings, which it imitates.
        sampler, sampler_steps: how the teacher drew them.
        trained: how it was made.

    Raises:
        ValueError: a field of the wrong kind or out of range; it comes from a file, and no file is trusted.
    """

    steps: int = 4
    prediction: str = "v"
    guidance: float = 1.5
    guidance_interval: tuple[int, int] = (300, 800)
    sampler: str = "dpm_solver"
    sampler_steps: int = 8
    trained: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_whole(self, "steps", most=64)
        check_choice(self, "prediction", PREDICTIONS)
        check_number(self, "guidance", 0, 1000)
        check(self, "guidance_interval", "two whole numbers, low <= high", lambda x: is_pair(x) and 0 <= x[0] <= x[1])
        check_choice(self, "sampler", SAMPLERS)
        check_whole(self, "sampler_steps", most=1000)
        check(self, "sampler_steps", f"a multiple of {self.steps}", lambda x: x % self.steps == 0)
        check(self, "trained", "names and values", lambda x: isinstance(x, dict))

    @property
    def choices(self) -> list[int]:
        """The numbers of steps that it can take.

        >>> FewInfo(steps=4).choices
        [1, 2, 4]
        """
        return [steps for steps in range(1, self.steps + 1) if self.steps % steps == 0]

    def levels(self, schedule: NoiseSchedule) -> list[NoiseLevel]:
        """The levels that it learns the ways' ends from: all that it is ever asked at."""
        return make_levels(schedule, self.steps)[:-1]


@dataclass
class FewSteps:
    """The network that draws in few steps: built like the model's own, for it began as a copy of it."""

    network: Denoiser
    info: FewInfo
