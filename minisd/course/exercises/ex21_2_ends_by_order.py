"""Ends by their order

On a line ways cannot pass each other. So the way that has k others to its left keeps k others to its left, up to the
end, and there all ends together are a crowd of data. For data that are numbers that is all one needs to know where
each way ends, and no network and no solver is asked.

`places` holds N places of ways at one time t, as they come; `data` holds N numbers of the data, as they come, none
twice in either. Return the end of each way, in the order of `places`: the leftmost place gets the smallest number.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "Put the data in order. Which of them belongs to the leftmost place, and where in `places` does that one stand?",
    "Sort the data, and find each place's rank: how many other places lie to its left.",
    "order = np.argsort(places) says which place comes first, second, and so on: with `ends` an empty array, assign "
    "the sorted data to ends[order].",
)


def ends_by_order(places, data):
    """The ends, (N,), of the ways at the places."""
    ends = np.empty_like(data)
    ends[np.argsort(places)] = np.sort(data)
    return ends


def cases(rng, dtype):
    for N in (7, 12, 9, 5):
        yield (
            rng.standard_normal(N).astype(dtype),
            (np.sign(rng.standard_normal(N)) + 0.1 * rng.standard_normal(N)).astype(dtype),
        )
    yield np.array([0.3, -1.2, 2.0, 0.1, -0.5, 1.1], dtype), np.array([5.0, 1.0, 4.0, 2.0, 6.0, 3.0], dtype)


def mistake_sorted(places, data):
    """Those are the ends from left to right: each belongs to a place, and the places stand in another order."""
    return np.sort(data)


def mistake_argsort(places, data):
    """np.argsort says which place stands at each rank; you need the reverse, which rank each place has."""
    return np.sort(data)[np.argsort(places)]


def mistake_as_they_come(places, data):
    """You pair them as they come: the k-th from the left ends at the k-th smallest number."""
    return np.array(data)


def mistake_nearest(places, data):
    """A way does not end at the number that is nearest to it: as many ways end at each number, by their order."""
    return data[np.abs(places[:, None] - data).argmin(axis=1)]


def mistake_reversed(places, data):
    """The leftmost place gets the smallest number: yours are in the opposite order, so all ways would cross."""
    ends = np.empty_like(data)
    ends[np.argsort(places)[::-1]] = np.sort(data)
    return ends


def mistake_data_not_sorted(places, data):
    """Each place has its rank, but the data must be put in order, too."""
    return data[np.argsort(np.argsort(places))]


def mistake_order_of_the_data(places, data):
    """You put the places into the order of the data; the ends are numbers of the data."""
    return np.sort(places)[np.argsort(np.argsort(data))]


def mistake_ranks(places, data):
    """Those are the ranks of the places: look up which number of the data has that rank."""
    return np.argsort(np.argsort(places)).astype(places.dtype)


def mistake_one_too_far(places, data):
    """You count each place among those to its left: the leftmost has 0 of them, and gets the smallest number."""
    return np.sort(data)[np.minimum(np.argsort(np.argsort(places)) + 1, len(data) - 1)]


def right_by_ranks(places, data):
    return np.sort(data)[np.argsort(np.argsort(places))]


def right_by_counting(places, data):
    in_order = sorted(data)
    return np.array([in_order[sum(other < place for other in places)] for place in places])
