# %% [markdown]
# # 13. A GPU that is not there
#
# minisd's GPU kernels are written in CUDA C++, NVIDIA's language. You can run them without an NVIDIA card: the emulator
# compiles the same files for your processor and runs every CUDA thread there. It cannot tell you how many milliseconds
# a kernel takes on a GPU. But it sees what a GPU hides. It names the line with the bug. And it counts what each line
# asks of memory, which is what makes most kernels fast or slow.
#
# Here we write a kernel three times, put bugs into it, and then look at minisd's convolution.
#
# You need tutorial 3, a little C, and a C++ compiler (g++ or clang). It takes a few seconds, the first time twenty,
# because what it runs is compiled first.

# %%
import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from minisd_kernels import conv2d
from minisd_kernels.devices import require_device, to_device, to_host
from minisd_kernels.emulator.inspect.trace import table, to_trace, trace
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.emulator.module import EmulatedModule
from minisd_kernels.emulator.program import EmulationError
from minisd_kernels.switches import tensor_cores

require_device("emu")  # says what to do where there is no compiler
here = Path(globals().get("__file__", "")).parent  # a notebook has no __file__: then the current folder
output = (here if os.access(here, os.W_OK) else Path()) / "output"
output.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Threads
#
# A kernel is a function that many threads run at once, each with a number of its own. Threads come in blocks. A thread
# knows its place in the block (threadIdx) and its block's place in the grid (blockIdx); from these it finds out which
# number is its job.
#
# Our job is to transpose a matrix of N x N numbers: y[j, i] = x[i, j]. A block takes a square of 32 x 32 of them, and
# has a thread for each. The launch says how many blocks, and how many threads in each.
#
# On a GPU you would write `cupy.RawModule(path=...)` instead of `EmulatedModule`, and the rest would be the same.

# %%
N = 128
x = rng.standard_normal((N, N), dtype=np.float32)


def transpose(text, kernel):
    """Run a kernel of the CUDA C++ in `text` on x; x and y live on the emulated device."""
    path = output / "13_transpose.cu"
    path.write_text(text)
    device_x = to_device(x, "emu")
    y = to_device(np.zeros_like(x), "emu")
    launch = EmulatedModule(path, [kernel]).get_function(kernel)
    launch((N // 32, N // 32), (32, 32), (device_x, y, np.int32(N)))
    return to_host(y)


PLAIN = """
__global__ void plain(const float* x, float* y, int N) {
    const int j = blockIdx.x * 32 + threadIdx.x, i = blockIdx.y * 32 + threadIdx.y;
    y[j * N + i] = x[i * N + j];
}
"""
assert np.array_equal(transpose(PLAIN, "plain"), x.T)
print(f"{N // 32} x {N // 32} blocks of 32 x 32 threads have transposed {N} x {N} numbers")

# %% [markdown]
# ## What memory is asked for
#
# Why would this be slow? 32 neighbouring threads are a warp, and a warp asks memory once for all of them. Memory gives
# pieces of 32 bytes, called sectors: eight floats. If the 32 threads want neighbours, four sectors hold all that they
# want. If each of them wants a number far from the next, it takes 32, and most of what comes is thrown away.
#
# You should see that the reads are as good as they can be, and that each write touches eight times the sectors that its
# numbers would fit into: neighbouring threads write N numbers apart.


# %%
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
figure = Figure(figsize=(7, 2.6), dpi=100, layout="constrained")
panel = figure.subplots()
bars = panel.barh(list(bytes_moved), [moved / 1e6 for moved in bytes_moved.values()], color="0.4")
labels = [f"{each.products / bytes_moved[each.name]:.1f} products a byte" for each in steps]
panel.bar_label(bars, labels, padding=4)
panel.axvline(steps[0].needed / 1e6, color="tab:red", linewidth=1)
panel.set(xlabel="MB read and written; the red line is what is needed", xlim=(0, 29))
panel.invert_yaxis()
panel.spines[["top", "right"]].set_visible(False)
figure.savefig(output / "13_ladder.png")
print("picture:", output / "13_ladder.png")

# %% [markdown]
# ## The same numbers
#
# A kernel is right if it computes what the reference computes. So we move a picture to the emulated device, run the
# convolution there, and compare with the CPU's. Nothing crosses between the two by itself: you say `to_device` and
# `to_host`, because on a real machine every crossing is a slow copy over a bus.
#
# The tensor cores round their factors to 10 binary digits, so they differ more. Without them the GPU's kernel differs
# from the CPU's only by the order of its sums.

# %%
image = rng.standard_normal((1, 12, 12, 16), dtype=np.float32)
weight = rng.standard_normal((3, 3, 16, 32), dtype=np.float32)
on_cpu = conv2d.forward(image, weight, padding=1)
on_device = [to_device(array, "emu") for array in (image, weight)]
rounded = to_host(conv2d.forward(*on_device, padding=1))
with tensor_cores.off():
    exact = to_host(conv2d.forward(*on_device, padding=1))

largest = abs(on_cpu).max()
print(
    f"\ndifference from the CPU: {abs(rounded - on_cpu).max() / largest:.0e} of the largest output with tensor cores,"
)
print(f"{abs(exact - on_cpu).max() / largest:.0e} without them")
assert abs(exact - on_cpu).max() < 1e-5 * largest and abs(rounded - on_cpu).max() < 2e-3 * largest

# %% [markdown]
# ## Try
#
# 1. Give the tile rows of 34 numbers, then of 40. How many rounds? Can you say it before you count?
# 2. `minisd kernels trace attention`: which line asks most in each step, and what did the next step do about it?
# 3. `minisd draw "a seven" --device emu --steps 4` draws with all of these kernels. Is it the CPU's digit?
# 4. `minisd kernels report --only transpose` finds nothing, because yours is not one of minisd's. But try
#    `--only conv2d`: how many registers has a thread of the third step, and how many warps does that leave room for?
#    (It needs `pip install -e ".[nvrtc]"`, and still no GPU.)

# %%
print("\nThe GPU was not there, and has told all.")
