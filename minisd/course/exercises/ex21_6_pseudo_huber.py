"""A distance that does not shout

The squared error lets one sample that is ten times as far off speak a hundred times as loud. Song and Dhariwal (2024,
equation 7) train consistency with the pseudo-Huber distance instead,

$$d(a, b) = \\sqrt{|a - b|^2 + c^2} - c$$

where $|a - b|^2$ sums the squares of all numbers of a sample. Near 0 it is a square, far off a length. a and b have the
shape (B, ...). Return d for each sample, (B,), and the gradient of the sum of all d by a, (B, ...).
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "One root for each sample, over all of its numbers together. Which factor do they all get in the gradient?",
    "The derivative of the root of u is 1 / (2 root), and that of |a - b|^2 is 2 (a - b).",
    "root = np.sqrt(squares + c * c), with the squares summed over all axes but the first; then root - c, and "
    "(a - b) / root with root shaped (B, 1, ..., 1).",
)


def pseudo_huber(a, b, c):
    """The distances, (B,), and the gradient of their sum by a, shaped as a."""
    off = a - b
    root = np.sqrt((off**2).sum(axis=tuple(range(1, off.ndim)), keepdims=True) + c**2)
    return root.ravel() - c, off / root


def cases(rng, dtype):
    for shape, c in (((3, 2, 4), 0.3), ((4, 2), 0.03), ((2, 3, 3, 1), 1.5), ((5, 3), 0.1), ((3, 3), 4.0)):
        a, b = rng.standard_normal((2, *shape)).astype(dtype)
        yield a, b, c


def probe(pseudo_huber, a, b, c):
    d, gradient = pseudo_huber(a, b, c)
    return {"d": d, "gradient": gradient}


def _root(a, b, c):
    return np.sqrt(((a - b) ** 2).sum(axis=tuple(range(1, a.ndim)), keepdims=True) + c**2)


def mistake_number_by_number(a, b, c):
    """The root is taken once for a sample, over all of its numbers together, not for each number."""
    root = np.sqrt((a - b) ** 2 + c**2)
    return (root - c).reshape(len(a), -1).sum(axis=1), (a - b) / root


def mistake_mean(a, b, c):
    """|a - b|^2 is the sum of the squares, not their mean."""
    root = np.sqrt(((a - b) ** 2).mean(axis=tuple(range(1, a.ndim)), keepdims=True) + c**2)
    return root.ravel() - c, (a - b) / root / (a.size / len(a))


def mistake_not_zero_at_zero(a, b, c):
    """c is subtracted, so that equal samples have the distance 0."""
    root = _root(a, b, c)
    return root.ravel(), (a - b) / root


def mistake_c_not_squared(a, b, c):
    """Under the root stands the square of c."""
    root = _root(a, b, np.sqrt(c))
    return root.ravel() - c, (a - b) / root


def mistake_gradient_of_the_square(a, b, c):
    """That is the squared error's gradient, which grows without bound; the root divides it by twice the root."""
    return _root(a, b, c).ravel() - c, 2 * (a - b)


def mistake_without_the_inner_two(a, b, c):
    """The derivative of the square brings a 2, which the root's own 1/2 takes away: yours is half of it."""
    root = _root(a, b, c)
    return root.ravel() - c, (a - b) / root / 2


def mistake_unit_vector(a, b, c):
    """That is the length's gradient: c belongs under the root below, too."""
    return _root(a, b, c).ravel() - c, (a - b) / _root(a, b, 0)


def mistake_by_b(a, b, c):
    """That is the gradient by b; by a it has the other sign."""
    root = _root(a, b, c)
    return root.ravel() - c, (b - a) / root


def mistake_divided_by_d(a, b, c):
    """The derivative of the root has the root below, not the distance."""
    root = _root(a, b, c)
    return root.ravel() - c, (a - b) / (root - c)


def mistake_whole_batch(a, b, c):
    """Each sample has a distance of its own; you sum over the batch, too."""
    root = np.sqrt(((a - b) ** 2).sum() + c**2)
    return np.full(len(a), root - c), (a - b) / root


def mistake_last_axis(a, b, c):
    """A sample's numbers lie along all axes but the first; you sum along the last alone."""
    root = np.sqrt(((a - b) ** 2).sum(axis=-1) + c**2)
    return root - c, (a - b) / root[..., None]


def mistake_summed(a, b, c):
    """Each sample's own distance is wanted, (B,): the sum is only what the gradient is taken of."""
    root = _root(a, b, c)
    return (root - c).sum(), (a - b) / root


def right_flat(a, b, c):
    off = (a - b).reshape(len(a), -1)
    root = np.sqrt(np.einsum("bn,bn->b", off, off) + c * c)
    return root - c, (off / root[:, None]).reshape(a.shape)


def right_sample_by_sample(a, b, c):
    distances, gradients = [], []
    for one, other in zip(a, b, strict=True):
        root = float(np.hypot(np.linalg.norm(one - other), c))
        distances.append(root - c)
        gradients.append((one - other) / root)
    return np.array(distances, a.dtype), np.stack(gradients)
