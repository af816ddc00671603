"""How much noise a picture carries at each time t.

    x_t = alpha_t x_0 + sigma_t noise            (Kingma et al. 2021, eq. 1)

alpha falls from almost 1 (a clean picture) to almost 0, sigma rises from almost 0 to 1 (noise), over t = 0..T-1. DDPM
and Stable Diffusion keep the variance, alpha^2 + sigma^2 = 1, and write alpha_bar for alpha^2 (Ho et al. 2020, eq. 4).
Flow matching goes straight, alpha + sigma = 1. The papers count t = 1..T, and t = 0 is the clean picture: that is
t = -1 here, so that t is an index.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

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


class NoiseLevel(NamedTuple):
    """One place on the way from noise to a picture, x_t = alpha x_0 + sigma noise.

    >>> NoiseLevel(t=499, alpha=0.6, sigma=0.8).ratio
    1.3333333333333335
    """

    t: float  # what the model is told; between two of the times that it was trained at it may lie, too
    alpha: float
    sigma: float

    @property
    def ratio(self) -> float:
        """sigma / alpha: the noise in x_t / alpha, which Karras et al. 2022 call sigma; infinite for pure noise."""
        return self.sigma / self.alpha if self.alpha > 0 else math.inf

    @property
    def half_log_snr(self) -> float:
        """ln(alpha / sigma), the lambda of DPM-Solver (Lu et al. 2022); infinite where there is no noise, or no x_0."""
        return -math.log(self.ratio) if self.sigma > 0 else math.inf


CLEAN = NoiseLevel(-1, 1.0, 0.0)  # where sampling ends


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The forward process as two tables, of which alpha falls and sigma rises.

    Shapes: alpha and sigma (T,), float64. In every method x_0, x_t and noise are (B, H, W, C), float32 or float64, and
    stay so; t is an integer in 0..T-1, or (B,) of them.

    Raises:
        ValueError: tables of another shape, or that do not lead from a picture to noise; or a t outside 0..T-1.

    >>> schedule = make_schedule("scaled_linear")
    >>> schedule.steps, round(schedule.level(999).alpha, 4)
    (1000, 0.0683)
    """

    alpha: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        alpha, sigma = np.array(self.alpha, dtype=np.float64), np.array(self.sigma, dtype=np.float64)
        if alpha.ndim != 1 or alpha.size == 0 or alpha.shape != sigma.shape:
            raise ValueError(f"noise schedule: wanted alpha and sigma of shape (T,), got {alpha.shape}, {sigma.shape}")
        falls, rises = np.diff(alpha, prepend=CLEAN.alpha) < 0, np.diff(sigma, prepend=CLEAN.sigma) > 0
        if not (falls.all() and rises.all() and alpha[-1] >= 0):
            raise ValueError("noise schedule: wanted an alpha that falls from 1 to 0, and a sigma that rises from 0")
        for name, values in (("alpha", alpha), ("sigma", sigma)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @classmethod
    def of_betas(cls, betas: npt.ArrayLike) -> NoiseSchedule:
        """beta_t is the share of new noise at step t: alpha^2 = alpha_bar_t = prod_{s <= t} (1 - beta_s).

        sigma^2 = 1 - alpha_bar_t (Ho et al. 2020, eq. 4).

        Raises:
            ValueError: a beta outside (0, 1).

        >>> NoiseSchedule.of_betas([0.36, 0.5]).alpha.round(3).tolist()
        [0.8, 0.566]
        """
        betas = np.array(betas, dtype=np.float64)
        if betas.ndim != 1 or betas.size == 0 or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(
                f"noise schedule: wanted betas of shape (T,) strictly between 0 and 1, got shape {betas.shape} with "
                f"values {betas.min(initial=1):.3g}..{betas.max(initial=0):.3g}; with few steps use the cosine schedule"
            )
        alpha_bar = np.cumprod(1 - betas)
        return cls(np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar))

    @property
    def steps(self) -> int:
        """T, the number of steps of the forward process."""
        return len(self.alpha)

    @property
    def alpha_bar(self) -> npt.NDArray[np.float64]:
        """alpha^2, what is left of the picture's variance, (T,)."""
        return self.alpha**2

    @property
    def betas(self) -> npt.NDArray[np.float64]:
        """1 - alpha_bar_t / alpha_bar_{t-1}, (T,): the share of new noise at step t, where the variance is kept."""
        return 1 - self.alpha_bar / np.concatenate([[1.0], self.alpha_bar[:-1]])

    def level(self, t: float) -> NoiseLevel:
        """The place t, from -1, the clean picture, to T-1; between two integers sigma / alpha is interpolated.

        So do samplers for Stable Diffusion that visit fractional t (k-diffusion, diffusers).

        Raises:
            ValueError: a t outside -1..T-1.
        """
        if not -1 <= t <= self.steps - 1:
            raise ValueError(f"noise schedule: t must lie in -1..{self.steps - 1} (T = {self.steps}), got {t}")
        below = math.floor(t)
        low = CLEAN if below == -1 else NoiseLevel(t, float(self.alpha[below]), float(self.sigma[below]))
        if t == below:
            return low
        ratio = low.ratio + (t - below) * (self.level(below + 1).ratio - low.ratio)
        alpha = 1 / math.hypot(1, ratio)
        return NoiseLevel(t, alpha, ratio * alpha)

    def level_of(self, ratio: float) -> NoiseLevel:
        """The place where sigma / alpha is `ratio`; its t is interpolated by the logarithm of it, as in k-diffusion.

        Below the noise of t = 0, and above that of T-1, t stays 0 and T-1.
        """
        t = np.interp(math.log(ratio), np.log(self.sigma / self.alpha), np.arange(self.steps))
        alpha = 1 / math.hypot(1, ratio)
        return NoiseLevel(float(t), alpha, ratio * alpha)

    def _checked(self, t: Time) -> Time:
        if np.any(np.less(t, 0)) or np.any(np.greater_equal(t, self.steps)):
            raise ValueError(f"noise schedule: t must lie in 0..{self.steps - 1} (T = {self.steps}), got {t}")
        return t

    def snr(self, t: Time) -> Any:
        """Signal-to-noise ratio alpha^2 / sigma^2 (Kingma et al. 2021, eq. 2): a float, or (B,)."""
        t = self._checked(t)
        return (self.alpha[t] / self.sigma[t]) ** 2

    def rates(self, t: Time, x: Array) -> tuple[Any, Any]:
        """alpha_t and sigma_t, shaped to multiply `x`."""
        t = self._checked(t)
        return per_sample(self.alpha[t], x), per_sample(self.sigma[t], x)

    def add_noise(self, x_0: Array, noise: Array, t: Time) -> Array:
        """x_t = alpha x_0 + sigma noise (Ho et al. 2020, eq. 4)."""
        alpha, sigma = self.rates(t, x_0)
        return alpha * x_0 + sigma * noise


