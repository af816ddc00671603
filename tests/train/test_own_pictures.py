"""From a folder of one's own pictures to a model that draws such."""

from pathlib import Path

import numpy as np
import pytest
from minisd_kernels.backends import use_backend
from PIL import Image

from minisd.pipeline import Pipeline
from minisd.train.run import Run, Settings


def test_coloured_pictures_of_ones_own_are_trained_kept_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In colour, at a size of their own, told in Chinese, and with captions longer than a prompt may be."""
    monkeypatch.setattr(Run, "_preview", lambda run, fit: None)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    texts = ["\u7ea2\u8272", "a " * 80 + "cat", "\u84dd"]
    for number, text in enumerate(texts):
        Image.new("RGB", (24, 16), (80 * number, 200, 10)).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(text, encoding="utf-8")
    said: list[str] = []
    settings = Settings("folder", str(pictures), steps=1, size=(20, 24), fit="crop")
    with use_backend("numpy"):
        Run.start(tmp_path / "model", settings).train(said.append)
    assert "3 pictures of folder, 20 x 24, in colour" in said
    assert any(
        line.startswith("1 of 3 captions are longer than 75 tokens: of the rest of each, such as") for line in said
    )
    pipeline = Pipeline.load(tmp_path / "model")
    assert pipeline.picture_shape == (20, 24, 3) and pipeline.clip.config.context_length == 77
    assert {"\u7ea2", "\u8272", "cat"} <= {*pipeline.info.words}
    assert pipeline.remarks(["\u7ea2\u84dd"]) == []  # characters that it knows, in a new order
    with use_backend("numpy"):
        images = pipeline("\u7ea2\u8272", num=2, steps=1)
    assert images.shape == (2, 20, 24, 3) and images.dtype == np.uint8
    ways = [pipeline.encode_prompts([text]).context for text in ("\u7ea2\u8272", "\u7ea2 \u8272")]
    np.testing.assert_array_equal(*ways)
