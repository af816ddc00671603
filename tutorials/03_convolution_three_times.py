# %% [markdown]
# # 3. One convolution, three times
#
# Most of a U-Net's work is convolution. minisd writes it three times: as loops that anybody can read, as NumPy that
# says the equation in a few lines, and as a fast version. All three must give the same numbers. That is how you can
# trust the fast one, which is hard to read, because of the slow ones, which are not.
#
# Here we write each of them, hold it against the library's, and see what makes the difference in speed. Then we ask for
# its gradient, which is the same sum once more, with the partners exchanged.
#
# You need chapter 2 (sizes) and some matrix algebra. It takes half an hour to read. Running it takes seconds, and the
# first time up to a minute, because Numba compiles. Without Numba (`MINISD_BACKEND=numpy`) the compiled versions are
# left out.

# %%
import time
from statistics import median

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from minisd_kernels import conv2d, conv_transpose2d
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import unread_rows, window_output_size
from minisd_kernels.switches import winograd

from minisd.course import show

try:
    import numba
    from minisd_kernels.register_tile import COLUMNS, LANES, ROWS, VECTORS
except ImportError:
    numba = None
    ROWS, VECTORS, LANES = 6, 2, 8
    COLUMNS = VECTORS * LANES
    print("numba is not installed: the compiled loops are left out")

rng = np.random.default_rng(0)

# %% [markdown]
# ## First: seven loops
#
# An output pixel is a weighted sum over its window and over all channels:
#
# $$y_{b,p,q,o} = \sum_{i,j,c} x_{b,\; p + i,\; q + j,\; c}\;\, \text{weight}_{i,j,c,o}$$
#
# Shapes: x (B, H, W, C), weight (kh, kw, C, O) -> y (B, H - kh + 1, W - kw + 1, O). Padding and stride are left out
# here: they change only which pixels are met.
#
# There are four letters on the left and three under the sum. Each one is a loop: seven in all.


# %%
def seven_loops(x, weight, y):
    """y += the convolution of x."""
    B, P, Q, O = y.shape
    kh, kw, C, _ = weight.shape
    for b in range(B):
        for p in range(P):
            for q in range(Q):
                for i in range(kh):
                    for j in range(kw):
                        for c in range(C):
                            for o in range(O):
                                y[b, p, q, o] += x[b, p + i, q + j, c] * weight[i, j, c, o]


def convolve(loops, x, weight):
    """Make room for the output, and run the loops."""
    (B, H, W, _), (kh, kw, _, O) = x.shape, weight.shape
    y = np.zeros((B, window_output_size(H, kh), window_output_size(W, kw), O), x.dtype)
    loops(x, weight, y)
    return y


small_x = rng.standard_normal((1, 9, 8, 4), dtype=np.float32)
small_weight = rng.standard_normal((3, 3, 4, 8), dtype=np.float32)
expected = convolve(seven_loops, small_x, small_weight)
print("seven loops:", small_x.shape, "*", small_weight.shape, "->", expected.shape)
assert expected.shape == (1, 7, 6, 8)

# %% [markdown]
# ## Second: NumPy, one product for each tap
#
# Two of the loops are enough, if NumPy does the other five. Fix a place (i, j) in the window, a "tap". The pixels that
# this tap meets, over all outputs, are one large slice of x, shifted by (i, j). Each of them is a vector of C numbers,
# and it meets the same C x O matrix weight[i, j]:
#
# $$y = \sum_{i,j} x_{[:,\; i\,:\,i + P,\; j\,:\,j + Q]} \;\cdot\; \text{weight}_{i,j}
# \qquad (B, P, Q, C) \cdot (C, O) \to (B, P, Q, O)$$
#
# You should see the same numbers, up to rounding. The library's own reference is this loop with stride, padding and
# dilation: `numpy_ref.forward`.


