r"""The gradient of a matrix product

$$C = A\,B, \qquad \frac{\partial L}{\partial A} = \frac{\partial L}{\partial C}\,B^T, \qquad
\frac{\partial L}{\partial B} = A^T\,\frac{\partial L}{\partial C}$$

The product is over the last two axes; axes before them are a batch, and are repeated where a is smaller than b or b
smaller than a, as everywhere in NumPy. What was repeated gets the sum: `unbroadcast` (04.3) is there.
"""

import numpy as np

from minisd.autograd import unbroadcast as _library_unbroadcast
from minisd.autograd.arithmetic import MatMul
from minisd.course import mine

POINTS, MINUTES = 3, 25
GIVEN = ("np", "mine", "unbroadcast")
HINTS = (
    "Look at the shapes: (N, K) @ (K, M) = (N, M). Which product of the gradient with the other matrix has A's shape?",
    "`.T` turns all axes round; of a batch only the last two change places: swapaxes(-1, -2).",
    "unbroadcast(grad @ b.swapaxes(-1, -2), a.shape), and unbroadcast(a.swapaxes(-1, -2) @ grad, b.shape)",
)

unbroadcast = mine("04.3")


def matmul_backward(grad, a, b):
    """(grad_a, grad_b); shapes grad (..., N, M), a (..., N, K), b (..., K, M)."""
    function = MatMul()
    function.needs = True, True
    function.forward(a, b)
    return function.backward(grad)


def cases(rng, dtype):
    for a, b in (
        ((2, 3), (3, 4)),
        ((3, 3), (3, 3)),
        ((2, 4, 3), (2, 3, 5)),
        ((2, 4, 3), (3, 2)),
        ((3, 2), (4, 2, 3)),
        ((2, 1, 3, 2), (5, 2, 4)),
        ((3, 3, 3), (3, 3, 3)),
        ((1, 2, 3), (4, 3, 1)),
    ):
        size = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
        yield tuple(rng.standard_normal(shape).astype(dtype) for shape in (size, a, b))


def mistake_not_transposed(grad, a, b):
    """The other matrix is transposed: B^T behind the gradient, A^T before it."""
    return _library_unbroadcast(grad @ b, a.shape), _library_unbroadcast(a @ grad, b.shape)


def mistake_exchanged(grad, a, b):
    """The two gradients are exchanged: a's comes first."""
    return matmul_backward(grad, a, b)[::-1]


def mistake_not_summed(grad, a, b):
    """What was repeated over the batch gets the sum of all its gradients, and has its own shape again."""
    return grad @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ grad


def mistake_all_axes_turned(grad, a, b):
    """`.T` turns all axes round, the batch's too; transpose the last two only."""
    return _library_unbroadcast(grad @ b.T, a.shape), _library_unbroadcast(a.T @ grad, b.shape)


def mistake_mean(grad, a, b):
    """What was repeated gets the sum of all its gradients, not the mean."""
    grad_a, grad_b = matmul_backward(grad, a, b)
    return grad_a * (a.size / max(a.size, grad.size // b.shape[-1] * a.shape[-1])), grad_b * (
        b.size / max(b.size, grad.size // a.shape[-2] * a.shape[-1])
    )


def mistake_by_b_transposed(grad, a, b):
    """The gradient by b is A^T times grad; yours is its transpose."""
    grad_a, grad_b = matmul_backward(grad, a, b)
    return grad_a, grad_b.swapaxes(-1, -2)


def mistake_elementwise(grad, a, b):
    """This is a product of matrices: each number of a met a whole row of b."""
    grad_a, grad_b = matmul_backward(grad, a, b)
    return a * grad_a, b * grad_b


def _summed(array, shape):
    while array.ndim > len(shape):
        array = array.sum(axis=0)
    return array.sum(axis=tuple(k for k, n in enumerate(shape) if n != array.shape[k]), keepdims=True)


def right_einsum(g, a, b):
    grad_a = np.einsum("...nm,...km->...nk", g, b)
    grad_b = np.einsum("...nk,...nm->...km", a, g)
    return [_summed(grad_a, a.shape), _summed(grad_b, b.shape)]


def right_loops(grad, a, b):
    grad_a, grad_b = np.zeros_like(a), np.zeros_like(b)
    places_a = np.broadcast_to(np.arange(a.size).reshape(a.shape), grad.shape[:-2] + a.shape[-2:])
    places_b = np.broadcast_to(np.arange(b.size).reshape(b.shape), grad.shape[:-2] + b.shape[-2:])
    for batch in np.ndindex(*grad.shape[:-2]):
        np.add.at(grad_a.reshape(-1), places_a[batch], grad[batch] @ b.reshape(-1)[places_b[batch]].T)
        np.add.at(grad_b.reshape(-1), places_b[batch], a.reshape(-1)[places_a[batch]].T @ grad[batch])
    return grad_a, grad_b
