"""A gradient back to the shape it was repeated from

NumPy repeats a smaller array to fit a larger one: axes of size 1 are stretched, and missing axes come in front. A
number that was repeated was used several times, so its gradient is the sum over all its copies.

Write the function that takes the gradient of the large shape back to the small one.
"""

import numpy as np

from minisd.autograd import unbroadcast as library

POINTS, MINUTES = 3, 25
HINTS = (
    "A bias of the shape (3,) is added to an array (2, 5, 3). How often is each of its numbers used?",
    "Two kinds of axes: those in front that the small shape has not, and those where it has 1 and the gradient more.",
    "Sum over axis 0 until the numbers of axes agree; then sum with keepdims=True over every axis where shape has 1.",
)


def unbroadcast(grad, shape):
    """The gradient, summed to `shape`."""
    return library(grad, shape)


def cases(rng, dtype):
    for large, small in (
        ((2, 5, 3), (3,)),
        ((4, 3), (1, 3)),
        ((4, 3), (4, 1)),
        ((2, 3, 4), (2, 3, 4)),
        ((2, 3, 4), (3, 1)),
        ((2, 3, 4), (1, 3, 1)),
        ((3, 3), (3,)),
        ((1, 3), (1, 3)),
        ((2, 2, 2), (2, 1, 2)),
        ((4, 2), ()),
        ((1, 4), (1, 1)),
        ((3, 1), (1,)),
    ):
        yield rng.standard_normal(large).astype(dtype), small


def _axes(grad, shape):
    leading = grad.ndim - len(shape)
    stretched = [leading + k for k, size in enumerate(shape) if size == 1]
    return tuple(range(leading)), tuple(stretched)


def mistake_mean(grad, shape):
    """A number that was used several times gets the sum of the gradients, not their mean."""
    leading, stretched = _axes(grad, shape)
    return grad.mean(axis=leading + stretched, keepdims=True).reshape(shape)


def mistake_first_copy(grad, shape):
    """That is the gradient of the first copy alone: sum over all of them."""
    leading, stretched = _axes(grad, shape)
    return grad[tuple(slice(0, 1) if k in leading + stretched else slice(None) for k in range(grad.ndim))].reshape(
        shape
    )


def mistake_front_axes_only(grad, shape):
    """Axes of size 1 were stretched, too: sum over them as well."""
    return grad.sum(axis=_axes(grad, shape)[0])


def mistake_stretched_axes_only(grad, shape):
    """The axes that were put in front are left over: sum over them."""
    return grad.sum(axis=_axes(grad, shape)[1], keepdims=True)


def mistake_axis_lost(grad, shape):
    """An axis of size 1 stays an axis: sum with keepdims=True."""
    leading, stretched = _axes(grad, shape)
    return grad.sum(axis=leading + stretched)


def mistake_aligned_left(grad, shape):
    """Shapes are laid side by side from their last axes; the missing ones are in front. You sum over the last axes."""
    extra = tuple(range(len(shape), grad.ndim))
    total = grad.sum(axis=extra)
    return total.sum(axis=tuple(k for k, size in enumerate(shape) if size == 1), keepdims=True)


def mistake_everything(grad, shape):
    """Sum over the axes that were repeated only; you sum over all."""
    return np.broadcast_to(grad.sum(), shape) if grad.shape != tuple(shape) else grad


def right_axis_by_axis(g, target):
    while g.ndim > len(target):
        g = g.sum(0)
    for k in range(g.ndim):
        if target[k] == 1 and g.shape[k] > 1:
            g = g.sum(k, keepdims=True)
    return g


def right_by_adding(grad, shape):
    total = np.zeros(shape, grad.dtype)
    view = total.reshape((1,) * (grad.ndim - len(shape)) + tuple(shape))
    for place in np.ndindex(*grad.shape):
        view[tuple(0 if view.shape[k] == 1 else i for k, i in enumerate(place))] += grad[place]
    return total
