"""Attention on the CPU: one query at a time, then blocks of queries against blocks of keys in the register tile."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp
from minisd_kernels.prefetch import prefetch_rows
from minisd_kernels.register_tile import ONE_TAP, Matrix, copy, multiply_add, pack, packed_size
from minisd_kernels.scratch import scratch
from minisd_kernels.vectors import LANES, broadcast, load, load_some, maximum, store, store_some, total

# The plain version: float64 runs it.


@jit
def plain_forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    (B, N, heads, d), M = query.shape, key.shape[1]
    y, logsumexp, scores = np.zeros_like(query), np.empty((B, heads, N), query.dtype), np.empty(M)
    for b, h, n in np.ndindex((B, heads, N)):
        seen, largest = n + 1 if causal else M, -np.inf
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
                y[b, n, h, c] += weight * value[b, m, h, c]
    return y, logsumexp


@jit
def plain_backward(
    grad_y: Array, query: Array, key: Array, value: Array, y: Array, logsumexp: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    (B, N, heads, d), M = query.shape, key.shape[1]
    grad_query, grad_key, grad_value = np.zeros_like(query), np.zeros_like(key), np.zeros_like(value)
    for b, h, n in np.ndindex((B, heads, N)):
        row_sum = 0.0
        for c in range(d):
            row_sum += grad_y[b, n, h, c] * y[b, n, h, c]
        for m in range(n + 1 if causal else M):
            score, grad_weight = 0.0, 0.0
            for c in range(d):
                score += query[b, n, h, c] * key[b, m, h, c]
                grad_weight += grad_y[b, n, h, c] * value[b, m, h, c]
            weight = math.exp(score * scale - logsumexp[b, h, n])
            grad_score = weight * (grad_weight - row_sum) * scale
            for c in range(d):
                grad_value[b, m, h, c] += weight * grad_y[b, n, h, c]
                grad_query[b, n, h, c] += grad_score * key[b, m, h, c]
                grad_key[b, m, h, c] += grad_score * query[b, n, h, c]
    return grad_query, grad_key, grad_value


# The fast version, float32 (Dao et al. 2022). A block of queries meets the keys block by block, in products that go
# through the register tile; only one block of scores exists at a time, however long the sequences are. The softmax
# runs along: when a later block holds a larger score, what has been summed so far is scaled down by
# exp(old largest - new largest).
#
# A block of scores lies transposed, scores[m, n] with the queries side by side. So LANES queries go through the
# softmax together, each in a lane of its own: largest score, exponential and sum are plain vector operations, and
# lanes behind the last query compute with whatever lies there, which nobody reads. The tile does not mind, it
# broadcasts its left factor number by number, along rows as well as along columns.
#
# 128 samples of 4 heads, 49 tokens of width 32, forward and backward on one core with AVX-512: 72 ms plain (float32),
# 11 fast; without asking for the memory of a head at once (prefetch_rows) it would be 13.

_QUERIES = 112  # a block of queries and one of keys: whole tiles and whole vectors; their scores fit the second cache
_KEYS = 112
_PART = 10 * _QUERIES  # queries whose gradients one thread makes; each part has its own sums for the keys and values

_ZEROS = np.zeros(_QUERIES, np.float32)
_FLOATS, _INT = types.float32[::1], types.int64


@jit(types.void(_FLOATS, *[_INT] * 4, _FLOATS))
def _copy_rows(x, start, step, count, width, rows):
    """rows[i, j] = x[start + i step + j] for i < count, j < width: side by side they keep out of each other's way."""
    for i in range(count):
        for j in range(0, width, LANES):
            store_some(rows, i * width + j, load_some(x, start + i * step + j, width - j), width - j)


@jit(types.void(_FLOATS, *[_INT] * 4))
def _clear_rows(x, start, step, count, width):
    for i in range(count):
        for j in range(0, width, LANES):
            store_some(x, start + i * step + j, broadcast(np.float32(0)), width - j)


@jit(types.void(_FLOATS, *[_INT] * 4, _FLOATS))
def _scale_rows(x, start, step, count, width, factors):
    for i in range(count):
        for j in range(0, width, LANES):
            place = start + i * step + j
            store_some(x, place, load_some(x, place, width - j) * factors[i], width - j)


