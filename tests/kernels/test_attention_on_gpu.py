"""Attention's ladder on a GPU, step by step: every step is the loops, exactly or as TF32 rounds; rows that see nothing,
infinities and NaN; no thread reads what another still writes, and no score is ever stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels import attention
from minisd_kernels.attention import cupy_gpu
from minisd_kernels.attention.cupy_gpu import (
    BACKWARD_REGISTERS,
    BACKWARD_TENSOR,
    REGISTERS,
    STEPS,
    TENSOR,
    backward_by,
    backward_steps,
    forward_by,
    forward_steps,
)
from minisd_kernels.devices import to_device, to_host
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.switches import tensor_cores
from strategies import Array, Arrays, few, on_cuda, on_emu

each_device = pytest.mark.parametrize("device", [on_emu, on_cuda])
MAKE = Arrays(0, np.float32)

# Below, at and above the queries and keys of a tile, 16 to 128; widths that are compiled for, and between them.
lengths = st.sampled_from([1, 15, 16, 17, 31, 33, 64, 65, 129])
widths = st.sampled_from([4, 32, 36, 40, 60, 64, 80, 100, 160])

# TF32 keeps 11 binary digits: a factor is off by 2^-11 of its size. Several roundings add up on the way to a gradient,
# scores are off, too, and their exponentials with them; but most of it cancels. So much of the terms' sizes is allowed.
TF32 = 2.0**-7


class Case:
    """One attention's arrays, and what the loops make of them."""

    def __init__(self, make: Arrays, B: int, N: int, M: int, heads: int, d: int, causal: bool = False) -> None:
        self.query, self.key, self.value = make(B, N, heads, d), make(B, M, heads, d), make(B, M, heads, d)
        self.grad, self.scale, self.causal = make(B, N, heads, d), float(d) ** -0.5, causal
        self.exact = make.tolerance
        arrays = self.query, self.key, self.value
        out, logsumexp = oracles.attention(*arrays, self.scale, causal)
        gradients = oracles.attention_gradients(self.grad, *arrays, self.scale, causal)
        self.wanted, self.sizes = (out, logsumexp, *gradients), self._sizes(logsumexp)

    def _sizes(self, logsumexp: Array) -> tuple[Array, ...]:
        """For each result the sum of the absolute values of its terms."""
        scores = self.scale * np.einsum("bnhd,bmhd->bhnm", self.query, self.key)
        weights = np.exp(scores - logsumexp[..., None]) * (np.tri(scores.shape[2]) if self.causal else 1)
        query, key, value, grad = (abs(array) for array in (self.query, self.key, self.value, self.grad))
        out = np.einsum("bhnm,bmhd->bnhd", weights, value)
        grad_weights = np.einsum("bnhd,bmhd->bhnm", grad, value) + np.einsum("bnhd,bnhd->bhn", grad, out)[..., None]
        grad_scores = self.scale * weights * grad_weights
        return (
            out,
            self.scale * np.einsum("bnhd,bmhd->bhnm", query, key).max(axis=-1),
            np.einsum("bhnm,bmhd->bnhd", grad_scores, key),
            np.einsum("bhnm,bnhd->bmhd", grad_scores, query),
            np.einsum("bhnm,bnhd->bmhd", weights, grad),
        )

    def run(self, device: str, step: str) -> list[Array]:
        """out and logsumexp, and the gradients if the step has them."""
        grad, query, key, value = (to_device(a, device) for a in (self.grad, self.query, self.key, self.value))
        results = forward_by(step, query, key, value, self.scale, self.causal)
        if step in backward_steps(grad, query, key, value):
            results += backward_by(step, grad, query, key, value, tuple(results), self.scale, self.causal)
        return [np.asarray(to_host(result)) for result in results]

    def check(self, device: str, step: str) -> list[Array]:
        """Run it and hold it against the loops."""
        results = self.run(device, step)
        for got, want, size in zip(results, self.wanted, self.sizes, strict=False):
            assert got.dtype == self.query.dtype and got.shape == want.shape
            if step == "tensor":
                assert (abs(got - want) <= TF32 * size + 1e-6).all()
            else:
                np.testing.assert_allclose(got, want, **self.exact)
        return results


