"""A matrix product in blocks

A large matrix product is fast when it is made of small ones whose three blocks stay in the cache together. Write the
loops around such a small product. `multiply_add(a, b, c)` is given: it adds the product of the blocks `a` and `b` to
the block `c`, in place, and it takes blocks of at most `block` x `block` numbers.

$$C_{IJ} = \\sum_K A_{IK} B_{KJ}$$

where I, J and K count blocks. Where the sizes are no multiples of `block`, the last blocks are smaller; none is empty.
Blocks must be views of A, B and C (slices are). Call `multiply_add` once for each triple I, J, K.
"""

import numpy as np

POINTS, MINUTES = 2, 25
HINTS = (
    "Three loops, as for single numbers, but each goes in steps of `block`.",
    "range(0, size, block) gives where the blocks begin; a slice that reaches over the end is cut by NumPy.",
    "multiply_add(A[i:i + block, k:k + block], B[k:k + block, j:j + block], C[i:i + block, j:j + block])",
)


def blocked_product(A, B, block, multiply_add):
    """A B for A (N, K), B (K, M), as an array of A's dtype, made by multiply_add alone."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0], block):
        for j in range(0, B.shape[1], block):
            for k in range(0, A.shape[1], block):
                own = C[i : i + block, j : j + block]
                multiply_add(A[i : i + block, k : k + block], B[k : k + block, j : j + block], own)
    return C


def cases(rng, dtype):
    for N, K, M, block in [(8, 8, 8, 4), (7, 5, 9, 3), (4, 10, 6, 5), (3, 2, 5, 8), (1, 7, 2, 1), (6, 9, 4, 4)]:
        yield rng.standard_normal((N, K)).astype(dtype), rng.standard_normal((K, M)).astype(dtype), block


def probe(blocked_product, A, B, block):
    shapes = []

    def multiply_add(a, b, c):
        shapes.append([*a.shape, b.shape[1]])
        c += a @ b

    C = blocked_product(A, B, block, multiply_add)
    return {"the product": C, "the blocks' sizes": np.array(sorted(shapes))}


def mistake_last_blocks_dropped(A, B, block, multiply_add):
    """The last blocks are missing where a size is no multiple of the block."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0] // block * block, block):
        for j in range(0, B.shape[1] // block * block, block):
            for k in range(0, A.shape[1] // block * block, block):
                own = C[i : i + block, j : j + block]
                multiply_add(A[i : i + block, k : k + block], B[k : k + block, j : j + block], own)
    return C


def mistake_only_the_diagonal(A, B, block, multiply_add):
    """Each block of C is a sum over all K: you take the block K = I only."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0], block):
        for j in range(0, B.shape[1], block):
            own = C[i : i + block, j : j + block]
            multiply_add(A[i : i + block, i : i + block], B[i : i + block, j : j + block], own)
    return C


def mistake_in_a_copy(A, B, block, multiply_add):
    """multiply_add must write into C itself: it was given a copy of the block."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0], block):
        for j in range(0, B.shape[1], block):
            for k in range(0, A.shape[1], block):
                own = C[i : i + block, j : j + block].copy()
                multiply_add(A[i : i + block, k : k + block], B[k : k + block, j : j + block], own)
    return C


def mistake_last_k_only(A, B, block, multiply_add):
    """The products of all K add up: you set the block of C to zero before each."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0], block):
        for j in range(0, B.shape[1], block):
            for k in range(0, A.shape[1], block):
                own = C[i : i + block, j : j + block]
                own[:] = 0
                multiply_add(A[i : i + block, k : k + block], B[k : k + block, j : j + block], own)
    return C


def mistake_one_large_block(A, B, block, multiply_add):
    """The product is right, but K was not cut into blocks: those of A are too wide, and those of B too high."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(0, A.shape[0], block):
        for j in range(0, B.shape[1], block):
            multiply_add(A[i : i + block], B[:, j : j + block], C[i : i + block, j : j + block])
    return C


def mistake_steps_of_one(A, B, block, multiply_add):
    """The blocks overlap: go in steps of `block`, not of 1."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            for k in range(A.shape[1]):
                own = C[i : i + block, j : j + block]
                multiply_add(A[i : i + block, k : k + block], B[k : k + block, j : j + block], own)
    return C


def right_k_outside(A, B, block, multiply_add):
    (N, K), M = A.shape, B.shape[1]
    result = np.zeros((N, M), dtype=A.dtype)
    for k in range(0, K, block):
        stop_k = min(k + block, K)
        for i in range(0, N, block):
            stop_i = min(i + block, N)
            for j in range(0, M, block):
                stop_j = min(j + block, M)
                multiply_add(A[i:stop_i, k:stop_k], B[k:stop_k, j:stop_j], result[i:stop_i, j:stop_j])
    return result


def right_counted_blocks(left, right, size, multiply_add):
    out = np.zeros_like(left, shape=(len(left), right.shape[1]))
    counts = [-(-n // size) for n in (*out.shape, len(right))]
    for number in range(counts[0] * counts[1] * counts[2]):
        rest, K = divmod(number, counts[2])
        I, J = divmod(rest, counts[1])
        rows, columns, inner = (slice(n * size, (n + 1) * size) for n in (I, J, K))
        multiply_add(left[rows, inner], right[inner, columns], out[rows, columns])
    return out
