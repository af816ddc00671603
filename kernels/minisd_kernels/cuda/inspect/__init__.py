"""What the compiler makes of every CUDA kernel, on a machine without a GPU: registers, memory, instructions."""
