"""Single operations at the shapes of three networks: the MNIST U-Net, Stable Diffusion's, and the U-Net of 2015."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from math import prod
from typing import Any, NamedTuple

import numpy as np
from minisd_kernels import (
    adam,
    attention,
    backends,
    conv2d,
    conv_transpose2d,
    group_norm,
    layer_norm,
    linear,
    max_pool2d,
)
from minisd_kernels.devices import to_device, to_host

from minisd.autograd import Array
from minisd.bench.case import Arrays, Candidate, Case, Work

# Sums of thousands of products in another order differ in the last of float32's seven digits.
TOLERANCE = 2e-5


def _normal(*shape: int, scale: float = 1.0, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32) * np.float32(scale)


def _ours(device: str, names: str, run: Callable[..., Any], *arrays: Array) -> Candidate:
    """minisd's candidate: `run` of the arrays, which are moved first; `names` are those of what it returns."""
    moved = [to_device(array, device) for array in arrays]

    def outputs() -> Arrays:
        results = run(*moved)
        results = results if isinstance(results, tuple) else (results,)
        return dict(zip(names.split(), map(to_host, results), strict=True))

    return Candidate("minisd", lambda: run(*moved), outputs)


class Convolution(NamedTuple):
    """Sizes of one convolution."""

    network: str
    batch: int
    size: int
    channels: int
    outputs: int
    window: int = 3
    stride: int = 1
    padding: int = 1

    @property
    def shapes(self) -> str:
        B, size, C, O, k, s = self.batch, self.size, self.channels, self.outputs, self.window, self.stride
        return f"{B} x {size} x {size} x {C} -> {O}, {k} x {k}{f', stride {s}' if s > 1 else ''}"

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """x, weight, bias, and the gradient of the output."""
        B, size, C, O, k = self.batch, self.size, self.channels, self.outputs, self.window
        out = conv2d.output_size((size, size), (k, k), stride=self.stride, padding=self.padding)
        weight = _normal(k, k, C, O, scale=(k * k * C) ** -0.5)
        return _normal(B, size, size, C), weight, _normal(O), _normal(B, *out, O, seed=1)

    def forward(self, device: str) -> Work:
        x, weight, bias, grad = self.arrays()
        s, p = self.stride, self.padding
        return Work(
            _ours(device, "y", partial(conv2d.forward, stride=s, padding=p), x, weight, bias),
            lambda torch: torch.conv2d_forward(x, weight, bias, s, p),
            2 * grad.size * prod(weight.shape[:3]),
            {"x": x, "weight": weight, "bias": bias},
        )

    def input_gradient(self, device: str) -> Work:
        x, weight, _, grad = self.arrays()
        s, p = (self.stride,) * 2, ((self.padding,) * 2,) * 2

        def run(grad: Array, weight: Array) -> Array:
            # conv2d.backward always makes the weight's gradient as well, so the kernel is called past it.
            return backends.kernel(conv2d.Backend, grad).input_gradient(grad, weight, None, x.shape[1:3], s, p, (1, 1))

        return Work(
            _ours(device, "grad_x", run, grad, weight),
            lambda torch: torch.conv2d_input_gradient(grad, x, weight, self.stride, self.padding),
            2 * grad.size * prod(weight.shape[:3]),
            {"grad": grad, "weight": weight},
        )

    def weight_gradient(self, device: str) -> Work:
        x, weight, _, grad = self.arrays()
        s, p = self.stride, self.padding

        def run(grad: Array, x: Array, weight: Array) -> tuple[Array, Array]:
            _, grad_weight, grad_bias = conv2d.backward(grad, x, weight, stride=s, padding=p, need_input=False)
            return grad_weight, grad_bias

        return Work(
            _ours(device, "grad_weight grad_bias", run, grad, x, weight),
            lambda torch: torch.conv2d_weight_gradient(grad, x, weight, s, p),
            2 * grad.size * prod(weight.shape[:3]) + grad.size,
            {"grad": grad, "x": x},
        )


CONVOLUTIONS = (
    Convolution("MNIST U-Net", 128, 28, 1, 32),
    Convolution("MNIST U-Net", 128, 28, 32, 32),
    Convolution("MNIST U-Net", 128, 14, 64, 64),
    Convolution("MNIST U-Net", 128, 7, 128, 128),
    Convolution("MNIST U-Net", 128, 28, 32, 32, stride=2),
    Convolution("MNIST U-Net", 128, 14, 128, 64, window=1, padding=0),
    Convolution("Stable Diffusion", 2, 64, 320, 320),
    Convolution("Stable Diffusion", 2, 32, 640, 640),
    Convolution("Stable Diffusion", 2, 16, 1280, 1280),
    Convolution("Stable Diffusion", 2, 8, 1280, 1280),
    Convolution("Stable Diffusion", 1, 512, 128, 128),
    Convolution("U-Net of 2015", 1, 570, 64, 64, padding=0),
    Convolution("U-Net of 2015", 1, 30, 1024, 1024, padding=0),
)


