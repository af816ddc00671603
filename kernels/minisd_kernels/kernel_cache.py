"""Where Numba's compiled kernels are kept: a folder that carries a stamp of all the sources they are made of.

Numba itself looks only at a kernel's own file: a helper that it has inlined from another file could change, and the old
kernel would run on. Here another source is another folder, and folders of other sources are removed. A file that is
damaged is set aside, and its kernel compiled again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config
from numba.core import caching

from minisd_kernels.folders import made_writable, user_cache
from minisd_kernels.notes import say

_PACKAGE = Path(__file__).parent
# No kernel inlines anything of these: contracts, references, what belongs to the GPU.
_OTHERS = ("__init__.py", "numpy_ref.py", "cupy_gpu.py", "example.py")
_OTHER_ROOMS = ("cuda", "emulator")

COMPILING = "compiling kernels, once: up to a minute (`minisd kernels compile` does it ahead, on all cores)"
_FunctionCache: Any = caching.FunctionCache


def sources() -> list[Path]:
    """The files that compiled kernels are made of."""
    files = (path for path in sorted(_PACKAGE.rglob("*.py")) if path.name not in _OTHERS)
    return [path for path in files if path.relative_to(_PACKAGE).parts[0] not in _OTHER_ROOMS]


def stamp() -> str:
    """Another one whenever a source is another."""
    texts = [path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() for path in sources()]
    return sha256(b"\0".join(texts)).hexdigest()[:16]


@cache
def folder() -> Path | None:
    """The folder of these sources' kernels; None where no place can be written."""
    own = stamp()
    for home in _homes():
        if made_writable(home / own):
            for other in home.iterdir():
                if other.name != own:
                    shutil.rmtree(other, ignore_errors=True)
            return home / own
    say("compiled kernels cannot be kept: name a folder in the variable NUMBA_CACHE_DIR")
    return None


def _homes() -> Iterator[Path]:
    """Where the kernels of this installation may be kept, the best place first; nothing else lies there."""
    here = sha256(str(_PACKAGE).encode()).hexdigest()[:16]
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(named) / f"minisd-{here}"
        return
    yield _PACKAGE / "__pycache__" / "kernels"
    yield user_cache() / "kernels" / here


class KernelCache(_FunctionCache):  # type: ignore[misc]
    """The compiled forms of one function, a file each, and an index of them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder())  # type: ignore[attr-defined, unused-ignore]
        try:
            super().__init__(function)  # which asks where
        finally:
            config.CACHE_DIR = before  # type: ignore[attr-defined, unused-ignore]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled form for a signature; None if it is to be compiled."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # what unpickling damaged bytes can raise is anything
            self._set_aside()
            found = None
        if found is None:
            say(COMPILING)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it; a disk that is full, or read-only by now, is no reason not to run it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            say(f"a compiled kernel could not be kept ({error.strerror or error})")

    def _set_aside(self) -> None:
        say(f"compiled kernels in {folder()} were damaged: they are set aside as *.damaged, and compiled again")
        for path in Path(self.cache_path).glob(f"{self._impl.filename_base}.*nb?"):
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.damaged"))
