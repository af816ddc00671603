"""IDX files, the format of MNIST and of its many relatives, and any such data set as one of its own.

Fashion-MNIST, Kuzushiji-MNIST and others have the very names of MNIST's files, so only their folder says what they are.
"""

import gzip
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minisd.data.dataset import CaptionedPictures, DataSet, Source, Split
from minisd.data.errors import DataError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
NAMES = "labels.txt"


def load_idx(
    split: Split,
    folder: Path,
    files: Mapping[str, tuple[str, str]] = FILES,
    *,
    below: str = "*",
    check: Callable[[Path], None] = lambda path: None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images (N, 28, 28) and the labels (N,) of the IDX data set in `folder`; see ``find`` for where they may be.

    Args:
        files: the names of each split's two files.
        check: called with each file before it is read, to refuse it.

    Raises:
        DataError: a file is missing, damaged or not what its name says.
    """
    paths = []
    for name in files[split]:
        if (path := find(folder, name, below)) is None:
            place = "a subfolder's raw" if below == "*" else f"{below}/raw"
            raise DataError(
                f"{folder}: no {name}\nwanted in it, in its subfolder raw or in {place}, plain or .gz:\n"
                + "\n".join(f"  {name}" for names in files.values() for name in names)
            )
        check(path)
        paths.append(path)
    images, labels = map(read_idx, paths)
    return check_pair(images, labels, paths)


def check_pair(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], paths: Sequence[Path]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels that belong together, the labels as int64.

    Raises:
        DataError: they are none, or do not.
    """
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(f"{paths[0]}: holds an array of shape {images.shape}; wanted images, (N, 28, 28)")
    if labels.ndim != 1:
        raise DataError(f"{paths[1]}: holds an array of shape {labels.shape}; wanted labels, (N,)")
    if len(images) != len(labels):
        raise DataError(
            f"{len(images)} images in {paths[0]} but {len(labels)} labels in {paths[1]}; "
            "take both files from the same data set"
        )
    if not len(images):
        raise DataError(f"{paths[0]}: holds no images; fetch the file again")
    return images, labels.astype(np.int64)


def find(folder: Path, name: str, below: str = "*") -> Path | None:
    """The file `name` in a folder: plain or .gz, with a dot for its last dash but one, as some mirrors write it.

    It may lie in the subfolder raw, or in the raw of a subfolder that `below` fits, as torchvision leaves it.

    Raises:
        DataError: several subfolders have such a file.
    """
    spellings = [f"{stem}{ending}" for stem in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz")]
    for place in (folder, folder / "raw"):
        for spelling in spellings:
            if (place / spelling).is_file():
                return place / spelling
    deeper = [path for spelling in spellings for path in sorted(folder.glob(f"{below}/raw/{spelling}"))]
    places = sorted({str(path.parent) for path in deeper})
    if len(places) > 1:
        raise DataError(f"{folder}: {name} is in {' and in '.join(places)}; name the one that is meant: --data-dir")
    return deeper[0] if deeper else None


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, plain or .gz.

    An IDX file is 0, 0, the type (8 for unsigned bytes), the number of axes, each axis's size in four bytes, most
    significant first, and then the values, last axis fastest.

    Raises:
        DataError: the file cannot be read, or its header and its length disagree.
    """
    return parse_idx(read_bytes(path), path)


def parse_idx(data: bytes, path: Path) -> NDArray[np.uint8]:
    """The array in the content of an IDX file; `path` is for messages. As ``read_idx``."""
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


def read_bytes(path: Path) -> bytes:
    """What a file holds, unpacked if it is a .gz.

    Raises:
        DataError: it cannot be read.
    """
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


def _load(split: Split, source: Source) -> CaptionedPictures:
    """The pictures of the user's folder; a caption is the label's line in labels.txt or, without it, "class 3"."""
    folder = source.folder or Path()
    images, labels = load_idx(split, folder)
    path, count = folder / NAMES, int(labels.max()) + 1
    if not path.is_file():
        source.say(f"captions are class 0, class 1, ...; for better ones write them into {path}, one label a line")
        return CaptionedPictures(images, [f"class {label}" for label in labels])
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8; save it again as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if len(names) < count or not all(names[:count]):
        raise DataError(
            f"{path}: {len(list(filter(None, names)))} captions; wanted one a line for labels 0 to {count - 1}"
        )
    return CaptionedPictures(images, [names[label] for label in labels])


IDX = DataSet("pictures in IDX files, as Fashion-MNIST's", _load, folder="needed")
