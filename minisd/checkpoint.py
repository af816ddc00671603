"""Files that survive a crash: weights as safetensors, settings as JSON, and a folder of training states.

A file is never changed where it stands. The new bytes go into a temporary file in the same folder, the disk confirms
them (fsync), and one rename puts them under their name: whoever opens that name finds the old file or the new one,
never a half of each. A training state is two files, so there a whole folder is written and renamed.

No file is trusted when it is read: whatever is wrong with it becomes a CheckpointError.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors.numpy
from filelock import FileLock, Timeout
from minisd_kernels.devices import to_host
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:  # the arithmetic of files needs no layers
    from minisd.nn import Module

Array = NDArray[Any]

_DTYPES = {
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_ABOUT = "minisd"  # our one key in the file's metadata
_log = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A file that cannot be written or used: the message says which, what is wrong with it and what to do."""


class FolderInUse(CheckpointError):
    """Another run is writing to this folder."""


def write_atomically(path: Path | str, data: bytes) -> None:
    """Put `data` under `path` so that a crash at any moment leaves the old file or the new one, whole.

    A link is followed. What is no file, such as /dev/stdout, cannot be replaced: the data are simply written to it.

    Raises:
        CheckpointError: the disk is full, the folder is missing or may not be written, ...; the old file stays.
    """
    path = Path(path)
    if _is_device(path):
        with _writing(path):
            path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))
    # In the same folder, as a rename is atomic only within one file system; two processes may write the same path.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with _writing(path):
        try:
            _write_to_disk(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


def check_writable(path: Path | str) -> None:
    """Make the folder of the file `path`, and find out whether it can be written: before the work, not after it.

    Raises:
        CheckpointError: as write_atomically, or `path` is a folder.
    """
    path = Path(path)
    with _writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not _is_device(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()


def make_folder(path: Path | str) -> None:
    """Make the folder `path`, and those above it, unless it is there.

    Raises:
        CheckpointError: there is a file of that name, or the place cannot be written.
    """
    path = Path(path)
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)


def save_arrays(path: Path | str, arrays: Mapping[str, Array], about: Mapping[str, str] | None = None) -> None:
    """Write named arrays, and some text `about` them, as safetensors; the same input gives the same bytes.

    Raises:
        CheckpointError: an array of a type other than f16, f32, f64, i32, i64, u8, bool; or as in write_atomically.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_arrays(f"{folder}/w.safetensors", {"weight": np.ones(2)}, {"digits": "MNIST"})
    ...     load_arrays(f"{folder}/w.safetensors"), load_about(f"{folder}/w.safetensors")
    ({'weight': array([1., 1.])}, {'digits': 'MNIST'})
    """
    write_atomically(path, _safetensors_bytes(Path(path), arrays, about))


def load_arrays(path: Path | str) -> dict[str, Array]:
    """The arrays of a safetensors file, fresh and writeable.

    Raises:
        CheckpointError: the file is missing, damaged, or holds an array of a type that this project does not use.
    """
    path = Path(path)
    # Opening checks the whole header against the length of the file, and reads no array yet: a damaged header cannot
    # ask for memory.
    with _reading(path), path.open("rb") as raw, safe_open(path, framework="np") as file:
        json.loads(raw.read(int.from_bytes(raw.read(8), "little")), object_pairs_hook=_without_repetition)
        arrays = {}
        for name in file.keys():  # noqa: SIM118 (not a dictionary)
            if (dtype := file.get_slice(name).get_dtype()) not in _DTYPES:
                raise CheckpointError(f"{path}: {name!r} has type {dtype}; convert it to one of {', '.join(_DTYPES)}")
            arrays[name] = file.get_tensor(name)
        return arrays


def load_weights(path: Path | str) -> dict[str, Array]:
    """The arrays of a safetensors file, all of them floating-point numbers, and finite.

    Raises:
        CheckpointError: as in load_arrays; or an array is of whole numbers, or holds NaN or infinity: it is named.
    """
    arrays = load_arrays(path)
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise CheckpointError(
                f"{path}: {name!r} is of type {array.dtype}, and weights are floating-point numbers; whole ones were "
                "cut off or scaled by whoever wrote them: use the file that they came from"
            )
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{path}: {name!r} of shape {array.shape} holds NaN or infinite numbers, so the training that wrote it "
                "had diverged; use an earlier file, or train again with a smaller learning rate"
            )
    return arrays


def load_module(module: Module, path: Path | str, rename: Callable[[str], str] = str) -> None:
    """Copy the weights in a safetensors file into `module`, whose names for them `rename` gives.

    Raises:
        CheckpointError: as in load_weights; or they are of another architecture: the message says where they differ.
    """
    weights = load_weights(path)
    try:
        module.load_state_dict({rename(name): array for name, array in weights.items()})
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; use the file and the model.json of one and the same run") from error


