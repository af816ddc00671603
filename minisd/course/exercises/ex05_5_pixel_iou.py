r"""How well two masks agree

$$\text{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}$$

A and B are the pixels that belong to a cell, in truth and by the network. Write it for arrays of logits and truth: a
pixel counts as a cell's where its logit is above 0. All pixels of all pictures count together. If both are empty,
they agree: 1.
"""

import numpy as np

from minisd.overlap import pixel_iou as library

POINTS, MINUTES = 2, 15
HINTS = (
    "Make masks of True and False first. How do you count the True ones?",
    "& is and, | is or; `.sum()` counts.",
    "The mask is where logits are above 0. Count mask | truth first; where it is 0, the answer is 1.",
)


def pixel_iou(logits, truth):
    """A number from 0 to 1; shapes: both (N, H, W), truth of bool."""
    return library(truth, logits > 0)


def cases(rng, dtype):
    for shape, shift in (((1, 4, 5), 0.0), ((3, 6, 4), 0.7), ((2, 5, 5), -0.8), ((4, 3, 3), 0.2)):
        truth = rng.random(shape) < np.linspace(0.1, 0.8, shape[0])[:, None, None]
        yield (rng.standard_normal(shape) + shift + truth).astype(dtype), truth
    yield -np.ones((2, 3, 3), dtype), np.zeros((2, 3, 3), bool)
    yield np.ones((1, 3, 3), dtype), np.zeros((1, 3, 3), bool)
    yield np.zeros((1, 2, 3), dtype), np.ones((1, 2, 3), bool)
    yield np.array([[[0.3, 0.8, -0.2, 5.0]]], dtype), np.array([[[True, False, True, True]]])


def _counts(logits, truth):
    mask = logits > 0
    return int((mask & truth).sum()), int((mask | truth).sum()), int(mask.sum()), int(truth.sum())


def mistake_accuracy(logits, truth):
    """That is the part of the pixels that are right: ground that both leave empty does not count here."""
    return float(((logits > 0) == truth).mean())


def mistake_dice(logits, truth):
    """That is the Dice coefficient, 2 |A and B| / (|A| + |B|), which is larger."""
    both, _, mask, true = _counts(logits, truth)
    return 2 * both / (mask + true) if mask + true else 1.0


def mistake_recall(logits, truth):
    """That is the part of the truth that was found: pixels found besides must lower it, too."""
    both, union, _, true = _counts(logits, truth)
    return both / true if true else float(not union)


def mistake_precision(logits, truth):
    """That is the part of what was found that is true: what was missed must lower it, too."""
    both, union, mask, _ = _counts(logits, truth)
    return both / mask if mask else float(not union)


def mistake_mean_over_pictures(logits, truth):
    """All pictures' pixels count together; yours is the mean of each picture's IoU."""
    return float(np.mean([pixel_iou(one[None], other[None]) for one, other in zip(logits, truth, strict=True)]))


def mistake_empty_is_zero(logits, truth):
    """Two empty masks agree: 1, not 0."""
    both, union, *_ = _counts(logits, truth)
    return both / max(union, 1)


def mistake_half(logits, truth):
    """Logits are no probabilities: the boundary is 0, which is where the probability is one half."""
    return library(truth, logits > 0.5)


def mistake_zero_counts(logits, truth):
    """A logit of 0 is not above 0."""
    return library(truth, logits >= 0)


def right_sets(scores, truth):
    found = set(map(tuple, np.argwhere(scores > 0).tolist()))
    cells = set(map(tuple, np.argwhere(truth).tolist()))
    return len(found & cells) / len(found | cells) if found or cells else 1.0


def right_numbers(logits, truth):
    a, b = np.where(logits > 0, 1.0, 0.0), truth.astype(float)
    union = np.maximum(a, b).sum()
    if union == 0:
        return 1
    return (a * b).sum() / union
