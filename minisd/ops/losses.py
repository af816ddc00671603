"""Losses: how far a result is from what was wanted, as one number."""

from __future__ import annotations

import numpy as np

from minisd.autograd import Array, Function, Tensor


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of (prediction - target)^2 over all elements.

    Raises:
        ValueError: the shapes differ (broadcasting here would hide a mistake).
    """
    if prediction.shape != target.shape:
        raise ValueError(f"mean_squared_error: wanted equal shapes, got {prediction.shape} and {target.shape}")
    difference = prediction - target
    return (difference * difference).mean()


class _CrossEntropy(Function):
    """-sum target log softmax(logits), averaged over rows; its gradient is softmax(logits) - target."""

    def forward(self, logits: Array, target: Array) -> Array:
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        log_probability = shifted - log_total
        self.gradient = (np.exp(log_probability) * target.sum(axis=-1, keepdims=True) - target) / len(logits)
        # 0 * -inf stands for "impossible and not wanted": it counts nothing.
        terms = np.where(target == 0, 0, target * np.where(target == 0, 0, log_probability))
        return np.asarray(-terms.sum() / len(logits), dtype=logits.dtype)

    def backward(self, grad: Array) -> tuple[Array]:
        return (grad * self.gradient,)


def cross_entropy(logits: Tensor, target: Array, weight: Array | None = None) -> Tensor:
    """Cross-entropy of softmax(logits) against `target`, each row times its weight, averaged over the rows.

        -1/N sum_n weight_n log softmax(logits_n)[target_n]        (Ronneberger et al. 2015, eq. 1, where N is left out)

    Shapes: logits (N, V); target (N,) class numbers, or (N, V) probabilities; weight (N,), 1 if not given. A logit of
    -inf leaves a class out.

    Raises:
        ValueError: a class that the logits do not have, or not one weight a row.

    >>> round(cross_entropy(Tensor(np.zeros((1, 10))), np.array([3])).item(), 4)
    2.3026
    """
    if target.ndim == 1:
        if target.min() < 0 or target.max() >= logits.shape[1]:
            raise ValueError(
                f"cross_entropy: wanted classes in 0..{logits.shape[1] - 1}, got {target.min()}..{target.max()}"
            )
        target = np.eye(logits.shape[1], dtype=logits.dtype)[target]
    if weight is not None:
        if weight.shape != target.shape[:1]:
            raise ValueError(f"cross_entropy: {len(target)} rows need as many weights, got shape {weight.shape}")
        target = target * weight[:, None]
    return _CrossEntropy.apply(logits, target=target)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats a sample (Kingma & Welling 2014, appendix B).

        -1/2 sum (1 + log_variance - mean^2 - exp(log_variance))

    summed over all axes but the first and averaged over the first.
    """
    terms = mean * mean + log_variance.exp() - log_variance - 1.0
    return terms.sum() * (0.5 / mean.shape[0])
