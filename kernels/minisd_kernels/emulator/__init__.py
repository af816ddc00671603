"""CUDA kernels on any processor: the same .cu files, compiled by the C++ compiler, every CUDA thread a fiber."""