# %%
def product_per_tap(x, weight):
    kh, kw, _, _ = weight.shape
    P, Q = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    return sum(x[:, i : i + P, j : j + Q] @ weight[i, j] for i in range(kh) for j in range(kw))


def largest_difference(a, b):
    """Relative to the largest number."""
    return float(abs(a - b).max() / abs(b).max())


with use_backend("numpy"):
    reference = conv2d.forward(small_x, small_weight)
print(f"a product for each tap: off by {largest_difference(product_per_tap(small_x, small_weight), expected):.1e}")
print(f"the library's reference: off by {largest_difference(reference, expected):.1e}")
assert largest_difference(product_per_tap(small_x, small_weight), expected) < 1e-5
assert largest_difference(reference, expected) < 1e-5

# %% [markdown]
# ## Third: the same loops, compiled
#
# Python asks at every step what kind of thing x is. Numba asks once, and compiles the seven loops for the answer.
# The text of the function stays as it is.
#
# In `minisd_kernels/conv2d/numba_cpu.py` these loops come first. float64 runs through them; float32, which training
# uses, takes the fast version that stands below them.

# %%
compiled_loops = numba.njit(seven_loops) if numba else seven_loops
by_compiled_loops = convolve(compiled_loops, small_x, small_weight)
print(f"the loops, compiled: off by {largest_difference(by_compiled_loops, expected):.1e}")
assert largest_difference(by_compiled_loops, expected) < 1e-5

in_float64 = conv2d.forward(small_x.astype(np.float64), small_weight.astype(np.float64))
in_float32 = conv2d.forward(small_x, small_weight)
print(f"the library's loops (float64): off by {largest_difference(in_float64, expected):.1e}")
print(f"the library's fast version (float32): off by {largest_difference(in_float32, expected):.1e}")
assert largest_difference(in_float64, expected) < 1e-5 and largest_difference(in_float32, expected) < 1e-5

# %% [markdown]
# ## The trick, part one: windows as rows
#
# Processors are fastest at one thing: the product of two matrices. A convolution becomes one, when every window is laid
# out as a row ("im2col", image to columns):
#
# $$\text{windows}\;(P Q,\; k_h k_w C) \;\cdot\; \text{weight}\;(k_h k_w C,\; O) \;=\; y\;(P Q,\; O)$$
#
# You should see a picture of 4 x 4 pixels, numbered, whose four 3 x 3 windows become four rows of nine numbers. Most
# pixels appear in several rows: the matrix is larger than the picture, here 36 numbers against 16.

# %%
pixels = np.arange(16.0).reshape(1, 4, 4, 1)
neighbours = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).reshape(3, 3, 1, 1)  # the sum of four pixels
windows = np.stack([pixels[0, p : p + 3, q : q + 3].ravel() for p in range(2) for q in range(2)])
print("\nwindows as rows:\n" + "\n".join(" ".join(f"{number:3.0f}" for number in row) for row in windows))
assert windows.shape == (4, 9)
products = windows @ neighbours.reshape(9, 1)
assert (products == conv2d.forward(pixels, neighbours).reshape(4, 1)).all()


# %%
def draw_numbers(panel, matrix, left, title, colours=None):
    """A matrix as a table of numbers, its middle at height 0; the rows in colours, if there are any."""
    rows, columns = matrix.shape
    for row, column in np.ndindex(rows, columns):
        x, y = left + column, row - rows / 2
        panel.add_patch(Rectangle((x, y), 1, 1, facecolor=colours[row] if colours else "0.93", edgecolor="white"))
        panel.text(x + 0.5, y + 0.5, f"{matrix[row, column]:.0f}", ha="center", va="center", fontsize=10)
    panel.text(left + columns / 2, -rows / 2 - 0.4, title, ha="center", fontsize=10)


