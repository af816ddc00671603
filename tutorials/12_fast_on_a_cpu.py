# %% [markdown]
# # 12. Fast on a CPU
#
# The seven loops of a convolution, written in C or compiled by Numba, use perhaps a tenth of what the processor can
# do. minisd's kernel uses most of it, on the same processor, for the same sum. What is the difference? No trick is
# deep, but five come together: a roof to aim at, loops in an order that the cache likes, data packed the way they are
# read, sums that stay in registers, and for windows of 3 x 3 a way to multiply less.
#
# You need chapter 3 (convolution three times). It takes about fifteen seconds. What it measures, it measures on your
# machine, so it prints and plots, and says what one usually sees; what it asserts does not depend on speed.

# %%
import time
from collections import OrderedDict
from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
from matplotlib.figure import Figure
from minisd_kernels import conv2d
from minisd_kernels.backends import current_backend, use_backend
from minisd_kernels.switches import thread_count, use_threads, winograd

from minisd.bench import KERNELS, measure_machine, run_case
from minisd.bench.roofline import roofline
from minisd.course import show, source

rng = np.random.default_rng(0)
compiled = current_backend() == "numba"
if not compiled:
    print("Numba is not there, or not chosen: what is measured below is NumPy, and the compiled kernels are left out.")


def least_seconds(run, rounds=5):
    """The shortest of several runs: other programs make a run longer, never shorter."""
    run()  # once for the caches, and for the compiler
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


# %% [markdown]
# ## Two numbers of your machine
#
# A kernel reads numbers from memory, computes with them, and writes numbers back. So two things can hold it up. The
# processor computes at most so many operations a second (an addition or a multiplication counts as one; the unit is
# GFLOP/s, billions a second). And memory gives at most so many bytes a second (GB/s).
#
# Both can be measured: the first by a product of two large matrices, made by a library that is known to be good, the
# second by a copy of more bytes than the caches hold.

# %%
machine = measure_machine(None, rounds=3)
ridge = machine.ceiling / machine.bandwidth
print(f"{machine.processor}")
print(f"computes  {machine.ceiling:6.0f} GFLOP/s")
print(f"copies    {machine.bandwidth:6.1f} GB/s")
print(f"so in the time of one byte it computes {ridge:.0f} operations, in that of a float32 {4 * ridge:.0f}")

# %% [markdown]
# ## The roofline
#
# A kernel that does $I$ operations for each byte it moves is done when both are done, computing and moving. So it
# reaches at most (Williams, Waterman and Patterson 2009)
#
# $$\text{GFLOP/s} \le \min(\text{peak},\ \text{bandwidth} \times I), \qquad
# I = \frac{\text{operations}}{\text{bytes read} + \text{bytes written}}$$
#
# $I$ is the arithmetic intensity. Plotted over $I$, the bound is a roof: a slope where memory decides, then a flat
# part where computing decides. They meet at the ridge, at peak / bandwidth.
#
# Now the convolution, with padding so that it keeps the size: $N = B \cdot H \cdot W$ pixels, $C$ channels in, $O$ out,
# a window of $k \times k$. Every output is a sum of $k^2 C$ products, and a product with its addition is 2 operations:
#
# $$\text{operations} = 2 N O k^2 C \qquad
# \text{bytes} = 4\,(\underbrace{N C}_{x} + \underbrace{k^2 C O}_{weight} + \underbrace{N O}_{y})$$
#
# With many pixels the weight counts little, and what remains is
#
# $$I \to \frac{2 N O k^2 C}{4 N (C + O)} = \frac{k^2}{2} \cdot \frac{C O}{C + O}
# \qquad\text{and for } O = C:\quad I \to \frac{k^2 C}{4}$$
#
# So a 3 x 3 convolution of 32 channels does 72 operations a byte: computing decides. One with a single input channel
# does 4.4, an addition of two arrays 1/12: there memory decides, and no cleverness in computing helps.

# %%


def operations_a_byte(N, C, O, k):
    """The intensity of a k x k convolution that keeps the size."""
    return 2 * N * O * k * k * C / (4 * (N * C + k * k * C * O + N * O))


