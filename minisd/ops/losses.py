"""Losses: how far a result is from what was wanted, as one number."""

from __future__ import annotations

from minisd_kernels import cross_entropy as cross_entropy_kernel
from minisd_kernels import mean_squared_error as mean_squared_error_kernel

from minisd.autograd import Array, Function, Tensor


class _MeanSquaredError(Function):
    def forward(self, predicted: Array, target: Array) -> Array:
        self.predicted, self.target = predicted, target
        return mean_squared_error_kernel.forward(predicted, target)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return (
            mean_squared_error_kernel.backward(grad, self.predicted, self.target) if self.needs[0] else None,
            mean_squared_error_kernel.backward(grad, self.target, self.predicted) if self.needs[1] else None,
        )


def mean_squared_error(predicted: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean of weight (predicted - target)^2 over all elements.

    Shapes: predicted and target (B, ...); weight (B,), one for each sample, of 0 or more; 1 if not given.

    Raises:
        ValueError: the shapes differ (broadcasting here would hide a mistake).

    >>> import numpy as np
    >>> a, b = Tensor(np.array([[1.0], [1.0]])), Tensor(np.array([[0.0], [3.0]]))
    >>> mean_squared_error(a, b).item(), mean_squared_error(a, b, Tensor(np.array([4.0, 0.25]))).item()
    (2.5, 2.5)
    """
    if weight is not None:
        if weight.shape != predicted.shape[:1]:
            raise ValueError(
                f"mean_squared_error: wanted a weight for each of {predicted.shape[0]} samples, got {weight.shape}"
            )
        # w (a - b)^2 = (sqrt(w) a - sqrt(w) b)^2
        root = (weight**0.5).reshape(-1, *(1,) * (len(predicted.shape) - 1))
        predicted, target = predicted * root, target * root
    return _MeanSquaredError.apply(predicted, target)


class _CrossEntropy(Function):
    def forward(self, logits: Array, target: Array, weight: Array | None) -> Array:
        self.logits, self.target, self.weight = logits, target, weight
        return cross_entropy_kernel.forward(logits, target, weight)

    def backward(self, grad: Array) -> tuple[Array]:
        return (cross_entropy_kernel.backward(grad, self.logits, self.target, self.weight),)


def cross_entropy(logits: Tensor, target: Array, weight: Array | None = None) -> Tensor:
    """Cross-entropy of softmax(logits) against `target`, each row times its weight, averaged over the rows.

        -1/N sum_n weight_n log softmax(logits_n)[target_n]        (Ronneberger et al. 2015, eq. 1, where N is left out)

    Shapes: logits (N, V); target (N,) class numbers, or (N, V) probabilities; weight (N,), 1 if not given. A logit of
    -inf leaves a class out.

    Raises:
        ValueError: a class that the logits do not have (on a GPU the loss is NaN instead), or not one weight a row.

    >>> import numpy as np
    >>> round(cross_entropy(Tensor(np.zeros((1, 10))), np.array([3])).item(), 4)
    2.3026
    """
    if target.ndim == 2:
        target = target.astype(logits.dtype, copy=False)
    if weight is not None:
        weight = weight.astype(logits.dtype, copy=False)
    return _CrossEntropy.apply(logits, target=target, weight=weight)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats a sample (Kingma & Welling 2014, appendix B).

        -1/2 sum (1 + log_variance - mean^2 - exp(log_variance))

    summed over all axes but the first and averaged over the first.
    """
    terms = mean * mean + log_variance.exp() - log_variance - 1.0
    return terms.sum() * (0.5 / mean.shape[0])
