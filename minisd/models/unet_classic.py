"""The U-Net (Ronneberger, Fischer & Brox 2015, figure 1): an image to class logits, one for each pixel and class.

    image  572 x 572 x 1                                       logits  388 x 388 x 2
      |                                                            ^  1 x 1 convolution
      v   572 -> 570 -> 568 x 64    ------- 568, cut to 392 ---->  392 -> 390 -> 388 x 64      cut: 88 rows a side
      | max-pool                                                   ^  up-convolution
      v   284 -> 282 -> 280 x 128   ------- 280, cut to 200 ---->  200 -> 198 -> 196 x 128          40
      |                                                            ^
      v   140 -> 138 -> 136 x 256   ------- 136, cut to 104 ---->  104 -> 102 -> 100 x 256          16
      |                                                            ^
      v    68 ->  66 ->  64 x 512   -------  64, cut to  56 ---->   56 ->  54 ->  52 x 512           4
      |                                                            ^
      +->  32 ->  30 ->  28 x 1024  -------------------------------+

Each arrow inside a level is a 3 x 3 convolution without padding and a ReLU: it takes 2 rows and 2 columns. A 2 x 2
max-pool halves the map, a 2 x 2 up-convolution doubles it and halves its channels. The copy loses its border ("copy
and crop") and its channels are put behind the up-convolved ones; the figure draws them in front, which names the
same networks: only the order of the next convolution's weights differs.

Inputs of n rows fit where every pooling gets an even map: n = 12 (mod 16) and n >= 188. They give n - 184 rows. Other
sizes run too, but a pooling drops the last row of an odd map, and a copy that cannot lose as many rows before as
behind loses one more behind. ``UNetShape`` has the arithmetic.

With `same_padding` no convolution takes rows: an input of 512 x 512 becomes 512 x 512 x 64, 256 x 256 x 128,
128 x 128 x 256, 64 x 64 x 512, 32 x 32 x 1024, and 512 x 512 again. The paper's network has no map of
128 x 128 x 256 or of 32 x 32 x 1024: who quotes these sizes means this variant.

Differs: the paper has dropout at the end of the contracting path, left out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from minisd_kernels.shapes import UNetShape

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn import Conv2d, ConvTranspose2d, Module


@dataclass(frozen=True)
class UNetClassicConfig:
    """Sizes of the U-Net.

    >>> config = UNetClassicConfig()
    >>> config.channels, config.shape.output(572)
    ((64, 128, 256, 512, 1024), 388)

    Attributes:
        base: channels of the top level; each level below has twice as many.
        depth: poolings, one less than levels.
        same_padding: zeros around every 3 x 3 convolution's input, so that it keeps the size.
    """

    base: int = 64
    depth: int = 4
    in_channels: int = 1
    classes: int = 2
    same_padding: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of every level, from the top down."""
        return tuple(self.base * 2**level for level in range(self.depth + 1))

    @property
    def shape(self) -> UNetShape:
        """The arithmetic of its sizes."""
        return UNetShape(self.depth, same=self.same_padding)


class TwoConvolutions(Module):
    """A level's work: a 3 x 3 convolution and a ReLU, twice; shapes (B, H, W, inputs) -> (B, H - 4, W - 4, outputs)."""

    def __init__(self, inputs: int, outputs: int, *, padding: int, rng: np.random.Generator) -> None:
        self.conv_1 = Conv2d(inputs, outputs, 3, padding=padding, rng=rng)
        self.conv_2 = Conv2d(outputs, outputs, 3, padding=padding, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(self.conv_2(ops.relu(self.conv_1(x))))


class ContractingPath(Module):
    """The left side of the figure: the last map of every level, from the top down."""

    def __init__(self, config: UNetClassicConfig, *, rng: np.random.Generator) -> None:
        self.shape = config.shape
        widths, padding = (config.in_channels, *config.channels), int(config.same_padding)
        self.levels = [TwoConvolutions(above, here, padding=padding, rng=rng) for above, here in pairwise(widths)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Shapes: x (B, H, W, in channels) -> (B, H_l, W_l, base 2^l) for l = 0 ... depth.

        Raises:
            ShapeError: H or W is too small; the message names sizes that fit.
        """
        for size in x.shape[1:3]:
            self.shape.levels(size)
        maps = [self.levels[0](x)]
        for level in self.levels[1:]:
            maps.append(level(ops.max_pool2d(maps[-1], window=2)))
        return maps


class UNetClassic(Module):
    """The U-Net of 2015.

    >>> unet = UNetClassic(UNetClassicConfig(base=4, depth=2), rng=np.random.default_rng(0))
    >>> unet(Tensor(np.zeros((1, 68, 44, 1), np.float32))).shape
    (1, 28, 4, 2)
    """

    def __init__(self, config: UNetClassicConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        padding = int(config.same_padding)
        self.contracting = ContractingPath(config, rng=rng)
        upwards = list(pairwise(reversed(config.channels)))  # (1024, 512), (512, 256), ...
        self.up_convolutions = [ConvTranspose2d(below, here, 2, stride=2, rng=rng) for below, here in upwards]
        self.expanding = [TwoConvolutions(2 * here, here, padding=padding, rng=rng) for _, here in upwards]
        self.to_logits = Conv2d(config.base, config.classes, 1, rng=rng)
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x (B, H, W, in channels) -> logits (B, P, Q, classes), P = H - margin for sizes that fit.

        Raises:
            ShapeError: H or W is too small; the message names sizes that fit.
        """
        *copies, x = self.contracting(x)
        for up_convolution, convolutions, copy in zip(
            self.up_convolutions, self.expanding, reversed(copies), strict=True
        ):
            x = convolutions(ops.copy_and_crop(up_convolution(x), copy))
        return self.to_logits(x)


def he_initialise(network: Module) -> None:
    """Weights of standard deviation sqrt(2 / N), N the inputs to one output (He et al. 2015; the paper's section 3).

    Layers draw from N(0, 1/N), which keeps a map's mean square. A ReLU then halves it; twice the variance makes up.
    """
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            parameter.data *= np.float32(np.sqrt(2))
