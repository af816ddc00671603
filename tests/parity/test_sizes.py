"""The formulas' sizes, counted windows, the sizes that our kernels make, and PyTorch's: all four the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minisd_kernels import conv2d, conv_transpose2d, max_pool2d
from minisd_kernels.shapes import ceil_output_size, transposed_output_size, window_output_size
from strategies import Geometry, each_backend, few, geometries, run

torch = pytest.importorskip("torch")
F = torch.nn.functional


def axes(*pairs: tuple[int, int]) -> Any:
    """Height's numbers, then width's."""
    return zip(*pairs, strict=True)


@each_backend
@given(geometries(max_dilation=3))
@few
def test_convolution(backend: str, g: Geometry) -> None:
    formula = tuple(window_output_size(*a) for a in axes(g.size, g.window, g.stride, g.padding, g.dilation))
    counted = tuple(len(oracles.starts(*a)) for a in axes(g.size, g.window, g.stride, g.padding, g.dilation))
    options = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation}
    ours = run(
        backend,
        conv2d.forward,
        np.zeros((1, *g.size, 1), np.float32),
        np.zeros((*g.window, 1, 1), np.float32),
        **options,
    )
    theirs = F.conv2d(torch.zeros(1, 1, *g.size), torch.zeros(1, 1, *g.window), **options)
    assert formula == counted == ours.shape[1:3] == tuple(theirs.shape[2:])


@each_backend
@given(geometries(), st.tuples(st.integers(0, 2), st.integers(0, 2)))
@few
def test_max_pooling(backend: str, g: Geometry, less: tuple[int, int]) -> None:
    assume(all(p <= f // 2 for p, f in axes(g.padding, g.window)))  # PyTorch allows no more
    formula = tuple(window_output_size(*a) for a in axes(g.size, g.window, g.stride, g.padding))
    options = {"stride": g.stride, "padding": g.padding}
    ours, _ = run(backend, max_pool2d.forward, np.zeros((1, *g.size, 1), np.float32), window=g.window, **options)
    theirs = F.max_pool2d(torch.zeros(1, 1, *g.size), g.window, **options)
    assert formula == ours.shape[1:3] == tuple(theirs.shape[2:])
    smaller = tuple(max(1, size - shrink) for size, shrink in zip(g.size, less, strict=True))  # windows may reach over
    assume(all(i + 2 * p + s > f for i, p, s, f in axes(smaller, g.padding, g.stride, g.window)))
    ceil = tuple(ceil_output_size(*a) for a in axes(smaller, g.window, g.stride, g.padding))
    theirs = F.max_pool2d(torch.zeros(1, 1, *smaller), g.window, ceil_mode=True, **options)
    assert ceil == tuple(theirs.shape[2:])


@each_backend
@given(geometries(max_dilation=3), st.tuples(st.integers(0, 2), st.integers(0, 2)))
@few
def test_transposed_convolution(backend: str, g: Geometry, extra: tuple[int, int]) -> None:
    extra = (extra[0] % max(g.stride[0], g.dilation[0]), extra[1] % max(g.stride[1], g.dilation[1]))
    inputs = g.out
    geometry = axes(inputs, g.window, g.stride, g.padding, g.dilation)
    assume(all(s * (i - 1) + d * (f - 1) >= 2 * p for i, f, s, p, d in geometry))  # something is left of the output
    formula = tuple(transposed_output_size(*a) for a in axes(inputs, g.window, g.stride, g.padding, g.dilation, extra))
    options = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "output_padding": extra}
    x, weight = np.zeros((1, *inputs, 1), np.float32), np.zeros((*g.window, 1, 1), np.float32)
    ours = run(backend, conv_transpose2d.forward, x, weight, **options)
    theirs = F.conv_transpose2d(torch.zeros(1, 1, *inputs), torch.zeros(1, 1, *g.window), **options)
    assert formula == ours.shape[1:3] == tuple(theirs.shape[2:])
