"""Your own pictures: a folder of images with a caption each."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minisd.data.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def load_folder(path: Path | str, size: int = 28) -> tuple[NDArray[np.uint8], list[str]]:
    """The images of a folder as grey levels (N, size, size) and their captions.

    The captions stand in `captions.csv`, with the columns file and caption; without that file, beside each image in a
    text file of the same name (cat.png, cat.txt). An image that is not square is padded with black.

    Raises:
        DataError: no such folder, no images, an image that cannot be read, or an image without a caption.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; wanted a folder of images with captions.csv or a .txt for each image"
        )
    table = folder / "captions.csv"
    pairs = _from_table(table) if table.is_file() else _from_text_files(folder)
    if not pairs:
        raise DataError(f"{folder}: no images; wanted files that end in {', '.join(SUFFIXES)}, each with a caption")
    return np.stack([_read_image(image, size) for image, _ in pairs]), [caption for _, caption in pairs]


def _from_table(table: Path) -> list[tuple[Path, str]]:
    pairs = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:  # -sig: spreadsheets begin the file with a mark
            reader = csv.DictReader(file)
            if not {"file", "caption"} <= set(reader.fieldnames or ()):
                raise DataError(f"{table}: its first line is {reader.fieldnames}; wanted the columns file,caption")
            for row in reader:
                where = f"{table}, line {reader.line_num}"
                if not row["file"] or not (row["caption"] or "").strip():
                    raise DataError(f"{where}: file {row['file']!r}, caption {row['caption']!r}; fill both columns")
                image = table.parent / row["file"]
                if not image.is_file():
                    raise DataError(f"{where}: no file {image}; correct the name or delete the line")
                pairs.append((image, row["caption"].strip()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{table}: not a CSV file in UTF-8 ({error}); save it again as CSV, UTF-8") from None
    return pairs


def _from_text_files(folder: Path) -> list[tuple[Path, str]]:
    pairs = []
    for image in sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES):
        text = image.with_suffix(".txt")
        try:
            caption = text.read_text(encoding="utf-8-sig").strip()
        except FileNotFoundError:
            raise DataError(
                f"{image}: no caption; write one into {text.name} beside it, or all into captions.csv"
            ) from None
        except UnicodeDecodeError:
            raise DataError(f"{text}: not a text in UTF-8; save it again as UTF-8") from None
        if not caption:
            raise DataError(f"{text}: empty; write the caption of {image.name} into it")
        pairs.append((image, caption))
    return pairs


def _read_image(path: Path, size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.pad(image.convert("L"), (size, size)))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); save it again as PNG or delete it") from None
