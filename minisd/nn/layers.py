"""The layers with weights: linear, convolutions, norms, embedding. All take an explicit random generator."""

from __future__ import annotations

import numpy as np
from minisd_kernels.arguments import Padding, pair

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.nn.module import Module, Parameter, random_weight, zeros
from minisd.ops.convolution import Size


class Linear(Module):
    """y = x weight + bias; shapes (..., inputs) -> (..., outputs)."""

    def __init__(self, inputs: int, outputs: int, *, rng: np.random.Generator, bias: bool = True) -> None:
        self.weight = random_weight(rng, (inputs, outputs), fan_in=inputs)
        self.bias = zeros(outputs) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class Conv2d(Module):
    """Convolution; shapes (B, H, W, inputs) -> (B, P, Q, outputs), P = floor((H + 2 padding - kh) / stride) + 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Size,
        *,
        rng: np.random.Generator,
        stride: Size = 1,
        padding: Padding = 0,
    ) -> None:
        kh, kw = pair(window, "Conv2d window")
        self.weight = random_weight(rng, (kh, kw, inputs, outputs), fan_in=kh * kw * inputs)
        self.bias = zeros(outputs)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class ConvTranspose2d(Module):
    """Up-convolution; shapes (B, H, W, inputs) -> (B, P, Q, outputs), P = stride (H - 1) + kh - 2 padding."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Size,
        *,
        rng: np.random.Generator,
        stride: Size = 1,
        padding: Padding = 0,
    ) -> None:
        (kh, kw), (sh, sw) = pair(window, "ConvTranspose2d window"), pair(stride, "ConvTranspose2d stride")
        # Each output pixel is met by kh kw / (sh sw) taps of the window.
        self.weight = random_weight(rng, (kh, kw, inputs, outputs), fan_in=max(1, kh * kw * inputs // (sh * sw)))
        self.bias = zeros(outputs)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv_transpose2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class Upsample(Module):
    """Every pixel twice along each axis, then a 3 x 3 convolution; shapes (B, H, W, inputs) -> (B, 2H, 2W, outputs).

    A transposed convolution's windows can meet some pixels more often than others, and a checkered picture comes out;
    here all are met alike (Odena et al. 2016).
    """

    def __init__(self, inputs: int, outputs: int, *, rng: np.random.Generator) -> None:
        self.conv = Conv2d(inputs, outputs, 3, padding=1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(ops.upsample2d(x, scale=2))
        return y


class GroupNorm(Module):
    """Group normalisation with a scale and a shift per channel, and SiLU behind it where the network asks for it."""

    def __init__(self, groups: int, channels: int, eps: float = 1e-5) -> None:
        if channels % groups:
            raise ValueError(f"GroupNorm: {channels} channels do not split into {groups} groups")
        self.gamma, self.beta = Parameter(np.ones(channels, np.float32)), zeros(channels)
        self.groups, self.eps = groups, eps

    def forward(self, x: Tensor, *, silu: bool = False) -> Tensor:
        return ops.group_norm(x, self.gamma, self.beta, groups=self.groups, silu=silu, eps=self.eps)


class LayerNorm(Module):
    """Layer normalisation over the last axis with a scale and a shift per channel."""

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        self.gamma, self.beta = Parameter(np.ones(width, np.float32)), zeros(width)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.gamma, self.beta, eps=self.eps)


class Embedding(Module):
    """A table of vectors; ids (...) -> (..., width)."""

    def __init__(self, vocabulary: int, width: int, *, rng: np.random.Generator) -> None:
        self.table = Parameter((0.02 * rng.standard_normal((vocabulary, width))).astype(np.float32))

    def forward(self, ids: Array) -> Tensor:
        return ops.embedding(self.table, ids)
