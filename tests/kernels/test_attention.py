"""Attention against loops; long sequences, huge scores, and a future that must not be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels import attention
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, arrays, each_backend, few, on_one_thread, run

SMALL = Arrays(0, np.float32)

# The fast kernel works on blocks of 112 queries and 112 keys, and makes the gradients of 1120 queries at a time; a
# vector is 4, 8 or 16 numbers, a panel 12, 16 or 32.
lengths = st.sampled_from([1, 2, 7, 16, 17, 49, 111, 112, 113])
widths = st.sampled_from([1, 3, 8, 16, 17, 33])


def check(backend: str, make: Arrays, sizes: tuple[int, int, int, int, int], causal: bool, scale: float | None) -> None:
    B, N, M, heads, d = sizes
    query, key, value = make(B, N, heads, d), make(B, M, heads, d), make(B, M, heads, d)
    factor = d**-0.5 if scale is None else scale
    out, logsumexp = run(backend, attention.forward, query, key, value, scale=scale, causal=causal)
    assert out.dtype == logsumexp.dtype == query.dtype and out.shape == query.shape
    for got, want in zip((out, logsumexp), oracles.attention(query, key, value, factor, causal), strict=True):
        np.testing.assert_allclose(got, want, **make.tolerance)

    grad = make(*out.shape)
    saved = grad, query, key, value, out, logsumexp
    gradients = run(backend, attention.backward, *saved, scale=scale, causal=causal)
    wanted = oracles.attention_gradients(grad, query, key, value, factor, causal)
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == query.dtype
        np.testing.assert_allclose(got, want, **make.tolerance)


@each_backend
@given(arrays, st.integers(1, 2), lengths, lengths, st.integers(1, 3), widths, st.sampled_from([None, 0.3]))
@example(SMALL, 2, 130, 230, 2, 17, None)
@example(SMALL, 1, 49, 49, 3, 40, None)
@few
def test_self_and_cross_attention_are_the_loops(
    backend: str, make: Arrays, B: int, N: int, M: int, heads: int, d: int, scale: float | None
) -> None:
    check(backend, make, (B, N, M, heads, d), causal=False, scale=scale)


@each_backend
@given(arrays, st.integers(1, 2), lengths, st.integers(1, 3), widths)
@example(SMALL, 1, 230, 2, 17)
@few
def test_causal_attention_is_the_loops(backend: str, make: Arrays, B: int, N: int, heads: int, d: int) -> None:
    check(backend, make, (B, N, N, heads, d), causal=True, scale=None)


@pytest.mark.parametrize("causal", [False, True])
def test_long_sequences_in_blocks_are_the_whole_matrix(causal: bool) -> None:
    query, key, value, grad = (SMALL(1, 1130, 2, 5) for _ in range(4))
    results = []
    for backend in ("numpy", "numba"):
        out, logsumexp = run(backend, attention.forward, query, key, value, causal=causal)
        gradients = run(backend, attention.backward, grad, query, key, value, out, logsumexp, causal=causal)
        results.append((out, logsumexp, *gradients))
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, **SMALL.tolerance)


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_causal_query_sees_no_later_token(backend: str, dtype: type[np.floating[Any]]) -> None:
    make = Arrays(1, dtype)
    query, key, value = make(1, 130, 2, 5), make(1, 130, 2, 5), make(1, 130, 2, 5)
    before, logsumexp = run(backend, attention.forward, query, key, value, causal=True)
    np.testing.assert_allclose(before[:, 0], value[:, 0], rtol=1e-6)  # the first token sees itself alone
    now = 59
    later_key, later_value = key.copy(), value.copy()
    later_key[:, now + 1 :] *= 9
    later_value[:, now + 1 :] += 100
    after, _ = run(backend, attention.forward, query, later_key, later_value, causal=True)
    assert (after[:, now + 1 :] != before[:, now + 1 :]).any()
    np.testing.assert_array_equal(after[:, : now + 1], before[:, : now + 1])

    # And no gradient comes back to a token from one before it.
    grad = np.zeros_like(before)
    grad[:, now] = 1
    _, grad_key, grad_value = run(backend, attention.backward, grad, query, key, value, before, logsumexp, causal=True)
    assert grad_value[:, : now + 1].any() and not grad_key[:, now + 1 :].any() and not grad_value[:, now + 1 :].any()


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("causal", [False, True])
def test_huge_scores_do_not_overflow(backend: str, dtype: type[np.floating[Any]], causal: bool) -> None:
    make = Arrays(2, dtype)
    query, key, value = make(1, 66, 1, 8) * dtype(1e4), make(1, 66, 1, 8) * dtype(1e4), make(1, 66, 1, 8)
    out, logsumexp = run(backend, attention.forward, query, key, value, causal=causal)
    wanted, _ = oracles.attention(query, key, value, 8**-0.5, causal)
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-4)  # each query has picked one key
    gradients = run(backend, attention.backward, value, query, key, value, out, logsumexp, causal=causal)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@each_backend
def test_equal_keys_give_the_mean_of_the_values(backend: str) -> None:
    query, key, value = SMALL(2, 3, 1, 4), np.ones((2, 130, 1, 4), np.float32), SMALL(2, 130, 1, 4)
    out, logsumexp = run(backend, attention.forward, query, key, value)
    np.testing.assert_allclose(out, np.repeat(value.mean(axis=1, keepdims=True), 3, axis=1), atol=1e-6)
    np.testing.assert_allclose(logsumexp, query.sum(axis=-1).swapaxes(1, 2) / 2 + np.log(130), rtol=1e-5)


@each_backend
def test_nan_is_not_hidden(backend: str) -> None:
    query, key, value = SMALL(1, 3, 1, 4), SMALL(1, 130, 1, 4), SMALL(1, 130, 1, 4)
    query[0, 1, 0, 0] = np.nan
    out, _ = run(backend, attention.forward, query, key, value)
    assert np.isnan(out[0, 1]).all() and np.isfinite(out[0, 0]).all() and np.isfinite(out[0, 2]).all()
    query[0, 1, 0, 0], key[0, 120, 0, 1] = 0, np.nan
    out, _ = run(backend, attention.forward, query, key, value)
    assert np.isnan(out).all()


def everything(query: Array, key: Array, value: Array) -> list[Array]:
    out, logsumexp = attention.forward(query, key, value)
    return [out, logsumexp, *attention.backward(out, query, key, value, out, logsumexp)]


@pytest.mark.parametrize("N", [60, 1130])
def test_a_sample_does_not_depend_on_its_batch(N: int) -> None:
    query, key, value = SMALL(5, N, 2, 17), SMALL(5, 120, 2, 17), SMALL(5, 120, 2, 17)
    together = everything(query, key, value)
    for b in (0, 3):
        alone = slice(b, b + 1)
        for got, want in zip(everything(query[alone], key[alone], value[alone]), together, strict=True):
            np.testing.assert_array_equal(got, want[alone])


@pytest.mark.parametrize("N", [60, 1130])
def test_one_thread_gives_the_same_bits(N: int) -> None:
    query, key, value = SMALL(3, N, 2, 17), SMALL(3, 120, 2, 17), SMALL(3, 120, 2, 17)
    alone = on_one_thread(lambda: everything(query, key, value))
    for got, want in zip(alone, everything(query, key, value), strict=True):
        np.testing.assert_array_equal(got, want)


DIRTY = """
import numpy as np
from minisd_kernels import attention

