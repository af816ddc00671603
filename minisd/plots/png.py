"""PNG files, and what they say of themselves: how the picture was drawn travels with it, in a text chunk."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisd.checkpoint import CheckpointError, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_KEY = "minisd"  # of our chunk: JSON


def save_png(path: Path | str, picture: Image, about: Mapping[str, Any] | None = None) -> None:
    """Write a picture, and in it what is to be known `about` it: names and values that JSON can hold.

    Its "prompts", if there are any, stand in the chunk called Description, too, which other programs show.

    Raises:
        CheckpointError: the name does not end in .png, or the picture cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    if about is not None:
        if prompts := "\n".join(about.get("prompts", ())):
            chunks.add_itxt("Description", prompts.replace("\0", " ").encode("utf-8", "replace").decode())
        chunks.add_text(_KEY, json.dumps(about))
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=chunks)
    _write(path, file)


def load_about(path: Path | str) -> dict[str, Any]:
    """What a picture of ``save_png`` says about itself.

    Raises:
        CheckpointError: there is no such file, it is no PNG or a damaged one, or it says nothing.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            said = picture.text.get(_KEY)  # type: ignore[attr-defined]
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise CheckpointError(f"{path} is no PNG file that can be read; name one that minisd wrote") from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}; name a PNG file that minisd wrote") from error
    try:
        about = json.loads(said or "null")
    except (ValueError, RecursionError):
        about = None
    if not (isinstance(about, dict) and about):
        raise CheckpointError(
            f"{path} does not say how it was drawn: another program wrote it, or left that out when it was saved again"
        )
    return about


def save_figure(path: Path | str, figure: Figure, colours: int | None = None) -> None:
    """Write a figure of Matplotlib's; lines and letters need so few `colours` that the file is a third as large.

    Raises:
        CheckpointError: as save_png.
    """
    from PIL import Image

    file = io.BytesIO()
    figure.savefig(file, format="png")
    if colours is not None:
        few = Image.open(file).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        file = io.BytesIO()
        few.save(file, format="PNG", optimize=True)
    _write(path, file)


def _write(path: Path | str, file: io.BytesIO) -> None:
    if Path(path).suffix.lower() != ".png":
        raise CheckpointError(f"{path}: pictures are written as PNG; choose a name that ends in .png")
    write_atomically(path, file.getvalue())