colours = ["#f6c9a0", "#a8d5ba", "#b7c9f2", "#f2b8c6"]
figure = Figure(figsize=(10, 4.6), dpi=100, layout="constrained")
panel = figure.subplots()
draw_numbers(panel, pixels[0, :, :, 0], 0, "x, four windows")
for number, (p, q) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
    inset = 0.06 + 0.07 * number  # so that no outline hides another
    side = 3 - 2 * inset
    panel.add_patch(Rectangle((q + inset, p - 2 + inset), side, side, fill=False, ec=colours[number], lw=3))
draw_numbers(panel, windows, 5.5, "windows (4, 9)", colours)
draw_numbers(panel, neighbours.reshape(9, 1), 16.5, "@ weight (9, 1)")
draw_numbers(panel, products, 20, "= y (4, 1)", colours)
panel.set(xlim=(-0.2, 22), ylim=(4.7, -5.4), aspect="equal")
panel.axis("off")
show(figure, "03_im2col")

# %% [markdown]
# Laid out for a whole batch, a 3 x 3 convolution's matrix is nine times larger than x, and reading it from main memory
# would eat up what the product gains. So the fast version never makes it: row i of a window is kw C numbers that lie in
# one piece of the picture, and the next pixel's window begins C numbers farther on. The product reads the matrix where
# the picture lies (`minisd_kernels/conv2d/direct.py`).
#
# ## The trick, part two: the register tile
#
# Take the product C = A B. The inner loop of the plain version loads two numbers, multiplies them and adds: two loads
# for every multiply-add. But each number of A is needed for a whole row of C, and each of B for a whole column.
#
# So keep a tile of C, some rows by some columns, in the processor's registers. At each k, load one piece of A's column
# and one piece of B's row, and add all their products to the tile:
#
# $$\text{for each } k: \quad \text{tile}_{r,s} \mathrel{+}= A_{r,k}\, B_{k,s} \quad\text{for all } r, s
# \text{ at once}$$
#
# That is rows + columns loads for rows x columns multiply-adds. Registers are few, and a tile too large would spill
# out of them: its size is the processor's choice.
#
# You should see the same product, and how rarely the tile of your machine loads a number.

# %%
A, B = rng.standard_normal((ROWS, 50)), rng.standard_normal((50, COLUMNS))
tile = np.zeros((ROWS, COLUMNS))
for k in range(50):
    tile += np.outer(A[:, k], B[k])  # one piece of a column of A, one piece of a row of B
assert np.allclose(tile, A @ B)

loads = (ROWS + COLUMNS) / (ROWS * COLUMNS)
print(f"\nthis machine's tile: {ROWS} rows x {COLUMNS} columns ({VECTORS} vectors of {LANES} numbers)")
print(f"loads for a multiply-add: 2 in the plain loop, {loads:.2f} in the tile")
assert loads < 0.5

# %% [markdown]
# ## How fast is each?
#
# We measure nanoseconds for one multiply-add, on 16 pictures of a size that the U-Net has; the Python loops get one
# small picture, or we would wait for minutes. All take turns, so that a busy moment of the machine hits all of them,
# and the middle one of five measurements counts.
#
# What you see depends on your machine. Compiling the loops should gain a factor of a thousand or more. The product per
# tap and the register tile gain some more, and end close together: NumPy leaves its products to a library of matrix
# routines, and that has a register tile too.
#
# The last line is what you get by default for a 3 x 3 window. Winograd's method (`minisd_kernels/conv2d/winograd.py`)
# makes 4 x 4 outputs from sums and differences of 6 x 6 inputs with a quarter of the multiplications; its time is
# divided by the multiply-adds that it saves, too. It rounds a little more, and can be switched off.

# %%
x = rng.standard_normal((16, 14, 14, 64), dtype=np.float32)
weight = rng.standard_normal((3, 3, 64, 64), dtype=np.float32) / 24


def register_tile():
    with winograd.off():
        return conv2d.forward(x, weight)