@jit(types.void(_FLOATS, _FLOATS, *[_INT] * 4, _FLOATS))
def _row_products(x, y, start, step, count, width, products):
    """products[i] = <x[i], y[i]>."""
    for i in range(count):
        sums = broadcast(np.float32(0))
        for j in range(0, width, LANES):
            place = start + i * step + j
            sums = sums + load_some(x, place, width - j) * load_some(y, place, width - j)
        products[i] = total(sums)


@jit(types.void(_FLOATS, *[_INT] * 4))
def _hide_later_keys(scores, first_m, m_count, first_n, lanes):
    """-inf where key m comes after query n."""
    for m in range(max(0, first_n + 1 - first_m), m_count):
        hidden = scores[m * lanes : m * lanes + min(lanes, first_m + m - first_n)]
        for n in range(hidden.size):
            hidden[n] = -np.inf


@jit(types.void(_FLOATS, _INT, _INT, types.float32, *[_FLOATS] * 3))
def _softmax(scores, m_count, lanes, scale, largest, totals, shrink):
    """scores -> exp(scale scores - largest so far), added to totals; shrink: the factors for what came before."""
    for n in range(0, lanes, LANES):
        old_largest = load(largest, n)
        new_largest = old_largest
        for m in range(m_count):
            new_largest = maximum(load(scores, m * lanes + n) * scale, new_largest)
        change = exp(old_largest - new_largest)
        sums = load(totals, n) * change
        for m in range(m_count):
            weight = exp(load(scores, m * lanes + n) * scale - new_largest)
            store(scores, m * lanes + n, weight)
            sums = sums + weight
        store(largest, n, new_largest)
        store(totals, n, sums)
        store(shrink, n, change)


@jit(types.void(_FLOATS, _FLOATS, _INT, _INT, types.float32, _FLOATS, _FLOATS))
def _softmax_backward(weights, grad_scores, m_count, lanes, scale, logsumexp, row_sums):
    """In place: scores become weights, and grad_weights scale weights (grad_weights - row sum)."""
    for n in range(0, lanes, LANES):
        denominator, row_sum = load(logsumexp, n), load(row_sums, n)
        for m in range(m_count):
            weight = exp(load(weights, m * lanes + n) * scale - denominator)
            store(weights, m * lanes + n, weight)
            grad_score = weight * (load(grad_scores, m * lanes + n) - row_sum) * scale
            store(grad_scores, m * lanes + n, grad_score)


class Problem(NamedTuple):
    """The sizes and options of one attention."""

    B: int
    N: int
    M: int
    heads: int
    d: int
    scale: np.float32
    causal: bool


@parallel_jit
def _forward(query, key, value, problem, y, logsumexp, memory, zeros):
    B, N, M, heads, d, scale, causal = problem
    row = heads * d
    blocks = (N + _QUERIES - 1) // _QUERIES
    tasks, threads = B * heads * blocks, memory.shape[0]
    for thread in prange(threads):
        scores, keys = memory[thread, 0], memory[thread, 1]
        queries_t, values = memory[thread, 2], memory[thread, 3]
        largest, totals, shrink = memory[thread, 4], memory[thread, 5], memory[thread, 6]
        for item in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            head, first_n = item // blocks, item % blocks * _QUERIES
            b, h = head // heads, head % heads
            n_count = min(_QUERIES, N - first_n)
            lanes = (n_count + LANES - 1) // LANES * LANES
            q, kv_start = (b * N + first_n) * row + h * d, b * M * row + h * d
            for array in (query, y):
                prefetch_rows(array, q, row, n_count, d)
            for array in (key, value):
                prefetch_rows(array, kv_start, row, min(_KEYS, M), d)
            pack(Matrix(query, q, 1, row), (d, n_count), queries_t, 0, d)
            _clear_rows(y, q, row, n_count, d)
            for n in range(_QUERIES):
                largest[n], totals[n] = -np.inf, 0
            for first_m in range(0, first_n + n_count if causal else M, _KEYS):
                m_count, kv = min(_KEYS, M - first_m), kv_start + first_m * row
                _copy_rows(key, kv, row, m_count, d, keys)
                pack(Matrix(value, kv, row, 1), (m_count, d), values, 0, m_count)
                none, products = Matrix(zeros, 0, 0, 1), Matrix(scores, 0, lanes, 1)
                weights = Matrix(scores, 0, 1, lanes)
                multiply_add(Matrix(keys, 0, d, 1), ONE_TAP, queries_t, none, products, (m_count, d, lanes))
                if causal:
                    _hide_later_keys(scores, first_m, m_count, first_n, lanes)
                _softmax(scores, m_count, lanes, scale, largest, totals, shrink)
                if first_m > 0:
                    _scale_rows(y, q, row, n_count, d, shrink)
                end = Matrix(y, q, row, 1)
                multiply_add(weights, ONE_TAP, values, end, end, (n_count, m_count, d))
            for n in range(n_count):
                logsumexp[head * N + first_n + n] = largest[n] + math.log(totals[n])
                shrink[n] = np.float32(1) / totals[n]
            _scale_rows(y, q, row, n_count, d, shrink)


