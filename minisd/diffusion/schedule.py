"""How much noise a picture carries at each time t, and the changes of variable between x_0, noise and v.

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise        (Ho et al. 2020, eq. 4)

alpha_bar falls from almost 1 (a clean picture) to almost 0 (noise) over t = 0..T-1. The papers count t = 1..T and write
alpha_bar_0 = 1 for the clean picture: that is t = -1 here, so that t is an index.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from minisd_kernels.devices import device_of, to_device

Array: TypeAlias = Any  # a NumPy array, or one of a device
Time: TypeAlias = "int | npt.NDArray[np.integer[Any]]"  # one t for the whole batch, or (B,) on the CPU


def per_sample(values: Any, x: Array) -> Any:
    """Shape coefficients to multiply `x`: a float for one number, else (B, 1, 1, 1) of x's dtype on x's device.

    >>> per_sample(np.array([0.5, 2.0]), np.ones((2, 4, 4, 1), np.float32)).shape
    (2, 1, 1, 1)
    """
    if np.ndim(values) == 0:
        return float(values)  # a Python float leaves float32 arrays float32; a NumPy float64 would not
    return to_device(np.asarray(values, x.dtype), device_of(x)).reshape(-1, *(1,) * (x.ndim - 1))


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The forward process: beta_t is the share of new noise at step t, alpha_bar_t = prod_{s <= t} (1 - beta_s).

    Shapes: betas and alpha_bar (T,), float64. In every method x_0, x_t, noise and v are (B, H, W, C), float32 or
    float64, and stay so; t is an integer in 0..T-1, or (B,) of them.

    Raises:
        ValueError: a beta outside (0, 1), or a t outside 0..T-1.

    >>> schedule = make_schedule("scaled_linear")
    >>> schedule.steps, round(schedule.alpha_bar_at(999), 4)
    (1000, 0.0047)
    """

    betas: npt.NDArray[np.float64]
    alpha_bar: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        betas = np.array(self.betas, dtype=np.float64)
        if betas.ndim != 1 or betas.size == 0 or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(
                f"noise schedule: wanted betas of shape (T,) strictly between 0 and 1, got shape {betas.shape} with "
                f"values {betas.min(initial=1):.3g}..{betas.max(initial=0):.3g}; with few steps use the cosine schedule"
            )
        for name, values in (("betas", betas), ("alpha_bar", np.cumprod(1 - betas))):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def steps(self) -> int:
        """T, the number of steps of the forward process."""
        return len(self.betas)

    def _checked(self, t: Time) -> Time:
        if np.any(np.less(t, 0)) or np.any(np.greater_equal(t, self.steps)):
            raise ValueError(f"noise schedule: t must lie in 0..{self.steps - 1} (T = {self.steps}), got {t}")
        return t

    def alpha_bar_at(self, t: int) -> float:
        """alpha_bar_t as a float; 1 at t = -1, the clean picture, where sampling ends."""
        return 1.0 if t == -1 else float(self.alpha_bar[self._checked(t)])

    def snr(self, t: Time) -> Any:
        """Signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t) (Kingma et al. 2021, eq. 2): a float, or (B,)."""
        alpha_bar = self.alpha_bar[self._checked(t)]
        return alpha_bar / (1 - alpha_bar)

    def rates(self, t: Time, x: Array) -> tuple[Any, Any]:
        """alpha_t = sqrt(alpha_bar_t) and sigma_t = sqrt(1 - alpha_bar_t), shaped to multiply `x`.

        In these letters x_t = alpha x_0 + sigma noise, and alpha^2 + sigma^2 = 1.
        """
        alpha_bar = self.alpha_bar[self._checked(t)]
        return per_sample(np.sqrt(alpha_bar), x), per_sample(np.sqrt(1 - alpha_bar), x)

    def add_noise(self, x_0: Array, noise: Array, t: Time) -> Array:
        """x_t = alpha x_0 + sigma noise (Ho et al. 2020, eq. 4)."""
        alpha, sigma = self.rates(t, x_0)
        return alpha * x_0 + sigma * noise

    def x_0_from_noise(self, x_t: Array, noise_pred: Array, t: Time) -> Array:
        """x_0 = (x_t - sigma noise) / alpha (Ho et al. 2020, eq. 15)."""
        alpha, sigma = self.rates(t, x_t)
        return (x_t - sigma * noise_pred) / alpha

    def noise_from_x_0(self, x_t: Array, x_0: Array, t: Time) -> Array:
        """noise = (x_t - alpha x_0) / sigma (Ho et al. 2020, eq. 4 solved for the noise)."""
        alpha, sigma = self.rates(t, x_t)
        return (x_t - alpha * x_0) / sigma

    def v_target(self, x_0: Array, noise: Array, t: Time) -> Array:
        """v = alpha noise - sigma x_0 (Salimans & Ho 2022, section 4): (x_t, v) is (x_0, noise) turned by an angle."""
        alpha, sigma = self.rates(t, x_0)
        return alpha * noise - sigma * x_0

    def x_0_from_v(self, x_t: Array, v: Array, t: Time) -> Array:
        """x_0 = alpha x_t - sigma v (Salimans & Ho 2022, section 4): no division, so even t = T-1 is harmless."""
        alpha, sigma = self.rates(t, x_t)
        return alpha * x_t - sigma * v

    def noise_from_v(self, x_t: Array, v: Array, t: Time) -> Array:
        """noise = sigma x_t + alpha v (Salimans & Ho 2022, appendix D)."""
        alpha, sigma = self.rates(t, x_t)
        return sigma * x_t + alpha * v

    def to_x_0_and_noise(self, predicted: Array, x_t: Array, t: Time, prediction: str) -> tuple[Array, Array]:
        """Read what a model predicted as (x_0_pred, noise_pred); `prediction` says what it is, "noise" or "v".

        Raises:
            ValueError: another prediction.
        """
        if prediction == "noise":
            return self.x_0_from_noise(x_t, predicted, t), predicted
        if prediction == "v":
            return self.x_0_from_v(x_t, predicted, t), self.noise_from_v(x_t, predicted, t)
        raise ValueError(f"a model predicts 'noise' or 'v', not {prediction!r}; give the kind it was trained with")