class FirstWeights(np.random.Generator):
    """A stream for a network whose weights ``load_module`` will bring: zeros, and hardly more than the file holds.

    A damaged configuration may ask for any number of weights. This way it asks for none of the machine's memory.

    Raises:
        CheckpointError: there is no such file.
        ValueError: more than four times as many numbers are asked for as the file holds.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(np.random.PCG64(0))
        with _reading(Path(path)):
            # A number takes two bytes at least. What any machine can hold is left to the file to be wrong about.
            self.left = 2 * max(Path(path).stat().st_size, 2**23)
        self.path = path

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        self.left -= math.prod(size)
        if self.left < 0:
            raise ValueError(f"a network far larger than {self.path} holds")
        return np.zeros(size, dtype)


def load_about(path: Path | str) -> dict[str, str]:
    """The text that save_arrays wrote beside the arrays; empty for a file of another program.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = Path(path)
    with _reading(path), path.open("rb"), safe_open(path, framework="np") as file:
        match json.loads((file.metadata() or {}).get(_ABOUT, "{}")):
            case dict() as about:
                return {key: str(value) for key, value in about.items()}
            case other:
                raise ValueError(f"{other!r} says nothing about the arrays")


def digest(path: Path | str) -> str:
    """The SHA-256 of a file, as `sha256sum` prints it: a single bit that changes makes it another.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    with _reading(Path(path)), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path | str, wanted: str) -> None:
    """Hold a file against the digest that was noted when it was written.

    Raises:
        CheckpointError: it is another file now, or cannot be read.
    """
    if (found := digest(path)) != wanted:
        raise CheckpointError(
            f"{path}: damaged: its SHA-256 begins with {found[:12]}, and {wanted[:12]} was noted when it was written; "
            "fetch the file again, or use the one of the same run"
        )


def save_json(path: Path | str, value: Any) -> None:
    """Write `value` as JSON.

    Raises:
        CheckpointError: JSON cannot hold `value`; or as in write_atomically.
    """
    write_atomically(path, _json_bytes(Path(path), value))


def load_json(path: Path | str) -> Any:
    """What a JSON file holds.

    Raises:
        CheckpointError: the file is missing or is not JSON.
    """
    path = Path(path)
    with _reading(path):
        return json.loads(path.read_bytes())


def load_text(path: Path | str) -> str:
    """What a text file holds.

    Raises:
        CheckpointError: the file is missing or is not UTF-8.
    """
    path = Path(path)
    with _reading(path):
        return path.read_text(encoding="utf-8")


class State(NamedTuple):
    """A training state: its name, its arrays, and what else JSON holds `about` it."""

    name: str
    arrays: dict[str, Array]
    about: dict[str, Any]


class Checkpoints:
    """A folder of training states, each a folder <name> of state.safetensors and state.json; the newest `keep` stay.

    A state is written as <name>.partial and renamed when it is whole, so every other folder is a whole state. A state
    that is removed goes the same way back: renamed to <name>.partial first, then deleted. Damage that comes later is
    found by the SHA-256 of both files, which state.json carries.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(Path(folder))
    ...     checkpoints.save("unet-00000100", {"weight": np.zeros(2)}, {"step": 100})
    ...     checkpoints.latest()
    State(name='unet-00000100', arrays={'weight': array([0., 0.])}, about={'step': 100})
    """

    ARRAYS, JSON = "state.safetensors", "state.json"

    def __init__(self, folder: Path, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"Checkpoints: keep is {keep}; keep at least 1 state")
        self.folder, self.keep = folder, keep

    def save(self, name: str, arrays: Mapping[str, Array], about: dict[str, Any]) -> None:
        """Write a training state, then remove the ones that are too old.

        Args:
            name: a folder's name of letters, digits, "_" and "-"; a state of the same name is replaced.
            about: whatever JSON holds: step, settings, state of the random generator.

        Raises:
            CheckpointError: the state could not be written; the states before it are untouched.
        """
        if not re.fullmatch(r"[\w-]+", name):
            raise CheckpointError(f"{self.folder}: {name!r} is no name for a state; use letters, digits, _ and -")
        target, partial = self.folder / name, self.folder / f"{name}.partial"
        sequence = 1 + max((sequence for sequence, _, _ in self._states()), default=0)
        data = _safetensors_bytes(target, arrays)
        state = json.loads(_json_bytes(target, {"sequence": sequence, "name": name, "about": about}))
        state["sha256"] = _state_digest(state, data)
        for stray in self.folder.glob("*.partial"):  # of runs that were killed
            self._remove(stray)
        with _writing(target):
            try:
                partial.mkdir(parents=True, exist_ok=True)
                _write_to_disk(partial / self.ARRAYS, data)
                _write_to_disk(partial / self.JSON, _json_bytes(target, state))
                _sync_folder(partial)
                if target.exists():
                    # No rename replaces a full folder, so the old one steps aside. Until the next rename it is the
                    # one that `latest` finds: state.json, not the folder, says what a state is called.
                    aside = self.folder / f"{name}.replaced"
                    self._remove(aside)
                    os.rename(target, aside)
                os.rename(partial, target)
            except BaseException:
                self._remove(partial)
                raise
            _sync_folder(self.folder)
        self._remove(self.folder / f"{name}.replaced")
        for _, _, old in self._states()[self.keep :]:
            self._remove(old)

    def latest(self) -> State | None:
        """The newest sound state; None if none was ever saved. As for ``states``."""
        return next(self.states(), None)

    def states(self) -> Iterator[State]:
        """Every sound state, the newest first; a damaged one is passed over with a warning in the log.

        Raises:
            CheckpointError: there are states, and every one of them is damaged.
        """
        found, sound = self._states(), 0
        for _, state, path in sorted(found, key=lambda state: bool(state[1])):  # what is damaged is said first
            try:
                if not state:
                    raise CheckpointError(f"{path / self.JSON}: damaged; removing {path} does no harm")
                with _reading(path / self.ARRAYS):
                    wanted, got = state.get("sha256"), _state_digest(state, (path / self.ARRAYS).read_bytes())
                if wanted not in (got, None):  # None: of a version that wrote no digests
                    raise CheckpointError(f"{path}: damaged: the SHA-256 of its files is {got}, it was {wanted}")
                yield State(state["name"], load_arrays(path / self.ARRAYS), state["about"])
                sound += 1
            except CheckpointError as error:
                _log.warning("a training state is damaged, going back to the one before it: %s", error)
        if found and not sound:
            raise CheckpointError(
                f"{self.folder}: all {len(found)} training states are damaged; remove the folder to start again"
            )

    def _states(self) -> list[tuple[int, dict[str, Any], Path]]:
        """(sequence, content of state.json, folder) of every state, newest first; (0, {}, folder) for a damaged one."""
        states = []
        with _reading(self.folder):
            for path in self.folder.iterdir() if self.folder.exists() else ():
                if path.suffix == ".partial" or not (path / self.JSON).exists():
                    continue
                try:
                    match load_json(path / self.JSON):
                        case {"sequence": int(sequence), "name": str(), "about": dict()} as state if state.keys() <= {
                            "sequence",
                            "name",
                            "about",
                            "sha256",
                        }:
                            states.append((sequence, state, path))
                        case _:
                            states.append((0, {}, path))
                except CheckpointError:
                    states.append((0, {}, path))
        return sorted(states, key=lambda state: state[0], reverse=True)

    def _remove(self, folder: Path) -> None:
        """Remove our two files and then the folder, which stays if it holds anything else; a failure does no harm."""
        with suppress(OSError):
            if folder.suffix != ".partial":
                folder = folder.rename(folder.with_name(f"{folder.name}.partial"))
            (folder / self.ARRAYS).unlink(missing_ok=True)
            (folder / self.JSON).unlink(missing_ok=True)
            folder.rmdir()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`, which is made if it is missing; the lock dies with the process.

    Raises:
        FolderInUse: another run holds the lock; this does not wait.
        CheckpointError: the folder cannot be written to.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise FolderInUse(
                f"another run is writing to {folder}; wait for it or choose another folder with --out"
            ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say as a CheckpointError why `path` could not be read."""
    try:
        yield
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file; check the path, or make the file first") from error
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path}: cannot be read: {reason}; check what it is and its permissions") from error
    except (SafetensorError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        reason = str(error).removeprefix("Error while deserializing header: ") or type(error).__name__
        raise CheckpointError(f"{path}: damaged: {reason}; fetch the file again or write it anew") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say as a CheckpointError why `path` could not be written."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{path}: could not be written: {error.strerror or error}; what was there before is untouched; "
            "free some space, or choose a folder that exists and that you may write to"
        ) from error