# ---- The sums


@each_device
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), lengths, lengths, st.integers(1, 3), widths, st.booleans())
@example(0, 1, 129, 65, 2, 40, False)
@example(0, 1, 129, 129, 1, 40, True)
@example(0, 2, 49, 16, 2, 32, False)
@few
def test_every_step_is_the_loops(
    device: str, seed: int, B: int, N: int, M: int, heads: int, d: int, causal: bool
) -> None:
    case = Case(Arrays(seed, np.float32), B, N, N if causal else M, heads, d, causal)
    for step in STEPS if d <= 128 else ("plain", *STEPS[2:]):
        case.check(device, step)


@each_device
@pytest.mark.parametrize("d", [*REGISTERS, *BACKWARD_TENSOR])
def test_every_width_that_is_compiled_for_is_the_loops(device: str, d: int) -> None:
    for case in (Case(MAKE, 1, 66, 35, 2, d), Case(MAKE, 1, 66, 66, 1, d, causal=True)):
        for step in ("registers", "tensor"):
            assert len(case.check(device, step)) == (5 if d <= max(BACKWARD_TENSOR) else 2)


@each_device
@pytest.mark.parametrize("causal", [False, True])
def test_the_plain_steps_take_float64_and_odd_widths(device: str, causal: bool) -> None:
    for case in (Case(Arrays(0, np.float64), 2, 35, 35, 2, 5, causal), Case(MAKE, 2, 35, 35, 2, 33, causal)):
        for step in ("plain", "tiled"):
            case.check(device, step)


@each_device
@pytest.mark.parametrize("step", STEPS)
def test_a_sample_does_not_depend_on_its_batch(device: str, step: str) -> None:
    case = Case(MAKE, 3, 40, 40, 2, 40)
    together = case.run(device, step)
    case.query, case.key, case.value, case.grad = (a[1:2] for a in (case.query, case.key, case.value, case.grad))
    for got, want in zip(case.run(device, step), together, strict=True):
        np.testing.assert_array_equal(got, want[1:2])


# ---- What is no ordinary number


@each_device
@pytest.mark.parametrize("step", STEPS)
def test_nan_stays_where_it_is_seen(device: str, step: str) -> None:
    case = Case(MAKE, 1, 40, 70, 1, 40)
    case.query[0, 3, 0, 0] = np.nan
    results = case.run(device, step)
    for array in results[:2]:
        at_fault = np.isnan(array.reshape(40, -1))
        assert at_fault[3].all() and not np.delete(at_fault, 3, axis=0).any()
    if len(results) > 2:
        assert np.isnan(results[2][0, 3]).all() and np.isfinite(np.delete(results[2], 3, axis=1)).all()
    case.query[0, 3, 0, 0], case.key[0, 60, 0, 1] = 0, np.nan
    assert all(np.isnan(array).all() for array in case.run(device, step))


@each_device
@pytest.mark.parametrize("step", STEPS)
def test_keys_of_score_minus_infinity_are_not_seen(device: str, step: str) -> None:
    case = Case(MAKE, 1, 40, 70, 1, 40)
    case.query[:] = abs(case.query)
    case.key[:, :50] = -np.inf  # whole tiles, and the first
    seen = slice(50, None)
    wanted = oracles.attention(case.query, case.key[:, seen], case.value[:, seen], case.scale, False)
    for got, want in zip(case.run(device, step)[:2], wanted, strict=True):
        np.testing.assert_allclose(got, want, atol=5e-3 if step == "tensor" else 1e-5)


