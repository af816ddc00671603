"""Drawn cells, the components they are counted by, and the weight map, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from minisd.data.cells import CellSet, draw_cells
from minisd.data.components import connected_components
from minisd.data.weight_map import two_nearest, weight_map

sides = st.tuples(st.integers(0, 9), st.integers(0, 9))
masks = arrays.arrays(bool, sides)
small_instances = arrays.arrays(
    np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0, 0, 1, 2, 5])
)


@pytest.fixture(scope="module")
def cells() -> CellSet:
    return draw_cells(4, seed=0, size=128)


# ---- Components


def flooded(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Components numbered in reading order: a flood starts at every pixel that none has reached yet."""
    numbers, count = np.zeros(mask.shape, np.int32), 0
    for start in zip(*np.nonzero(mask), strict=True):
        if numbers[start]:
            continue
        count += 1
        flood = [start]
        while flood:
            y, x = flood.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not numbers[y, x]:
                numbers[y, x] = count
                flood += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return numbers


@given(masks)
def test_components_are_what_a_flood_reaches(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(connected_components(mask), flooded(mask))
    np.testing.assert_array_equal(connected_components(mask.T), flooded(mask.T))  # of any memory layout


def test_a_spiral_is_one_component_and_its_gap_another() -> None:
    spiral = np.zeros((15, 15), bool)
    y, x, (dy, dx) = 0, 0, (0, 1)
    for length in (14, 14, 14, 12, 12, 10, 10, 8, 8, 6, 6, 4, 4, 2, 2):
        for _ in range(length):
            spiral[y, x] = True
            y, x = y + dy, x + dx
        dy, dx = dx, -dy
    assert connected_components(spiral).max() == 1
    np.testing.assert_array_equal(connected_components(~spiral), flooded(~spiral))


def test_components_of_what_is_no_mask() -> None:
    for wrong in (np.zeros((2, 2), int), np.zeros((1, 2, 2), bool)):
        with pytest.raises(ValueError, match=r"connected_components: wanted a mask \(H, W\) of bool, got"):
            connected_components(wrong)


# ---- Cells


def test_a_picture_depends_on_seed_and_position_alone(cells: CellSet) -> None:
    few = draw_cells(2, seed=0, size=128)
    np.testing.assert_array_equal(few.images, cells.images[:2])
    np.testing.assert_array_equal(few.instances, cells.instances[:2])
    assert not np.array_equal(draw_cells(1, seed=1, size=128).images[0], cells.images[0])
    assert draw_cells(0, seed=0).images.shape == (0, 256, 256)


def test_every_cell_is_one_component_and_none_is_a_scrap(cells: CellSet) -> None:
    for instances in cells.instances:
        components = connected_components(instances > 0)
        count = instances.max()
        assert count > 10
        # As many pairs as cells: each cell has one component, and each component one cell.
        pairs = {*zip(instances[instances > 0].tolist(), components[instances > 0].tolist(), strict=True)}
        assert len(pairs) == count == components.max()
        assert np.bincount(instances.ravel())[1:].min() >= 12


def test_many_cells_touch(cells: CellSet) -> None:
    """A line of ground, one or two pixels wide, is all that parts most cells from another one."""
    touching = 0
    for instances in cells.instances:
        beside = {
            int(number)
            for gap in (2, 3)
            for a, b in (
                (instances[:, :-gap], instances[:, gap:]),
                (instances[:-gap], instances[gap:]),
            )
            for number in np.unique(np.stack([a, b])[:, (a > 0) & (b > 0) & (a != b)])
        }
        touching += len(beside)
    assert touching > 0.9 * cells.instances.max(axis=(1, 2)).sum()


def test_a_threshold_does_not_find_cells(cells: CellSet) -> None:
    """Cells are neither brighter nor darker than the ground: the grey level alone says little."""
    for image, instances in zip(cells.images, cells.instances, strict=True):
        cell, part = instances > 0, (instances > 0).mean()
        right = max(((image > level) == cell).mean() for level in range(0, 256, 4))
        assert right < max(part, 1 - part) + 0.1


# ---- Weight map


def distance_to(instances: NDArray[np.int32], number: int, y: int, x: int) -> float:
    return min(math.dist((y, x), pixel) for pixel in np.argwhere(instances == number))


@given(small_instances, st.sampled_from([0.5, 1.0, 2.9, 5.0, 99.0]))
def test_two_nearest_against_plain_loops(instances: NDArray[np.int32], reach: float) -> None:
    nearest, second = two_nearest(instances, reach)
    numbers = [int(number) for number in np.unique(instances) if number]
    for y, x in np.ndindex(instances.shape):
        within = sorted(d for number in numbers if (d := distance_to(instances, number, y, x)) <= reach)
        expected = [*within, math.inf, math.inf][:2]
        assert [nearest[y, x], second[y, x]] == pytest.approx(expected, rel=1e-12)


def test_weights_are_equation_2(cells: CellSet) -> None:
    instances, rng = cells.instances[0], np.random.default_rng(0)
    weights = weight_map(instances)
    ground = instances == 0
    assert weights[~ground].sum() == pytest.approx(instances.size / 2, rel=1e-5)  # the cells hold half of w_c
    numbers = range(1, int(instances.max()) + 1)
    for y, x in rng.choice(np.argwhere(ground), 20):
        d_1, d_2 = sorted(distance_to(instances, number, y, x) for number in numbers)[:2]
        expected = 0.5 / ground.mean() + 10 * math.exp(-((d_1 + d_2) ** 2) / (2 * 5**2))
        assert weights[y, x] == pytest.approx(expected, abs=1e-4)


def test_weights_of_other_constants() -> None:
    instances = np.array([[1, 0, 2]], np.int32)
    np.testing.assert_allclose(weight_map(instances, w_0=0), [[0.75, 1.5, 0.75]])
    np.testing.assert_allclose(weight_map(instances, w_0=4, sigma=2)[0, 1], 1.5 + 4 * math.exp(-4 / 8), rtol=1e-6)


def test_weights_where_one_class_is_missing() -> None:
    for only in (0, 1):
        np.testing.assert_array_equal(weight_map(np.full((3, 4), only, np.int32)), np.ones((3, 4)))
