"""Linear layer: every row of x times one matrix.

    y[m, n] = sum_k x[m, k] weight[k, n] + bias[n]

Shapes: x (M, K), weight (K, N), bias (N,) -> y (M, N). A 1 x 1 convolution is the same sum over pixels.
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import require_float, require_shape
from minisd_kernels.backends import kernel


def forward(x: Any, weight: Any, bias: Any | None = None) -> Any:
    """y = x weight + bias.

    Raises:
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> forward(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)).tolist()
    [[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]
    """
    require_shape("linear x", x, "(M, K)", (None, None))
    require_shape("linear weight", weight, "(K, N)", (x.shape[1], None))
    if bias is not None:
        require_shape("linear bias", bias, "(N,)", (weight.shape[1],))
    require_float("linear", x, weight, *([] if bias is None else [bias]))
    return kernel(__name__, x).forward(x, weight, bias)


def backward(grad: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Gradients of sum(y * grad): grad weight^T for x, x^T grad for weight, the sum of rows for bias."""
    require_shape("linear weight", weight, "(K, N)", (x.shape[1], None))
    require_shape("linear grad", grad, "(M, N)", (x.shape[0], weight.shape[1]))
    require_float("linear", grad, x, weight)
    return kernel(__name__, x).backward(grad, x, weight)
