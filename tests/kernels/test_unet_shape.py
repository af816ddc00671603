"""The U-Net's sizes: the paper's figure, the closed formulas against walking through the levels, and tiles."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels.shapes import ShapeError, UNetShape
from strategies import few

valid_shapes = st.builds(UNetShape, st.integers(0, 5), st.integers(1, 5), st.integers(1, 3), st.just(False))
padded_shapes = st.builds(UNetShape, st.integers(0, 5), st.sampled_from([1, 3, 5]), st.integers(1, 3), st.just(True))
shapes = valid_shapes | padded_shapes


def test_every_size_of_the_papers_figure() -> None:
    down = [(572, 570, 568), (284, 282, 280), (140, 138, 136), (68, 66, 64), (32, 30, 28)]
    up = [(392, 390, 388), (200, 198, 196), (104, 102, 100), (56, 54, 52), ()]
    crops = [(88, 88), (40, 40), (16, 16), (4, 4), (0, 0)]
    levels = UNetShape().levels(572)
    assert [level.down for level in levels] == down
    assert [level.up for level in levels] == up
    assert [level.crop for level in levels] == crops
    assert not any(level.unread for level in levels)
    assert UNetShape().output(572) == 388


def walked(shape: UNetShape, size: int) -> tuple[int, list[int], bool] | None:
    """Output, total crops from the top down, and whether no pooling dropped a row: level by level, counted."""
    lost = 0 if shape.same else shape.convolutions * (shape.window - 1)
    sizes, exact = [], True
    for _ in range(shape.depth):
        size -= lost
        if size < 2:
            return None
        sizes.append(size)
        exact, size = exact and size % 2 == 0, size // 2
    size -= lost
    crops = []
    for skip in reversed(sizes):
        if size < 1:
            return None
        crops.append(skip - 2 * size)
        size = 2 * size - lost
    return (size, crops[::-1], exact) if size > 0 else None


def test_which_sizes_fit_of_every_small_shape() -> None:
    for depth, window, convolutions in itertools.product((0, 1, 2), (1, 2, 3, 5), (1, 2)):
        check_sizes(UNetShape(depth, window, convolutions))
        if window % 2:
            check_sizes(UNetShape(depth, window, convolutions, same=True))


@given(shapes)
@few
def test_which_sizes_fit(shape: UNetShape) -> None:
    check_sizes(shape)


def check_sizes(shape: UNetShape) -> None:
    lost = 0 if shape.same else shape.convolutions * (shape.window - 1)
    for size in range(1, 3 * shape.step + shape.smallest):
        outcome = walked(shape, size)
        assert shape.fits(size) == (outcome is not None and outcome[2])
        if outcome is None:
            with pytest.raises(ShapeError, match="is too small for a U-Net"):
                shape.levels(size)
            continue
        output, crops, exact = outcome
        levels = shape.levels(size)
        assert shape.output(size) == output
        assert [sum(level.crop) for level in levels[:-1]] == crops
        assert all(level.crop[1] - level.crop[0] in (0, 1) for level in levels)
        assert exact != any(level.unread for level in levels)
        if exact:
            assert size - output == shape.margin
            assert crops[::-1] == [2 * lost * (3 * 2 ** (d - 1) - 2) for d in range(1, shape.depth + 1)]


def test_the_nearest_sizes_that_fit_on_both_sides_of_each() -> None:
    for depth, lost in itertools.product((0, 1, 2), (1, 2, 3)):
        shape = UNetShape(depth, lost, 1)
        for size in range(1, shape.smallest + 2 * shape.step + 2):
            check_nearest(shape, size)


@given(shapes, st.integers(1, 800))
@few
def test_the_nearest_sizes_that_fit(shape: UNetShape, size: int) -> None:
    check_nearest(shape, size)


def check_nearest(shape: UNetShape, size: int) -> None:
    fitting = [n for n in range(1, size + shape.smallest + shape.step) if shape.fits(n)]
    if size in fitting:
        assert shape.nearest(size) == (size,)
    else:
        wanted = ([n for n in fitting if n < size][-1:], [n for n in fitting if n > size][:1])
        assert list(shape.nearest(size)) == wanted[0] + wanted[1]
    assert shape.covering(size) == next(n for n in range(1, 10_000) if shape.fits(n) and n - shape.margin >= size)


def test_too_small_an_input_is_told_what_fits() -> None:
    with pytest.raises(
        ShapeError, match=r"100 is too small for .* sizes that fit: 188, 204, 220, \.\.\. \(steps of 16\)"
    ):
        UNetShape().levels(100)
    with pytest.raises(ShapeError, match="pad 0 before and 1 after"):
        UNetShape(window=2, same=True).levels(32)


def test_tiles_cover_every_row_of_every_small_length() -> None:
    for depth, lost, length, larger in itertools.product((0, 1, 2), (1, 2, 3), range(1, 14), (0, 1, 2)):
        check_tiles(UNetShape(depth, lost, 1), length, larger)


@given(shapes, st.integers(1, 2000), st.integers(0, 20))
@example(UNetShape(), 1000, 0)  # several tiles, whose outputs are no whole steps
@few
def test_tiles_cover_every_row_on_the_poolings_grid(shape: UNetShape, length: int, larger: int) -> None:
    check_tiles(shape, length, larger)


def check_tiles(shape: UNetShape, length: int, larger: int) -> None:
    tile = shape.covering(shape.step) + larger * shape.step
    starts, rows = shape.tile_starts(length, tile), tile - shape.margin
    assert starts[0] == 0 and all(start % shape.step == 0 for start in starts)
    assert all(later - earlier <= rows for earlier, later in itertools.pairwise(starts))
    assert starts[-1] + rows >= length
    assert len(starts) == 1 or starts[-2] + rows < length  # none too many


@pytest.mark.parametrize(("tile", "near"), [(188, "204"), (571, "556, 572"), (100, "204")])
def test_tiles_that_do_not_lie_on_the_grid(tile: int, near: str) -> None:
    with pytest.raises(ShapeError, match=f"tiles of {tile} do not lie .* nearest that do: {near}$"):
        UNetShape().tile_starts(1000, tile)
