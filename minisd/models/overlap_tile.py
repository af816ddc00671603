"""The overlap-tile strategy: images of any size, one tile at a time (Ronneberger, Fischer & Brox 2015, figure 2).

A network of valid convolutions predicts only the pixels whose whole surroundings it sees: of n rows in come n - margin
out. So that every pixel is predicted, the image goes on past its border as in a mirror that stands on the outermost
pixel: ... 2 1 | 0 1 2 ... An image too large for memory is cut into tiles whose *outputs* lie side by side; their
inputs overlap by the margin:

    image             |0                    511|
    tile 1    |-92 ............. 479|              predicts   0 ... 387
    tile 2              |292 ............. 863|    predicts 384 ... 771, of which 128 rows are wanted

Tiles stand a multiple of 2^depth apart, 384 and not 388: then each pooling pairs the same rows in every tile, and the
tiles together predict what one huge input would.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from minisd_kernels.arguments import require_shape
from minisd_kernels.devices import to_host
from minisd_kernels.switches import winograd

from minisd import ops
from minisd.autograd import Array, Tensor, no_grad
from minisd.models.fcn import FCN, SkipFCN
from minisd.models.unet_classic import UNetClassic


def predict(model: UNetClassic | FCN | SkipFCN, images: Array, *, tile: int = 572) -> Array:
    """Logits of every pixel; the tiles, not the image, go where the model lives.

    float32 on the Numba backend gives the same bits whatever the tile. For that, convolutions run without Winograd's
    method here, whose rounding depends on where a pixel lies; a wide network called directly differs from this in the
    last digits, unless under winograd.off() too. Only one tile is computed at a time: memory does not grow with
    the image.

    Args:
        tile: input rows and columns of a tile; 572 fits networks of up to 5 poolings.

    Shapes: images (B, H, W, in channels) of any H and W -> (B, H, W, classes).

    Raises:
        ValueError: the model pads its convolutions.
        ShapeError: the images are not (B, H, W, C), or the tile does not fit the model: the message names some that do.

    >>> from minisd.models.unet_classic import UNetClassicConfig
    >>> unet = UNetClassic(UNetClassicConfig(base=2, depth=1), rng=np.random.default_rng(0))
    >>> predict(unet, np.ones((1, 30, 3, 1), np.float32), tile=28).shape
    (1, 30, 3, 2)
    """
    shape = model.config.shape
    if shape.same:
        raise ValueError(
            "overlap_tile.predict: a network with same_padding sees zeros at a tile's edge where the image goes on, "
            "so tiles would show; give it the whole image, or train one with same_padding=False"
        )
    require_shape("overlap_tile.predict images", images, "(B, H, W, C)", (None,) * 4)
    B, H, W, _ = images.shape
    logits = np.empty((B, H, W, model.config.classes), images.dtype)
    tops, lefts = shape.tile_starts(H, tile), shape.tile_starts(W, tile)
    with no_grad(), winograd.off():
        for b, top, left in product(range(B), tops, lefts):
            rows = mirrored(np.arange(tile) + top - shape.margin // 2, H)
            columns = mirrored(np.arange(tile) + left - shape.margin // 2, W)
            # The margin is the U-Net's; a network that predicts more of a tile loses what is too much.
            seen = Tensor(images[b, rows[:, None], columns][None]).to(model.device)
            part = to_host(ops.crop(model(seen), *[tile - shape.margin] * 2).data[0])
            logits[b, top : top + len(part), left : left + len(part)] = part[: H - top, : W - left]
    return logits


def mirrored(places: Array, size: int) -> Array:
    """Which of 0 ... size - 1 stands at each place of an axis that is reflected at its ends, the ends not repeated.

    >>> mirrored(np.arange(-3, 7), 3).tolist()
    [1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    """
    period = max(1, 2 * (size - 1))  # there and back
    return np.minimum(places % period, -places % period)
