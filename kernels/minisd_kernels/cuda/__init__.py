"""CUDA source files: how their kernels are launched, compiled and weighed."""