def _convolution_cases(layer: Convolution) -> list[Case]:
    passes = {
        "conv2d forward": layer.forward,
        "conv2d input gradient": layer.input_gradient,
        "conv2d weight gradient": layer.weight_gradient,
    }
    if layer.channels == 1:
        del passes["conv2d input gradient"]  # of a network's input, which nobody asks for
    group = f"convolution, {layer.network}"
    return [Case(name, group, layer.shapes, TOLERANCE, build) for name, build in passes.items()]


def _up_convolution(device: str, *, backward: bool) -> Work:
    x, weight, bias = _normal(1, 28, 28, 1024), _normal(2, 2, 1024, 512, scale=1 / 32), _normal(512)
    grad = _normal(1, 56, 56, 512)
    flops = 2 * x.size * 4 * 512
    if not backward:
        return Work(
            _ours(device, "y", partial(conv_transpose2d.forward, stride=2), x, weight, bias),
            lambda torch: torch.conv_transpose2d_forward(x, weight, bias, 2),
            flops,
            {"x": x, "weight": weight, "bias": bias},
        )
    return Work(
        _ours(device, "grad_x grad_weight grad_bias", partial(conv_transpose2d.backward, stride=2), grad, x, weight),
        lambda torch: torch.conv_transpose2d_backward(grad, x, weight, 2),
        2 * flops + grad.size,
        {"grad": grad, "x": x, "weight": weight},
    )


def _group_norm_silu(shape: tuple[int, ...], groups: int, device: str) -> Work:
    x, gamma, beta, grad = _normal(*shape), 1 + _normal(shape[-1], scale=0.1), _normal(shape[-1]), _normal(*shape)

    def run(x: Array, gamma: Array, beta: Array, grad: Array) -> tuple[Array, ...]:
        y, mean, rstd = group_norm.forward(x, gamma, beta, groups=groups, silu=True)
        return y, *group_norm.backward(grad, x, gamma, beta, mean, rstd, groups=groups, silu=True)

    # An element: mean 1, variance 3, norm and affine 4, SiLU 4; back: SiLU's slope 6, two sums 4, grad_x 6.
    return Work(
        _ours(device, "y grad_x grad_gamma grad_beta", run, x, gamma, beta, grad),
        lambda torch: torch.group_norm_silu(x, gamma, beta, grad, groups),
        28 * x.size,
        {"x": x, "gamma": gamma, "beta": beta, "grad": grad},
    )


