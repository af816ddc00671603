"""Fully convolutional networks without the U-Net's "copy and crop".

``FCN`` is the U-Net with nothing carried across: what the poolings drop is lost. Lay its ``forward`` beside
``UNetClassic.forward``: only the copies are missing, and of the weights only those that would read them.

``SkipFCN`` carries across what Long, Shelhamer & Darrell (2015, section 4.2) did: class scores. A 1 x 1 convolution
turns each level's last map into scores; from the bottom up they are doubled and added to those of the level above:

    level 0   568 x 568 x 64    -- 1 x 1 -->  568 x 568 x 2, cut to 448 --> + --> logits 448 x 448 x 2
    level 1   280 x 280 x 128   -- 1 x 1 -->  280 x 280 x 2, cut to 224 --> + --> doubled to 448
    level 2   136 x 136 x 256   -- 1 x 1 -->  136 x 136 x 2, cut to 112 --> + --> doubled to 224
    level 3    64 x  64 x 512   -- 1 x 1 -->   64 x  64 x 2, cut to  56 --> + --> doubled to 112
    level 4    28 x  28 x 1024  -- 1 x 1 -->   28 x  28 x 2 ----------------------> doubled to 56

So three things tell a U-Net from Long's network: it concatenates instead of adding, it carries all features instead of
one number a class, and it goes on computing with them on the way up.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.models.unet_classic import ContractingPath, TwoConvolutions, UNetClassicConfig, he_initialise
from minisd.nn import Conv2d, ConvTranspose2d, Module


class FCN(Module):
    """The U-Net without copy and crop: the same levels, the same sizes, the same names of weights.

    >>> fcn = FCN(UNetClassicConfig(base=4, depth=2), rng=np.random.default_rng(0))
    >>> fcn(Tensor(np.zeros((1, 68, 44, 1), np.float32))).shape
    (1, 28, 4, 2)
    """

    def __init__(self, config: UNetClassicConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        padding = int(config.same_padding)
        self.contracting = ContractingPath(config, rng=rng)
        upwards = list(pairwise(reversed(config.channels)))
        self.up_convolutions = [ConvTranspose2d(below, here, 2, stride=2, rng=rng) for below, here in upwards]
        self.expanding = [TwoConvolutions(here, here, padding=padding, rng=rng) for _, here in upwards]
        self.to_logits = Conv2d(config.base, config.classes, 1, rng=rng)
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes and errors: as UNetClassic's."""
        *_, x = self.contracting(x)
        for up_convolution, convolutions in zip(self.up_convolutions, self.expanding, strict=True):
            x = convolutions(up_convolution(x))
        return self.to_logits(x)


class SkipFCN(Module):
    """Class scores of every level, doubled and added from the bottom up (Long, Shelhamer & Darrell 2015, figure 3).

    Differs: FCN-8s scores three levels of a VGG-16 trained before (strides 8, 16, 32), upsamples their sum by 8 at
    once, pads the input by 100 and crops in the end, and is trained in stages, each new scoring layer from zero. Here
    every level of the U-Net's contracting path is scored, the last doubling is learned like the others, the
    up-convolutions have a bias, and everything is trained from the start.

    >>> fcn = SkipFCN(UNetClassicConfig(base=4, depth=2), rng=np.random.default_rng(0))
    >>> fcn(Tensor(np.zeros((1, 68, 44, 1), np.float32))).shape
    (1, 40, 16, 2)
    """

    def __init__(self, config: UNetClassicConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        self.contracting = ContractingPath(config, rng=rng)
        self.to_scores = [Conv2d(channels, config.classes, 1, rng=rng) for channels in config.channels]
        he_initialise(self)
        self.doublings = [
            ConvTranspose2d(config.classes, config.classes, 4, stride=2, padding=1, rng=rng)
            for _ in range(config.depth)
        ]
        for doubling in self.doublings:
            doubling.weight.data[:] = bilinear_weight(config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x (B, H, W, in channels) -> logits (B, P, Q, classes).

        Without padding H - P = 4 (2^(depth + 1) - 1), 124 at depth 4: no convolution takes rows on the way up.

        Raises:
            ShapeError: H or W is too small for the U-Net of this depth.
        """
        *scores, total = (to_scores(m) for to_scores, m in zip(self.to_scores, self.contracting(x), strict=True))
        for doubling, score in zip(self.doublings, reversed(scores), strict=True):
            total = doubling(total)
            _, H, W, _ = total.shape
            total = total + ops.crop(score, H, W)
        return total


def bilinear_weight(channels: int) -> Array:
    """The weight with which a 4 x 4 up-convolution of stride 2 interpolates along both axes, every channel alone.

    A row of the doubled map is then 3/4 of the row that it lies in and 1/4 of the nearer neighbour.

    Shapes: (4, 4, channels, channels).

    >>> bilinear_weight(1)[0, :, 0, 0].tolist(), float(bilinear_weight(3).sum())
    ([0.0625, 0.1875, 0.1875, 0.0625], 12.0)
    """
    along = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    window = along[:, None] * along
    return window[:, :, None, None] * np.eye(channels, dtype=np.float32)