print("      N     C     O  k   operations a byte   with many pixels")
for N, C, O, k in [
    (100_352, 1, 32, 3),
    (100_352, 32, 32, 3),
    (6_272, 128, 128, 3),
    (25_088, 128, 64, 1),
    (128, 1280, 1280, 3),
]:
    limit = k * k / 2 * C * O / (C + O)
    print(f"{N:7} {C:5} {O:5}  {k}   {operations_a_byte(N, C, O, k):17.1f}   {limit:16.1f}")
    assert operations_a_byte(N, C, O, k) < limit
assert abs(operations_a_byte(10**9, 32, 32, 3) - 72) < 0.01
few_pixels = operations_a_byte(128, 1280, 1280, 3)  # Stable Diffusion's lowest level: 2 x 8 x 8 pixels
assert few_pixels < 0.1 * 9 * 1280 / 4

# %% [markdown]
# The last line is worth a look: at Stable Diffusion's lowest level there are 8 x 8 pixels and 1280 channels, and the
# weight has ninety times more numbers than the map. It is read for 128 pixels only. Where the ridge lies higher than
# that intensity, as on most GPUs, drawing two pictures at once costs that layer hardly more than one.
#
# Here are some of minisd's kernels under your machine's roof. One usually sees the convolutions with 32 channels and
# more near the flat roof (Winograd's may lie above it, since it multiplies less than the formula counts), and Adam at
# the slope. Norms and attention lie lower: their exponentials cost more than they are counted for. A point above the
# slope is no miracle: its arrays fit into a cache, and never went to memory.

# %%
WANTED = (
    ("conv2d forward", "128 x 28 x 28 x 1 -> 32, 3 x 3"),
    ("conv2d forward", "128 x 28 x 28 x 32 -> 32, 3 x 3"),
    ("conv2d forward", "128 x 7 x 7 x 128 -> 128, 3 x 3"),
    ("conv2d forward", "128 x 14 x 14 x 128 -> 64, 1 x 1"),
    ("conv2d forward", "2 x 8 x 8 x 1280 -> 1280, 3 x 3"),
    ("group norm + SiLU, both ways", "128 x 14 x 14 x 64, 8 groups"),
    ("attention forward", "128 x 49 tokens, 4 heads of 32"),
    ("linear, both ways", "3136 x 64 -> 128"),
    ("Adam step", "1,000,000 parameters"),
)
cases = [case for case in KERNELS if (case.name, case.shapes) in WANTED]
rows = [run_case(case, None, seconds=0.1) for case in cases]
assert len(rows) == len(WANTED)
for row in rows:
    bound = min(machine.ceiling, machine.bandwidth * row.flops / row.bytes)
    print(f"{row.name:30} {row.shapes:34} {row.flops / row.bytes:7.1f} op/B {row.gflops:6.0f} of {bound:4.0f} GFLOP/s")
show(roofline(machine, rows), "12_roofline")

# %% [markdown]
# ## Memory comes in lines
#
# Between processor and memory lie caches: small and fast ones near, larger and slower ones behind them. Memory never
# gives one number. It gives a line of 64 bytes, 16 floats, and the line stays in the cache until others need its place.
# Who reads neighbours pays once for 16 numbers; who jumps pays for each.
#
# We add up numbers that lie $s$ apart in an array too large for the caches. One usually sees the time for each number
# grow until $s = 16$, or 32 where the processor fetches lines in pairs: there every number is a line of its own, and
# larger steps cost little more.

