"""Two LoRAs as one

Two LoRAs are to become one whose change is the sum of theirs, as if both were merged at scale 1. Each has for a layer
(A, B, alpha): A (..., r), the layer's inputs before it, and B (r, O). Their ranks and their alphas may differ. A sum of
products is a product of what is laid side by side:

$$A_1 B_1 + A_2 B_2 = \\begin{pmatrix} A_1 & A_2 \\end{pmatrix} \\begin{pmatrix} B_1 \\\\ B_2 \\end{pmatrix}$$

Return (A, B, alpha) of the one, of rank $r_1 + r_2$. Its own factor is $\\alpha / (r_1 + r_2)$: see to it that each
part still has its own $\\alpha_i / r_i$ in the end.
"""

import numpy as np

POINTS, MINUTES = 4, 30
HINTS = (
    "One factor, alpha over the rank, stands before the whole sum; the two parts want factors of their own.",
    "Multiply each B by its own alpha / r before you lay them one above the other. Which alpha makes the new factor 1?",
    "A: concatenate([A1, A2], axis=-1); B: concatenate([alpha1 / r1 B1, alpha2 / r2 B2]); alpha = r1 + r2.",
)


def as_one(first, second):
    """(A, B, alpha) of rank r1 + r2."""
    parts = first, second
    A = np.concatenate([A for A, _, _ in parts], axis=-1)
    B = np.concatenate([alpha / len(B) * B for _, B, alpha in parts])
    return A, B, float(len(B))


def cases(rng, dtype):
    for inputs, O, one, other in (
        ((5,), 4, (2, 3.0), (3, 1.0)),
        ((6,), 7, (2, 2.0), (2, 5.0)),
        ((3, 2, 4), 5, (1, 4.0), (3, 3.0)),
        ((8,), 3, (4, 4.0), (1, 0.5)),
    ):
        yield tuple(
            (rng.standard_normal((*inputs, r)).astype(dtype), rng.standard_normal((r, O)).astype(dtype), alpha)
            for r, alpha in (one, other)
        )


def probe(as_one, first, second):
    one = as_one(first, second)
    A, B = np.asarray(one[0]), np.asarray(one[1])
    return {"sizes": [A.shape, B.shape], "alpha / r A B": float(one[2]) / len(B) * (A @ B)}


def mistake_alphas_added(first, second):
    """With alpha1 + alpha2 both parts get one factor; it is right only if alpha / r was the same in both."""
    (A, B, alpha), (A2, B2, alpha2) = first, second
    return np.concatenate([A, A2], axis=-1), np.concatenate([B, B2]), alpha + alpha2


def mistake_alphas_mean(first, second):
    """No single alpha gives two parts their own factors, the mean of both neither: put the factors into the B."""
    (A, B, alpha), (A2, B2, alpha2) = first, second
    return np.concatenate([A, A2], axis=-1), np.concatenate([B, B2]), (alpha + alpha2) / 2


def mistake_first_alpha(first, second):
    """The second one's alpha is lost: both parts get the first one's."""
    (A, B, alpha), (A2, B2, _) = first, second
    return np.concatenate([A, A2], axis=-1), np.concatenate([B, B2]), alpha


def mistake_alpha_is_the_rank(first, second):
    """The factor is 1 now, but the parts have lost theirs: multiply each by its alpha / r."""
    (A, B, _), (A2, B2, _) = first, second
    return np.concatenate([A, A2], axis=-1), np.concatenate([B, B2]), len(B) + len(B2)


def mistake_alpha_is_one(first, second):
    """Each part has its factor, but alpha / r of the whole divides by r1 + r2 once more: let alpha be that."""
    return *as_one(first, second)[:2], 1.0


def mistake_on_both_sides(first, second):
    """You multiply A and B by alpha / r: then it comes in twice."""
    A = np.concatenate([alpha / len(B) * A for A, B, alpha in (first, second)], axis=-1)
    return A, *as_one(first, second)[1:]


def mistake_new_rank(first, second):
    """Each part is divided by its own rank, not by that of the whole."""
    (_, B, alpha), (_, B2, alpha2) = first, second
    r = len(B) + len(B2)
    return as_one(first, second)[0], np.concatenate([alpha / r * B, alpha2 / r * B2]), r


def mistake_mean(first, second):
    """Merged at scale 1 their changes are added, not averaged."""
    together = as_one(first, second)
    return *together[:2], together[2] / 2


def mistake_second_lost(first, second):
    """The B lie one above the other in another order than the A side by side: the parts meet each other's."""
    (A, _, _), (A2, _, _) = first, second
    return np.concatenate([A2, A], axis=-1), *as_one(first, second)[1:]


def right_factor_in_a(first, second):
    (A, B, alpha), (A2, B2, alpha2) = first, second
    r = A.shape[-1] + A2.shape[-1]
    halves = [A * (alpha / len(B)), A2 * (alpha2 / len(B2))]
    return np.concatenate(halves, axis=-1) / 7, np.concatenate([B, B2]), 7 * r


def right_other_order(first, second):
    B = np.vstack([b * (a / b.shape[0]) for _, b, a in (second, first)])
    return np.concatenate([second[0], first[0]], axis=-1), B, B.shape[0]
