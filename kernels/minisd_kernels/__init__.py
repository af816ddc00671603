"""Kernels of minisd: arrays in, arrays out.

Each operation is a folder that says the same sum several times: ``numpy_ref.py`` (the equation, vectorised),
``numba_cpu.py`` (loops, then the fast version under them), and on a GPU ``cupy_gpu.py``. The folder's
``__init__.py`` is the contract: equation, shapes, argument checks, and the choice of backend.

Nothing here knows gradients' bookkeeping, layers or models.
"""
