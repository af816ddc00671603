"""Samplers walk as the schedulers of diffusers do, on the same model, step by step; so do spacings.

diffusers computes in float32, so that x_t, of size 1, agrees to a few of its units. Needs the extra:
pip install "minisd[parity]".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from strategies import Array

from minisd.diffusion.prediction import x_0_and_noise
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import NoiseLevel, make_schedule
from minisd.diffusion.spacing import SPACINGS, make_levels

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and SciPy's, of their own doing

SCHEDULE, STEPS, SHAPE = make_schedule("scaled_linear"), 10, (2, 3, 4, 1)
STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PREDICTIONS = {"noise": "epsilon", "v": "v_prediction", "x_0": "sample"}
RATIOS = {"karras": {"use_karras_sigmas": True}, "exponential": {"use_exponential_sigmas": True}}


def model(x_t: Array, prediction: str) -> Array:
    """No good as a model, but bent, and the same to both sides; a predicted noise is much like x_t, or x_0 explodes."""
    bent = np.sin(2 * x_t) / 2 + 0.1
    return 0.95 * x_t + bent / 20 if prediction == "noise" else bent


def noises() -> Iterator[Array]:
    rng = np.random.default_rng(7)
    while True:
        yield rng.standard_normal(SHAPE)


def ours(sampler: str, levels: Sequence[NoiseLevel], prediction: str, **options: Any) -> list[Array]:
    """x_t at every level but the first."""
    fresh = noises()

    def denoise(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        return x_0_and_noise(prediction, model(x_t, prediction), x_t, level.alpha, level.sigma)

    return [x for x, _ in SAMPLERS[sampler](denoise, start(), levels, lambda: next(fresh), **options)]


def start() -> Array:
    return np.random.default_rng(3).standard_normal(SHAPE)


def scheduler(name: str, spacing: str = "trailing", prediction: str = "noise", **options: Any) -> Any:
    kind = RATIOS.get(spacing, {"timestep_spacing": spacing})
    found = getattr(diffusers, name)(**STABLE_DIFFUSION, prediction_type=PREDICTIONS[prediction], **kind, **options)
    found.set_timesteps(STEPS)
    return found


def theirs(
    found: Any, scales: Sequence[float], prediction: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> list[Array]:
    """x_t after every step of a scheduler, which itself walks x_t / scale; scales, at the start and after each step."""
    fresh = noises()
    for module in ("euler_ancestral_discrete", "dpmsolver_multistep", "ddpm", "ddim"):
        monkeypatch.setattr(
            f"diffusers.schedulers.scheduling_{module}.randn_tensor",
            lambda *_, **__: torch.from_numpy(next(fresh)).float(),
        )
    x, walked = torch.from_numpy(start() / scales[0]).float(), []
    for t, scale in zip(found.timesteps, scales[1:], strict=True):
        predicted = torch.from_numpy(model(found.scale_model_input(x, t).double().numpy(), prediction)).float()
        x = found.step(predicted, t, x, **options).prev_sample
        walked.append(scale * x.double().numpy())
    return walked


def agree(found: Sequence[Array], wanted: Sequence[Array]) -> None:
    assert len(found) == len(wanted)
    for step, (one, other) in enumerate(zip(found, wanted, strict=True)):
        off = abs(one - other).max() / max(1, abs(other).max())
        assert off < 1e-5, f"{off} after step {step + 1}"


@pytest.mark.parametrize(
    ("sampler", "name", "spacing", "prediction"),
    [
        (sampler, name, spacing, prediction)
        for sampler, name in (
            ("euler", "EulerDiscreteScheduler"),
            ("euler_ancestral", "EulerAncestralDiscreteScheduler"),
            ("heun", "HeunDiscreteScheduler"),
            ("lms", "LMSDiscreteScheduler"),
        )
        for spacing in SPACINGS
        for prediction in PREDICTIONS
        # What diffusers has not:
        if not (sampler == "euler_ancestral" and spacing in RATIOS)
        and not (sampler in ("euler_ancestral", "heun") and prediction == "x_0")
    ],
)
def test_samplers_in_karras_coordinates(
    sampler: str, name: str, spacing: str, prediction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sampler == "lms":
        pytest.importorskip("scipy")  # their coefficients are found by quadrature
    found, levels = scheduler(name, spacing, prediction), make_levels(SCHEDULE, STEPS, spacing=spacing)
    scales = [level.alpha for level in levels]
    times = [level.t for level in levels[:-1]]
    if sampler == "heun":  # step() is called for each of the two slopes: what counts comes after the second
        times, scales = [times[0], *np.repeat(times[1:], 2)], [scales[0], *np.repeat(scales[1:-1], 2), scales[-1]]
    np.testing.assert_allclose(found.timesteps, times, atol=0.01)  # theirs by float32 logarithms
    walked = theirs(found, scales, prediction, monkeypatch)
    agree(ours(sampler, levels, prediction), [*walked[1::2], walked[-1]] if sampler == "heun" else walked)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("spacing", ["trailing", "karras", "exponential"])  # Differs: their other two are one t longer
@pytest.mark.parametrize(
    ("sampler", "options", "name", "their_options"),
    [
        ("dpm_solver", {}, "DPMSolverMultistepScheduler", {}),
        ("dpm_solver_sde", {}, "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("unipc", {}, "UniPCMultistepScheduler", {}),
        ("unipc", {"order": 3}, "UniPCMultistepScheduler", {"solver_order": 3}),
    ],
    ids=lambda value: str(value)[:14],
)
def test_samplers_in_lambda(
    sampler: str,
    options: dict[str, Any],
    name: str,
    their_options: dict[str, Any],
    spacing: str,
    prediction: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = scheduler(name, spacing, prediction, final_sigmas_type="zero", **their_options)
    levels = make_levels(SCHEDULE, STEPS, spacing=spacing)
    agree(ours(sampler, levels, prediction, **options), theirs(found, [1.0] * (STEPS + 1), prediction, monkeypatch))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize(
    ("sampler", "options", "name"),
    [
        ("ddim", {}, "DDIMScheduler"),
        ("ddim", {"eta": 0.5}, "DDIMScheduler"),
        ("ddpm", {}, "DDPMScheduler"),
    ],
    ids=str,
)
def test_ddpm_and_ddim(
    sampler: str, options: dict[str, Any], name: str, spacing: str, prediction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scheduler(name, spacing, prediction, clip_sample=False)
    levels = make_levels(SCHEDULE, STEPS, spacing=spacing)
    assert [int(t) for t in found.timesteps] == [level.t for level in levels[:-1]]
    agree(
        ours(sampler, levels, prediction, **options),
        theirs(found, [1.0] * (STEPS + 1), prediction, monkeypatch, **options),
    )


def test_flow_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = make_levels(make_schedule("flow"), STEPS)
    found = diffusers.FlowMatchEulerDiscreteScheduler()
    found.set_timesteps(sigmas=[level.sigma for level in levels[:-1]])
    found.scale_model_input = lambda x, t: x
    np.testing.assert_allclose(
        found.timesteps - 1, [level.t for level in levels[:-1]], atol=1e-3
    )  # theirs counts from 1
    agree(ours("euler", levels, "velocity"), theirs(found, [1.0] * (STEPS + 1), "velocity", monkeypatch))
    heun = diffusers.FlowMatchHeunDiscreteScheduler()
    heun.set_timesteps(STEPS)
    own = [NoiseLevel(0, 1 - tau, tau) for tau in [*np.linspace(1, 1 / 1000, STEPS).tolist(), 0.0]]
    heun.scale_model_input = lambda x, t: x
    walked = theirs(heun, [1.0] * (2 * STEPS), "velocity", monkeypatch)
    agree(ours("heun", own, "velocity"), [*walked[1::2], walked[-1]])
