"""Connected components: which pixels of a mask hang together (4-connectivity: over an edge, not over a corner).

Every pixel begins with a number of its own. Along each row, a run of neighbouring mask pixels takes its smallest one,
then along each column, and again until nothing changes: a component has then one number, its smallest. A blob takes two
or three rounds; each turn of a winding shape takes one more.
"""

import numpy as np
from numpy.typing import NDArray


def connected_components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the components of a mask 1, 2, ... in reading order of their first pixels; 0 is outside.

    Shapes: (H, W) -> (H, W).

    Raises:
        ValueError: not a mask (H, W) of bool.

    >>> connected_components(np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1]], bool))
    array([[1, 1, 0],
           [0, 0, 2],
           [3, 0, 2]], dtype=int32)
    """
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f"connected_components: wanted a mask (H, W) of bool, got {mask.shape} of {mask.dtype}")
    numbers = np.where(mask, np.arange(mask.size).reshape(mask.shape), -1)
    while True:
        before = numbers
        numbers = _smallest_in_runs(_smallest_in_runs(numbers).T).T
        if np.array_equal(numbers, before):
            break
    components = np.zeros(mask.shape, np.int32)
    components[mask] = np.unique(numbers[mask], return_inverse=True)[1] + 1
    return components


def _smallest_in_runs(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every number becomes the smallest of its run along its row; -1 ends a run."""
    H, W = numbers.shape
    framed = np.full((H, W + 2), -1)  # so that no run goes on in the next row
    framed[:, 1:-1] = numbers
    row = framed.reshape(-1)
    edges = np.flatnonzero((row[1:] >= 0) != (row[:-1] >= 0)) + 1  # where runs start and, in turn, end
    if edges.size:
        # Pairs (start, end): the reductions at the even places are those of the runs.
        smallest = np.minimum.reduceat(row, edges)[::2]
        inside = row >= 0
        row[inside] = smallest.repeat(edges[1::2] - edges[::2])
    return framed[:, 1:-1]
