"""Merge what a file holds

To draw, a LoRA is added to the weights:

$$W' = W + \\mathrm{scale}\\, \\frac{\\alpha}{r}\\, A B$$

W is as minisd has it, (C, O), or (kh, kw, C, O) of a convolution. The two arrays are as a LoRA's file has them, in
PyTorch's layouts, the outputs first: lora_A (r, C) and lora_B (O, r), or of a convolution (r, C, kh, kw) and (O, r, 1,
1). Return W', and leave W as it is.
"""

import numpy as np

POINTS, MINUTES = 3, 25
HINTS = (
    "Bring both into minisd's layout first: A (C, r) or (kh, kw, C, r), and B (r, O). Then it is one product.",
    "(r, C, kh, kw) becomes (kh, kw, C, r) by transposing: its axes in the order 2, 3, 1, 0. A reshape does not do it.",
    "With r rows in lora_A, W + scale * alpha / r * (A @ B): NumPy multiplies the last two axes of A by B.",
)


def merged(W, lora_A, lora_B, alpha, scale):
    """W', shaped as W."""
    r, O = len(lora_A), len(lora_B)
    A = lora_A.T if lora_A.ndim == 2 else lora_A.transpose(2, 3, 1, 0)
    return W + scale * alpha / r * (A @ lora_B.reshape(O, r).T)


def cases(rng, dtype):
    for *window, C, O, r, alpha, scale in (
        (6, 7, 2, 3.0, 0.5),
        (5, 5, 5, 2.0, 1.5),
        (3, 2, 4, 5, 3, 1.0, 0.7),
        (2, 2, 2, 2, 2, 6.0, -1.0),
        (1, 1, 4, 6, 2, 4.0, 1.0),
        (3, 8, 1, 5.0, -0.5),
    ):
        sizes = (*window, C, O), (r, C, *window), (O, r, *[1] * len(window))
        W, A, B = (rng.standard_normal(size).astype(dtype) for size in sizes)
        yield W, A, B, alpha, scale


def probe(merged, W, lora_A, lora_B, alpha, scale):
    kept = W.copy()
    result = merged(kept, lora_A, lora_B, alpha, scale)
    return {"merged": result, "W as it was": np.array_equal(kept, W)}


def mistake_no_scale(W, lora_A, lora_B, alpha, scale):
    """The scale is missing: you merge all of it."""
    return merged(W, lora_A, lora_B, alpha, 1.0)


def mistake_no_alpha(W, lora_A, lora_B, alpha, scale):
    """The factor alpha / r is missing."""
    return merged(W, lora_A, lora_B, len(lora_A), scale)


def mistake_not_divided(W, lora_A, lora_B, alpha, scale):
    """The factor is alpha / r: you multiply by alpha alone."""
    return merged(W, lora_A, lora_B, alpha * len(lora_A), scale)


def mistake_divided_by_channels(W, lora_A, lora_B, alpha, scale):
    """In a file r is the first axis of lora_A; the second is C."""
    return merged(W, lora_A, lora_B, alpha * len(lora_A) / lora_A.shape[1], scale)


def mistake_blended(W, lora_A, lora_B, alpha, scale):
    """W stays whole, whatever the scale; you fade it out as the change comes in."""
    return merged(W, lora_A, lora_B, alpha, scale) - scale * W


def mistake_change_alone(W, lora_A, lora_B, alpha, scale):
    """That is the change: add it to W."""
    return merged(0 * W, lora_A, lora_B, alpha, scale)


def mistake_subtracted(W, lora_A, lora_B, alpha, scale):
    """The change is added; to subtract it takes it out again."""
    return merged(W, lora_A, lora_B, alpha, -scale)


def mistake_window_turned(W, lora_A, lora_B, alpha, scale):
    """kh and kw have changed places: from (r, C, kh, kw) the order is 2, 3, 1, 0."""
    if lora_A.ndim == 2:
        return merged(W, lora_A, lora_B, alpha, scale)
    A = lora_A.transpose(3, 2, 1, 0)
    return W + (scale * alpha / len(lora_A) * (A @ lora_B[:, :, 0, 0].T)).reshape(W.shape)


def mistake_reshaped(W, lora_A, lora_B, alpha, scale):
    """A reshape does not move the axes, it only reads the same numbers in rows of another length: transpose."""
    r, O = len(lora_A), len(lora_B)
    return W + scale * alpha / r * (lora_A.reshape(*W.shape[:-1], r) @ lora_B.reshape(r, O))


def mistake_product_reshaped(W, lora_A, lora_B, alpha, scale):
    """The product of the two is (O, C, kh, kw): bring its axes into the order of W's; a reshape does not move them."""
    r = len(lora_A)
    product = lora_B.reshape(-1, r) @ lora_A.reshape(r, -1)
    return W + scale * alpha / r * product.T.reshape(W.shape)


def mistake_in_place(W, lora_A, lora_B, alpha, scale):
    """You write into W: whoever has it finds it changed, and cannot go back. Make a new array."""
    W[...] = merged(W, lora_A, lora_B, alpha, scale)
    return W


def right_sums(W, lora_A, lora_B, alpha, scale):
    r = lora_A.shape[0]
    B = lora_B.reshape(lora_B.shape[:2])
    pattern = "rc,or->co" if W.ndim == 2 else "rchw,or->hwco"
    return W + np.einsum(pattern, lora_A, B) * (scale * alpha / r)


def right_one_by_one(W, lora_A, lora_B, alpha, scale):
    result = W.astype(float)
    for k, row in enumerate(lora_A):
        column = row if row.ndim == 1 else row.transpose(1, 2, 0)
        result += scale * alpha / len(lora_A) * column[..., None] * lora_B[:, k].reshape(-1)
    return result
