"""The tiny pipeline, made once: whoever changes it takes a copy."""

from __future__ import annotations

import pytest
from tiny_model import tiny_pipeline

from minisd.pipeline import Pipeline


@pytest.fixture(scope="session")
def tiny() -> Pipeline:
    return tiny_pipeline()
