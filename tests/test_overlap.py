"""Intersection over union, of pixels and of objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from minisd.data.components import connected_components
from minisd.overlap import match, object_ious, pixel_iou

shapes = st.shared(st.tuples(st.integers(1, 8), st.integers(1, 8)))
masks = shapes.flatmap(lambda shape: arrays.arrays(bool, shape))
instances_of_shape = shapes.flatmap(
    lambda shape: arrays.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 2, 4]))
)


def test_pixel_iou() -> None:
    half = np.array([[True, True, False, False]])
    assert pixel_iou(half, half) == 1
    assert pixel_iou(half, ~half) == 0
    assert pixel_iou(half, np.ones((1, 4), bool)) == 1 / 2
    assert pixel_iou(np.stack([half, half]), np.stack([half, ~half])) == 1 / 3  # all pixels together: 2 of 6
    assert pixel_iou(half & False, half & False) == 1


@given(instances_of_shape, masks)
def test_objects_against_plain_sets(instances: NDArray[np.int32], predicted: NDArray[np.bool_]) -> None:
    components = connected_components(predicted)
    found = [{*map(tuple, np.argwhere(components == number))} for number in range(1, components.max() + 1)]
    expected = []
    for number in range(1, instances.max() + 1):
        cell = {*map(tuple, np.argwhere(instances == number))}
        finder = [part for part in found if len(cell & part) > len(cell) / 2]
        assert len(finder) <= 1
        expected.append(len(cell & finder[0]) / len(cell | finder[0]) if finder else 0)
    np.testing.assert_allclose(object_ious(instances, predicted), expected)


def test_merged_cells_and_lost_cells() -> None:
    truth = np.array([[1, 1, 1, 0, 2, 2, 2], [1, 1, 1, 0, 2, 2, 2]])
    one_line = truth > 0
    assert object_ious(truth, one_line).tolist() == [1, 1]
    one_line[0, 3] = True  # one pixel too many joins them
    assert object_ious(truth, one_line).tolist() == [6 / 13, 6 / 13]
    assert pixel_iou(truth > 0, one_line) == 12 / 13
    assert object_ious(truth, truth == 2).tolist() == [0, 1]
    assert object_ious(truth, truth < 0).tolist() == [0, 0]
    assert object_ious(0 * truth, truth == 2).shape == (0,)


def test_exactly_half_of_a_cell_does_not_find_it() -> None:
    assert match(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 0, 0]])).tolist() == [[0]]
    assert match(np.array([[1, 1, 1, 1]]), np.array([[2, 2, 2, 0]])).tolist() == [[0, 3 / 4]]


def test_errors_teach() -> None:
    mask = np.zeros((2, 3), bool)
    with pytest.raises(ValueError, match=r"pixel_iou: wanted a mask of bool of .* shape \(2, 3\), got \(3, 2\)"):
        pixel_iou(mask, mask.T)
    with pytest.raises(ValueError, match=r"object_ious: wanted a mask of bool .*got \(2, 3\) of int64"):
        object_ious(mask.astype(np.int32), mask.astype(np.int64))
