"""CUDA source files and the launch of their kernels; ``inspect/`` says what the compiler makes of them."""
