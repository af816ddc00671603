"""Occupancy: how many of the warps that a multiprocessor can hold, a kernel lets it hold.

A multiprocessor waits for memory by running other warps, so many should be there. Registers, shared memory and the size
of the blocks decide how many are: whichever of them is used up first.

    blocks = min(by warps, by blocks, by registers, by shared memory)
    occupancy = blocks * warps of a block / warps of a multiprocessor

Limits: CUDA C++ Programming Guide, technical specifications per compute capability; rounding: cuda_occupancy.h.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
_WARP = 32
_REGISTERS = 64 * KIB  # a multiprocessor's, and the most that a block gets
_PARTS = 4  # of a multiprocessor, each with a quarter of the registers and a scheduler of its own


@dataclass(frozen=True)
class Limits:
    """What a multiprocessor holds at once.

    Attributes:
        warps, blocks: how many.
        shared: bytes of shared memory.
        reserved: bytes of them that the system takes for each block.
        unit: shared memory is given out in multiples of this many bytes.
    """

    warps: int
    blocks: int
    shared: int
    reserved: int = KIB
    unit: int = 128


# Compute capability 8.6 is written 86. The GPUs named are examples.
LIMITS = {
    75: Limits(warps=32, blocks=16, shared=64 * KIB, reserved=0, unit=256),  # Turing: T4, RTX 2080
    80: Limits(warps=64, blocks=32, shared=164 * KIB),  # Ampere: A100
    86: Limits(warps=48, blocks=16, shared=100 * KIB),  # Ampere: RTX 3090, A10
    89: Limits(warps=48, blocks=24, shared=100 * KIB),  # Ada: RTX 4090, L4
    90: Limits(warps=64, blocks=32, shared=228 * KIB),  # Hopper: H100
    100: Limits(warps=64, blocks=32, shared=228 * KIB),  # Blackwell: B200
    120: Limits(warps=48, blocks=24, shared=100 * KIB),  # Blackwell: RTX 5090
}


def resident_blocks(arch: int, threads: int, registers: int, shared: int = 0) -> int:
    """How many blocks of `threads` threads a multiprocessor runs at once; 0 if not even one can start.

    Args:
        arch: the compute capability, 80 for 8.0.
        registers: of a thread.
        shared: bytes of shared memory of a block, static and dynamic.

    >>> resident_blocks(80, threads=128, registers=37)
    12
    >>> resident_blocks(80, threads=1024, registers=65)  # 65 x 1024 are more registers than there are
    0
    """
    limits = LIMITS[arch]
    warps = -(-threads // _WARP)
    by_registers = limits.blocks
    if registers:
        of_a_warp = rounded_up(registers * _WARP, 256)
        if rounded_up(warps, _PARTS) * of_a_warp > _REGISTERS:
            return 0
        by_registers = _REGISTERS // _PARTS // of_a_warp * _PARTS // warps
    by_shared = limits.shared // max(1, rounded_up(shared + limits.reserved, limits.unit))
    return min(limits.warps // warps, limits.blocks, by_registers, by_shared)


def occupancy(arch: int, threads: int, registers: int, shared: int = 0) -> float:
    """The share of a multiprocessor's warps that are there when as many blocks run as can.

    The two examples of the CUDA C++ Best Practices Guide, "Calculating Occupancy":

    >>> occupancy(80, threads=128, registers=37), occupancy(80, threads=320, registers=37)
    (0.75, 0.625)

    A block with 40 KiB of shared memory: four fit into 164 KiB, two into 100 KiB, one into 64 KiB.

    >>> [occupancy(arch, 256, 32, 40 * KIB) for arch in (80, 86, 75)]
    [0.5, 0.3333333333333333, 0.25]
    """
    warps = -(-threads // _WARP)
    return resident_blocks(arch, threads, registers, shared) * warps / LIMITS[arch].warps


def rounded_up(number: int, unit: int) -> int:
    """The least multiple of `unit` that is not smaller."""
    return -(-number // unit) * unit
