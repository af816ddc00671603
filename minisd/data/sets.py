"""The data sets by name."""

from __future__ import annotations

from pathlib import Path

from minisd.data.colours import COLOURS
from minisd.data.dataset import CaptionedImages, DataSet, Source, Split
from minisd.data.digits import DigitSet
from minisd.data.errors import DataError
from minisd.data.folder import FOLDER
from minisd.data.idx import IDX
from minisd.data.mnist import MNIST
from minisd.data.relatives import EMNIST_LETTERS, FASHION, KMNIST
from minisd.data.strokes import STROKES

DATA_SETS: dict[str, DataSet] = {
    "mnist": MNIST,
    "strokes": STROKES,
    "colours": COLOURS,
    "folder": FOLDER,
    "fashion": FASHION,
    "kmnist": KMNIST,
    "emnist-letters": EMNIST_LETTERS,
    "idx": IDX,
}


def load_pictures(name: str, split: Split, source: Source | None = None) -> CaptionedImages:
    """Pictures with captions, of any data set.

    Raises:
        DataError: no such data set or split, no folder where one is needed, or files that are missing or damaged.
    """
    if name not in DATA_SETS:
        raise DataError(f"no data set is called {name!r}; there are {', '.join(DATA_SETS)}")
    if split not in ("train", "test"):
        raise DataError(f'split is {split!r}; wanted "train" or "test"')
    source = source or Source()
    if DATA_SETS[name].folder == "needed" and source.folder is None:
        raise DataError(f"the data set {name!r} needs the folder that its files are in: --data-dir FOLDER")
    return DATA_SETS[name].load(split, source)


def load_digits(name: str, split: Split, data_dir: Path | None = None) -> DigitSet:
    """Digits with labels, and the attributes that captions name: "mnist" or "strokes".

    Raises:
        DataError: as ``load_pictures``, or the data set holds no digits.
    """
    if name in DATA_SETS and not DATA_SETS[name].digits:
        has_them = ", ".join(name for name, one in DATA_SETS.items() if one.digits)
        raise DataError(f"the data set {name!r} holds no digits with labels; wanted one of {has_them}")
    digits = load_pictures(name, split, Source(data_dir))
    assert isinstance(digits, DigitSet)
    return digits