def _max_pool(shape: tuple[int, ...], device: str) -> Work:
    B, H, W, C = shape
    x, grad = _normal(*shape), _normal(B, H // 2, W // 2, C, seed=1)

    def run(x: Array, grad: Array) -> tuple[Array, Array]:
        y, argmax = max_pool2d.forward(x, window=2)
        return y, max_pool2d.backward(grad, argmax, x_shape=shape, window=2)

    # Three comparisons and one addition an output.
    return Work(
        _ours(device, "y grad_x", run, x, grad),
        lambda torch: torch.max_pool2d(x, grad, 2),
        4 * grad.size,
        {"x": x, "grad": grad},
    )


def _layer_norm(rows: int, width: int, device: str) -> Work:
    x, gamma, beta = _normal(rows, width), 1 + _normal(width, scale=0.1), _normal(width)
    grad = _normal(rows, width, seed=1)

    def run(x: Array, gamma: Array, beta: Array, grad: Array) -> tuple[Array, ...]:
        y, mean, rstd = layer_norm.forward(x, gamma, beta)
        return y, *layer_norm.backward(grad, x, gamma, mean, rstd)

    # An element: mean 1, variance 3, norm and affine 4; back: two sums 4, grad_x 6.
    return Work(
        _ours(device, "y grad_x grad_gamma grad_beta", run, x, gamma, beta, grad),
        lambda torch: torch.layer_norm(x, gamma, beta, grad),
        18 * x.size,
        {"x": x, "gamma": gamma, "beta": beta, "grad": grad},
    )


def _linear(rows: int, inputs: int, outputs: int, device: str) -> Work:
    x, weight, bias = _normal(rows, inputs), _normal(inputs, outputs, scale=inputs**-0.5), _normal(outputs)
    grad = _normal(rows, outputs, seed=1)

    def run(x: Array, weight: Array, bias: Array, grad: Array) -> tuple[Array, ...]:
        return linear.forward(x, weight, bias), *linear.backward(grad, x, weight)

    return Work(
        _ours(device, "y grad_x grad_weight grad_bias", run, x, weight, bias, grad),
        lambda torch: torch.linear(x, weight, bias, grad),
        6 * rows * inputs * outputs,
        {"x": x, "weight": weight, "bias": bias, "grad": grad},
    )


def _attention(batch: int, tokens: int, heads: int, width: int, device: str, *, backward: bool) -> Work:
    query, key, value, grad = (_normal(batch, tokens, heads, width, seed=seed) for seed in range(4))

    def run(query: Array, key: Array, value: Array, grad: Array) -> tuple[Array, ...]:
        out, logsumexp = attention.forward(query, key, value)
        return (out, *attention.backward(grad, query, key, value, out, logsumexp)) if backward else (out,)

    # Two products forward and four back; the scores that backward makes again are not counted.
    names = "out grad_query grad_key grad_value" if backward else "out"
    return Work(
        _ours(device, names, run, query, key, value, grad),
        lambda torch: torch.attention(query, key, value, grad if backward else None),
        (12 if backward else 4) * batch * heads * tokens**2 * width,
        {"query": query, "key": key, "value": value} | ({"grad": grad} if backward else {}),
    )


def _adam(size: int, device: str) -> Work:
    param, grad = _normal(size), _normal(size, seed=1)
    m, v = np.zeros_like(param), np.zeros_like(param)
    steps = count(1)

    def run(moved: Array, grad: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
        adam.step(moved, grad, m, v, adam.Update(next(steps), lr=1e-3, weight_decay=1e-2))
        return moved, m, v

    # m 3, v 4, the step 6, the decay 2.
    return Work(
        _ours(device, "param m v", run, param.copy(), grad, m, v),
        lambda torch: torch.adam(param, grad, 1e-3, 1e-2),
        15 * size,
        {"param": param, "grad": grad, "m": m, "v": v},
    )


def _several(name: str, group: str, build: Callable[..., Work], *sizes: tuple[str, tuple[Any, ...]]) -> list[Case]:
    return [Case(name, group, shapes, TOLERANCE, partial(build, *arguments)) for shapes, arguments in sizes]


_CLASSIC, _UP = "convolution, U-Net of 2015", "1 x 28 x 28 x 1024 -> 512, 2 x 2, stride 2"
_SHORT, _LONG = (
    ("128 x 49 tokens, 4 heads of 32", (128, 49, 4, 32)),
    ("1 x 4096 tokens, 16 heads of 40", (1, 4096, 16, 40)),
)

KERNELS = (
    *(case for layer in CONVOLUTIONS for case in _convolution_cases(layer)),
    *_several("up-convolution forward", _CLASSIC, partial(_up_convolution, backward=False), (_UP, ())),
    *_several("up-convolution backward", _CLASSIC, partial(_up_convolution, backward=True), (_UP, ())),
    *_several(
        "group norm + SiLU, both ways", "norms and pooling", _group_norm_silu,
        ("128 x 28 x 28 x 32, 8 groups", ((128, 28, 28, 32), 8)),
        ("128 x 14 x 14 x 64, 8 groups", ((128, 14, 14, 64), 8)),
        ("128 x 7 x 7 x 128, 8 groups", ((128, 7, 7, 128), 8)),
        ("2 x 64 x 64 x 320, 32 groups", ((2, 64, 64, 320), 32)),
    ),
    *_several(
        "layer norm, both ways", "norms and pooling", _layer_norm,
        ("6272 x 64", (6272, 64)), ("8192 x 320", (8192, 320)),
    ),
    *_several(
        "max-pool 2 x 2, both ways", "norms and pooling", _max_pool,
        ("128 x 28 x 28 x 32", ((128, 28, 28, 32),)), ("1 x 568 x 568 x 64", ((1, 568, 568, 64),)),
    ),
    *_several("attention forward", "attention", partial(_attention, backward=False), _SHORT, _LONG),
    *_several("attention, both ways", "attention", partial(_attention, backward=True), _SHORT, _LONG),
    *_several(
        "linear, both ways", "linear", _linear,
        ("3136 x 64 -> 128", (3136, 64, 128)), ("8192 x 320 -> 1280", (8192, 320, 1280)),
    ),
    *_several("Adam step", "optimiser", _adam, ("1,000,000 parameters", (1_000_000,))),
)  # fmt: skip