ways = {
    "seven loops in Python": (lambda: convolve(seven_loops, small_x, small_weight), expected.size * 3 * 3 * 4),
    "seven loops, compiled": (lambda: convolve(compiled_loops, x, weight), 16 * 12 * 12 * 64 * 3 * 3 * 64),
    "NumPy, a product per tap": (lambda: product_per_tap(x, weight), 16 * 12 * 12 * 64 * 3 * 3 * 64),
    "register tile": (register_tile, 16 * 12 * 12 * 64 * 3 * 3 * 64),
    "Winograd": (lambda: conv2d.forward(x, weight), 16 * 12 * 12 * 64 * 3 * 3 * 64),
}
if not numba:
    del ways["seven loops, compiled"], ways["register tile"], ways["Winograd"]
results = {name: way() for name, (way, _) in ways.items()}  # also compiles, before we look at the clock
for name in ways.keys() - {"seven loops in Python"}:
    assert largest_difference(results[name], results["NumPy, a product per tap"]) < 1e-4

seconds = {name: [] for name in ways}
for _ in range(5):
    for name, (way, _) in ways.items():
        start = time.perf_counter()
        way()
        seconds[name].append(time.perf_counter() - start)

nanoseconds = {name: 1e9 * median(seconds[name]) / multiply_adds for name, (_, multiply_adds) in ways.items()}
slowest = nanoseconds["seven loops in Python"]
print()
for name, value in nanoseconds.items():
    print(f"{name:25} {value:9.3f} ns for a multiply-add    {slowest / value:9,.0f} times as fast as Python")

# %% [markdown]
# ## Why it is called 2-D
#
# A colour picture has three axes, and so has the filter: height, width and channels. Still this is a 2-D convolution,
# not a 3-D one, because it slides along two axes only. Along the channels the filter is as long as the picture, and
# has no room to slide: it sums over all of them.
#
# Two things follow, and you can check them:
#
# 1. Shift the picture, and the output shifts with it. This holds for height and width, the axes that it slides along.
# 2. Channels have no order. Shuffle them, in picture and filter alike, and the output stays the same. In a 3-D
#    convolution neighbours along the third axis matter, and its length would shrink from C to C - kc + 1.

# %%
picture = rng.standard_normal((1, 10, 10, 5))
filters = rng.standard_normal((3, 3, 5, 2))
y = conv2d.forward(picture, filters)
print("\n2-D:", picture.shape, "*", filters.shape, "->", y.shape, " the 5 channels are summed up")
print("3-D: a 3 x 3 x 3 filter would leave", window_output_size(5, window=3), "places along them, and a fifth axis")

shifted = conv2d.forward(picture[:, 2:, 1:], filters)
assert np.allclose(shifted, y[:, 2:, 1:])  # 1: shift by two rows and a column

order = rng.permutation(5)
assert np.allclose(conv2d.forward(picture[..., order], filters[:, :, order]), y)  # 2: shuffle both
assert not np.allclose(conv2d.forward(picture[..., order], filters), y)  # but not one alone

# %% [markdown]
# ## The way back: three partners
#
# Training has the gradient of the loss L by the output, $g = \partial L / \partial y$, and wants those by x, by the
# weight and by the bias. Look at one product of the sum: the pixel $x_{b,p+i,q+j,c}$ meets the number
# $\text{weight}_{i,j,c,o}$, and their product goes into $y_{b,p,q,o}$. The derivative of a product by one factor is the
# other factor, so by the chain rule this one meeting hands back
#
# - to the pixel: $g_{b,p,q,o}$ times the weight,
# - to the weight: $g_{b,p,q,o}$ times the pixel.
#
# A pixel is met by many windows, a weight by every pixel of every picture, and all that is handed back adds up:
#
# $$\frac{\partial L}{\partial x_{b,\,p+i,\,q+j,\,c}} \mathrel{+}= g_{b,p,q,o}\; \text{weight}_{i,j,c,o}
# \qquad
# \frac{\partial L}{\partial\, \text{weight}_{i,j,c,o}} \mathrel{+}= x_{b,\,p+i,\,q+j,\,c}\; g_{b,p,q,o}$$
#
# for all b, p, q, i, j, c and o. These are the seven loops of the beginning! Three arrays meet in them, and what is
# computed is the one that is missing. The bias is added to every pixel of its channel, so
# $\partial L / \partial\, \text{bias}_o = \sum_{b,p,q} g_{b,p,q,o}$.
#
# You should see that these loops give what the library gives.


