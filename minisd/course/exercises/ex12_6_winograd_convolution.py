"""A convolution by tiles: F(2x2, 3x3)

Convolve pictures with windows of 3 x 3 (stride 1, `padding` zeros on every side) by tiles of 2 x 2 outputs, each with
16 multiplications for a channel in place of 36:

$$Y = A^T \\Big[ \\sum_c (G g_c G^T) * (B^T d_c B) \\Big] A$$

`d_c` is the 4 x 4 of the padded picture that the tile's windows see: neighbouring tiles begin 2 apart. If the output's
height or width is odd, the last tiles reach over its end; what they make there is thrown away.

A^T, G and B^T are given. So is `multiply(d, g)`, the only place where data may meet weights: d has the shape
(16, tiles, C), g (16, C, O), and it returns (16, tiles, O). You may call it once for all tiles, or once for each
picture or tile; the order of the 16 places is yours, if both have the same. All else is transforms and cutting out.
"""

import numpy as np
from minisd_kernels.conv2d import numpy_ref

POINTS, MINUTES = 8, 150
HINTS = (
    "Write it for one tile first: cut out d (4, 4, C), transform along rows and columns, 16 products, transform back.",
    'np.einsum("ui,ijco,vj->uvco", G, weight, G) transforms all weights; reshape (4, 4, C, O) to (16, C, O).',
    "Pad below and at the right until tiles fit; tile (p, q) is x[b, 2p : 2p + 4, 2q : 2q + 4]; cut y at the end.",
)
GIVEN = ("np", "A_T", "G", "B_T")

A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], float)
B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float)


