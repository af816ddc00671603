# %% [markdown]
# # 13. A GPU that is not there
#
# minisd's GPU kernels are written in CUDA C++, NVIDIA's language. You can run them without an NVIDIA card: the emulator
# compiles the same files for your processor and runs every CUDA thread there. It cannot tell you how many milliseconds
# a kernel takes on a GPU. But it sees what a GPU hides. It names the line with the bug. And it counts what each line
# asks of memory, which is what makes most kernels fast or slow.
#
# Here we look at what a warp asks of memory, write a kernel three times, put bugs into it, and then look at minisd's
# convolution, at tensor cores, and at how many threads a GPU can hold.
#
# You need chapter 3, a little C, and a C++ compiler (g++ or clang). It takes a few seconds, the first time half a
# minute, because what it runs is compiled first. Where no compiler is found, the chapter says so and ends.

# %%
import json
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from minisd_kernels import conv2d
from minisd_kernels.backends import BackendUnavailable, use_backend
from minisd_kernels.cuda.inspect import budgets
from minisd_kernels.cuda.inspect.occupancy import LIMITS, occupancy
from minisd_kernels.devices import require_device, to_device, to_host
from minisd_kernels.emulator.inspect.trace import table, to_trace, trace
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.emulator.module import EmulatedModule
from minisd_kernels.emulator.program import EmulationError
from minisd_kernels.folders import made_writable, user_cache
from minisd_kernels.switches import tensor_cores

from minisd.course import show

try:
    require_device("emu")
except BackendUnavailable as missing:
    print(f"This chapter runs CUDA C++ on your processor, and ends here: {missing}")
    raise SystemExit(0) from None

folder = user_cache() / "chapter-13"  # for our .cu files: the emulator knows by the path what it has compiled before
folder = folder if made_writable(folder) else Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)

# %% [markdown]
# ## Threads, and where the numbers end
#
# A kernel is a function that many threads run at once, each with a number of its own. Threads come in blocks. A thread
# knows its place in the block (threadIdx) and its block's place in the grid (blockIdx); from these it finds out which
# number is its job:
#
# $$i = \text{blockIdx} \cdot \text{blockDim} + \text{threadIdx}$$
#
# The launch says how many blocks, and how many threads in each. For $N$ numbers and blocks of $T$ threads one takes
# $\lceil N / T \rceil$ blocks. If $T$ does not divide $N$, some threads have no job, and must be told so: that is the
# guard, `if (i < N)`. Forgetting it is the first bug that everybody writes.
#
# On a GPU you would write `cupy.RawModule(path=...)` instead of `EmulatedModule`, and the rest would be the same.

# %%


def launch(text, kernel, grid, block, *arguments, instances=None):
    """Run a kernel of the CUDA C++ in `text` on the emulated device."""
    path = folder / "lesson.cu"
    path.write_text(text)
    EmulatedModule(path, instances or [kernel]).get_function(kernel)(grid, block, arguments)


ADD_ONE = """
__global__ void add_one(float* x, int N) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) x[i] += 1;
}
"""
thousand = to_device(np.arange(1000, dtype=np.float32), "emu")
launch(ADD_ONE, "add_one", (4,), (256,), thousand, np.int32(1000))
assert np.array_equal(to_host(thousand), np.arange(1000) + 1)
print("4 blocks of 256 threads have added 1 to 1000 numbers; 24 threads had nothing to do")
try:
    with watching():
        launch(ADD_ONE.replace("if (i < N) ", ""), "add_one", (4,), (256,), thousand, np.int32(1000))
except EmulationError as error:
    print(f"without the guard: {error}")
else:
    raise AssertionError("a thread has left the array, and nobody has noticed")

