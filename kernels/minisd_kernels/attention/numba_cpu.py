"""Attention on the CPU: one query at a time, then blocks of queries against blocks of keys in the register tile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import prange

from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp, maximum
from minisd_kernels.register_tile import COLUMNS, ONE_TAP, multiply_add, pack, packed_size

Array = npt.NDArray[Any]


# The plain version: float64 runs it.


@jit
def _forward_plain(query, key, value, scale, causal, out, logsumexp):
    B, N, heads, d = query.shape
    M = key.shape[1]
    scores = np.empty(M)
    for b in range(B):
        for h in range(heads):
            for n in range(N):
                seen = n + 1 if causal else M
                largest = -np.inf
                for m in range(seen):
                    scores[m] = 0.0
                    for c in range(d):
                        scores[m] += query[b, n, h, c] * key[b, m, h, c]
                    scores[m] *= scale
                    largest = max(largest, scores[m])
                total = 0.0
                for m in range(seen):
                    total += math.exp(scores[m] - largest)
                logsumexp[b, h, n] = largest + math.log(total)
                for m in range(seen):
                    weight = math.exp(scores[m] - logsumexp[b, h, n])
                    for c in range(d):
                        out[b, n, h, c] += weight * value[b, m, h, c]


@jit
def _backward_plain(grad, query, key, value, out, logsumexp, scale, causal, grad_query, grad_key, grad_value):
    B, N, heads, d = query.shape
    M = key.shape[1]
    for b in range(B):
        for h in range(heads):
            for n in range(N):
                row_sum = 0.0
                for c in range(d):
                    row_sum += grad[b, n, h, c] * out[b, n, h, c]
                for m in range(n + 1 if causal else M):
                    score, grad_weight = 0.0, 0.0
                    for c in range(d):
                        score += query[b, n, h, c] * key[b, m, h, c]
                        grad_weight += grad[b, n, h, c] * value[b, m, h, c]
                    weight = math.exp(score * scale - logsumexp[b, h, n])
                    grad_score = weight * (grad_weight - row_sum) * scale
                    for c in range(d):
                        grad_value[b, m, h, c] += weight * grad[b, n, h, c]
                        grad_query[b, n, h, c] += grad_score * key[b, m, h, c]
                        grad_key[b, m, h, c] += grad_score * query[b, n, h, c]


# The fast version, float32 (Dao et al. 2022). A block of queries meets the keys block by block; only one block of
# scores exists at a time, however long the sequences are. The softmax runs along: when a later block holds a larger
# score, what has been summed so far is scaled down by exp(old largest - new largest). One thread has one head of one
# sample, so nothing is summed across threads.

_QUERIES = 56  # a block of queries: a multiple of every tile height
_KEYS = COLUMNS * max(1, 64 // COLUMNS)  # a block of keys: whole panels, so that no tile is cut off at its edge

_ZEROS = np.zeros(_KEYS, np.float32)


@jit
def _whole_panels(columns):
    """Columns with those that packing filled up with zeros; computing them too is cheaper than cutting them off."""
    return (columns + COLUMNS - 1) // COLUMNS * COLUMNS


@jit
def _score_block(query, q_start, row, n_count, keys, m_count, d, scale, causal, first_n, first_m, taps, zeros, scores):
    """scores[n, m] = scale <query, key> for a block; -inf where a causal query must not look."""
    whole = _whole_panels(m_count)
    multiply_add(query, q_start, row, taps, 1, d, n_count, keys, whole, zeros, 0, 0, scores, 0, _KEYS)
    for n in range(n_count):
        line = scores[n * _KEYS : n * _KEYS + m_count]
        for m in range(m_count):
            line[m] *= scale
        if causal:
            for m in range(max(0, first_n + n + 1 - first_m), m_count):
                line[m] = -np.inf


@parallel_jit
def _forward_fast(query, key, value, B, N, M, heads, d, scale, causal, taps, zeros, out, logsumexp, size):
    row = heads * d
    for head in prange(B * heads):
        b, h = head // heads, head % heads
        q_start, k_start = b * N * row + h * d, b * M * row + h * d
        scores = np.empty(_QUERIES * _KEYS, np.float32)
        packed = np.empty(size, np.float32)
        largest, total = np.empty(_QUERIES, np.float32), np.empty(_QUERIES, np.float32)
        for first_n in range(0, N, _QUERIES):
            n_count = min(_QUERIES, N - first_n)
            q_block = q_start + first_n * row
            largest[:], total[:] = -np.inf, np.float32(0)
            for first_m in range(0, first_n + n_count if causal else M, _KEYS):
                m_count = min(_KEYS, M - first_m)
                kv_block = k_start + first_m * row
                pack(key, kv_block, 1, row, d, m_count, packed, 0, d)
                _score_block(
                    *(query, q_block, row, n_count, packed, m_count, d, scale, causal, first_n, first_m),
                    *(taps, zeros, scores),
                )
                for n in range(n_count):
                    line = scores[n * _KEYS : n * _KEYS + m_count]
                    new_largest = largest[n]
                    for m in range(m_count):
                        new_largest = maximum(new_largest, line[m])
                    shrink = exp(largest[n] - new_largest)
                    line_total = np.float32(0)
                    for m in range(m_count):
                        line[m] = exp(line[m] - new_largest)
                        line_total += line[m]
                    total[n] = total[n] * shrink + line_total
                    largest[n] = new_largest
                    sums = out[q_block + n * row : q_block + n * row + d]
                    for c in range(d):
                        sums[c] *= shrink
                pack(value, kv_block, row, 1, m_count, d, packed, 0, m_count)
                multiply_add(
                    scores, 0, _KEYS, taps, 1, m_count, n_count, packed, d, out, q_block, row, out, q_block, row
                )
            for n in range(n_count):
                sums = out[q_block + n * row : q_block + n * row + d]
                for c in range(d):
                    sums[c] /= total[n]
                logsumexp[head * N + first_n + n] = largest[n] + math.log(total[n])


@parallel_jit
def _backward_fast(
    grad,
    query,
    key,
    value,
    out,
    logsumexp,
    B,
    N,
    M,
    heads,
    d,
    scale,
    causal,
    taps,
    zeros,
    grad_query,
    grad_key,
    grad_value,
    size,
):
    row = heads * d
    for head in prange(B * heads):
        b, h = head // heads, head % heads
        q_start, k_start = b * N * row + h * d, b * M * row + h * d
        weights, grad_scores = np.empty(_QUERIES * _KEYS, np.float32), np.empty(_QUERIES * _KEYS, np.float32)
        packed = np.empty(size, np.float32)
        for first_n in range(0, N, _QUERIES):
            n_count = min(_QUERIES, N - first_n)
            q_block = q_start + first_n * row
            for first_m in range(0, first_n + n_count if causal else M, _KEYS):
                m_count = min(_KEYS, M - first_m)
                kv_block = k_start + first_m * row
                pack(key, kv_block, 1, row, d, m_count, packed, 0, d)
                _score_block(
                    *(query, q_block, row, n_count, packed, m_count, d, scale, causal, first_n, first_m),
                    *(taps, zeros, weights),
                )
                pack(value, kv_block, 1, row, d, m_count, packed, 0, d)
                whole = _whole_panels(m_count)
                multiply_add(grad, q_block, row, taps, 1, d, n_count, packed, whole, zeros, 0, 0, grad_scores, 0, _KEYS)
                for n in range(n_count):
                    grad_n = grad[q_block + n * row : q_block + n * row + d]
                    out_n = out[q_block + n * row : q_block + n * row + d]
                    row_sum = np.float32(0)
                    for c in range(d):
                        row_sum += grad_n[c] * out_n[c]
                    denominator = logsumexp[head * N + first_n + n]
                    w = weights[n * _KEYS : n * _KEYS + m_count]
                    g = grad_scores[n * _KEYS : n * _KEYS + m_count]
                    for m in range(m_count):
                        w[m] = exp(w[m] - denominator)
                        g[m] = w[m] * (g[m] - row_sum) * scale
                pack(grad, q_block, row, 1, n_count, d, packed, 0, n_count)
                multiply_add(
                    *(weights, 0, 1, taps, _KEYS, n_count, m_count, packed, d),
                    *(grad_value, kv_block, row, grad_value, kv_block, row),
                )
                pack(key, kv_block, row, 1, m_count, d, packed, 0, m_count)
                multiply_add(
                    *(grad_scores, 0, _KEYS, taps, 1, m_count, n_count, packed, d),
                    *(grad_query, q_block, row, grad_query, q_block, row),
                )
                pack(query, q_block, row, 1, n_count, d, packed, 0, n_count)
                multiply_add(
                    *(grad_scores, 0, 1, taps, _KEYS, n_count, m_count, packed, d),
                    *(grad_key, kv_block, row, grad_key, kv_block, row),
                )


def _packed_room(d: int) -> int:
    """The largest matrix that a block packs: keys^T (d x _KEYS), or keys, values, queries, grad (at most _KEYS x d)."""
    return max(packed_size(d, _KEYS), packed_size(_KEYS, d))


def forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    query, key, value = (contiguous(array) for array in (query, key, value))
    (B, N, heads, d), M = query.shape, key.shape[1]
    out, logsumexp = np.zeros_like(query), np.empty((B, heads, N), query.dtype)
    if query.dtype == np.float64:
        _forward_plain(query, key, value, scale, causal, out, logsumexp)
        return out, logsumexp
    flat = (array.reshape(-1) for array in (query, key, value))
    _forward_fast(
        *flat,
        B,
        N,
        M,
        heads,
        d,
        np.float32(scale),
        causal,
        ONE_TAP,
        _ZEROS,
        out.reshape(-1),
        logsumexp.reshape(-1),
        _packed_room(d),
    )
    return out, logsumexp


def backward(
    grad: Array, query: Array, key: Array, value: Array, out: Array, logsumexp: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    arrays = [contiguous(array) for array in (grad, query, key, value, out, logsumexp)]
    grads = (np.zeros_like(arrays[1]), np.zeros_like(arrays[2]), np.zeros_like(arrays[3]))
    if query.dtype == np.float64:
        _backward_plain(*arrays, scale, causal, *grads)
        return grads
    (B, N, heads, d), M = query.shape, key.shape[1]
    flat, flat_grads = (array.reshape(-1) for array in arrays), (array.reshape(-1) for array in grads)
    _backward_fast(*flat, B, N, M, heads, d, np.float32(scale), causal, ONE_TAP, _ZEROS, *flat_grads, _packed_room(d))
    return grads
