"""MNIST: 70,000 handwritten digits, 28 x 28 grey levels (LeCun, Cortes & Burges 1998), from four IDX files."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minisd.data.dataset import DataSet, Source, Split
from minisd.data.digits import DigitSet
from minisd.data.errors import DataError
from minisd.data.idx import FILES, check_pair, find, parse_idx, read_bytes

MD5 = {  # of the uncompressed bytes: the gzip wrapper differs from mirror to mirror
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load_mnist(
    split: Split, data_dir: Path | None = None, *, verify: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images (N, 28, 28), ground 0 to ink 255, and the labels (N,) of the 60,000 to train or the 10,000 to test on.

    The files, plain or .gz, are looked for in `data_dir`; if None, in the folder that the environment variable
    MINISD_DATA names; if it is unset, in `cache_folder() / "mnist"`, into which they are downloaded when missing. In
    the folder they may lie in raw or MNIST/raw, and have a dot for a dash, as torchvision and some mirrors have it.
    `verify=False` skips the MD5 checksums, for files of your own in the same format.

    Raises:
        DataError: a file is missing, damaged or not what its name says, or no mirror could be reached.
    """
    if split not in FILES:
        raise DataError(f'load_mnist: split is {split!r}; wanted "train" or "test"')
    named = data_dir or os.environ.get("MINISD_DATA")
    folder = Path(named) if named else cache_folder() / "mnist"
    paths: list[Path] = []
    contents = []
    for name in FILES[split]:
        path = find(folder / "MNIST", name) or find(folder, name)
        if path is None:
            if named:
                where = "--data-dir" if data_dir else "MINISD_DATA"
                raise DataError(_advice(f"no {name} in {folder}, the folder that {where} names"))
            path = _download(name, folder)
        content = read_bytes(path)
        if verify:
            _check_md5(content, MD5[name], path)
        paths.append(path)
        contents.append(parse_idx(content, path))
    images, labels = check_pair(contents[0], contents[1], paths)
    if labels.max() > 9:
        raise DataError(f"{paths[1]}: label {labels.max()} at position {labels.argmax()}; MNIST labels are 0 to 9")
    return images, labels


def cache_folder() -> Path:
    """The folder for downloaded files: $MINISD_CACHE, else minisd in $XDG_CACHE_HOME, else ~/.cache/minisd."""
    if own := os.environ.get("MINISD_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minisd"


def _check_md5(data: bytes, expected: str, path: Path) -> None:
    got = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if got != expected:
        raise DataError(
            f"{path}: not MNIST's: the MD5 of the uncompressed bytes is {got}; the published file has {expected}\n"
            "if it was damaged, delete it and fetch it again; another data set in MNIST's format, such as\n"
            "Fashion-MNIST, is trained on with: minisd train --data fashion (or kmnist, or idx) --data-dir FOLDER"
        )


def _advice(problem: str) -> str:
    """What to do without MNIST: short lines, with all that has to be typed."""
    names = "\n".join(f"  {name}" for names in FILES.values() for name in names)
    return (
        f"{problem}\n"
        "use digits that are drawn by code, which need no download: --data strokes\n"
        f"or put these files, plain or .gz, into a folder and name it: --data-dir FOLDER\n{names}"
    )


def _download(name: str, folder: Path) -> Path:
    """Fetch one file from the first mirror that has it sound; it appears in the folder whole or not at all."""
    import urllib.request  # slow to import, and seldom needed

    target = folder / f"{name}.gz"
    failures = []
    for mirror in MIRRORS:
        print(f"minisd: downloading {mirror}{name}.gz to {target}", file=sys.stderr)
        partial = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=30) as response:
                data = response.read()
            with tempfile.NamedTemporaryFile(dir=folder, prefix=name, suffix=".gz", delete=False) as file:
                partial = Path(file.name)
                file.write(data)
            _check_md5(read_bytes(partial), MD5[name], partial)
            partial.replace(target)
            return target
        except (OSError, DataError) as error:
            failures.append(f"{mirror}: {str(error).partition(chr(10))[0]}")
            if partial:
                partial.unlink(missing_ok=True)
    raise DataError(_advice("\n".join([f"could not download {name}.gz:", *(f"  {line}" for line in failures)])))


def _load(split: Split, source: Source) -> DigitSet:
    return DigitSet(*load_mnist(split, source.folder))


MNIST = DataSet("handwritten digits", _load, folder="optional", measured="digits")
