"""Occupancy

A multiprocessor hides the time that memory takes by running other warps. How many can be there at once? It has room for
`warps` warps, `blocks` blocks, `registers` registers and `shared` bytes of shared memory. A kernel's block has
`threads` threads of `each` registers, and takes `bytes_of_block` bytes of shared memory. Whole blocks come or stay out.
Two rules of giving out:

- 32 threads are a warp; a warp that is not full counts as one.
- A warp gets its registers, 32 times `each`, rounded up to a multiple of 256.

$$\\text{occupancy} = \\frac{\\text{warps that are there}}{\\text{warps that there is room for}}$$

If not even one block fits, it is 0. (Real GPUs split the registers in four parts besides; leave that out.)
"""

from math import ceil

POINTS, MINUTES = 2, 25
HINTS = (
    "Four things can run out. For each, how many blocks does it allow? The least of the four is how many there are.",
    "Warps of a block: ceil(threads / 32). Registers of a block: that many times ceil(32 * each / 256) * 256.",
    "With no shared memory taken there is no limit from it: mind the division by 0.",
)
GIVEN = ("ceil",)


def occupancy(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """A number from 0 to 1."""
    of_block = ceil(threads / 32)
    limits = [warps // of_block, blocks, registers // (of_block * ceil(32 * each / 256) * 256)]
    if bytes_of_block:
        limits.append(shared // bytes_of_block)
    return min(limits) * of_block / warps


def cases(rng, dtype):
    yield 256, 32, 0
    yield 256, 33, 0
    yield 32, 16, 0
    yield 128, 37, 0, 48, 16, 65536, 102400
    yield 256, 32, 49152
    yield 64, 128, 0
    yield 32, 16, 167936 // 4
    yield 1024, 65, 0
    yield 40, 20, 3000
    yield 100, 41, 5000, 32, 16, 65536, 65536
    yield 512, 24, 200000
    for _ in range(4):
        yield int(rng.integers(33, 600)), int(rng.integers(20, 120)), int(rng.integers(1, 60000))


def mistake_warps_not_rounded(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """A warp that is not full counts as one: round the warps of a block up."""
    of_block = threads / 32
    limits = [int(warps / of_block), blocks, int(registers / (of_block * ceil(32 * each / 256) * 256))]
    if bytes_of_block:
        limits.append(shared // bytes_of_block)
    return min(limits) * of_block / warps


def mistake_registers_not_rounded(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """A warp's registers are given out in pieces of 256: round them up."""
    of_block = ceil(threads / 32)
    limits = [warps // of_block, blocks, registers // (of_block * 32 * each)]
    if bytes_of_block:
        limits.append(shared // bytes_of_block)
    return min(limits) * of_block / warps


def mistake_no_limit_of_blocks(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """There is room for so many blocks only, however small they are."""
    return occupancy(threads, each, bytes_of_block, warps, 10**6, registers, shared)


def mistake_no_shared_memory(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """Shared memory can run out first: it is missing among your limits."""
    return occupancy(threads, each, 0, warps, blocks, registers, shared)


def mistake_no_registers(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """Registers can run out first: they are missing among your limits."""
    return occupancy(threads, 1, bytes_of_block, warps, blocks, registers, shared)


def mistake_parts_of_blocks(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """Blocks come whole or not at all: round down before you count their warps."""
    of_block = ceil(threads / 32)
    limits = [warps / of_block, blocks, registers / (of_block * ceil(32 * each / 256) * 256)]
    if bytes_of_block:
        limits.append(shared / bytes_of_block)
    return min(limits) * of_block / warps


def mistake_blocks_not_warps(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """Occupancy counts warps, not blocks: a block has several."""
    return (
        occupancy(threads, each, bytes_of_block, warps, blocks, registers, shared) * warps / ceil(threads / 32) / blocks
    )


def mistake_at_least_one(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    """If not even one block fits, the kernel cannot start: 0."""
    found = occupancy(threads, each, bytes_of_block, warps, blocks, registers, shared)
    return found or ceil(threads / 32) / warps


def right_one_more_block(threads, each, bytes_of_block, warps=64, blocks=32, registers=65536, shared=167936):
    of_block, count = (threads + 31) // 32, 0
    piece = (32 * each + 255) // 256 * 256
    while (
        (count + 1) * of_block <= warps
        and count + 1 <= blocks
        and (count + 1) * of_block * piece <= registers
        and (count + 1) * bytes_of_block <= shared
    ):
        count += 1
    return count * of_block / warps


def right_by_integers(threads, each, taken, warps=64, blocks=32, registers=65536, shared=167936):
    w = -(-threads // 32)
    by_shared = shared // taken if taken > 0 else blocks
    by_registers = registers // (-(-each // 8) * 256 * w)
    return w * min(blocks, warps // w, by_registers, by_shared) / warps