# Backward, the keys are the outer loop: while one block of them meets all queries of a part, its gradients stay in
# the cache. What the queries bring to the products is packed once.


@parallel_jit
def _backward(grad_y, inputs, saved, problem, gradients, memory, packs, rows):
    (query, key, value), (y, logsumexp) = inputs, saved
    (grad_query, grad_key, grad_value), (zeros, memory) = gradients, memory
    B, N, M, heads, d, scale, causal = problem
    row = heads * d
    parts = (N + _PART - 1) // _PART
    tasks, threads = B * heads * parts, memory.shape[0]
    for thread in prange(threads):
        weights, grad_scores = memory[thread, 0], memory[thread, 1]
        keys, values, packed_keys = memory[thread, 2], memory[thread, 3], memory[thread, 4]
        queries_t, grads_t, queries, grads = packs[thread, 0], packs[thread, 1], packs[thread, 2], packs[thread, 3]
        denominators, row_sums = rows[thread, 0], rows[thread, 1]
        for item in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            head, part = item // parts, item % parts
            b, h = head // heads, head % heads
            first = part * _PART
            count = min(_PART, N - first)
            blocks = (count + _QUERIES - 1) // _QUERIES
            q_start, kv_start = (b * N + first) * row + h * d, b * M * row + h * d
            kv_part = part * B * M * row
            for array in (query, grad_y, y, grad_query):
                prefetch_rows(array, q_start, row, min(_QUERIES, count), d)
            for array in (key, value):
                prefetch_rows(array, kv_start, row, min(_KEYS, M), d)
            for array in (grad_key, grad_value):
                prefetch_rows(array, kv_part + kv_start, row, min(_KEYS, M), d)
            for block in range(blocks):
                n_count, q = min(_QUERIES, count - block * _QUERIES), q_start + block * _QUERIES * row
                pack(Matrix(query, q, 1, row), (d, n_count), queries_t[block], 0, d)
                pack(Matrix(grad_y, q, 1, row), (d, n_count), grads_t[block], 0, d)
                pack(Matrix(query, q, row, 1), (n_count, d), queries[block], 0, n_count)
                pack(Matrix(grad_y, q, row, 1), (n_count, d), grads[block], 0, n_count)
                copy(logsumexp, head * N + first + block * _QUERIES, denominators[block], 0, n_count)
                _row_products(grad_y, y, q, row, n_count, d, row_sums[block])
            _clear_rows(grad_query, q_start, row, count, d)
            for first_m in range(0, M, _KEYS):
                m_count, kv = min(_KEYS, M - first_m), kv_start + first_m * row
                kv_grad = kv_part + kv
                _copy_rows(key, kv, row, m_count, d, keys)
                _copy_rows(value, kv, row, m_count, d, values)
                pack(Matrix(key, kv, row, 1), (m_count, d), packed_keys, 0, m_count)
                _clear_rows(grad_key, kv_grad, row, m_count, d)
                _clear_rows(grad_value, kv_grad, row, m_count, d)
                for block in range(blocks):
                    n_count, q = min(_QUERIES, count - block * _QUERIES), q_start + block * _QUERIES * row
                    first_n = first + block * _QUERIES
                    if causal and first_m >= first_n + n_count:
                        continue
                    lanes = (n_count + LANES - 1) // LANES * LANES
                    none = Matrix(zeros, 0, 0, 1)
                    scores, products = Matrix(weights, 0, lanes, 1), Matrix(grad_scores, 0, lanes, 1)
                    products_t = Matrix(grad_scores, 0, 1, lanes)
                    shape = m_count, d, lanes
                    multiply_add(Matrix(keys, 0, d, 1), ONE_TAP, queries_t[block], none, scores, shape)
                    if causal:
                        _hide_later_keys(weights, first_m, m_count, first_n, lanes)
                    multiply_add(Matrix(values, 0, d, 1), ONE_TAP, grads_t[block], none, products, shape)
                    _softmax_backward(weights, grad_scores, m_count, lanes, scale, denominators[block], row_sums[block])
                    end_value, end_key = Matrix(grad_value, kv_grad, row, 1), Matrix(grad_key, kv_grad, row, 1)
                    end_query, shape = Matrix(grad_query, q, row, 1), (m_count, n_count, d)
                    multiply_add(scores, ONE_TAP, grads[block], end_value, end_value, shape)
                    multiply_add(products, ONE_TAP, queries[block], end_key, end_key, shape)
                    multiply_add(products_t, ONE_TAP, packed_keys, end_query, end_query, (n_count, m_count, d))