# %%
def meetings(x_shape, weight_shape):
    """Where the three arrays meet: (place in x, place in weight, place in y), once for every product of the sum."""
    (B, H, W, _), (kh, kw, C, O) = x_shape, weight_shape
    for b, p, q, i, j, c, o in np.ndindex(B, H - kh + 1, W - kw + 1, kh, kw, C, O):
        yield (b, p + i, q + j, c), (i, j, c, o), (b, p, q, o)


x, weight = rng.standard_normal((2, 5, 6, 2)), rng.standard_normal((3, 2, 2, 3))
g = rng.standard_normal((2, 3, 5, 3))
y, grad_x, grad_weight = np.zeros_like(g), np.zeros_like(x), np.zeros_like(weight)
for in_x, in_weight, in_y in meetings(x.shape, weight.shape):
    y[in_y] += x[in_x] * weight[in_weight]
    grad_x[in_x] += g[in_y] * weight[in_weight]
    grad_weight[in_weight] += g[in_y] * x[in_x]
grad_bias = g.sum(axis=(0, 1, 2))

assert np.allclose(y, conv2d.forward(x, weight))
for ours, theirs in zip((grad_x, grad_weight, grad_bias), conv2d.backward(g, x, weight), strict=True):
    assert np.allclose(ours, theirs)
print("\nx, weight, bias:", grad_x.shape, grad_weight.shape, grad_bias.shape, " as the library's")

# %% [markdown]
# The library does it tap by tap again: what a tap's slice gave in the forward pass, it gets back by the transposed
# matrix, $g \cdot \text{weight}_{i,j}^T$. In the picture you see it for a single output pixel, whose window of 3 x 3
# gets the weights themselves, and for all 16 of them: a pixel in the middle is met by nine windows, one in the corner
# by one.

# %%
one = np.zeros((1, 4, 4, 1))
one[0, 1, 2] = 1
window = np.arange(1.0, 10).reshape(3, 3, 1, 1)
from_one, _, _ = conv2d.backward(one, np.zeros((1, 6, 6, 1)), window)
met, _, _ = conv2d.backward(np.ones((1, 4, 4, 1)), np.zeros((1, 6, 6, 1)), np.ones((3, 3, 1, 1)))

figure = Figure(figsize=(10, 3.3), dpi=100, layout="constrained")
panel = figure.subplots()
orange, blue = "#f6c9a0", "#b7c9f2"
for left, numbers, title in (
    (0, window[..., 0, 0], "weight"),
    (5, one[0, ..., 0], "g, one pixel"),
    (11, from_one[0, ..., 0], "its gradient in x"),
    (19, met[0, ..., 0], "how many windows meet a pixel"),
):
    size = len(numbers)
    for row, column in np.ndindex(numbers.shape):
        value = numbers[row, column]
        face = "0.95" if not value else blue if left == 19 else orange
        panel.add_patch(Rectangle((left + column, row - size / 2), 1, 1, facecolor=face, edgecolor="white"))
        panel.text(left + column + 0.5, row - size / 2 + 0.5, f"{value:.0f}", ha="center", va="center", fontsize=11,
                   color="black" if value else "0.6")  # fmt: skip
    panel.text(left + size / 2, -size / 2 - 0.35, title, ha="center", fontsize=12)
panel.set(xlim=(-0.5, 26), ylim=(3.2, -4.2), aspect="equal")
panel.axis("off")
show(figure, "03_way_back")
assert (from_one[0, 1:4, 2:5, 0] == window[..., 0, 0]).all() and from_one.sum() == window.sum() == 45
assert met[0, 0, 0, 0] == 1 and met[0, 2:4, 2:4].min() == met.max() == 9

