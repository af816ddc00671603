"""Straight and spherical ways: their ends to the bit, their lengths, and no mixing of samples."""

from __future__ import annotations

import numpy as np
import pytest

from minisd.diffusion.interpolation import lerp, slerp

a, b = np.random.default_rng(0).standard_normal((2, 5, 7, 7, 4)).astype(np.float32)


@pytest.mark.parametrize("between", [lerp, slerp])
def test_the_ends_are_the_two_to_the_bit(between: object) -> None:
    assert callable(between)
    for share, end in ((0, a), (1, b), (np.zeros(5), a), (np.ones(5), b)):
        found = between(a, b, share)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, end)


def test_lerp_is_straight() -> None:
    np.testing.assert_allclose(lerp(a, b, 0.25), 0.75 * a + 0.25 * b, rtol=1e-6)
    shares = np.array([0, 0.1, 0.5, 0.9, 1])
    np.testing.assert_array_equal(lerp(a, b, shares)[3], lerp(a[3:4], b[3:4], np.array([0.9]))[0])


def test_slerp_turns_at_one_speed_and_keeps_the_length() -> None:
    x, y = np.array([[3.0, 0.0, 0.0]]), np.array([[0.0, 3.0, 0.0]])
    for share in np.linspace(0, 1, 7):
        angle = share * np.pi / 2
        np.testing.assert_allclose(slerp(x, y, share), [[3 * np.cos(angle), 3 * np.sin(angle), 0]], atol=1e-12)


def test_halfway_noise_keeps_its_length_on_the_sphere_alone() -> None:
    def length(x: np.ndarray) -> float:
        return float(np.sqrt((x**2).mean()))

    assert length(slerp(a, b, 0.5)) == pytest.approx(1, abs=0.02)
    assert length(lerp(a, b, 0.5)) == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_one_direction_is_gone_straight() -> None:
    np.testing.assert_array_equal(slerp(a, a, 0.3), a)
    np.testing.assert_allclose(slerp(a, 2 * a, 0.5), 1.5 * a, rtol=1e-6)
    np.testing.assert_array_equal(slerp(0 * a, a, 1), a)
    assert np.isfinite(slerp(0 * a, 0 * a, 0.5)).all()


def test_a_sample_does_not_see_the_others() -> None:
    shares = np.array([0, 0.1, 0.5, 0.9, 1])
    whole = slerp(a, b, shares)
    for i in range(5):
        np.testing.assert_array_equal(slerp(a[i : i + 1], b[i : i + 1], shares[i : i + 1])[0], whole[i])


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, np.array([0, 0, 0, 0, 2])])
def test_a_share_lies_between(share: object) -> None:
    with pytest.raises(ValueError, match="wanted a share from 0 to 1"):
        slerp(a, b, share)
