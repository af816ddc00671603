"""Where Numba's compiled kernels are kept: a folder that carries a stamp of all the sources they are made of.

Numba itself looks only at a kernel's own file: a helper that it has inlined from another file could change, and the old
kernel would run on. Here another source is another folder, and folders of other sources are removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from minisd_kernels.folders import made_writable, user_cache
from minisd_kernels.notes import say

_PACKAGE = Path(__file__).parent
# No kernel inlines anything of these: contracts, references, what belongs to the GPU.
_OTHERS = ("__init__.py", "numpy_ref.py", "cupy_gpu.py", "example.py")
_OTHER_ROOMS = ("cuda", "emulator")


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
