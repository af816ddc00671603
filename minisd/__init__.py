"""Stable Diffusion from scratch in NumPy.

>>> import minisd
>>> minisd.Pipeline.load()("a seven", seed=0).shape
(1, 28, 28)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minisd.pipeline import Pipeline

__all__ = ["Pipeline", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The pipeline, imported when it is asked for: whoever imports one module inside does not load all of them."""
    if name == "Pipeline":
        from minisd.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'minisd' has no attribute {name!r}")
