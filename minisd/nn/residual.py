"""The residual block that the VAE and the U-Net are built of (He et al. 2016; Ho et al. 2020, appendix B)."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn.layers import Conv2d, GroupNorm, Linear
from minisd.nn.module import Module, zeros


class ResidualBlock(Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + condition))), 3 x 3 convolutions that keep the size.

    A `condition` (the time embedding) is added to every pixel between the two convolutions. Where the channels
    change, x passes through a 1 x 1 convolution. The last convolution starts at zero: the block starts as x itself.

    Shapes: x (B, H, W, inputs), condition (B, condition_width) -> (B, H, W, outputs).

    Raises:
        ValueError: a block that wants a condition is given none, or one is given to a block that wants none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rng: np.random.Generator,
        groups: int = 8,
        eps: float = 1e-5,
        condition_width: int | None = None,
    ) -> None:
        self.norm_1 = GroupNorm(groups, inputs, eps)
        self.conv_1 = Conv2d(inputs, outputs, 3, padding=1, rng=rng)
        self.to_shift = Linear(condition_width, outputs, rng=rng) if condition_width else None
        self.norm_2 = GroupNorm(groups, outputs, eps)
        self.conv_2 = Conv2d(outputs, outputs, 3, padding=1, rng=rng)
        self.conv_2.weight = zeros(3, 3, outputs, outputs)
        self.shortcut = Conv2d(inputs, outputs, 1, rng=rng) if inputs != outputs else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        if (self.to_shift is None) != (condition is None):
            wanted, got = ("no condition", "one") if self.to_shift is None else ("a condition", "none")
            raise ValueError(f"ResidualBlock: wanted {wanted}, got {got}")
        h = self.conv_1(self.norm_1(x, silu=True))
        if self.to_shift is not None and condition is not None:
            B, C = h.shape[0], h.shape[3]
            h = h + self.to_shift(ops.silu(condition)).reshape(B, 1, 1, C)
        h = self.conv_2(self.norm_2(h, silu=True))
        return (x if self.shortcut is None else self.shortcut(x)) + h
