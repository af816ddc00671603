"""MNIST's relatives, 28 x 28 grey levels in IDX files: clothes, Japanese characters and letters, their classes named.

Fashion-MNIST (Xiao et al. 2017) and Kuzushiji-MNIST (Clanuwat et al. 2018) have the very names of MNIST's files, so a
checksum tells where they have been confused. EMNIST (Cohen et al. 2017) stores its letters with rows for columns.
"""

import hashlib
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minisd.data import mnist
from minisd.data.dataset import ClassedPictures, DataSet, Source, Split
from minisd.data.errors import DataError
from minisd.data.idx import FILES, load_idx, read_bytes

# The published MD5 of each data set's .gz files.
MD5 = {
    "fashion": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    "kmnist": (
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
    "emnist-letters": (
        "8795078f199c478165fe18db82625747",
        "c16de4f1848ddcdddd39ab65d2a7be52",
        "382093a19703f68edac6d01b8dfdfcad",
        "d4108920cd86601ec7689a97f2de7f59",
    ),
}
_CLOTHES = (
    "a T-shirt", "trousers", "a pullover", "a dress", "a coat",
    "a sandal", "a shirt", "a sneaker", "a bag", "an ankle boot",
)  # fmt: skip
_HIRAGANA = zip(["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], [*"おきすつなはまやれを"], strict=True)
_LETTERS = {
    split: (f"emnist-letters-{split}-images-idx3-ubyte", f"emnist-letters-{split}-labels-idx1-ubyte")
    for split in ("train", "test")
}


@dataclass(frozen=True)
class Relative:
    """One of them.

    Attributes:
        wordings: of each class, from the label `first` on.
        folder: where torchvision puts its files.
        transposed: whether a picture's rows are stored as columns.
    """

    name: str
    wordings: tuple[tuple[str, ...], ...]
    folder: str
    files: dict[str, tuple[str, str]]
    first: int = 0
    transposed: bool = False

    def load(self, split: Split, source: Source) -> ClassedPictures:
        """The pictures of the user's folder.

        Raises:
            DataError: a file is missing, damaged, or another data set's.
        """
        folder = source.folder or Path()
        images, labels = load_idx(split, folder, self.files, below=self.folder, check=self._check)
        classes, last = labels - self.first, self.first + len(self.wordings) - 1
        if labels.min() < self.first or labels.max() > last:
            seen = f"{labels.min()} to {labels.max()}"
            raise DataError(f"{folder}: labels from {seen}; those of {self.name} are {self.first} to {last}")
        if self.transposed:
            images = np.ascontiguousarray(images.transpose(0, 2, 1))
        return ClassedPictures(images, classes, self.wordings)

    def _check(self, path: Path) -> None:
        """Refuse a file that is known to be another data set's."""
        sums = {hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (path.read_bytes(), read_bytes(path))}
        for name, known in {"mnist": mnist.MD5.values(), **MD5}.items():
            if name != self.name and sums & {*known}:
                raise DataError(
                    f"{path}: is of {name}, by its MD5; train with --data {name}, or put {self.name}'s there"
                )


def _bare(named: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each with its article and without."""
    return tuple(tuple(dict.fromkeys((name, name.removeprefix("a ").removeprefix("an ")))) for name in named)


_FASHION = Relative("fashion", _bare(_CLOTHES), "FashionMNIST", FILES)
_KMNIST = Relative(
    "kmnist",
    tuple((f"the hiragana {a}", f"hiragana {a}", f"the hiragana {sign}", sign) for a, sign in _HIRAGANA),
    "KMNIST",
    FILES,
)
_EMNIST = Relative(
    "emnist-letters",
    tuple((f"the letter {letter}", f"letter {letter}", letter) for letter in string.ascii_lowercase),
    "EMNIST",
    _LETTERS,
    first=1,
    transposed=True,
)
FASHION = DataSet("clothes, Fashion-MNIST's files", _FASHION.load, folder="needed")
KMNIST = DataSet("handwritten hiragana, Kuzushiji-MNIST's files", _KMNIST.load, folder="needed")
EMNIST_LETTERS = DataSet("handwritten letters, EMNIST's files", _EMNIST.load, folder="needed")
