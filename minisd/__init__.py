"""Stable Diffusion from scratch in NumPy.

>>> import minisd
>>> minisd.Pipeline.load()("a seven", seed=0).shape
(1, 28, 28)
"""

from minisd.pipeline import Pipeline

__all__ = ["Pipeline", "__version__"]
__version__ = "0.1.0"
