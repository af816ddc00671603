"""The clouds in the plane against their own density, and what is said of samplers there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import minisd
from diffusion.gaussian import MEAN, SD
from diffusion.gaussian import denoise as of_one_cloud
from strategies import Array

from minisd.diffusion import comparison
from minisd.diffusion.comparison import compare, start_points, walk
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import CLEAN, NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.diffusion.toy import CLOUDS, Clouds


def test_the_clouds_density_is_one_and_its_slope_is_the_noise() -> None:
    """noise = -sigma times the gradient of ln p(x_t), the score (Song et al. 2021b)."""
    level, step = NoiseLevel(0, 0.8, 0.6), 1e-5
    x_t = np.random.default_rng(0).standard_normal((20, 2))
    x_0, noise = CLOUDS.denoise(x_t, level)
    for axis in (0, 1):
        aside = step * np.eye(2)[axis]
        slope = np.log(CLOUDS.density(x_t + aside, level) / CLOUDS.density(x_t - aside, level)) / (2 * step)
        np.testing.assert_allclose(noise[:, axis], -level.sigma * slope, rtol=0, atol=1e-6)
    np.testing.assert_allclose(level.alpha * x_0 + level.sigma * noise, x_t, atol=1e-12)
    places = np.linspace(-6, 6, 241)
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    for at in (level, CLEAN):
        assert CLOUDS.density(grid, at).sum() * (places[1] - places[0]) ** 2 == pytest.approx(1, abs=1e-6)


def test_one_cloud_is_gaussian_data() -> None:
    x_t, level = np.random.default_rng(1).standard_normal((5, 2)), NoiseLevel(0, 0.6, 0.8)
    found = Clouds(np.full((1, 2), MEAN), np.ones(1), SD).denoise(x_t, level)
    np.testing.assert_allclose(found, of_one_cloud(x_t, level), atol=1e-12)


def test_a_walk_says_what_it_took_and_how_wide_it_ends() -> None:
    levels, x_T = make_levels(make_schedule("cosine"), 5), start_points(50)
    for sampler in SAMPLERS:
        found = walk(sampler, levels, x_T)
        assert found.paths.shape == (6, 50, 2) and (found.paths[0] == x_T).all()
        assert found.calls == (9 if sampler == "heun" else 5)
        assert found.random == (sampler in ("ddpm", "euler_ancestral", "dpm_solver_sde"))
    assert found.off(found.paths[-1] + [0.3, 0.4]) == pytest.approx(0.5)
    right = Clouds(CLOUDS.means, CLOUDS.weights, 0.1)
    data = np.random.default_rng(0).normal(right.means[0], right.deviation, (4000, 2))
    assert comparison.Walk(data[None], 1, False).width(right) == pytest.approx(1, abs=0.03)


def test_the_table_tells_fast_samplers_from_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "start_points", lambda: start_points(40))
    walks, exact, rows = compare((16, 32))
    assert [*walks] == [row.sampler for row in rows] == [*SAMPLERS] and exact.paths.shape[1:] == (40, 2)
    by_name = {row.sampler: row for row in rows}
    assert by_name["euler"].same_as == "ddim" and by_name["euler_ancestral"].same_as == "ddpm"
    assert by_name["ddpm"].off is None and by_name["ddpm"].order is None
    slow = by_name["ddim"]
    assert slow.off is not None and slow.order == pytest.approx(1, abs=0.15)
    for name in ("heun", "lms", "dpm_solver", "unipc"):
        row = by_name[name]
        assert row.off is not None and row.order is not None
        assert row.off[1] < slow.off[1] / 2 and row.order > 1.4


def test_the_command_prints_the_table_and_draws_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def save_paths(path: Path, title: str, density: Any, exact: Array, panels: dict[str, tuple[str, Array]]) -> None:
        seen.append((title, exact.shape, {name: (note, paths.shape) for name, (note, paths) in panels.items()}))
        assert density(CLOUDS.means).shape == (3,)
        path.write_bytes(b"png")

    monkeypatch.setattr("minisd.plots.save_paths", save_paths)
    monkeypatch.setattr(comparison, "start_points", lambda: start_points(20))
    result = minisd("samplers", "--steps", 4, "--spacing", "karras", "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80 and lines[-1] == f"wrote {tmp_path / 'a.png'}"
    assert [line.split()[0] for line in lines[2 : 2 + len(SAMPLERS)]] == [*SAMPLERS]
    ((title, shape, panels),) = seen
    assert title == "From noise to data in 4 steps" and shape == (1001, 20, 2) and [*panels] == [*SAMPLERS]
    assert panels["heun"][1] == (5, 20, 2) and panels["heun"][0].startswith("7 calls, off by ")
    assert panels["euler"][0] == "4 calls, as ddim" and panels["ddpm"][0] == "4 calls, random"
    again = minisd("samplers", "--out", tmp_path / "a.png")
    assert again.exit_code == 2 and "a.png" in again.output
