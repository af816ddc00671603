"""minisd: Stable Diffusion from scratch in NumPy."""

__version__ = "0.1.0"
