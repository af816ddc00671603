"""Multi-head attention, the transformer block around it, and both over the pixels of a map."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn.layers import GroupNorm, LayerNorm, Linear
from minisd.nn.module import Module


class MultiHeadAttention(Module):
    """Attention of `heads` heads (Vaswani et al. 2017, section 3.2.2).

    Without a `context_width` the tokens attend to each other (self-attention), with one they attend to a context
    (cross-attention). `bias` is that of query, key and value; the output has one always.

    Shapes: x (B, N, width), context (B, M, context_width) -> (B, N, width).

    Raises:
        ValueError: the width does not split into the heads; or a cross-attention is given no context, or a
            self-attention one.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        rng: np.random.Generator,
        context_width: int | None = None,
        causal: bool = False,
        bias: bool = False,
    ) -> None:
        if width % heads:
            raise ValueError(f"MultiHeadAttention: a width of {width} does not split into {heads} heads")
        self.to_query = Linear(width, width, rng=rng, bias=bias)
        self.to_key = Linear(context_width or width, width, rng=rng, bias=bias)
        self.to_value = Linear(context_width or width, width, rng=rng, bias=bias)
        self.to_out = Linear(width, width, rng=rng)
        self.heads, self.causal, self.context_width = heads, causal, context_width

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if (context is None) != (self.context_width is None):
            wanted = "no context" if self.context_width is None else f"a context of width {self.context_width}"
            raise ValueError(f"MultiHeadAttention: wanted {wanted}, got {'none' if context is None else 'one'}")
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

    The perceptron is `expansion` times wider inside; `activation` is one of ``ops.ACTIVATIONS``, of which "geglu" takes
    one half of twice that width to open and shut the other (Shazeer 2020).

    Shapes: x (B, N, width), context (B, M, context_width) -> (B, N, width).

    Raises:
        ValueError: no such activation; or as in MultiHeadAttention.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        rng: np.random.Generator,
        context_width: int | None = None,
        causal: bool = False,
        bias: bool = False,
        activation: str = "gelu_tanh",
        expansion: int = 4,
    ) -> None:
        if activation not in ops.ACTIVATIONS:
            raise ValueError(f"TransformerBlock: no activation {activation!r}; wanted {', '.join(ops.ACTIVATIONS)}")
        self.norm_self = LayerNorm(width)
        self.attend_self = MultiHeadAttention(width, heads, rng=rng, causal=causal, bias=bias)
        self.norm_cross = LayerNorm(width) if context_width else None
        self.attend_cross = (
            MultiHeadAttention(width, heads, rng=rng, context_width=context_width, bias=bias) if context_width else None
        )
        self.norm_perceptron = LayerNorm(width)
        inner = expansion * width
        self.widen = Linear(width, 2 * inner if activation == "geglu" else inner, rng=rng)
        self.narrow = Linear(inner, width, rng=rng)
        self.activation = activation

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self.attend_cross is None and context is not None:
            raise ValueError("TransformerBlock: wanted no context, got one")
        x = x + self.attend_self(self.norm_self(x))
        if self.norm_cross is not None and self.attend_cross is not None:
            x = x + self.attend_cross(self.norm_cross(x), context)
        activate = ops.ACTIVATIONS[self.activation]
        return x + self.narrow(activate(self.widen(self.norm_perceptron(x))))


class SpatialTransformer(Module):
    """A transformer block over the pixels: they attend to each other, then to the prompt's tokens.

        block(x, context)                                       without groups
        x + proj_out(block(proj_in(norm(x)), context))          with: Rombach et al. 2022, appendix E.2.1

    Its group norm's eps is not that of the residual blocks around it, in the weights that are passed around.

    Shapes: x (B, H, W, C), context (B, M, D) -> (B, H, W, C); with channels last, pixels are tokens by a reshape.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        rng: np.random.Generator,
        context_width: int | None = None,
        groups: int | None = None,
        eps: float = 1e-6,
        activation: str = "gelu_tanh",
        expansion: int = 4,
    ) -> None:
        self.norm = GroupNorm(groups, channels, eps) if groups else None
        self.proj_in = Linear(channels, channels, rng=rng) if groups else None
        self.block = TransformerBlock(
            channels, heads, context_width=context_width, activation=activation, expansion=expansion, rng=rng
        )
        self.proj_out = Linear(channels, channels, rng=rng) if groups else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        B, H, W, C = x.shape
        if self.norm is None or self.proj_in is None or self.proj_out is None:
            tokens: Tensor = self.block(x.reshape(B, H * W, C), context)
            return tokens.reshape(B, H, W, C)
        tokens = self.block(self.proj_in(self.norm(x).reshape(B, H * W, C)), context)
        return x + self.proj_out(tokens).reshape(B, H, W, C)


class PixelAttention(Module):
    """x + attention(norm(x)) over the pixels of a map: the VAE's, where no prompt is heard (Esser et al. 2021).

    Shapes: x (B, H, W, C) -> (B, H, W, C).
    """

    def __init__(self, channels: int, heads: int, *, rng: np.random.Generator, groups: int, eps: float = 1e-6) -> None:
        self.norm = GroupNorm(groups, channels, eps)
        self.attend = MultiHeadAttention(channels, heads, bias=True, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        return x + self.attend(self.norm(x).reshape(B, H * W, C)).reshape(B, H, W, C)