# %% [markdown]
# ## A test that needs no reference
#
# A convolution is linear in x, so it is a matrix, if a huge one. By the loops above grad_x takes the same products the
# other way, from y to x: it is the transpose. For any matrix M, and any x and g,
#
# $$\langle M x,\, g \rangle = \langle x,\, M^T g \rangle, \qquad \langle a, b \rangle = \text{the sum of all } a
# \text{ times } b$$
#
# That is a test: draw x and g at random, and compare two numbers. It finds every wrong index, and we use it for all
# kernels. The convolution is linear in the weight, too, so the weight's gradient must give the same number again. And
# the transposed convolution of chapter 2 is the same $M^T$, so it must give the same numbers as grad_x (its channels in
# and out are exchanged).
#
# You should see the same number four times. Note the output padding: with these strides the window drops a row and two
# columns at the end, and the transpose must know that they were there.

# %%
x = rng.standard_normal((2, 12, 9, 3))
weight = rng.standard_normal((3, 3, 3, 4))
geometry = {"stride": (2, 3), "padding": 1}

y = conv2d.forward(x, weight, **geometry)
g = rng.standard_normal(y.shape)
grad_x, grad_weight, grad_bias = conv2d.backward(g, x, weight, **geometry)

remainder = [unread_rows(12, 3, stride=2, padding=1), unread_rows(9, 3, stride=3, padding=1)]
transposed = conv_transpose2d.forward(g, weight.swapaxes(2, 3), output_padding=remainder, **geometry)

print(f"\n<conv(x), g>          = {(y * g).sum():.12f}")
print(f"<x, grad_x>           = {(x * grad_x).sum():.12f}")
print(f"<weight, grad_weight> = {(weight * grad_weight).sum():.12f}")
print(f"<x, conv^T(g)>        = {(x * transposed).sum():.12f}")
assert np.isclose((y * g).sum(), (x * grad_x).sum(), rtol=1e-10) and remainder == [1, 2]
assert np.isclose((y * g).sum(), (weight * grad_weight).sum(), rtol=1e-10)
assert np.allclose(grad_bias, g.sum(axis=(0, 1, 2)))
assert grad_x.shape == transposed.shape == x.shape and np.allclose(grad_x, transposed)

# %% [markdown]
# ## Try
#
# 1. Put a mistake into `seven_loops`: write `p + j` for `p + i`. Which assert finds it? Would it with a window of one
#    row and one column?
# 2. Change the order of the loops: o outermost, c innermost. Compile again and time it. Why is it slower? Think of
#    which numbers lie side by side in memory.
# 3. How many loads for a multiply-add has a tile of 1 row? Of 64 x 64? Why do we not take that one?
# 4. The adjoint test cannot find one kind of mistake: which?
#
# Answers: 1: the first comparison with another version; no, there i and j are both 0. 2: over c a step in weight jumps
# O numbers, over o it goes to the next one. 3: a little more than 1, and 1/32; 64 x 64 numbers fit into no processor's
# registers. 4: one that forward and backward share, such as a window turned round in both.

# %%
for rows, columns in ((1, 16), (64, 64)):
    print(f"tile {rows} x {columns}: {(rows + columns) / (rows * columns):.3f} loads for a multiply-add")
assert (64 + 64) / (64 * 64) == 1 / 32

# %% [markdown]
# ## Exercises
#
# 03.1 is the convolution with stride, padding and bias; with yours in its place the library still draws a digit. 03.2
# lays out windows as rows, and 03.6 asks what that costs. 03.3 is the gradient, with stride and padding, and no loop
# over pixels if you can. 03.4 takes a convolution apart, and 03.5 turns it round. Write into the files and run
# `minisd course check 03.1`, or call `check("03.1", conv2d)` here with your own function.
