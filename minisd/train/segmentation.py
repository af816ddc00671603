"""What a segmentation network learns: which pixels belong to a cell, and which part two cells that touch.

Three networks learn it, and differ in what they carry across from the contracting path to the other side:

    FCN                     nothing
    FCN with added scores   one number a class, added                (Long, Shelhamer & Darrell 2015)
    U-Net                   all features, copied and cropped         (Ronneberger, Fischer & Brox 2015)

All else is the same: the contracting path, the recipe, the number of steps, and, as everything random in a step depends
on the seed and the step alone, the very same tiles in the same order.

Differs: the paper trains on 30 pictures, and bends them elastically to have more of them; here pictures are drawn by
code, as many as are wanted, so turning and mirroring do. It also uses SGD with momentum 0.99, we Adam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minisd_kernels.shapes import UNetShape

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.data.cells import CellSet
from minisd.data.weight_map import weight_map
from minisd.models.fcn import FCN, SkipFCN
from minisd.models.overlap_tile import mirrored, predict
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.overlap import object_ious, pixel_iou
from minisd.pictures import to_unit_range
from minisd.train.drive import drive
from minisd.train.loop import Fit
from minisd.train.plan import Plan
from minisd.train.recipe import Recipe

Segmenter = FCN | SkipFCN | UNetClassic

NETWORKS: dict[str, type[Segmenter]] = {"FCN": FCN, "FCN with added scores": SkipFCN, "U-Net": UNetClassic}
CONFIG = UNetClassicConfig(base=16, depth=3)
TILE = 188  # of 188 x 188 pixels 100 x 100 are predicted


class Tiles:
    """Random tiles of pictures of cells: turned, mirrored, and past the border as in a mirror.

    >>> from minisd.data.cells import draw_cells
    >>> tiles = Tiles(draw_cells(2, seed=0, size=64), UNetShape(depth=1), 32)
    >>> [array.shape for array in tiles.draw(np.array([0, 1, 1]), np.random.default_rng(0))]
    [(3, 32, 32), (3, 16, 16), (3, 16, 16)]

    Attributes:
        shape: of the network that the tiles are for: what it predicts is smaller than what it sees.
        tile: rows and columns that it sees.
    """

    def __init__(self, cells: CellSet, shape: UNetShape, tile: int) -> None:
        self.cells, self.tile, self.margin = cells, tile, shape.margin
        self.weights = np.stack([weight_map(instances) for instances in cells.instances])

    def __len__(self) -> int:
        return len(self.cells.images)

    def draw(self, indices: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """A tile of each of the pictures `indices`: what is seen, and the class and the weight of what is predicted.

        Shapes: indices (B,) -> (B, tile, tile) uint8, (B, tile - margin, tile - margin) int64 and float32.
        """
        seen, classes, weights = [], [], []
        predicted = self.tile - self.margin
        for i in indices:
            H, W = self.cells.images[i].shape
            top, left = rng.integers(0, (H - predicted + 1, W - predicted + 1))
            way = int(rng.integers(8))
            around = np.arange(self.tile) - self.margin // 2
            place = np.ix_(mirrored(top + around, H), mirrored(left + around, W))
            inner = slice(top, top + predicted), slice(left, left + predicted)
            seen.append(turned(self.cells.images[i][place], way))
            classes.append(turned(self.cells.instances[i][inner] > 0, way))
            weights.append(turned(self.weights[i][inner], way))
        return np.stack(seen), np.stack(classes).astype(np.int64), np.stack(weights)


def turned(picture: Array, way: int) -> Array:
    """One of the 8 pictures that a square can be turned and mirrored into; shapes (H, W) -> (H, W) or (W, H).

    >>> turned(np.array([[1, 2], [3, 4]]), 1).tolist(), turned(np.array([[1, 2], [3, 4]]), 4).tolist()
    ([[2, 4], [1, 3]], [[3, 4], [1, 2]])
    """
    return np.rot90(picture[::-1] if way >= 4 else picture, way % 4)


class SegmentationTask:
    """Cross-entropy of each pixel's class, times the pixel's weight (Ronneberger et al. 2015, eq. 1 and 2)."""

    name = "segmentation"  # one name for all networks: the seed and it decide which tiles a step draws
    recipe = Recipe(batch=1, peak_lr=4e-3, warmup=50, ema_decay=0.98)

    def __init__(self, module: Segmenter, tiles: Tiles) -> None:
        self.module, self.tiles = module, tiles

    @property
    def sample_count(self) -> int:
        return len(self.tiles)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        seen, classes, weights = self.tiles.draw(samples, rng)
        return to_unit_range(seen), classes, weights

    def loss(self, x: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        _, H, W = classes.shape
        # Without convolutions on its way up, the network that adds scores predicts more pixels: they do not count.
        logits = ops.crop(self.module(x), H, W)
        return ops.cross_entropy(logits.reshape(-1, 2), classes.data.reshape(-1), weights.data.reshape(-1))

    def preview(self) -> None:
        return None


@dataclass(frozen=True)
class Segmentation:
    """What a trained network makes of pictures.

    Attributes:
        masks: (N, H, W) bool: the pixels that belong to a cell.
        pixel_iou: the IoU of all these pixels with the true ones.
        object_iou: the mean IoU of all true cells with the components that found them (SEG).
    """

    masks: Array
    pixel_iou: float
    object_iou: float


def train_segmenter(module: Segmenter, tiles: Tiles, *, seed: int, steps: int, name: str) -> tuple[list[float], float]:
    """Train `module`, which has the averaged weights afterwards; returns all losses, and the seconds of a step.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM.
        TrainingDiverged: a loss is no longer finite.
    """
    fit = Fit(SegmentationTask(module, tiles), seed=seed)
    durations = drive(fit, Plan({0: steps}), name=name)
    fit.keep_average()
    return fit.losses, float(np.median(durations))


def segment(module: Segmenter, cells: CellSet, tile: int = TILE) -> Segmentation:
    """The cells that `module` finds in pictures, tile by tile, held against the true ones."""
    logits = predict(module, to_unit_range(cells.images), tile=tile)
    masks = logits[..., 1] > logits[..., 0]
    ious = np.concatenate([object_ious(*pair) for pair in zip(cells.instances, masks, strict=True)])
    return Segmentation(masks, pixel_iou(cells.instances > 0, masks), float(ious.mean()))