class FlowSchedule(NoiseSchedule):
    """The straight way from the picture to the noise: alpha = 1 - tau, sigma = tau, tau = (t + 1) / T.

    This is conditional flow matching with optimal transport (Lipman et al. 2023, eq. 22 with sigma_min = 0; they count
    time the other way), rectified flow (Liu et al. 2023, eq. 1) and a linear interpolant (Albergo & Vanden-Eijnden
    2023). At t = T-1 nothing is left of the picture, so a model may predict anything but the noise, from which x_0
    could not be read there.

    >>> FlowSchedule(1000).level(749.0)
    NoiseLevel(t=749.0, alpha=0.25, sigma=0.75)
    """

    def __init__(self, steps: int = 1000) -> None:
        tau = np.arange(1, steps + 1) / steps
        super().__init__(1 - tau, tau)

    def level(self, t: float) -> NoiseLevel:
        super().level(t)  # checks t
        tau = (t + 1) / self.steps
        return NoiseLevel(t, 1 - tau, tau)

    def level_of(self, ratio: float) -> NoiseLevel:
        tau = ratio / (1 + ratio)
        return NoiseLevel(self.steps * tau - 1, 1 - tau, tau)


def linear_schedule(steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """Betas evenly spaced from beta_start to beta_end (Ho et al. 2020, section 4).

    The two ends are meant for T = 1000; for another T they are scaled by 1000 / T, so that the last x_t is as noisy
    (as in Nichol & Dhariwal's code).

    >>> round(float(linear_schedule().alpha_bar[999]), 6)
    4e-05
    """
    return NoiseSchedule.of_betas(np.linspace(beta_start, beta_end, steps) * (1000 / steps))


def scaled_linear_schedule(steps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> NoiseSchedule:
    """Square roots of the betas evenly spaced: the schedule of Stable Diffusion 1.x (Rombach et al. 2022, their code).

    The two ends are meant for T = 1000; for another T they are scaled by 1000 / T, as in linear_schedule.

    >>> round(float(scaled_linear_schedule().alpha_bar[999]), 4)
    0.0047
    """
    return NoiseSchedule.of_betas(np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), steps) ** 2 * (1000 / steps))


def cosine_schedule(steps: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2) (Nichol & Dhariwal 2021, eq. 17).

    t counts 1..T in this formula. Betas are clipped at max_beta: without that alpha_bar would end at 0. The last t keep
    so little signal that x_0 = (x_t - sigma noise) / alpha magnifies a model's errors a thousandfold and more: predict
    v, or let sample() clip x_0.

    >>> round(float(cosine_schedule().alpha_bar[499]), 3)
    0.494
    """
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return NoiseSchedule.of_betas(np.minimum(1 - f[1:] / f[:-1], max_beta))


SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {
    "linear": linear_schedule,
    "scaled_linear": scaled_linear_schedule,
    "cosine": cosine_schedule,
    "flow": FlowSchedule,
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