# %%
numbers = np.ones(1 << 24, np.float32)  # 64 MB
steps = [1, 2, 4, 8, 16, 32, 64]
nanoseconds = [1e9 * least_seconds(numbers[::step].sum, 3) / (len(numbers) // step) for step in steps]

figure = Figure(figsize=(7, 3.4), dpi=110, layout="constrained")
panel = figure.subplots()
panel.plot(steps, nanoseconds, "o-", color="tab:blue")
panel.axvline(16, color="0.6", linewidth=1)
panel.annotate("a line: 16 floats", (16, 0), (4, 6), textcoords="offset points", color="0.3")
panel.set_xscale("log", base=2)
panel.set(xlabel="the numbers added lie so many floats apart", ylabel="nanoseconds a number", ylim=(0, None))
panel.set_xticks(steps, map(str, steps))
panel.spines[["top", "right"]].set_visible(False)
show(figure, "12_lines")

# %% [markdown]
# ## The order of the loops
#
# A matrix product, the sum at the heart of linear layers, convolutions and attention, is three loops:
#
# $$C_{ij} = \sum_k A_{ik} B_{kj}$$
#
# They can be nested in any order, and the sum is the same. With `k` innermost, B is read down a column: each step is
# another line. With `j` innermost, B and C are read along their rows. With blocks, three small squares stay in the
# cache until all that can be computed with them is computed.
#
# We need no stopwatch to see it. Here is a toy cache: it keeps the 24 lines that were used last, and counts how often a
# line is asked for that it has not. The matrices have 32 x 32 numbers, so each has 64 lines and a column meets 32 of
# them: more than the cache holds.

# %%
SIZE, LINE, LINES = 32, 16, 24


def misses(order):
    """How many lines a cache of LINES lines must fetch when A[i, k], B[k, j], C[i, j] are touched in this order."""
    cache, fetched = OrderedDict(), 0
    for i, j, k in order:
        for address in (i * SIZE + k, SIZE**2 + k * SIZE + j, 2 * SIZE**2 + i * SIZE + j):
            line = address // LINE
            if line in cache:
                cache.move_to_end(line)
                continue
            fetched += 1
            cache[line] = True
            if len(cache) > LINES:
                cache.popitem(last=False)  # the one that was not used for longest
    return fetched


def blocked(side):
    """i, k, j within blocks of side x side."""
    for I, K, J in product(range(0, SIZE, side), repeat=3):
        yield from ((I + i, J + j, K + k) for i, k, j in product(range(side), repeat=3))


every = range(SIZE)
counted = {
    "i, j, k": misses((i, j, k) for i, j, k in product(every, repeat=3)),
    "i, k, j": misses((i, j, k) for i, k, j in product(every, repeat=3)),
    "i, k, j in blocks of 16": misses(blocked(16)),
}
least = 3 * SIZE**2 // LINE
for name, number in counted.items():
    print(f"{name:24} {number:6} lines fetched for {SIZE**3} multiply-adds; each line once would be {least}")
assert counted["i, j, k"] > SIZE**3 > 10 * counted["i, k, j"] > 50 * counted["i, k, j in blocks of 16"]

# %% [markdown]
# The same on your processor, compiled, with matrices of 384 x 384. One usually sees `i, k, j` five to twenty times
# faster than `i, j, k`. That is more than the lines alone explain: along a row the compiler can also use vector
# instructions, of which more below.

# %%
if compiled:
    from numba import njit

    @njit
    def dot_order(A, B, C):
        for i in range(A.shape[0]):
            for j in range(B.shape[1]):
                for k in range(A.shape[1]):
                    C[i, j] += A[i, k] * B[k, j]

    @njit
    def row_order(A, B, C):
        for i in range(A.shape[0]):
            for k in range(A.shape[1]):
                for j in range(B.shape[1]):
                    C[i, j] += A[i, k] * B[k, j]

    A, B = rng.standard_normal((2, 384, 384), dtype=np.float32)
    seconds = {}
    for name, loops in {"i, j, k": dot_order, "i, k, j": row_order}.items():
        C = np.zeros_like(A)
        loops(A, B, C)
        assert np.allclose(C, A @ B, atol=1e-3)
        seconds[name] = least_seconds(lambda: loops(A, B, np.zeros_like(A)), 2)  # noqa: B023 - run at once
    print(f"i, j, k takes {seconds['i, j, k'] / seconds['i, k, j']:.1f} times as long as i, k, j here")

# %% [markdown]
# ## Registers: the smallest cache
#
# A vector instruction works on several floats at once: 4 on ARM, 8 with AVX2, 16 with AVX-512. It takes its numbers
# from registers, of which there are 16 or 32. `i, k, j` as above loads and stores a piece of C for every multiply-add:
# two loads and a store for one useful instruction.
#
# The remedy is to keep a piece of C in registers while k runs. With R rows of A and V vectors of B, each step of k
# loads V vectors of B, broadcasts R numbers of A, and does R V multiply-adds:
#
# $$\frac{\text{loads}}{\text{multiply-adds}} = \frac{R + V}{R V}, \qquad
# \text{registers} = \underbrace{R V}_{\text{sums}} + \underbrace{V}_{B} + \underbrace{1}_{A}$$
#
# We want the first small, and the second must not exceed what there is. Which tile is best with 32 registers?

# %%


def tile(R, V):
    """Loads for each multiply-add, and registers needed."""
    return (R + V) / (R * V), R * V + V + 1


for R, V in [(1, 1), (4, 1), (4, 4), (5, 5), (14, 2), (30, 1)]:
    loads, registers = tile(R, V)
    print(f"{R:2} rows x {V} vectors: {loads:.2f} loads a multiply-add, {registers:2} registers")
    assert registers <= 32
best = min((tile(R, V)[0], R, V) for R, V in product(range(1, 31), range(1, 8)) if tile(R, V)[1] <= 32)
print(f"the fewest loads of all that fit: {best[1]} x {best[2]}, {best[0]:.2f}")
assert best[1:] == (5, 5)

# %% [markdown]
# 5 x 5 loads least. minisd takes 14 x 2 where vectors have 16 floats, though it loads a little more, because 5 vectors
# are 80 columns, and a small network's channels do not fill 80. (And a processor can do two loads in the time of two
# multiply-adds: below 1 the loads are hidden.) The rule of such choices: compute the bound, then measure.
#
# This is the loop around the tile, as it runs in minisd. The tile itself is written in LLVM's own terms, because no
# compiler finds it from loops; its text is in `kernels/minisd_kernels/register_tile.py`.

# %%
if compiled:
    from minisd_kernels import register_tile

    source(register_tile.multiply_add.py_func, docstring=True)
    loads, registers = tile(register_tile.ROWS, register_tile.VECTORS)
    print(
        f"\nhere: {register_tile.ROWS} rows x {register_tile.VECTORS} vectors of {register_tile.LANES} floats, ", end=""
    )
    print(f"{loads:.2f} loads a multiply-add")
    assert registers <= (16 if register_tile.LANES == 8 else 32)

# %% [markdown]
# ## Packing
#
# The tile reads, for each k, a few columns of B: 32 floats from row k, then 32 from row k + 1, which lies a whole row
# farther on. So B is copied once into panels: 32 columns wide, one behind the other, each in the order in which it will
# be read. The copy costs K x O numbers, and is paid back by every block of rows of A.
#
# $$\text{packed}\big[(\lfloor j / w \rfloor K + k)\, w + j \bmod w\big] = B_{kj}, \qquad w \text{ columns a panel}$$
#
# The last panel is filled up with zeros. And since the copy is made anyway, it may come from a transposed B: the same
# kernel serves $A B$ and $A B^T$, which the backward pass needs. (Writing `pack` is exercise 12.3.)

# %%
if compiled:
    K, O, w = 5, 70, register_tile.COLUMNS
    B = rng.standard_normal((K, O), dtype=np.float32)
    packed = np.full(register_tile.packed_size(K, O), np.nan, np.float32)
    register_tile.pack(register_tile.Matrix(B.reshape(-1), 0, O, 1), B.shape, packed, 0, K)
    assert all(packed[(j // w * K + k) * w + j % w] == B[k, j] for k, j in product(range(K), range(O)))
    assert np.count_nonzero(packed) == B.size
    print(f"{K} x {O} numbers fill {packed.size} places, {ceil(O / w)} panels of {K} x {w}; the rest are zeros")

# %% [markdown]
# ## Winograd: fewer multiplications
#
# A filter of 3 numbers slides over 4 numbers and makes 2 outputs. That takes 6 multiplications:
#
# $$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2, \qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$
#
# Winograd (1980) does it with 4. (Do you find how? That is exercise 12.4.)
#
# Where does such a thing come from? From polynomials. Let $u$ have $m$ coefficients and $g$ have $r$. Their product
# $s = u g$ has $n = m + r - 1$. A polynomial of $n$ coefficients is known from its values at $n$ points, and a value of
# the product is one multiplication: $s(a) = u(a)\, g(a)$. So take $n - 1$ points $a_i$, and in place of one more the
# highest coefficient, the "value at infinity". With $N_i(x) = \prod_{j \ne i} (x - a_j)$, $f_i = N_i(a_i)$ and
# $M(x) = \prod_j (x - a_j)$, Lagrange's interpolation says
#
# $$s(x) = \sum_i \frac{u(a_i)\, g(a_i)}{f_i} N_i(x) + u_{m-1}\, g_{r-1}\, M(x)$$
#
# In matrices: let $V_m$ evaluate $m$ coefficients at all points, let $G$ be $V_r$ with row $i$ divided by $f_i$, and
# let row $i$ of $B^T$ be the coefficients of $N_i$, the last one's those of $M$. Then $s = B\,[(V_m u) * (G g)]$, where
# $*$ multiplies number by number.
#
# The filter is the same thing read backwards. Multiply $s$ with a row of data $d$:
#
# $$\sum_k d_k s_k = \sum_k d_k \sum_p u_p\, g_{k-p} = \sum_p u_p \underbrace{\sum_j d_{p+j}\, g_j}_{y_p}$$
#
# and, in matrices, $d^T B\,[(V_m u) * (G g)] = u^T V_m^T [(G g) * (B^T d)]$. Both hold for every $u$, so
#
# $$y = A^T\,[(G g) * (B^T d)], \qquad A^T = V_m^T$$
#
# with $m + r - 1$ multiplications for $m$ outputs in place of $m r$. That is $F(m, r)$. Here is all of it in exact
# fractions, and for the points 0, 1, -1, 2, -2 it gives minisd's matrices to the last digit.

# %%


def evaluated(points, coefficients):
    """V: row i gives the value of a polynomial at point i, the last row its highest coefficient."""
    rows = [[Fraction(a) ** power for power in range(coefficients)] for a in points]
    return np.array([*rows, [Fraction(0)] * (coefficients - 1) + [Fraction(1)]])


def with_roots(roots):
    """The coefficients of prod (x - root), the lowest first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [root * c for c in polynomial] + [Fraction(0)]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return polynomial


def transforms(m, r, points):
    """A^T (m, n), G (n, r) and B^T (n, n) of F(m, r), n = m + r - 1, from n - 1 points."""
    points = [Fraction(a) for a in points]
    others = [[b for b in points if b != a] for a in points]
    f = [np.prod([a - b for b in rest]) for a, rest in zip(points, others, strict=True)]
    rows = [[*with_roots(rest), Fraction(0)] for rest in others]
    B_T = np.array([*rows, with_roots(points)])
    G = evaluated(points, r) / np.array([*f, Fraction(1)])[:, None]
    return evaluated(points, m).T, G, B_T


A_T, G, B_T = transforms(2, 3, [0, 1, -1])
d, g = np.array([Fraction(n) for n in (3, 1, 4, 1)]), np.array([Fraction(n) for n in (5, 9, 2)])
y = A_T @ ((G @ g) * (B_T @ d))
assert list(y) == [3 * 5 + 1 * 9 + 4 * 2, 1 * 5 + 4 * 9 + 1 * 2]
print(f"F(2, 3): {B_T.shape[0]} multiplications for 2 outputs, y = {[int(n) for n in y]}")
for name, matrix in {"A^T": A_T, "G": G, "B^T": B_T}.items():
    print(f"{name:4}", "; ".join(" ".join(map(str, row)) for row in matrix))

if compiled:
    from minisd_kernels.conv2d import winograd as library

    for ours, theirs in zip(transforms(4, 3, [0, 1, -1, 2, -2]), (library.A_T, library.G, library.B_T), strict=True):
        assert np.array_equal(ours.astype(np.float32), theirs)
    print("F(4, 3) from the points 0, 1, -1, 2, -2: the matrices of minisd_kernels/conv2d/winograd.py")

# %% [markdown]
# For pictures, do it along the rows and along the columns (Lavin and Gray 2016, equation 12):
#
# $$Y = A^T \Big[ (G g G^T) * (B^T d B) \Big] A, \qquad d: n \times n,\quad g: r \times r,\quad Y: m \times m$$
#
# $F(2\times2, 3\times3)$ takes $4^2 = 16$ multiplications where the sum over windows takes $4 \cdot 9 = 36$: 2.25 times
# fewer. $F(4\times4, 3\times3)$ takes $6^2 = 36$ in place of $16 \cdot 9 = 144$: 4 times fewer. With C channels the sum
# over them is made before the way back, so the transforms are paid once for a tile and a channel, and each of the
# $n^2$ places becomes a matrix product, (tiles x C) times (C x O). It is that product which the register tile computes.
#
# Why not F(6x6), F(8x8), ...? Because of rounding. The points grow apart, and with them the numbers in the matrices:
# large terms cancel, and what is lost in the last digit of a large number is a larger part of a small result.

# %%


def of_tiles(d, g, matrices):
    """The equation for many tiles at once: d (T, n, n, C) and g (r, r, C, O) make outputs (T, m, m, O)."""
    A_T, G, B_T = (matrix.astype(d.dtype) for matrix in matrices)
    d = np.einsum("uh,thwc,vw->tuvc", B_T, d, B_T)
    g = np.einsum("ui,ijco,vj->uvco", G, g, G)
    return np.einsum("pu,tuvo,qv->tpqo", A_T, np.einsum("tuvc,uvco->tuvo", d, g), A_T)


TILES = {2: [0, 1, -1], 4: [0, 1, -1, 2, -2], 6: [0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2)]}
C, O = 32, 32
g = rng.standard_normal((3, 3, C, O))
found = {}
for m, points in TILES.items():
    d = rng.standard_normal((36, m + 2, m + 2, C))
    exact = conv2d.forward(d, g)  # float64, no padding: m x m outputs a tile
    assert np.allclose(of_tiles(d, g, transforms(m, 3, points)), exact)
    largest, single = abs(exact).max(), (np.float32(d), np.float32(g))
    if m == 2:
        with winograd.off():
            found[1] = 9.0, abs(conv2d.forward(*single) - exact).max() / largest
    found[m] = (m + 2) ** 2 / m**2, abs(of_tiles(*single, transforms(m, 3, points)) - exact).max() / largest
for m, (multiplications, error) in found.items():
    name = f"F({m}x{m}, 3x3)" if m > 1 else "the sum itself"
    print(f"{name:15} {multiplications:5.2f} multiplications an output; error {error:.1e} of the largest output")
assert found[2][1] < found[4][1] < found[6][1] and found[1][1] < found[4][1] and found[6][1] < 1e-4
assert [round(pair[0], 2) for pair in found.values()] == [9, 4, 2.25, 1.78]

figure = Figure(figsize=(7, 3.4), dpi=110, layout="constrained")
panel = figure.subplots()
panel.semilogy(*zip(*found.values(), strict=True), "o", color="tab:blue")
for m, (count, error) in found.items():
    text = f"F({m}x{m}, 3x3)" if m > 1 else "sum over windows"
    panel.annotate(text, (count, error), (6, 6), textcoords="offset points")
panel.set(xlabel="multiplications an output", ylabel="error / largest output", xlim=(0, 12), ylim=(1e-7, 3e-5))
panel.spines[["top", "right"]].set_visible(False)
show(figure, "12_winograd")

# %% [markdown]
# F(2x2) rounds about as well as the sum itself, which adds 288 products. From there each step multiplies less and
# rounds worse, while the gain shrinks: 2.25, 4, 5.06 times. minisd stops at 4 x 4, about 1e-5 of the largest output,
# which no picture shows. And it can be told not to: `winograd.off()`.
#
# ## What each step brings
#
# One layer of the MNIST U-Net, 32 pictures of 28 x 28 x 32, to 32 channels. One usually sees a factor of five and more
# from the plain loops to the register tile, up to another two by Winograd, and nearly two by a second thread (the plain
# loops compute in float64, which is all that minisd has them for: half as many numbers fit a vector).

# %%
x = rng.standard_normal((32, 28, 28, 32), dtype=np.float32)
weight = rng.standard_normal((3, 3, 32, 32), dtype=np.float32) / 17
operations = 2 * x.size * 9 * 32


def gflops(run):
    return operations / least_seconds(run, 10) / 1e9


with use_backend("numpy"):
    speeds = {"NumPy: nine matrix products": gflops(lambda: conv2d.forward(x, weight, padding=1))}
    wanted = conv2d.forward(x, weight, padding=1)
if compiled:
    small = x[:4].astype(np.float64), weight.astype(np.float64)
    plain = operations / 8 / least_seconds(lambda: conv2d.forward(*small, padding=1), 2) / 1e9
    speeds = {"seven loops, compiled (float64)": plain, **speeds}
    with use_threads(1):
        with winograd.off():
            speeds["register tile"] = gflops(lambda: conv2d.forward(x, weight, padding=1))
        speeds["and Winograd"] = gflops(lambda: conv2d.forward(x, weight, padding=1))
        on_one = conv2d.forward(x, weight, padding=1)
    speeds[f"and {thread_count()} threads"] = gflops(lambda: conv2d.forward(x, weight, padding=1))
    assert abs(on_one - wanted).max() < 1e-4 * abs(wanted).max()
for name, speed in speeds.items():
    print(f"{name:33} {speed:7.1f} GFLOP/s")

figure = Figure(figsize=(8, 2.8), dpi=110, layout="constrained")
panel = figure.subplots()
bars = panel.barh(list(speeds), list(speeds.values()), color="tab:blue")
panel.bar_label(bars, [f"{speed:.0f}" if speed > 10 else f"{speed:.1f}" for speed in speeds.values()], padding=4)
panel.axvline(machine.ceiling, color="0.4", linewidth=1.5, linestyle="--")
panel.set(
    xlabel="GFLOP/s, counted as the plain sum's; dashed: this machine's peak",
    xlim=(0, 1.15 * max([*speeds.values(), machine.ceiling])),
)
panel.invert_yaxis()
panel.spines[["top", "right"]].set_visible(False)
show(figure, "12_steps")

# %% [markdown]
# ## Threads, and the same bits
#
# With $p$ threads only the part $f$ of the work that can be shared gets faster (Amdahl 1967):
#
# $$\text{speed-up} = \frac{1}{(1 - f) + f / p}$$
#
# so 95% shared, on 8 threads, is 5.9 and not 8. But there is a price that this formula does not show: rounding depends
# on the order of a sum. If each thread adds up its share, and the shares depend on how many threads there are, then
# the same training on another laptop ends elsewhere.

# %%
values = rng.standard_normal(100_000, dtype=np.float32)


def shared_out(parts):
    """The sum as so many threads would make it, each its part."""
    sums = [np.add.accumulate(part)[-1] for part in np.array_split(values, parts)]
    return np.add.accumulate(np.array(sums))[-1]


results = {parts: shared_out(parts) for parts in (1, 2, 3, 4, 8)}
print("   ".join(f"{parts} parts: {total:.4f}" for parts, total in results.items()))
assert len(set(results.values())) > 1, "the order of a sum shows in its last digits"

# %% [markdown]
# minisd promises the same bits on any number of threads, and keeps it by two rules:
#
# 1. An output is computed by one thread from beginning to end, in one order of k, whatever tile it falls into.
# 2. A sum over everything, such as a weight's gradient, is cut into a number of chunks that does not depend on the
#    threads. Each chunk is one thread's; the chunks' sums are added in order.

# %%
if compiled:
    from minisd_kernels.compiling import CHUNKS

    print(f"sums over all pixels are cut into {CHUNKS} chunks, on one thread as on many")
    grad_y = rng.standard_normal(x.shape, dtype=np.float32)
    with use_threads(1):
        alone = [conv2d.forward(x, weight, padding=1), *conv2d.backward(grad_y, x, weight, padding=1)]
    together = [conv2d.forward(x, weight, padding=1), *conv2d.backward(grad_y, x, weight, padding=1)]
    assert all(np.array_equal(one, many) for one, many in zip(alone, together, strict=True))
    assert np.array_equal(conv2d.forward(x[5:6], weight, padding=1), together[0][5:6])
    print(f"1 thread and {thread_count()}: output and gradients are equal to the bit, and so is a picture alone")

# %% [markdown]
# ## Try
#
# 1. How many multiply-adds a byte does a layer norm do? On which side of your ridge is it?
#    Answer: a handful for 8 bytes read and written, so below 1: memory decides on every processor of today.
# 2. Give the toy cache 40 lines in place of 24. What happens to `i, j, k`, and why?
#    Answer: a column's 32 lines fit now, so the next column finds them: the misses fall twentyfold. Caches have cliffs.
# 3. What is the least number of multiplications of F(2x2, 5x5), and of the sum? Answer: 36 and 100.
# 4. Half of a step can be shared among threads. What do a thousand threads gain? Answer: less than 2.

# %%
LINES = 40
assert misses(product(every, repeat=3)) < counted["i, j, k"] / 15

# %% [markdown]
# ## Exercises
#
# 12.1 to 12.7 lead along this chapter: intensity, a product in blocks, panels, Winograd along a row, transforms, the
# whole convolution by tiles (a long one), and Amdahl's law. 12.8 and 12.9 are questions with numbers of your own.
# `minisd course check 12.4` in a shell, or `check("12.4", my_function)` here.