def winograd_convolution(x, weight, multiply, padding=1):
    """y (B, P, Q, O) for x (B, H, W, C) and weight (3, 3, C, O), of x's dtype."""
    (B, H, W, C), O = x.shape, weight.shape[3]
    P, Q = H + 2 * padding - 2, W + 2 * padding - 2
    down, across = -(-P // 2), -(-Q // 2)
    sides = (padding, padding + P % 2), (padding, padding + Q % 2)
    x = np.pad(x, ((0, 0), *sides, (0, 0)))
    d = np.lib.stride_tricks.sliding_window_view(x, (4, 4), (1, 2))[:, ::2, ::2]  # (B, down, across, C, 4, 4)
    d = np.einsum("ui,bpqcij,vj->uvbpqc", B_T, d, B_T).reshape(16, -1, C)
    g = np.einsum("ui,ijco,vj->uvco", G, weight, G).reshape(16, C, O)
    products = multiply(d, g).reshape(4, 4, B, down, across, O)
    y = np.einsum("iu,uvbpqo,jv->bpiqjo", A_T, products, A_T).reshape(B, 2 * down, 2 * across, O)
    return y[:, :P, :Q].astype(x.dtype)


def cases(rng, dtype):
    for (B, H, W, C, O), padding in [
        ((1, 4, 4, 1, 1), 0),
        ((2, 5, 8, 3, 2), 1),
        ((3, 6, 3, 2, 4), 1),
        ((2, 7, 4, 4, 3), 2),
    ]:
        yield rng.standard_normal((B, H, W, C)).astype(dtype), rng.standard_normal((3, 3, C, O)).astype(dtype), padding
    yield rng.standard_normal((1, 5, 6, 2)).astype(dtype), rng.standard_normal((3, 3, 2, 3)).astype(dtype), 0


def probe(winograd_convolution, x, weight, padding):
    count = 0

    def multiply(d, g):
        nonlocal count
        products = np.matmul(d, g)
        count += products.size * d.shape[-1]
        return products

    y = winograd_convolution(x, weight, multiply, **({} if padding == 1 else {"padding": padding}))
    return {"y": y, "multiplications": count}


def _plain(x, weight, padding):
    size = x.shape[1] + 2 * padding - 2, x.shape[2] + 2 * padding - 2
    return numpy_ref.forward(x, weight, None, size, (1, 1), ((padding, padding),) * 2, (1, 1))


def mistake_sum_over_windows(x, weight, multiply, padding=1):
    """The picture is right, but this is the plain sum: nothing went through `multiply`."""
    return _plain(x, weight, padding)


def mistake_turned_window(x, weight, multiply, padding=1):
    """The window is not turned round here: tap (0, 0) meets the tile's first pixel. Your weight is upside down."""
    return winograd_convolution(x, weight[::-1, ::-1], multiply, padding)


def mistake_exchanged_axes(x, weight, multiply, padding=1):
    """Rows and columns of the window are exchanged: G goes to its rows from the left, and G^T to its columns."""
    return winograd_convolution(x, weight.transpose(1, 0, 2, 3), multiply, padding)


def mistake_no_padding(x, weight, multiply, padding=1):
    """`padding` zeros lie on every side of the picture before tiles are cut: they are missing."""
    return winograd_convolution(x, weight, multiply, 0)


def mistake_odd_ends(x, weight, multiply, padding=1):
    """Where the output is odd, the last row or column is missing: a tile reaches over the end there."""
    y = winograd_convolution(x, weight, multiply, padding)
    return y[:, : y.shape[1] // 2 * 2, : y.shape[2] // 2 * 2]


def mistake_not_cut(x, weight, multiply, padding=1):
    """What the last tiles make beyond the output's end is to be thrown away."""
    y = winograd_convolution(x, weight, multiply, padding)
    return np.pad(y, ((0, 0), (0, y.shape[1] % 2), (0, y.shape[2] % 2), (0, 0)))


def mistake_four_apart(x, weight, multiply, padding=1):
    """Tiles see 4 x 4 numbers but make 2 x 2 outputs: the next one begins 2 farther on, not 4."""
    (B, H, W, C), O = x.shape, weight.shape[3]
    P, Q = H + 2 * padding - 2, W + 2 * padding - 2
    down, across = -(-P // 2), -(-Q // 2)
    x = np.pad(x, ((0, 0), (padding, 4 * down), (padding, 4 * across), (0, 0)))
    g = np.einsum("ui,ijco,vj->uvco", G, weight, G).reshape(16, C, O)
    y = np.zeros((B, 2 * down, 2 * across, O), x.dtype)
    for p in range(down):
        for q in range(across):
            d = np.einsum("ui,bijc,vj->uvbc", B_T, x[:, 4 * p : 4 * p + 4, 4 * q : 4 * q + 4], B_T).reshape(16, B, C)
            products = multiply(d, g).reshape(4, 4, B, O)
            y[:, 2 * p : 2 * p + 2, 2 * q : 2 * q + 2] = np.einsum("iu,uvbo,jv->bijo", A_T, products, A_T)
    return y[:, :P, :Q]


def right_tile_by_tile(x, weight, multiply, padding=1):
    (B, H, W, C), O = x.shape, weight.shape[3]
    P, Q = H + 2 * padding - 2, W + 2 * padding - 2
    x = np.pad(x, ((0, 0), (padding, padding + 1), (padding, padding + 1), (0, 0)))
    g = np.zeros((16, C, O), x.dtype)
    for c in range(C):
        for o in range(O):
            g[:, c, o] = (G @ weight[:, :, c, o] @ G.T).ravel()
    y = np.zeros((B, P, Q, O), x.dtype)
    for b in range(B):
        for p in range(0, P, 2):
            for q in range(0, Q, 2):
                d = np.zeros((16, 1, C), x.dtype)
                for c in range(C):
                    d[:, 0, c] = (B_T @ x[b, p : p + 4, q : q + 4, c] @ B_T.T).ravel()
                m = multiply(d, g)
                for o in range(O):
                    tile = A_T @ m[:, 0, o].reshape(4, 4) @ A_T.T
                    rows, columns = min(2, P - p), min(2, Q - q)
                    y[b, p : p + rows, q : q + columns, o] = tile[:rows, :columns]
    return y


def right_by_pictures(images, kernel, multiply, padding=1):
    C, O = kernel.shape[2:]
    kernels = np.tensordot(np.kron(G, G), kernel.reshape(9, C, O), 1)
    results = []
    for image in images:
        P, Q = (n + 2 * padding - 2 for n in image.shape[:2])
        image = np.pad(image, ((padding, padding + 1), (padding, padding + 1), (0, 0)))
        corners = [(p, q) for p in range(0, P, 2) for q in range(0, Q, 2)]
        tiles = np.stack([image[p : p + 4, q : q + 4].reshape(16, C) for p, q in corners], axis=1)
        products = multiply(np.tensordot(np.kron(B_T, B_T), tiles, 1), kernels)
        outputs = np.tensordot(np.kron(A_T, A_T), products, 1).reshape(2, 2, -1, O)
        y = np.zeros((P + P % 2, Q + Q % 2, O), image.dtype)
        for (p, q), tile in zip(corners, np.moveaxis(outputs, 2, 0), strict=True):
            y[p : p + 2, q : q + 2] = tile
        results.append(y[:P, :Q])
    return np.array(results)