def _with_positive_scale(query: Array, scale: float) -> tuple[Array, float]:
    """The same scores of a scale above 0: a hidden key's, minus infinity, must stay that when it is multiplied."""
    return (query, scale) if scale > 0 else (query * np.float32(np.sign(scale)), abs(scale) or 1.0)


def _room(d: int) -> int:
    """Numbers in the largest block: scores, or rows or columns of width d, packed."""
    return max(_KEYS * _QUERIES, packed_size(max(_KEYS, _QUERIES), d), packed_size(d, _QUERIES))


def forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    query, key, value = (contiguous(array) for array in (query, key, value))
    (B, N, heads, d), M = query.shape, key.shape[1]
    if query.dtype == np.float64:
        return plain_forward(query, key, value, scale, causal)
    y, logsumexp = np.empty(query.shape, np.float32), np.empty((B, heads, N), np.float32)
    query, scale = _with_positive_scale(query, scale)
    flat, flat_outputs = ((a.reshape(-1) for a in arrays) for arrays in ((query, key, value), (y, logsumexp)))
    memory = scratch("attention", get_num_threads(), 7, _room(d))
    problem = Problem(B, N, M, heads, d, np.float32(scale), causal)
    _forward(*flat, problem, *flat_outputs, memory, _ZEROS)
    return y, logsumexp


def backward(
    grad_y: Array, query: Array, key: Array, value: Array, y: Array, logsumexp: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    arrays = [contiguous(array) for array in (grad_y, query, key, value, y, logsumexp)]
    if query.dtype == np.float64:
        return plain_backward(*arrays, scale, causal)
    (B, N, heads, d), M = query.shape, key.shape[1]
    parts = (N + _PART - 1) // _PART
    grad_query = np.empty(query.shape, np.float32)
    grad_key, grad_value = np.empty((parts, *key.shape), np.float32), np.empty((parts, *key.shape), np.float32)
    grad_y, query, key, value, y, logsumexp = (array.reshape(-1) for array in arrays)
    gradients = grad_query.reshape(-1), grad_key.reshape(-1), grad_value.reshape(-1)
    threads, blocks = get_num_threads(), (min(_PART, N) + _QUERIES - 1) // _QUERIES
    memory = scratch("attention", threads, 5, _room(d))
    packs = scratch("attention packed", threads, 4, blocks, packed_size(_QUERIES, d) + packed_size(d, _QUERIES))
    rows = scratch("attention rows", threads, 2, blocks, _QUERIES)
    sign = np.float32(np.sign(scale))
    query, scale = _with_positive_scale(query, scale)
    problem = Problem(B, N, M, heads, d, np.float32(scale), causal)
    inputs, saved = (query, key, value), (y, logsumexp)
    _backward(grad_y, inputs, saved, problem, gradients, (_ZEROS, memory), packs, rows)
    if sign <= 0:
        grad_query *= sign
    if parts == 1:
        return grad_query, grad_key[0], grad_value[0]
    return grad_query, grad_key.sum(axis=0), grad_value.sum(axis=0)