@each_device
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_huge_scores_do_not_overflow(device: str, step: str, causal: bool) -> None:
    case = Case(MAKE, 1, 66, 66, 1, 8, causal)
    case.query, case.key = case.query * np.float32(1e4), case.key * np.float32(1e4)
    grad, query, key, value = (to_device(a, device) for a in (case.grad, case.query, case.key, case.value))
    results = forward_by(step, query, key, value, case.scale, causal)
    for backward_step in backward_steps(grad, query, key, value):  # rounding differs from forward's
        for gradient in backward_by(backward_step, grad, query, key, value, tuple(results), case.scale, causal):
            assert np.isfinite(to_host(gradient)).all()
    out, logsumexp = map(to_host, results)
    wanted, largest = oracles.attention(case.query, case.key, case.value, case.scale, causal)
    np.testing.assert_allclose(logsumexp, largest, rtol=1e-3, atol=1e5)
    # Each query has picked one key; TF32 may take the second of two that are all but equal.
    picked = np.isclose(out, wanted, rtol=1e-3, atol=1e-3).all(axis=-1)
    assert picked.mean() > 0.9 if step == "tensor" else picked.all()


@each_device
@pytest.mark.parametrize("step", STEPS)
def test_equal_values_come_out_unchanged(device: str, step: str) -> None:
    case = Case(MAKE, 1, 20, 70, 2, 40)
    case.value[:] = 3
    np.testing.assert_allclose(case.run(device, step)[0], 3, rtol=1e-6)


# ---- What the emulator sees


@pytest.mark.emu
@pytest.mark.parametrize("causal", [False, True])
def test_no_step_races_or_leaves_its_memory(causal: bool) -> None:
    cases = [Case(MAKE, 1, 70, 70, 1, d, causal) for d in (36, 80, 160)]
    results = []
    for reverse in (False, True):
        with watching(reversed=reverse):
            results.append([result for case in cases for step in STEPS[2:] for result in case.check("emu", step)])
    case = Case(MAKE, 1, 20, 20, 2, 5, causal)
    with watching():
        results[0] += [*case.check("emu", "plain"), *case.check("emu", "tiled")]
    with watching(reversed=True):
        results[1] += [*case.check("emu", "plain"), *case.check("emu", "tiled")]
    for forwards, backwards in zip(*results, strict=True):
        np.testing.assert_array_equal(forwards, backwards)


@pytest.mark.emu
@pytest.mark.parametrize("step", STEPS[1:])
def test_no_score_goes_to_memory(step: str) -> None:
    case = Case(MAKE, 1, 128, 128, 1, 32)
    query, key, value = (to_device(a, "emu") for a in (case.query, case.key, case.value))
    with watching(races=False, counting=True) as watch:
        out, logsumexp = forward_by(step, query, key, value, case.scale, False)
    written = 32 * sum(line.moved for line in watch.lines if line.writes and not line.shared)
    assert written < 1.3 * (out.nbytes + logsumexp.nbytes) < 128 * 128 * 4 // 2


@pytest.mark.emu
def test_each_step_asks_less_of_memory_than_the_one_before() -> None:
    case = Case(MAKE, 1, 64, 64, 1, 40)
    query, key, value = (to_device(a, "emu") for a in (case.query, case.key, case.value))
    read, rounds = [], []
    for step in STEPS:
        with watching(races=False, counting=True) as watch:
            forward_by(step, query, key, value, case.scale, False)
        read.append(sum(line.moved for line in watch.lines if not line.shared and not line.writes))
        rounds.append(sum(line.moved for line in watch.lines if line.shared))
    assert read == sorted(read, reverse=True) and read[0] > 100 * read[1]
    assert rounds[1] > 5 * rounds[2]


@pytest.mark.emu
def test_lanes_read_the_tiles_without_meeting_in_a_bank() -> None:
    case = Case(MAKE, 1, 64, 64, 1, 40)
    with watching(races=False, counting=True) as watch:
        case.run("emu", "tiled")
        case.run("emu", "registers")
    reads = [line for line in watch.lines if line.shared and not line.writes]
    assert reads and all(line.moved == line.best for line in reads)


