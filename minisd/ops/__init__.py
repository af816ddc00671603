"""Differentiable operations: the only place that knows gradients and kernels."""

from minisd.ops.activations import ACTIVATIONS, geglu, gelu, quick_gelu, relu, silu, softmax
from minisd.ops.attention import attention
from minisd.ops.convolution import conv2d, conv_transpose2d
from minisd.ops.embedding import embedding
from minisd.ops.linear import linear
from minisd.ops.losses import cross_entropy, kl_divergence, mean_squared_error
from minisd.ops.normalization import adaptive_layer_norm, group_norm, layer_norm
from minisd.ops.resampling import max_pool2d, upsample2d
from minisd.ops.skips import concatenate, copy_and_crop, crop

__all__ = [
    "ACTIVATIONS",
    "adaptive_layer_norm",
    "attention",
    "concatenate",
    "conv2d",
    "conv_transpose2d",
    "copy_and_crop",
    "crop",
    "cross_entropy",
    "embedding",
    "geglu",
    "gelu",
    "group_norm",
    "kl_divergence",
    "layer_norm",
    "linear",
    "max_pool2d",
    "mean_squared_error",
    "quick_gelu",
    "relu",
    "silu",
    "softmax",
    "upsample2d",
]
