"""Layers: operations with parameters of their own."""

from minisd.nn.attention import MultiHeadAttention, PixelAttention, SpatialTransformer, TransformerBlock
from minisd.nn.layers import Conv2d, ConvTranspose2d, Embedding, GroupNorm, LayerNorm, Linear, Upsample
from minisd.nn.module import Module, Parameter
from minisd.nn.residual import ResidualBlock

__all__ = [
    "Conv2d",
    "ConvTranspose2d",
    "Embedding",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Module",
    "MultiHeadAttention",
    "Parameter",
    "PixelAttention",
    "ResidualBlock",
    "SpatialTransformer",
    "TransformerBlock",
    "Upsample",
]
