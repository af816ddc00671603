"""MNIST: 70,000 handwritten digits, 28 x 28 grey levels (LeCun, Cortes & Burges 1998), from four IDX files."""

import gzip
import hashlib
import math
import os
import sys
import tempfile
import urllib.request
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minisd.data.errors import DataError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
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
    split: Literal["train", "test"], data_dir: Path | None = None, *, verify: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images (N, 28, 28), ground 0 to ink 255, and the labels (N,) of the 60,000 to train or the 10,000 to test on.

    The files, plain or .gz, are looked for in `data_dir`; if None, in the folder that the environment variable
    MINISD_DATA names; if it is unset, in `cache_folder() / "mnist"`, into which they are downloaded when missing.
    `verify=False` skips the MD5 checksums, for files of your own in the same format.

    Raises:
        DataError: a file is missing, damaged or not what its name says, or no mirror could be reached.
    """
    if split not in FILES:
        raise DataError(f'load_mnist: split is {split!r}; wanted "train" or "test"')
    named = data_dir or os.environ.get("MINISD_DATA")
    folder = Path(named) if named else cache_folder() / "mnist"
    paths = []
    for name in FILES[split]:
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if found:
            paths.append(found[0])
        elif named:
            where = "data_dir" if data_dir else "MINISD_DATA"
            raise DataError(
                f"no {name} or {name}.gz in {folder} (from {where}); put the MNIST files there, or leave {where} out "
                "to have them downloaded"
            )
        else:
            paths.append(_download(name, folder))
    images, labels = (
        read_idx(path, MD5[name] if verify else None) for path, name in zip(paths, FILES[split], strict=True)
    )
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(f"{paths[0]}: holds an array of shape {images.shape}; wanted images, (N, 28, 28)")
    if labels.ndim != 1:
        raise DataError(f"{paths[1]}: holds an array of shape {labels.shape}; wanted labels, (N,)")
    if len(images) != len(labels):
        raise DataError(
            f"{len(images)} images in {paths[0]} but {len(labels)} labels in {paths[1]}; "
            "take both files from the same data set"
        )
    if labels.size and labels.max() > 9:
        raise DataError(f"{paths[1]}: label {labels.max()} at position {labels.argmax()}; MNIST labels are 0 to 9")
    return images, labels.astype(np.int64)


def cache_folder() -> Path:
    """The folder for downloaded files: $MINISD_CACHE, else minisd in $XDG_CACHE_HOME, else ~/.cache/minisd."""
    if own := os.environ.get("MINISD_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minisd"


def read_idx(path: Path, md5: str | None = None) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, plain or .gz.

    An IDX file is 0, 0, the type (8 for unsigned bytes), the number of axes, each axis's size in four bytes, most
    significant first, and then the values, last axis fastest.

    Raises:
        DataError: the file cannot be read, its checksum is not `md5`, or its header and its length disagree.
    """
    data = _read(path)
    if md5 is not None:
        _check_md5(data, md5, path)
    axes = data[3] if len(data) >= 4 else 0
    if data[:3] != b"\0\0\x08" or axes == 0:
        raise DataError(
            f"{path}: begins {data[:4].hex(' ')}; an IDX file begins with 00 00 08, then the number of axes"
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path}: {len(data)} bytes end inside the header, which takes {start}; fetch the file again")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    size = math.prod(shape)
    if len(data) - start != size:
        state = "truncated" if len(data) - start < size else "too long"
        raise DataError(
            f"{path}: {state}: the header promises {shape} = {size} bytes, {len(data) - start} follow; "
            "fetch the file again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except EOFError:
        raise DataError(
            f"{path}: the gzip stream stops early (a broken download?); delete the file and fetch it again"
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a sound gzip file ({error}); delete it and fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _check_md5(data: bytes, expected: str, path: Path) -> None:
    got = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if got != expected:
        raise DataError(
            f"{path}: the MD5 of the uncompressed bytes is {got}; the published file has {expected}; "
            "delete the file and fetch it again (or pass verify=False for files of your own)"
        )


def _download(name: str, folder: Path) -> Path:
    """Fetch one file from the first mirror that has it sound; it appears in the folder whole or not at all."""
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
            _check_md5(_read(partial), MD5[name], partial)
            partial.replace(target)
            return target
        except (OSError, DataError) as error:
            failures.append(f"{mirror}: {error}")
            if partial:
                partial.unlink(missing_ok=True)
    raise DataError(
        f"could not download {name}.gz ({'; '.join(failures)}); put the four MNIST files into a folder and name it in "
        'MINISD_DATA, or use the data set "strokes", which needs no download'
    )
