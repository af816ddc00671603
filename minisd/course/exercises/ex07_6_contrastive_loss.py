"""Which caption belongs to which picture?

CLIP's loss (Radford et al. 2021, figure 3). B pictures and their B captions have become vectors (B, E), row i of both
belonging together. Bring all vectors to length 1; then

$$s_{ij} = \\mathrm{scale}\\,\\langle \\mathrm{image}_i, \\mathrm{text}_j\\rangle$$

says how well picture i and caption j agree. Each picture must find its caption among all B, by the cross-entropy of the
softmax of row i: $-\\log \\mathrm{softmax}_j(s_{ij})$ at $j = i$. And each caption must find its picture, likewise
along column j. The loss is the mean over all pictures, plus the mean over all captions, halved.

Some captions of a batch are the same words: `same[i, j]` says so. For $i \\ne j$ such a pair is no wrong answer, so it
is left out of the competition: its score counts as minus infinity.
"""

import numpy as np
from minisd_kernels.backends import use_backend

from minisd.autograd import Tensor
from minisd.models.clip import contrastive_loss

POINTS, MINUTES = 5, 45
HINTS = (
    "A function cross_entropy(scores) of rows serves twice: the second time for the transposed scores.",
    "log softmax without overflow: take the row's largest away, then the logarithm of the sum of the exponentials.",
    "np.where(same & ~np.eye(B, dtype=bool), -np.inf, scores) leaves the others' equal captions out; np.diag is left.",
)


def clip_loss(images, texts, scale, same):
    """One number. images and texts (B, E), same (B, B) of truth values, with True on its diagonal."""
    similarity = Tensor(_unit(images) @ _unit(texts).T * images.dtype.type(scale))
    with use_backend("numpy"):
        return contrastive_loss(similarity, same.argmax(axis=1)[:, None]).item()


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cases(rng, dtype):
    def batch(B, E, scale, captions=None, size=1.0):
        images, texts = (size * rng.standard_normal((2, B, E))).astype(dtype)
        captions = np.arange(B) if captions is None else np.array(captions)
        return images, texts, scale, captions[:, None] == captions

    yield batch(1, 3, 1.0)
    yield batch(2, 2, 1.0)
    yield batch(4, 3, 5.0)
    yield batch(3, 3, 14.3)
    yield batch(5, 4, 3.0, captions=(0, 1, 0, 2, 1))
    yield batch(4, 4, 2.0, captions=(0, 0, 0, 3))
    yield batch(3, 5, 2.0, captions=(0, 0, 0))
    yield batch(6, 2, 7.0, size=30.0)
    yield batch(3, 4, 2000.0, size=0.1)  # exponentials that overflow


def _loss(
    images, texts, scale, same, *, length=True, rows=1, columns=1, mask="others", sums=False, stable=True, axis=1
):
    """The loss with one of its steps done in another way."""
    B = len(images)
    s = (_unit(images) @ _unit(texts).T if length else images @ texts.T) * scale
    hidden = same & ~np.eye(B, dtype=bool) if mask == "others" else np.zeros((B, B), bool)
    s = np.where(hidden, -np.inf, s)
    total = 0.0
    with np.errstate(all="ignore"):
        for weight, scores in ((rows, s), (columns, s.T)):
            top = scores.max(axis=axis, keepdims=True) if stable else 0
            log_softmax = scores - top - np.log(np.exp(scores - top).sum(axis=axis, keepdims=True))
            total -= weight * np.diag(log_softmax).sum() / (1 if sums else B)
    return total / 2


def mistake_lengths(images, texts, scale, same):
    """The vectors keep their lengths in yours: bring each to length 1, so that only the direction counts."""
    return _loss(images, texts, scale, same, length=False)


def mistake_pictures_only(images, texts, scale, same):
    """Only the pictures look for their captions: the captions must find their pictures, too, along the columns."""
    return _loss(images, texts, scale, same, rows=2, columns=0)


def mistake_captions_only(images, texts, scale, same):
    """Only the captions look for their pictures: the pictures must find their captions, too, along the rows."""
    return _loss(images, texts, scale, same, rows=0, columns=2)


def mistake_not_halved(images, texts, scale, same):
    """You add the two means: their sum is halved."""
    return _loss(images, texts, scale, same, rows=2, columns=2)


def mistake_summed(images, texts, scale, same):
    """You sum over the batch: wanted is the mean."""
    return _loss(images, texts, scale, same, sums=True)


def mistake_equal_captions_compete(images, texts, scale, same):
    """Another picture with the same caption counts as a wrong answer in yours: leave such pairs out."""
    return _loss(images, texts, scale, same, mask="none")


def mistake_no_scale(images, texts, scale, same):
    """The scale is missing: products of unit vectors lie between -1 and 1, and the softmax of those is nearly flat."""
    return _loss(images, texts, 1.0, same)


def mistake_divided_by_scale(images, texts, scale, same):
    """You divide by the scale: it multiplies the scores."""
    return _loss(images, texts, 1 / scale, same)


def mistake_overflow(images, texts, scale, same):
    """Large scores overflow: take each row's largest away before the exponential."""
    return _loss(images, texts, scale, same, stable=False)


def mistake_sign(images, texts, scale, same):
    """A loss falls when the right answers get likelier: yours is negative, a minus is missing before the logarithm."""
    return -_loss(images, texts, scale, same)


def right_loops(images, texts, scale, same):
    B, total = len(images), 0.0
    pictures = [row / np.sqrt((row * row).sum()) for row in images.astype(np.float64)]
    captions = [row / np.sqrt((row * row).sum()) for row in texts.astype(np.float64)]
    for i in range(B):
        for ours, theirs in ((pictures, captions), (captions, pictures)):
            scores = [scale * (ours[i] @ theirs[j]) for j in range(B) if j == i or not same[i, j]]
            top = max(scores)
            total += top + np.log(sum(np.exp(s - top) for s in scores)) - scale * (ours[i] @ theirs[i])
    return total / (2 * B)


def right_with_softmax(images, texts, scale, same):
    a, b = (x / (x**2).sum(1, keepdims=True) ** 0.5 for x in (images.astype(float), texts.astype(float)))
    logits = scale * a @ b.T + np.where(same, np.where(np.eye(len(a)), 0, -np.inf), 0)

    def cross_entropy(s):
        s = s - s.max(1, keepdims=True)
        return np.mean(np.log(np.exp(s).sum(1)) - np.diagonal(s))

    return (cross_entropy(logits) + cross_entropy(logits.T)) / 2
