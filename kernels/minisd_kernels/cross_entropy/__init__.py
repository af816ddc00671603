"""The cross-entropy of softmax(logits), row by row, with the classes or the probabilities that are wanted.

    loss = -1/N sum_n weight_n sum_v target_nv log p_nv,    p_n = softmax(logits_n)
    dloss/dlogits_nv = weight_n / N (p_nv sum_u target_nu - target_nv)

A class number c stands for the row that is 1 at c and 0 elsewhere, which is never written down. What is not wanted
costs nothing, even where it is impossible: 0 log 0 = 0, so that a logit of -inf leaves a class out.

Shapes: logits (N, V); target (N,) class numbers or (N, V) probabilities; weight (N,) -> loss ().

>>> import numpy as np
>>> logits, classes = np.zeros((1, 10)), np.array([3])
>>> round(forward(logits, classes).item(), 4), backward(np.array(1.0), logits, classes).round(1).tolist()
(2.3026, [[0.1, 0.1, 0.1, -0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.devices import device_of
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, logits: Array, target: Array, weight: Array | None) -> Array: ...

    def backward(self, grad_y: Array, logits: Array, target: Array, weight: Array | None) -> Array: ...


def forward(logits: Array, target: Array, weight: Array | None = None) -> Array:
    """The loss, an array without axes; rows weigh 1 unless `weight` is given.

    Shapes: logits (N, V), target (N,) or (N, V), weight (N,) -> loss ().

    Raises:
        ShapeError: the shapes do not fit, or there are no logits.
        TypeError: the class numbers are not integers, or the other arrays not all float32 or all float64; or the
            arrays do not live on one device.
        ValueError: a class that the logits do not have. On a GPU, where looking would keep the host waiting, the loss
            is NaN instead.
    """
    _require(logits, target, weight)
    return kernel(Backend, logits).forward(logits, target, weight)


def backward(grad_y: Array, logits: Array, target: Array, weight: Array | None = None) -> Array:
    """The gradient in the logits.

    Shapes: grad_y () and the arguments of forward -> grad_logits (N, V).

    Raises: as forward.
    """
    _require(logits, target, weight)
    require_shape("cross_entropy grad_y", grad_y, "()", ())
    require_float("cross_entropy", grad_y, logits)
    return kernel(Backend, logits).backward(grad_y, logits, target, weight)


def _require(logits: Array, target: Array, weight: Array | None) -> None:
    if logits.ndim != 2 or logits.size == 0:
        raise ShapeError(f"cross_entropy logits: wanted shape (N, V), N and V >= 1, got {tuple(logits.shape)}")
    require_float("cross_entropy", logits)
    N, V = logits.shape
    if target.ndim == 1:
        require_shape("cross_entropy target", target, "(N,)", (N,))
        if target.dtype.kind not in "iu":
            raise TypeError(f"cross_entropy target: class numbers must be integers, got {target.dtype}")
        device = device_of(target)
        if device != device_of(logits):
            raise TypeError(
                f"cross_entropy: classes live on {device}, not where the logits are; use to_device(target, ...)"
            )
        if device == "cpu" and not (target.min() >= 0 and target.max() < V):
            raise ValueError(f"cross_entropy: wanted classes in 0..{V - 1}, got {target.min()}..{target.max()}")
    else:
        require_shape("cross_entropy target", target, "(N, V)", (N, V))
        require_float("cross_entropy", logits, target)
    if weight is not None:
        require_shape("cross_entropy weight", weight, "(N,)", (N,))
        require_float("cross_entropy", logits, weight)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.cross_entropy import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