def linear_schedule(steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """Betas evenly spaced from beta_start to beta_end (Ho et al. 2020, section 4).

    The two ends are meant for T = 1000; for another T they are scaled by 1000 / T, so that the last x_t is as noisy
    (as in Nichol & Dhariwal's code).

    >>> round(linear_schedule().alpha_bar_at(999), 6)
    4e-05
    """
    return NoiseSchedule(np.linspace(beta_start, beta_end, steps) * (1000 / steps))


def scaled_linear_schedule(steps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> NoiseSchedule:
    """Square roots of the betas evenly spaced: the schedule of Stable Diffusion 1.x (Rombach et al. 2022, their code).

    The two ends are meant for T = 1000; for another T they are scaled by 1000 / T, as in linear_schedule.

    >>> round(scaled_linear_schedule().alpha_bar_at(999), 4)
    0.0047
    """
    return NoiseSchedule(np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), steps) ** 2 * (1000 / steps))


def cosine_schedule(steps: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2) (Nichol & Dhariwal 2021, eq. 17).

    t counts 1..T in this formula. Betas are clipped at max_beta: without that alpha_bar would end at 0. The last t keep
    so little signal that x_0 = (x_t - sigma noise) / alpha magnifies a model's errors a thousandfold and more: predict
    v, or let sample() clip x_0.

    >>> round(cosine_schedule().alpha_bar_at(499), 3)
    0.494
    """
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return NoiseSchedule(np.minimum(1 - f[1:] / f[:-1], max_beta))


SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {
    "linear": linear_schedule,
    "scaled_linear": scaled_linear_schedule,
    "cosine": cosine_schedule,
}


def make_schedule(name: str, steps: int = 1000) -> NoiseSchedule:
    """The noise schedule called `name`, over T = `steps`.

    Raises:
        ValueError: no schedule has this name, or `steps` is too small for it.
    """
    if name not in SCHEDULES:
        raise ValueError(f"no noise schedule is called {name!r}; choose one of {', '.join(SCHEDULES)}")
    if steps < 1:
        raise ValueError(f"noise schedule: wanted at least 1 step, got {steps}; 1000 is usual")
    return SCHEDULES[name](steps)


def timesteps(T: int, steps: int) -> list[int]:
    """The `steps` values of t that sampling visits, evenly spaced downwards from T-1 (Lin et al. 2024, "trailing").

    Starting at T-1, where training saw pure noise, is what makes x_T ~ N(0, 1) the right start.
    Differs: Stable Diffusion 1.x starts one stride short of T, where a trace of signal is left.

    Raises:
        ValueError: fewer than 1 or more than T steps.

    >>> timesteps(1000, 5)
    [999, 799, 599, 399, 199]
    """
    if not 1 <= steps <= T:
        raise ValueError(f"sampling: wanted 1..{T} steps (there are {T} times t to visit), got {steps}")
    return [round(T * k / steps) - 1 for k in range(steps, 0, -1)]
