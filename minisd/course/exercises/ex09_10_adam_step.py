"""A step of AdamW

Adam keeps two running means for every weight, of the gradient and of its square, and moves the weight by their quotient
(Kingma and Ba 2015, algorithm 1). Both means begin at 0 and are too small at first; the corrections make up for it.
AdamW draws the weight towards 0 besides (Loshchilov and Hutter, 2019). With $g$ the gradient and $k = 1, 2, \\dots$ the
number of this step:

$$m \\leftarrow \\beta_1 m + (1 - \\beta_1)\\, g \\qquad v \\leftarrow \\beta_2 v + (1 - \\beta_2)\\, g^2$$

$$w \\leftarrow w - \\text{lr} \\left( \\frac{\\hat m}{\\sqrt{\\hat v} + \\epsilon} + \\lambda w \\right),
\\qquad \\hat m = \\frac{m}{1 - \\beta_1^k}, \\qquad \\hat v = \\frac{v}{1 - \\beta_2^k}$$

Write the function that gives the new $w$, $m$ and $v$; $\\lambda$ is weight_decay.
"""

import numpy as np
from minisd_kernels import adam
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 3, 25
HINTS = (
    "First both means, then both corrections, then the weight.",
    "The corrected means are m / (1 - beta1**step) and v / (1 - beta2**step); what is kept are the uncorrected ones.",
    "eps stands outside the root, and weight_decay multiplies the old weight, not the gradient.",
)


def adam_step(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """The new weight, m and v, all of shape (N,)."""
    weight, m, v = weight.copy(), m.copy(), v.copy()
    with use_backend("numpy"):
        adam.step(weight, grad, m, v, adam.Update(step, lr, beta1, beta2, eps, weight_decay))
    return weight, m, v


def cases(rng, dtype):
    weight, grad = rng.standard_normal(5).astype(dtype), rng.standard_normal(5).astype(dtype)
    yield weight, grad, np.zeros(5, dtype), np.zeros(5, dtype), 1, 0.1
    yield weight, np.zeros(5, dtype), np.zeros(5, dtype), np.zeros(5, dtype), 1, 0.1
    m, v = rng.standard_normal(5).astype(dtype), rng.uniform(0.1, 2, 5).astype(dtype)
    yield weight, grad, m, v, 3, 0.05
    yield weight, grad, m, v, 2, 0.05, 0.6, 0.8, 0.3, 0.2
    yield weight, (0.1 * grad).astype(dtype), m, v, 7, 0.5, 0.8, 0.95, 0.1, 0.5
    yield rng.standard_normal(1).astype(dtype), np.ones(1, dtype), m[:1], v[:1], 40, 0.2, 0.9, 0.99, 1e-2


def _step(weight, grad, m, v, lr, beta1, beta2, of_m, of_v, eps, decay):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return weight - lr * (m / of_m / (np.sqrt(v / of_v) + eps) + decay * weight), m, v


def mistake_no_correction(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """Both means begin at 0 and are too small at first: divide them by 1 - beta^step."""
    return _step(weight, grad, m, v, lr, beta1, beta2, 1, 1, eps, weight_decay)


def mistake_counted_from_0(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """The first step is number 1: the power in the corrections is `step` itself."""
    of_m, of_v = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    return _step(weight, grad, m, v, lr, beta1, beta2, of_m, of_v, eps, weight_decay)


def mistake_decay_in_gradient(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """AdamW's weight decay does not pass through the means: take it from the weight, do not add it to the gradient."""
    of_m, of_v = 1 - beta1**step, 1 - beta2**step
    return _step(weight, grad + weight_decay * weight, m, v, lr, beta1, beta2, of_m, of_v, eps, 0.0)


def mistake_eps_under_the_root(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """eps is added to the root, not under it."""
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    quotient = m / (1 - beta1**step) / np.sqrt(v / (1 - beta2**step) + eps)
    return weight - lr * (quotient + weight_decay * weight), m, v


def mistake_no_root(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """v is a mean of squares: its square root stands below the line."""
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    quotient = m / (1 - beta1**step) / (v / (1 - beta2**step) + eps)
    return weight - lr * (quotient + weight_decay * weight), m, v


def mistake_betas_exchanged(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """beta1 is of the gradient's mean, beta2 of the square's: you exchange them."""
    of_m, of_v = 1 - beta2**step, 1 - beta1**step
    return _step(weight, grad, m, v, lr, beta2, beta1, of_m, of_v, eps, weight_decay)


def mistake_uphill(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """The weight moves against the gradient: there is a minus before lr."""
    of_m, of_v = 1 - beta1**step, 1 - beta2**step
    return _step(weight, grad, m, v, -lr, beta1, beta2, of_m, of_v, eps, weight_decay)


def mistake_corrected_kept(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """The corrected means serve this step alone: m and v are kept without the correction."""
    of_m, of_v = 1 - beta1**step, 1 - beta2**step
    weight, m, v = _step(weight, grad, m, v, lr, beta1, beta2, of_m, of_v, eps, weight_decay)
    return weight, m / of_m, v / of_v


def mistake_no_decay(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """The weight is drawn towards 0 by lr weight_decay weight besides."""
    return _step(weight, grad, m, v, lr, beta1, beta2, 1 - beta1**step, 1 - beta2**step, eps, 0.0)


def right_loop(weight, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    new = [np.empty_like(weight) for _ in range(3)]
    for i in range(len(weight)):
        first = beta1 * m[i] + (1 - beta1) * grad[i]
        second = beta2 * v[i] + (1 - beta2) * grad[i] ** 2
        move = first / (1 - beta1**step) / ((second / (1 - beta2**step)) ** 0.5 + eps)
        new[0][i], new[1][i], new[2][i] = weight[i] * (1 - lr * weight_decay) - lr * move, first, second
    return new


def right_folded(w, g, m, v, k, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    size, scale = lr / (1 - beta1**k), 1 / np.sqrt(1 - beta2**k)
    return (1 - lr * weight_decay) * w - size * m / (scale * np.sqrt(v) + eps), m, v