def _is_device(path: Path) -> bool:
    """Whether `path` is there and neither a file nor a folder: a terminal, a pipe, /dev/null."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _write_to_disk(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Let the disk confirm the names in `folder`; Windows and some network disks cannot, and do without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _safetensors_bytes(path: Path, arrays: Mapping[str, Array], about: Mapping[str, str] | None = None) -> bytes:
    own = {name: np.asarray(to_host(array), order="C") for name, array in arrays.items()}
    for name, array in own.items():
        if array.dtype.type not in _DTYPES.values() or name == "__metadata__":
            wanted = ", ".join(dtype.__name__ for dtype in _DTYPES.values())
            raise CheckpointError(f"{path}: cannot hold {name!r} of type {array.dtype}; convert it to one of {wanted}")
    # All of `about` under one key: the library writes several keys in a random order.
    metadata = {_ABOUT: json.dumps(about, sort_keys=True)} if about else None
    data: bytes = safetensors.numpy.save(own, metadata)
    return data


def _state_digest(state: Mapping[str, Any], arrays: bytes) -> str:
    """Of a state's two files, but for the digest itself."""
    about = {key: value for key, value in state.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode() + arrays).hexdigest()


def _json_bytes(path: Path, value: Any) -> bytes:
    try:
        return (json.dumps(value, indent=2) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; use plain numbers, text, lists and dictionaries") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a JSON object that says the same key twice, of which the library would silently use the last."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} is named {count} times")
