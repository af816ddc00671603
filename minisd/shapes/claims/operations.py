"""Evidence from running operations: along which axes a window slides, what an embedding is, where clip skip stops."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Tensor
from minisd.models.clip import CLIPConfig, TextEncoder
from minisd.shapes.claims.claim import Evidence
from minisd.shapes.claims.layers import zeros


def sliding_axes(axes: int) -> Evidence:
    """Does the window of a convolution slide along so many axes?"""
    H, W, C = 8, 9, 5

    def shape(height: int, width: int, channels: int) -> tuple[int, ...]:
        return ops.conv2d(zeros(1, height, width, channels), zeros(3, 3, channels, 2)).shape

    longer = {"height": (H + 1, W, C), "width": (H, W + 1, C), "channels": (H, W, C + 1)}
    along = [axis for axis, sides in longer.items() if shape(*sides) != shape(H, W, C)]
    return Evidence(
        len(along) == axes,
        f"of height, width and channels, one more in {' or '.join(along)} makes the operation's output larger: the "
        f"window slides along {len(along)} axes; it spans all channels, so a 3 x 3 filter behind {C} channels is "
        f"3 x 3 x {C} = {zeros(3, 3, C).data.size} weights",
        instead=f"{len(along)} axes, {' and '.join(along)}",
    )


def one_hot(vocabulary: int, width: int) -> Evidence:
    """Is a one-hot code of `vocabulary` numbers, times a matrix, a dense vector, and one of fewer numbers?"""
    rng, small = np.random.default_rng(0), vocabulary // 64
    table = rng.standard_normal((small, max(1, width // 64)), dtype=np.float32)
    ids = rng.permutation(small)
    codes = np.eye(small, dtype=np.float32)[ids]
    product, rows = ops.linear(Tensor(codes), Tensor(table)).data, ops.embedding(Tensor(table), ids).data
    difference = float(abs(product - rows).max())
    return Evidence(
        difference == 0 and width < vocabulary,
        f"one-hot codes times a matrix and the rows of the matrix differ by {difference:g} (all {small} words of a "
        f"vocabulary 64 times smaller than CLIP's): a look-up in a table; CLIP's codes of {vocabulary:,} numbers "
        f"become {width:,}, {vocabulary / width:.3g} times fewer",
        instead="the same look-up in a table",
    )


def stopping_at(clip_skip: int) -> Evidence:
    """Does this `clip_skip` return the tokens of the second-to-last layer?"""
    layers = 12
    config = CLIPConfig(vocabulary=600, end_id=599, layers=layers, width=8, heads=2)
    encoder = TextEncoder(config, rng=np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(0, 600, (1, 12))
    stopped = encoder(ids, clip_skip=clip_skip)[0].data
    run = layers
    while run > 1 and not np.array_equal(encoder(ids)[0].data, stopped):
        encoder.blocks.pop()
        run -= 1
    return Evidence(
        run == layers - 1,
        f"an encoder of {layers} layers, run with clip_skip = {clip_skip}, gives the tokens of one that has its first "
        f"{run} layers only; this counts the last layer as 1, where the diffusers library counts it as 0",
        instead=f"{clip_skip} stops {layers - run} layers before the last",
    )
