"""Multi-head attention, and the transformer block around it."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn.layers import LayerNorm, Linear
from minisd.nn.module import Module


class MultiHeadAttention(Module):
    """Attention of `heads` heads (Vaswani et al. 2017, section 3.2.2): self-attention, or cross-attention to a context.

    Shapes: x (B, N, width), context (B, M, context_width) -> (B, N, width).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        rng: np.random.Generator,
        context_width: int | None = None,
        causal: bool = False,
    ) -> None:
        if width % heads:
            raise ValueError(f"MultiHeadAttention: a width of {width} does not split into {heads} heads")
        self.to_query = Linear(width, width, rng=rng, bias=False)
        self.to_key = Linear(context_width or width, width, rng=rng, bias=False)
        self.to_value = Linear(context_width or width, width, rng=rng, bias=False)
        self.to_out = Linear(width, width, rng=rng)
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        B, N, D = x.shape
        context = x if context is None else context
        h, M = self.heads, context.shape[1]
        query = self.to_query(x).reshape(B, N, h, D // h)
        key = self.to_key(context).reshape(B, M, h, D // h)
        value = self.to_value(context).reshape(B, M, h, D // h)
        out = ops.attention(query, key, value, causal=self.causal)
        return self.to_out(out.reshape(B, N, D))


class TransformerBlock(Module):
    """Self-attention, cross-attention if there is a context, and a two-layer perceptron, each x + f(norm(x)).

    Shapes: x (B, N, width), context (B, M, context_width) -> (B, N, width).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        rng: np.random.Generator,
        context_width: int | None = None,
        causal: bool = False,
        expansion: int = 4,
    ) -> None:
        self.norm_self = LayerNorm(width)
        self.attend_self = MultiHeadAttention(width, heads, rng=rng, causal=causal)
        self.norm_cross = LayerNorm(width) if context_width else None
        self.attend_cross = (
            MultiHeadAttention(width, heads, rng=rng, context_width=context_width) if context_width else None
        )
        self.norm_perceptron = LayerNorm(width)
        self.widen = Linear(width, expansion * width, rng=rng)
        self.narrow = Linear(expansion * width, width, rng=rng)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = x + self.attend_self(self.norm_self(x))
        if self.norm_cross is not None and self.attend_cross is not None:
            x = x + self.attend_cross(self.norm_cross(x), context)
        return x + self.narrow(ops.gelu(self.widen(self.norm_perceptron(x))))