# %% [markdown]
# ## Warps
#
# 32 neighbouring threads are a warp, and a warp does one instruction at a time for all of them. If some take one side
# of an `if` and the others the other, the warp goes both ways, one after the other, each time with part of its threads
# idle. If whole warps part, nothing is lost.
#
# And a warp asks memory once for all its threads. Memory gives pieces of 32 bytes, called sectors: eight floats. If
# neighbours want neighbouring numbers, four sectors hold all that they want. Such accesses are called coalesced.
#
# The emulator counts both: how many threads took part in each access, and how many sectors they touched. You should
# see 16 threads of 32 where odd and even threads part, and all 32 where warps do.

# %%
WARPS = """
template <int TOGETHER>
__global__ void part(float* y) {
    const int i = threadIdx.x;
    if (i / TOGETHER % 2) y[i] = 1;
    else y[i] = 2;
}
template <int STEP, int START>
__global__ void every(const float* x, float* y) {
    y[threadIdx.x] = x[START + STEP * threadIdx.x];
}
"""
STEPS = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (1, 3), (0, 0)]
INSTANCES = ["part<1>", "part<32>", *(f"every<{step}, {start}>" for step, start in STEPS)]
x, y = to_device(np.zeros(1024, np.float32), "emu"), to_device(np.zeros(64, np.float32), "emu")


def counted(kernel, threads, *arguments):
    """What each line of a kernel in WARPS asked for, run by one block."""
    with watching(races=False, counting=True) as watch:
        launch(WARPS, kernel, (1,), (threads,), *arguments, instances=INSTANCES)
    return watch.lines


