"""How well a segmentation overlaps the truth: intersection over union, of the foreground and of every object.

    IoU(A, B) = |A and B| / |A or B|            (Jaccard 1912): 1 for equal sets, 0 for sets apart

The foreground's IoU hardly sees a line of ground one pixel wide between two cells; for whoever counts cells it is all
that matters. The objects' IoU sees it: where the line is missing, two cells become one component, which is twice as
large as either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minisd.data.components import connected_components


def pixel_iou(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """The IoU of two masks, over all their pixels together; 1 if both are empty.

    Shapes: two masks of one shape, such as (N, H, W).

    Raises:
        ValueError: they differ in shape.

    >>> pixel_iou(np.array([True, True, True, False]), np.array([True, True, False, True]))
    0.5
    """
    _check("pixel_iou", truth, predicted)
    union = int((truth | predicted).sum())
    return int((truth & predicted).sum()) / union if union else 1.0


def object_ious(instances: NDArray[np.int32], predicted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The IoU of every true cell with the component of `predicted` that found it; 0 for a cell that none did.

    The mean over all cells is the cell tracking challenge's SEG (Maska et al. 2014).

    Shapes: instances (H, W), 0 ground and 1, 2, ... the K cells; predicted (H, W) -> (K,).

    Raises:
        ValueError: they differ in shape.

    >>> instances = np.array([[1, 1, 0, 2, 2]])
    >>> object_ious(instances, instances > 0), object_ious(instances, np.ones((1, 5), bool))
    (array([1., 1.]), array([0.4, 0.4]))
    """
    _check("object_ious", instances, predicted)
    return match(instances, connected_components(predicted)).max(axis=1, initial=0)


def match(instances: NDArray[np.int32], components: NDArray[np.int32]) -> NDArray[np.float64]:
    """The IoU of every true cell with every component that finds it; 0 where it does not.

    A component finds the cell of which it covers more than half. Two cannot find the same cell, but one can find many:
    then all of them score low.

    Shapes: instances (H, W), numbers up to K; components (H, W), numbers up to P -> (K, P).

    >>> match(np.array([[1, 1, 1, 0, 2, 2]]), np.array([[1, 1, 1, 1, 1, 0]]))  # one pixel of two is not more than half
    array([[0.6],
           [0. ]])
    """
    rows, columns = int(instances.max(initial=0)) + 1, int(components.max(initial=0)) + 1
    pairs = instances.astype(np.int64) * columns + components
    intersection = np.bincount(pairs.ravel(), minlength=rows * columns).reshape(rows, columns)
    of_cell, of_component = intersection.sum(axis=1, keepdims=True), intersection.sum(axis=0)
    union = np.maximum(of_cell + of_component - intersection, 1)  # 0 for a pair of numbers that do not occur
    ious: NDArray[np.float64] = np.where(2 * intersection > of_cell, intersection / union, 0)
    return ious[1:, 1:]


def _check(what: str, truth: NDArray[np.generic], predicted: NDArray[np.bool_]) -> None:
    if truth.shape != predicted.shape or predicted.dtype != bool:
        raise ValueError(
            f"{what}: wanted a mask of bool of the truth's shape {truth.shape}, got {predicted.shape} of "
            f"{predicted.dtype}"
        )
