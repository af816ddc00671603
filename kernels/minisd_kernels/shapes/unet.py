"""The U-Net's sizes along one axis (Ronneberger, Fischer & Brox 2015, figure 1), and the inputs that fit it.

A level has a few convolutions; between levels a 2 x 2 max-pool halves and a 2 x 2 up-convolution doubles, and the map
that went into the pool is cropped to the one that comes up. Without padding ("valid") the convolutions of a level take
lost = convolutions (window - 1) rows, and from that everything follows for `depth` poolings, with step = 2^depth:

    margin  input - output = lost (3 step - 2)               4 (3 * 16 - 2) = 184 in the paper
    crop    above d poolings: 2 lost (3 * 2^(d - 1) - 2)     8, 32, 80, 176 in the paper, half of it on each side
    fits    n = -lost (mod step) and n > margin              188, 204, ..., 556, 572, 588, ...

With padding lost = 0: nothing is cropped, and multiples of step fit.
"""

from __future__ import annotations

from typing import NamedTuple

from minisd_kernels.shapes.window import (
    ShapeError,
    crop_offset,
    half_padding,
    transposed_output_size,
    window_output_size,
)


class UNetLevel(NamedTuple):
    """The sizes of one level. On the lowest there is no skip: its maps are the last of `down`, and `up` is empty.

    Attributes:
        down: the map that comes in, and the map behind each convolution; the last is copied to the other side.
        unread: rows that the pooling drops, because its input is odd.
        crop: rows that the copy loses (before, after).
        up: the map that the up-convolution makes, and the map behind each convolution.
    """

    down: tuple[int, ...]
    unread: int = 0
    crop: tuple[int, int] = (0, 0)
    up: tuple[int, ...] = ()


class UNetShape(NamedTuple):
    """A U-Net's shape: all that its sizes depend on.

    >>> paper = UNetShape()
    >>> paper.output(572), paper.margin, [sum(level.crop) for level in paper.levels(572)]
    (388, 184, [176, 80, 32, 8, 0])
    >>> paper.fits(572), paper.fits(512), paper.nearest(512)
    (True, False, (508, 524))

    Attributes:
        depth: poolings.
        window: of every convolution.
        convolutions: in a level.
        same: whether the convolutions are padded, so that they keep every size; the window must be odd then.
    """

    depth: int = 4
    window: int = 3
    convolutions: int = 2
    same: bool = False

    @property
    def step(self) -> int:
        """From one size that fits to the next: 2^depth."""
        return 2**self.depth

    @property
    def margin(self) -> int:
        """Input - output, the same for every size that fits; one half is lost on each side."""
        return self._lost * (3 * self.step - 2)

    @property
    def smallest(self) -> int:
        """The smallest size that fits."""
        return self.margin + 1 + (-self._lost - self.margin - 1) % self.step

    @property
    def _lost(self) -> int:
        """Rows that one level's convolutions take."""
        return 0 if self.same else self.convolutions * (self.window - 1)

    def fits(self, size: int) -> bool:
        """Whether every pooling gets an even size and something comes out."""
        return size >= self.smallest and (size - self.smallest) % self.step == 0

    def nearest(self, size: int) -> tuple[int, ...]:
        """The sizes next to `size` that fit, one below (if there is one) and one above; `size` itself if it does."""
        above = max(self.smallest, size + (self.smallest - size) % self.step)
        if above == size or above == self.smallest:
            return (above,)
        return above - self.step, above

    def covering(self, output: int) -> int:
        """The smallest input that fits and gives at least this output."""
        return self.nearest(output + self.margin)[-1]

    def output(self, size: int) -> int:
        """Output size of the whole net. Raises ShapeError as `levels` does."""
        top = self.levels(size)[0]
        return top.up[-1] if top.up else top.down[-1]

    def levels(self, size: int) -> tuple[UNetLevel, ...]:
        """Every size of the net, from the top level down, for any input whose maps do not vanish.

        Sizes that do not fit lose rows where an odd map is pooled.

        Raises:
            ShapeError: the input is too small.
        """
        padding = half_padding(self.window) if self.same else 0

        def convolve(size: int) -> tuple[int, ...]:
            sizes = [size]
            for _ in range(self.convolutions):
                sizes.append(window_output_size(sizes[-1], self.window, padding=padding))
            return tuple(sizes)

        downs, into = [], size
        try:
            for _ in range(self.depth):
                downs.append(convolve(into))
                into = window_output_size(downs[-1][-1], 2, stride=2)
            levels = [UNetLevel(convolve(into))]
            below = levels[0].down[-1]
            for down in reversed(downs):
                doubled = transposed_output_size(below, 2, stride=2)
                before = crop_offset(down[-1], doubled)
                crop = before, down[-1] - doubled - before
                levels.append(UNetLevel(down, down[-1] % 2, crop, convolve(doubled)))
                below = levels[-1].up[-1]
        except ShapeError as error:
            kind = "padded" if self.same else "valid"
            raise ShapeError(
                f"{size} is too small for a U-Net with {self.depth} poolings and {kind} {self.window} x {self.window} "
                f"convolutions, {self.convolutions} a level; sizes that fit: {self.smallest}, "
                f"{self.smallest + self.step}, {self.smallest + 2 * self.step}, ... (steps of {self.step})"
            ) from error
        return tuple(reversed(levels))

    def tile_starts(self, length: int, tile: int) -> list[int]:
        """Where tiles of input size `tile` start so that their outputs cover `length` rows (the overlap-tile strategy).

        Tile k predicts the rows starts[k] to starts[k] + tile - margin. All starts are multiples of 2^depth: then every
        pooling of a tile pairs the same rows as in the whole picture, and both predict the same. The paper's tiles of
        388 rows thus stand 384 apart, not 388.

        Raises:
            ShapeError: the tile does not fit the net, or predicts fewer than 2^depth rows.

        >>> UNetShape().tile_starts(512, 572)
        [0, 384]
        """
        useful = self.covering(self.step)
        if not self.fits(tile) or tile < useful:
            near = [size for size in self.nearest(tile) if size >= useful] or [useful]
            raise ShapeError(
                f"tiles of {tile} do not lie on the poolings' grid of {self.step}; nearest that do: "
                f"{', '.join(map(str, near))}"
            )
        rows = tile - self.margin
        apart = rows - rows % self.step
        return list(range(0, max(1, length - rows + apart), apart))
