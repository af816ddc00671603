"""CUDA kernels on any processor: the same .cu files, compiled by the C++ compiler, every CUDA thread a fiber.

Here they are compiled and launched, ``machine/`` is what takes the GPU's place, in C++, and ``inspect/`` watches.
"""