for N, M, d, causal in [(1, 1, 1, False), (17, 130, 5, False), (49, 49, 33, False), (130, 130, 5, True)]:
    query, grad, key, value = (np.ones((2, length, 1, d), np.float32) for length in (N, N, M, M))
    out, logsumexp = attention.forward(query, key, value, causal=causal)
    gradients = attention.backward(grad, query, key, value, out, logsumexp, causal=causal)
    np.testing.assert_allclose(out, 1, atol=1e-5)
    np.testing.assert_allclose(gradients[2].sum(axis=1), N, rtol=1e-5)
    assert all(abs(gradient).max() < 1e-4 for gradient in gradients[:2])  # equal values: no key is better
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MALLOC_PERTURB_ is of the GNU C library")
@pytest.mark.parametrize("fill", ["1", "128"])
def test_what_fresh_memory_held_does_not_matter(fill: str) -> None:
    # The allocator fills what it hands out with these bytes inverted: -1.7e38 and 3.4e38.
    dirty = {**os.environ, "MALLOC_PERTURB_": fill}
    subprocess.run([sys.executable, "-c", DIRTY], env=dirty, check=True)


LONG = """
import resource
import numpy as np
from minisd_kernels import attention

def run(N):
    query, key, value = np.random.default_rng(0).standard_normal((3, 1, N, 1, 4)).astype(np.float32)
    out, logsumexp = attention.forward(query, key, value)
    attention.backward(out, query, key, value, out, logsumexp)

run(10)  # compiled, or read from the cache
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(6000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_the_scores_of_a_long_sequence_are_never_stored() -> None:
    # In a process of its own: the peak of this one is that of the hungriest test.
    result = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    scores = 6000 * 6000 * 4 // 1024
    assert int(result.stdout) < scores // 10, f"{result.stdout} KiB more; the scores alone take {scores} KiB"


def test_wrong_arguments_are_explained() -> None:
    query, key = SMALL(1, 3, 2, 4), SMALL(1, 5, 2, 4)
    with pytest.raises(
        ShapeError, match=r"attention key: wanted shape \(B, M, h, d\) = \(1, any, 2, 4\), got \(1, 5, 2, 3\)"
    ):
        attention.forward(query, key[..., 1:], key)
    with pytest.raises(ShapeError, match="attention value: wanted"):
        attention.forward(query, key, key[:, 1:])
    with pytest.raises(ShapeError, match="attention: causal, wanted as many keys as queries, got 5 keys for 3 queries"):
        attention.forward(query, key, key, causal=True)
    with pytest.raises(ShapeError, match="at least one key"):
        attention.forward(query, key[:, :0], key[:, :0])
    with pytest.raises(TypeError, match="wanted all float32 or all float64"):
        attention.forward(query, key, key.astype(np.float64))
    out, logsumexp = attention.forward(query, key, key)
    with pytest.raises(ShapeError, match="attention grad_y: wanted"):
        attention.backward(out[:, 1:], query, key, key, out, logsumexp)
    with pytest.raises(ShapeError, match="attention logsumexp: wanted"):
        attention.backward(out, query, key, key, out, logsumexp[..., 1:])
    with pytest.raises(TypeError, match="wanted all float32"):
        attention.backward(out.astype(np.float64), query, key, key, out, logsumexp)