for kernel, who in (("part<1>", "odd and even threads"), ("part<32>", "whole warps")):
    took_part = [line.lanes // line.requests for line in counted(kernel, 64, y)]
    print(f"{who} part: {took_part[0]} threads of a warp write at once")
    assert took_part == ([16, 16] if kernel == "part<1>" else [32, 32])

sectors = {}
for step, start in STEPS:
    (read,) = [line for line in counted(f"every<{step}, {start}>", 32, x, y) if not line.writes]
    sectors[step, start] = read.moved
assert sectors == {(1, 0): 4, (2, 0): 8, (4, 0): 16, (8, 0): 32, (16, 0): 32, (1, 3): 5, (0, 0): 1}

figure = Figure(figsize=(7, 2.9), dpi=110, layout="constrained")
panel = figure.subplots()
names = [
    "side by side",
    *(f"{step} floats apart" for step, _ in STEPS[1:5]),
    "side by side, from number 3",
    "all the same one",
]
bars = panel.barh(names, list(sectors.values()), color="tab:blue")
panel.bar_label(bars, padding=4)
panel.set(xlabel="sectors of 32 bytes that the 32 floats of a warp touch", xlim=(0, 35))
panel.invert_yaxis()
panel.spines[["top", "right"]].set_visible(False)
show(figure, "13_sectors")

# %% [markdown]
# From 8 floats apart on each number has a sector of its own: seven eighths of what comes from memory is thrown away. A
# row that begins in the middle of a sector costs one more, and one number that all want is one sector.
#
# ## A matrix, transposed
#
# Our job now is to transpose a matrix of N x N numbers: y[j, i] = x[i, j]. A block takes a square of 32 x 32 of them,
# and has a thread for each.
#
# Why would this be slow? Neighbouring threads read neighbouring numbers, but they write N numbers apart. You should see
# that the reads are as good as they can be, and that each write touches eight times the sectors that its numbers would
# fit into.

# %%
N = 128
x = rng.standard_normal((N, N), dtype=np.float32)


def transpose(text, kernel):
    """Run a kernel of the CUDA C++ in `text` on x; x and y live on the emulated device."""
    device_x, y = to_device(x, "emu"), to_device(np.zeros_like(x), "emu")
    launch(text, kernel, (N // 32, N // 32), (32, 32), device_x, y, np.int32(N))
    return to_host(y)


PLAIN = """
__global__ void plain(const float* x, float* y, int N) {
    const int j = blockIdx.x * 32 + threadIdx.x, i = blockIdx.y * 32 + threadIdx.y;
    y[j * N + i] = x[i * N + j];
}
"""
assert np.array_equal(transpose(PLAIN, "plain"), x.T)
print(f"{N // 32} x {N // 32} blocks of 32 x 32 threads have transposed {N} x {N} numbers")


def count(text, kernel):
    """What each line of the kernel asked for."""
    with watching(races=False, counting=True) as watch:
        assert np.array_equal(transpose(text, kernel), x.T)
    print(f"\n{kernel}")
    for line in watch.lines:
        what = f"{'shared' if line.shared else 'global'} memory {'written' if line.writes else 'read'}"
        asked = f"{line.moved / line.requests:.0f} {'rounds' if line.shared else 'sectors'} a warp"
        print(f"    {line.place:20} {what:24} {asked:18} {line.best / line.moved:4.0%} of use")
    return {(line.shared, line.writes): line.moved / line.requests for line in watch.lines}


asked = count(PLAIN, "plain")
assert asked[False, False] == 4 and asked[False, True] == 32

# %% [markdown]
# ## A tile in shared memory
#
# A block has a small, fast memory that its threads share. So a block can read its square row by row, put it there, and
# write it out row by row, too, turned. Each thread writes what another has read, so all must have finished reading:
# `__syncthreads()` is a barrier, where each waits until the whole block has come.
#
# Now both accesses to global memory are perfect. But look at shared memory. It has 32 banks, and number k lies in bank
# k mod 32. A bank gives one number at a time. The threads that read a column of 32 x 32 numbers all ask the same bank,
# and wait for each other: 32 rounds instead of one.
#
# Make the rows one number longer, and the column runs through all the banks.

# %%
TILED = """
__global__ void tiled(const float* x, float* y, int N) {
    __shared__ float tile[32][32];
    const int column = blockIdx.x * 32, row = blockIdx.y * 32;
    tile[threadIdx.y][threadIdx.x] = x[(row + threadIdx.y) * N + column + threadIdx.x];
    __syncthreads();
    y[(column + threadIdx.y) * N + row + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
"""
PADDED = TILED.replace("tiled(", "padded(").replace("[32][32]", "[32][32 + 1]")

asked = count(TILED, "tiled")
assert asked[False, False] == asked[False, True] == 4 and asked[True, False] == 32
asked = count(PADDED, "padded")
assert asked[False, False] == asked[False, True] == 4 and asked[True, False] == 1

# %% [markdown]
# In the picture each square is a number of the tile, and its colour is its bank. A warp reads one column, which is
# framed: on the left it is of one colour, on the right it has all 32.

# %%
figure = Figure(figsize=(8, 4.2), dpi=110, layout="constrained")
for panel, columns in zip(figure.subplots(1, 2), (32, 33), strict=True):
    bank = np.arange(32 * columns).reshape(32, columns) % 32
    panel.imshow(bank, cmap="twilight", interpolation="nearest")
    panel.add_patch(Rectangle((9.5, -0.5), 1, 32, fill=False, edgecolor="white", linewidth=2))
    met = len(set(bank[:, 10]))
    panel.set(title=f"rows of {columns} numbers: {met} bank{'s' * (met > 1)} in a column", xticks=[], yticks=[])
    assert met == (1 if columns == 32 else 32)
    assert 32 // met == (32 if columns == 32 else 1)  # rounds, as counted above
show(figure, "13_banks")

# %% [markdown]
# ## Bugs, by name
#
# The worst bugs of parallel programs give right answers most of the time. Forget the barrier, and a thread may read a
# number that nobody has written yet. That is a race. On a GPU you would see wrong numbers, now and then. The emulator
# watches every access, and remembers who was last at each place.
#
# Three bugs, each put into a kernel that works. The first needs no watching: threads wait at the barrier, for ever, for
# others that have passed it by, and the emulator sees that nobody can go on. A GPU would hang, or worse, not hang.
#
# You should see the file, the line, the thread, and what is wrong.

# %%
BUGS = {
    "only some threads reach the barrier": (PADDED.replace("__sync", "if (threadIdx.y < 31) __sync"), nullcontext()),
    "the barrier is forgotten": (PADDED.replace("    __syncthreads();\n", ""), watching()),
    "one row too far": (PADDED.replace("threadIdx.y) * N + column", "threadIdx.y + 1) * N + column"), watching()),
}
print()
for bug, (text, watched) in BUGS.items():
    try:
        with watched:
            transpose(text, "padded")
    except EmulationError as error:
        print(f"{bug}:\n    {error}\n")
    else:
        raise AssertionError(f"{bug}, and nobody has noticed")

# %% [markdown]
# ## The convolution's ladder
#
# Now a kernel that matters. minisd's convolution in CUDA comes in four steps, each a file that says what it changed:
#
# 1. plain: a thread an output, straight from the equation.
# 2. tiled: blocks bring tiles into shared memory, as our transpose did.
# 3. registers: a thread computes 64 outputs at once, and reads each number for eight of them.
# 4. tensor: the tensor cores, units of the GPU that multiply small matrices at once.
#
# All compute the same sum. What changes is how many bytes a product costs. "needed" is what must be read and written
# at the least: each input and each output once.
#
# You should see that the plain kernel asks for a hundred times what is needed, and the last two for less than eight
# times that. A GPU can do several multiply-adds in the time in which one byte comes from memory. Its caches answer a
# part of the requests, but every one that is not made is faster still.

# %%
[ladder] = to_trace("conv2d")
steps = list(trace(ladder))
print("\n".join(table(steps)))
bytes_moved = {each.name: each.moved(writes=False) + each.moved(writes=True) for each in steps}
assert bytes_moved["plain"] > 8 * bytes_moved["tiled"] > 12 * bytes_moved["registers"]

# %%
times = {name: moved / steps[0].needed for name, moved in bytes_moved.items()}
assert times["plain"] > 100 and times["registers"] < 8 and times["tensor"] < 8

figure = Figure(figsize=(7.5, 2.7), dpi=110, layout="constrained")
panel = figure.subplots()
bars = panel.barh(list(times), [factor - 1 for factor in times.values()], left=1, color="tab:blue")
texts = [
    f"{times[each.name]:.0f} times; {each.products / bytes_moved[each.name]:.1f} products a byte" for each in steps
]
panel.bar_label(bars, texts, padding=4)
panel.set_xscale("log")
panel.set(xlim=(1, 2000), xlabel="bytes read and written, in times what is needed; the left edge is the least: 1")
panel.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
panel.invert_yaxis()
panel.spines[["top", "right"]].set_visible(False)
show(figure, "13_ladder")

# %% [markdown]
# ## Tensor cores, and the same numbers
#
# A tensor core multiplies small matrices at once. One instruction of a warp, `mma`, takes 16 x 8 numbers A, 8 x 8
# numbers B and 16 x 8 sums, and does 1024 multiply-adds, for which the warp's threads would need 32 instructions each:
#
# $$D_{ij} = C_{ij} + \sum_{k=0}^{7} A_{ik} B_{kj}$$
#
# The price is rounding. The factors are rounded to TF32: 10 binary digits behind the leading one where float32 has 23.
# Products and sums stay float32. So an output is off by some 2^-11 of its products, whose errors mostly cancel.
#
# A kernel is right if it computes what the reference computes. So we move a picture to the emulated device, run the
# convolution there, and compare with the CPU's. Nothing crosses between the two by itself: you say `to_device` and
# `to_host`, because on a real machine every crossing is a slow copy over a bus.
#
# You should see that without tensor cores the GPU's kernel differs from the CPU's only by the order of its sums; that
# with them it differs a hundred times more; and that this is the rounding of the factors and nothing else: when the
# reference is given rounded factors, the difference is gone.

# %%


def tf32(x):
    """x rounded to 10 binary digits behind the leading one: half of the last one is added, then 13 bits cleared."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


assert tf32(np.float32([1 + 2**-10, 1 + 2**-12, 1 + 2**-11])).tolist() == [1 + 2**-10, 1, 1 + 2**-10]

image = rng.standard_normal((1, 12, 12, 16), dtype=np.float32)
weight = rng.standard_normal((3, 3, 16, 32), dtype=np.float32)
with use_backend("numpy"):
    on_cpu = conv2d.forward(image, weight, padding=1)
    of_rounded = conv2d.forward(tf32(image), tf32(weight), padding=1)
on_device = [to_device(array, "emu") for array in (image, weight)]
with_tensor_cores = to_host(conv2d.forward(*on_device, padding=1))
with tensor_cores.off():
    without = to_host(conv2d.forward(*on_device, padding=1))


def apart(one, other):
    return abs(one - other).max() / abs(on_cpu).max()


print(f"\nwithout tensor cores, from the reference:          {apart(without, on_cpu):.0e} of the largest output")
print(f"with tensor cores, from the reference:             {apart(with_tensor_cores, on_cpu):.0e}")
print(f"with tensor cores, from that of rounded factors:   {apart(with_tensor_cores, of_rounded):.0e}")
assert apart(without, on_cpu) < 1e-5 and apart(with_tensor_cores, of_rounded) < 1e-5
assert 1e-5 < apart(with_tensor_cores, on_cpu) < 2e-3

# %% [markdown]
# ## Occupancy: how many threads fit
#
# A number from memory takes hundreds of cycles to arrive. A GPU does not wait: it runs other warps meanwhile. So many
# should be there. A multiprocessor has room for so many warps, so many blocks, so many registers and so much shared
# memory, and whichever is used up first decides:
#
# $$\text{blocks} = \min\Big(\text{by warps},\ \text{by blocks},\
# \Big\lfloor \frac{\text{registers there}}{\text{registers of a block}} \Big\rfloor,\
# \Big\lfloor \frac{\text{shared memory there}}{\text{that of a block}} \Big\rfloor\Big), \qquad
# \text{occupancy} = \frac{\text{blocks} \cdot \text{warps of a block}}{\text{warps there}}$$
#
# Registers are given out in pieces: 256 at once to a warp. So the occupancy falls in steps. Here it is for blocks of
# 256 threads on an A100 (64 warps, 65,536 registers), with minisd's own kernels marked: what the compiler gave each is
# recorded beside it in `budgets.json`.

# %%
assert occupancy(80, 256, 32) == 1 and occupancy(80, 256, 33) < 1 and occupancy(80, 256, 255) == 1 / 8

recorded = json.loads(budgets.FILE.read_text())["kernels"]
kernels = {
    "plain": recorded["conv2d/conv2d_plain.cu"]["conv2d_plain_forward<float>"]["80"],
    "registers": recorded["conv2d/conv2d_registers.cu"]["conv2d_registers<forward, 128, 128, 4, 4>"]["80"],
}
for step, (registers, shared, spilled, _) in kernels.items():
    share = occupancy(80, 256, registers, shared)
    print(f"{step:10} {registers:3} registers, {shared:6} bytes of shared memory: occupancy {share:.1%}")
    assert spilled == 0 and (share == 1 if step == "plain" else share == 1 / 8)

figure = Figure(figsize=(7, 3.2), dpi=110, layout="constrained")
panel = figure.subplots()
counts = np.arange(16, 256)
panel.step(counts, [100 * occupancy(80, 256, int(n)) for n in counts], where="post", color="tab:blue")
for step, (n, shared, _, _) in kernels.items():
    height = 100 * occupancy(80, 256, n, shared)
    panel.plot(n, height, "o", color="tab:red")
    panel.annotate(step, (n, height), (6, 6), textcoords="offset points", color="tab:red")
panel.set(xlabel="registers of a thread", ylabel="occupancy in percent", ylim=(0, 112), xlim=(16, 256))
panel.spines[["top", "right"]].set_visible(False)
show(figure, "13_occupancy")

# %% [markdown]
# Is more always better? No. The third step of the ladder takes so many registers that few warps fit, and is the faster
# one: it has 64 sums under way in every thread, which also fills the time in which memory is slow. Registers are the
# GPU's register tile (chapter 12).
#
# ## Sums, and their order
#
# Many threads that add to one number must take turns (`atomicAdd`), and the order of their turns is nobody's. Rounding
# depends on the order, so the last digits change from run to run. minisd sums as a tree, whose order is fixed: each of
# 32 lanes adds the number of the lane 16 farther on, then 8, 4, 2, 1.
#
# The emulator can run threads in reverse order. What changes then depends on an order that CUDA leaves open.

# %%
SUMS = """
__global__ void in_turns(const float* x, float* sum) { atomicAdd(sum, x[blockIdx.x * 32 + threadIdx.x]); }

__global__ void as_a_tree(const float* x, float* sums) {
    float own = x[blockIdx.x * 32 + threadIdx.x];
    for (int away = 16; away > 0; away /= 2) own += __shfl_down_sync(0xffffffffu, own, away);
    if (threadIdx.x == 0) sums[blockIdx.x] = own;
}
"""
values = rng.standard_normal(1024, dtype=np.float32)
for kernel, room in (("in_turns", 1), ("as_a_tree", 32)):
    results = []
    for backwards in (False, True):
        sums = to_device(np.zeros(room, np.float32), "emu")
        with watching(races=False, reversed=backwards):
            launch(SUMS, kernel, (32,), (32,), to_device(values, "emu"), sums, instances=["in_turns", "as_a_tree"])
        results.append(to_host(sums))
    same = np.array_equal(*results)
    print(f"{kernel:10} forwards and backwards: {'the same bits' if same else 'other bits'}")
    assert same == (kernel == "as_a_tree")
    assert abs(results[0].sum() - values.sum(dtype=np.float64)) < 1e-4

# %% [markdown]
# ## Try
#
# 1. Give the tile rows of 34 numbers, then of 40. How many rounds? Can you say it before you count?
#    Answer: 2 and 8. The column's numbers lie 34 (or 40) apart, and meet 32 / gcd(34, 32) = 16 (or 4) banks.
# 2. `minisd kernels trace attention`: which line asks most in each step, and what did the next step do about it?
#    Answer: first `value[start + c]` and `x[c] * y[c]`, which neighbouring threads read d numbers apart: 15% of use.
#    The tiled kernel brings whole rows into shared memory, and reads them from there.
# 3. `minisd draw "a seven" --device emu --steps 4` draws with all of these kernels. Is it the CPU's digit?
#    Answer: yes. Here and there a pixel differs by one grey level of 255, since tensor cores round.
# 4. A block of 256 threads takes 48 KiB of shared memory and 32 registers a thread. What is its occupancy on an A100?
#    Answer: three blocks fit into 164 KiB, so 24 warps of 64: 37.5%.

# %%
for columns, rounds in ((34, 2), (40, 8)):
    asked = count(TILED.replace("tiled(", "wider(").replace("[32][32]", f"[32][{columns}]"), "wider")
    assert asked[True, False] == rounds
assert occupancy(80, 256, 32, 48 * 1024) == 0.375
assert LIMITS[80].shared // (49 * 1024) == 3

# %% [markdown]
# ## Exercises
#
# 13.1 to 13.5 count what you have seen the emulator count: the index of a thread and its guard, the sectors of a warp,
# the rounds of shared memory, the occupancy, and a sum as a tree. 13.6 is a question. None of them needs a compiler:
# `minisd course check 13.2` in a shell, or `check("13.2", my_function)` here.
