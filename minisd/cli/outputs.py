"""What commands write: nothing that is there is ever replaced.

A name that the user gives is refused if it is taken; a name that minisd makes up gets a number. Either way the name is
reserved the moment it is chosen, by creating an empty file that must be new: of two commands that want one name at the
same time, only one has it. What is still empty when the block ends, however it ends, is given back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from minisd.cli.options import Failure

_held: list[Path] = []  # by this process: an output that is named twice is no file that was there before


@contextmanager
def new_files(*named: Path | None) -> Iterator[list[Path]]:
    """Hold the outputs that the user has named while they are made; None, an output not wanted, is passed over.

    A device or a pipe, such as /dev/stdout, may be written to as often as you like.

    Raises:
        Failure: a name is taken, named for two outputs, or cannot be written.
    """
    with _giving_back() as taken:
        for path in filter(None, named):
            if not _take(path, taken):
                if path.exists() and any(path.samefile(other) for other in _held):
                    raise Failure(f"{path} is named for two outputs; give each a name of its own")
                raise Failure(f"{path} is there already; choose another name, or delete it first")
        yield [path for path in named if path is not None]


@contextmanager
def numbered_files(stem: str, *endings: str) -> Iterator[list[Path]]:
    """Hold stem + ending for every ending; where one of them is taken stem-2 + ending, or stem-3 + ending, ...

    >>> with numbered_files("/dev/null/a", ".png") as (path,):
    ...     pass
    Traceback (most recent call last):
    minisd.cli.options.Failure: /dev/null/a.png could not be written: Not a directory; choose another folder

    Raises:
        Failure: the place cannot be written.
    """
    for number in count(1):
        paths = [Path(f"{stem}-{number}{ending}" if number > 1 else f"{stem}{ending}") for ending in endings]
        with _giving_back() as taken:
            if all(_take(path, taken) for path in paths):
                yield paths
                return


def _take(path: Path, taken: list[Path]) -> bool:
    """Create the file `path`, and the folders above it, and note what was made; False if the file is there already."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            return True
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            with suppress(FileExistsError):  # another command made it just now
                folder.mkdir()
                taken.append(folder)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise Failure(f"{path} could not be written: {error.strerror}; choose another folder") from error
    taken.append(path)
    _held.append(path)
    return True


@contextmanager
def _giving_back() -> Iterator[list[Path]]:
    """A list of what is taken inside the block: files that are still empty in the end, and such folders, go again."""
    taken: list[Path] = []
    try:
        yield taken
    finally:
        for path in reversed(taken):
            with suppress(OSError):  # a folder that is not empty stays
                if path.is_dir():
                    path.rmdir()
                elif path.stat().st_size == 0:
                    path.unlink()
            if path in _held:
                _held.remove(path)