# ---- The rule


@pytest.mark.emu
def test_the_rule_takes_the_fastest_step_that_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(d: int, dtype: type[np.floating[Any]] = np.float32) -> tuple[list[str], list[str]]:
        x = to_device(np.zeros((1, 1, 1, d), dtype), "emu")
        return forward_steps(x, x, x), backward_steps(x, x, x, x)

    assert steps(40) == (list(STEPS), ["plain", "registers", "tensor"])
    assert steps(160) == (["plain", "registers", "tensor"], ["plain"])
    assert steps(33) == (["plain", "tiled"], ["plain"])
    assert steps(161) == (["plain"], ["plain"])
    assert steps(40, np.float64) == (["plain", "tiled"], ["plain"])
    assert steps(65, np.float64) == (["plain"], ["plain"])

    launched: list[str] = []
    for name in ("forward_by", "backward_by"):
        by = getattr(cupy_gpu, name)
        monkeypatch.setattr(cupy_gpu, name, lambda step, *rest, by=by: launched.append(step) or by(step, *rest))
    query, key = to_device(MAKE(1, 3, 1, 40), "emu"), to_device(MAKE(1, 5, 1, 40), "emu")

    def both_ways() -> list[str]:
        launched.clear()
        out, logsumexp = attention.forward(query, key, key)
        attention.backward(out, query, key, key, out, logsumexp)
        return launched

    assert both_ways() == ["tensor", "tensor"]
    with tensor_cores.off():
        assert both_ways() == ["registers", "registers"]
    monkeypatch.setattr(cupy_gpu, "capability", lambda device: 75)
    assert both_ways() == ["registers", "registers"]


@each_device
def test_arrays_may_begin_anywhere(device: str) -> None:
    """Four numbers can be read at once only from multiples of 16 bytes, and a view may begin between them."""
    case = Case(MAKE, 1, 20, 20, 1, 40)
    key, value = to_device(case.key, device), to_device(case.value, device)
    memory = to_device(np.concatenate([[np.float32(0)], case.query.reshape(-1)]), device)
    query = memory[1:].reshape(case.query.shape)
    assert forward_steps(query, key, value) == ["plain", "tiled"]
    out, _ = attention.forward(query, key, value)
    np.testing.assert_allclose(to_host(out), case.wanted[0], **case.exact)


@each_device
def test_an_empty_batch_stays_empty(device: str) -> None:
    query, key = to_device(MAKE(0, 3, 2, 8), device), to_device(MAKE(0, 5, 2, 8), device)
    out, logsumexp = attention.forward(query, key, key)
    assert out.shape == (0, 3, 2, 8) and logsumexp.shape == (0, 2, 3)
    shapes = [gradient.shape for gradient in attention.backward(out, query, key, key, out, logsumexp)]
    assert shapes == [query.shape, key.shape, key.shape]


@pytest.mark.emu
def test_what_a_step_cannot_do_is_said() -> None:
    x = to_device(np.zeros((1, 2, 1, 5)), "emu")
    with pytest.raises(
        ValueError, match="no step 'tensor' for float64 and heads of width 5 on emu; choose one of plain, tiled"
    ):
        forward_by("tensor", x, x, x, 1.0, False)
    with pytest.raises(ValueError, match=r"no step 'tiled' .* choose one of plain"):
        backward_by("tiled", x, x, x, x, (x, to_device(np.zeros((1, 1, 2)), "emu")), 1.0, False)


def test_the_tables_fit_what_a_gpu_gives() -> None:
    assert sorted(REGISTERS) == sorted(TENSOR) and max(BACKWARD_REGISTERS) == max(BACKWARD_TENSOR)
    for source in (cupy_gpu._REGISTERS, cupy_gpu._TENSOR, cupy_gpu._BACKWARD_REGISTERS, cupy_gpu._BACKWARD_TENSOR):
        assert source.shared.keys() == source.instances.keys()
        assert max(source.shared.values()) <= 48 * 1024
