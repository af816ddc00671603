"""Files and training states: round trips, every kind of damage, and a kill at every file operation."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minisd import checkpoint
from minisd.checkpoint import (
    Array,
    CheckpointError,
    Checkpoints,
    FirstWeights,
    FolderInUse,
    load_about,
    load_arrays,
    load_json,
    load_weights,
    lock_folder,
    save_arrays,
    save_json,
    write_atomically,
)

DTYPES = [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]


def entry(dtype: str = "F32", shape: tuple[Any, ...] = (2,), offsets: tuple[int, int] = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def file_bytes(header: Any, body: int = 8) -> bytes:
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + bytes(header) + b"\0" * body


ONE = json.dumps(entry()).encode()
DAMAGED = {
    "empty": b"",
    "seven bytes": b"1234567",
    "header beyond the file": struct.pack("<Q", 1000) + b"{}",
    "header of 200 MB": struct.pack("<Q", 200_000_000) + b"{}",
    "header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "header missing": file_bytes(b""),
    "not JSON": file_bytes(b"hello"),
    "not UTF-8": file_bytes(b"\xff\xfe"),
    "JSON, but a list": file_bytes([]),
    "very deep JSON": file_bytes(b'{"a":' * 100_000),
    "half of a surrogate pair": file_bytes(b'{"\\ud800":%s}' % ONE),
    "arrays overlap": file_bytes({"a": entry(), "b": entry(offsets=(4, 12))}, 12),
    "gap between arrays": file_bytes({"a": entry(), "b": entry(offsets=(12, 20))}, 20),
    "offsets beyond the file": file_bytes({"a": entry(shape=(9,), offsets=(0, 36))}),
    "offsets backwards": file_bytes({"a": entry(offsets=(8, 0))}),
    "bytes left over": file_bytes({"a": entry()}, 16),
    "truncated": file_bytes({"a": entry()}, 7),
    "unknown type": file_bytes({"a": entry(dtype="Q7")}),
    "type not used here": file_bytes({"a": entry(dtype="BF16", shape=(4,))}),
    "complex": file_bytes({"a": entry(dtype="C64", shape=(1,))}),
    "negative shape": file_bytes({"a": entry(shape=(-2, -1))}),
    "fractional shape": file_bytes({"a": entry(shape=(2.0,))}),
    "shape too large": file_bytes({"a": entry(shape=(3,))}),
    "shape overflows": file_bytes({"a": entry(shape=(2**62, 2**62))}),
    "endless shape of nothing": file_bytes({"a": entry(shape=(0, 2**63), offsets=(0, 0))}, 0),
    "a hundred axes": file_bytes({"a": entry(shape=(1,) * 100 + (2,))}),
    "one name twice": file_bytes(b'{"a":%s,"a":%s}' % (ONE, ONE)),
    "field missing": file_bytes({"a": {"dtype": "F32", "shape": [2]}}),
    "metadata not text": file_bytes({"__metadata__": {"a": 1}, "a": entry()}),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back(tmp_path: Path, dtype: Any) -> None:
    arrays = {
        "scalar": np.asarray(1, dtype),
        "empty": np.zeros((0, 3), dtype),
        "strided": np.arange(24).reshape(4, 6).astype(dtype)[::2, ::-3].T,
        "name.with.dots / ünï": np.ones((2, 1, 2), dtype),
        "other byte order": np.ones(3, np.dtype(dtype).newbyteorder(">")),
    }
    path = tmp_path / "a.safetensors"
    save_arrays(path, arrays)
    loaded = load_arrays(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == dtype and loaded[name].shape == array.shape
        loaded[name][...] = 0  # writeable, and not the file itself
    np.testing.assert_array_equal(load_arrays(path)["scalar"], 1)


def test_about_comes_back_and_the_bytes_repeat(tmp_path: Path) -> None:
    about = {letter: letter * 3 for letter in "hgfedcba"}
    for name in ("a", "b"):
        save_arrays(tmp_path / name, {"z": np.ones(2), "y": np.ones(1)}, about)
        about = dict(reversed(about.items()))
    assert load_about(tmp_path / "a") == about
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_arrays(tmp_path / "a", {})
    assert load_about(tmp_path / "a") == {} and load_arrays(tmp_path / "a") == {}


@pytest.mark.parametrize("dtype", [np.int16, np.complex128, "U3", object])
def test_other_types_are_refused(tmp_path: Path, dtype: Any) -> None:
    with pytest.raises(CheckpointError, match=r"a\.safetensors: cannot hold 'bad' of type .*float32"):
        save_arrays(tmp_path / "a.safetensors", {"good": np.ones(2), "bad": np.ones(2).astype(dtype)})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_a_checkpoint_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: .+; .+|weights.* has type .*convert"):
        load_arrays(path)


def test_the_sound_file_loads(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(file_bytes({"a": entry()}))  # of which the damaged ones are variations
    assert load_arrays(tmp_path / "a")["a"].tolist() == [0, 0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(position=st.integers(0, 200), byte=st.integers(0, 255), length=st.none() | st.integers(0, 200))
def test_random_damage_is_a_checkpoint_error_or_nothing(
    tmp_path: Path, position: int, byte: int, length: int | None
) -> None:
    path = tmp_path / "a"
    save_arrays(path, {"a": np.ones((2, 3)), "b": np.ones(4, np.uint8)}, {"key": "text"})
    data = bytearray(path.read_bytes())
    data[position % len(data)] = byte
    path.write_bytes(bytes(data[:length]))
    for load in (load_arrays, load_about, load_weights, load_json):
        try:
            load(path)
        except CheckpointError as error:
            assert str(path) in str(error)


def test_a_sparse_terabyte_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(file_bytes({"a": entry()}))
    try:
        os.truncate(path, 2**40)
    except OSError as error:
        pytest.skip(f"no sparse files here: {error}")
    with pytest.raises(CheckpointError, match="damaged"):
        load_arrays(path)


def test_missing_file_and_folder_instead_of_file(tmp_path: Path) -> None:
    for load in (load_arrays, load_about, load_json):
        with pytest.raises(CheckpointError, match="no such file"):
            load(tmp_path / "missing")
        with pytest.raises(CheckpointError, match="cannot be read"):
            load(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "unet.safetensors"
    save_arrays(path, {"fine": np.ones(3), "conv.weight": np.array([1, bad], np.float32)})
    with pytest.raises(CheckpointError, match=r"unet\.safetensors: 'conv\.weight' of shape \(2,\)"):
        load_weights(path)
    save_arrays(path, {"fine": np.ones(3), "half": np.ones(3, np.float16)})
    assert load_weights(path).keys() == {"fine", "half"}


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.bool_])
def test_weights_are_no_whole_numbers(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "unet.safetensors"
    save_arrays(path, {"fine": np.ones(3), "conv.weight": np.ones(2, dtype)})
    with pytest.raises(CheckpointError, match=rf"unet\.safetensors: 'conv\.weight' is of type {np.dtype(dtype)}"):
        load_weights(path)


def test_first_weights_are_hardly_more_than_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(bytes(100))
    rng = FirstWeights(path)
    assert (rng.standard_normal((10, 19)) == 0).all() and rng.standard_normal((10,)).shape == (10,)
    with pytest.raises(ValueError, match=r"far larger than .*a\.safetensors holds"):
        rng.standard_normal((2**24,))
    with pytest.raises(ValueError, match="far larger"):
        FirstWeights(path).standard_normal((2**40, 2**40))  # and no memory is asked for
    with pytest.raises(CheckpointError, match="no such file"):
        FirstWeights(tmp_path / "missing")


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert checkpoint.digest(path) == known
    checkpoint.check_digest(path, known)
    path.write_bytes(b"abd")
    with pytest.raises(CheckpointError, match=r"a\.safetensors: damaged: its SHA-256 begins with .*ba7816bf8f01 was"):
        checkpoint.check_digest(path, known)


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"steps": [1, 2], "name": "größe", "rng": 2**127, "loss": 0.1, "none": None}
    save_json(tmp_path / "a.json", value)
    assert load_json(tmp_path / "a.json") == value
    with pytest.raises(CheckpointError, match=r"a\.json: .*float32 is not JSON"):
        save_json(tmp_path / "a.json", {"loss": np.float32(0.1)})
    assert load_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_damaged_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.json: damaged"):
        load_json(tmp_path / "a.json")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(CheckpointError, match=r"a\.txt: could not be written: No space left .*; .*free some space"):
        write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"] and path.read_bytes() == b"old"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "far" / "a.txt")
    for data in (b"old", b"new"):
        write_atomically(tmp_path / "link.txt", data)
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "far" / "a.txt").read_bytes() == b"new"
    assert [file.name for file in (tmp_path / "far").iterdir()] == ["a.txt"]


def test_unwritable_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "a", tmp_path / "file" / "a", tmp_path / "folder"):
        with pytest.raises(CheckpointError, match="could not be written"):
            write_atomically(path, b"data")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


# Training states


def save_state(checkpoints: Checkpoints, step: int, name: str | None = None) -> None:
    arrays: dict[str, Array] = {"weight": np.full(5, step, np.float32), "moment": np.full((2, 3), step, np.float64)}
    checkpoints.save(name or f"unet-{step:08d}", arrays, {"step": step})


def whole_step(folder: Path) -> int | None:
    """The step of the latest state, after checking that all of it is of that step."""
    latest = Checkpoints(folder).latest()
    if latest is None:
        return None
    _, arrays, about = latest
    step: int = about["step"]
    assert arrays.keys() == {"weight", "moment"}
    assert (arrays["weight"] == step).all() and (arrays["moment"] == step).all()
    return step


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_states_come_back_and_old_ones_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "deep" / "states", keep=2)
    assert checkpoints.latest() is None
    for step in (1, 2, 3, 4):
        save_state(checkpoints, step)
        assert whole_step(checkpoints.folder) == step
    assert names(checkpoints.folder) == ["unet-00000003", "unet-00000004"]


def test_newest_is_the_one_saved_last_not_by_name_or_time(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save_state(checkpoints, 9)
    save_state(checkpoints, 5)
    os.utime(tmp_path / "unet-00000009" / Checkpoints.JSON, (2e9, 2e9))
    assert whole_step(tmp_path) == 5


def test_a_state_is_replaced(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        save_state(checkpoints, step, name="same")
        assert whole_step(tmp_path) == step
    assert names(tmp_path) == ["same"]


@pytest.mark.parametrize("name", ["", "a/b", "..", "a.partial", "a b"])
def test_bad_names_and_bad_keep(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="is no name for a state"):
        Checkpoints(tmp_path).save(name, {}, {})
    with pytest.raises(ValueError, match="at least 1"):
        Checkpoints(tmp_path, keep=0)


@pytest.mark.parametrize("file", [Checkpoints.ARRAYS, Checkpoints.JSON])
@pytest.mark.parametrize("damage", [b"", b"{}", b'{"sequence": "7"}'])
def test_a_damaged_newest_state_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, damage: bytes
) -> None:
    checkpoints = Checkpoints(tmp_path)
    save_state(checkpoints, 1)
    save_state(checkpoints, 2)
    (tmp_path / "unet-00000002" / file).write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert whole_step(tmp_path) == 1
    assert "damaged" in caplog.text and "unet-00000002" in caplog.text
    save_state(checkpoints, 2)
    assert whole_step(tmp_path) == 2
    for path in tmp_path.glob(f"*/{file}"):
        path.write_bytes(damage)
    with pytest.raises(CheckpointError, match="all 2 training states are damaged"):
        checkpoints.latest()


@pytest.mark.parametrize("file", [Checkpoints.ARRAYS, Checkpoints.JSON])
def test_a_flipped_byte_anywhere_in_a_state_is_found(tmp_path: Path, file: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    save_state(checkpoints, 1)
    whole = (tmp_path / "unet-00000001" / file).read_bytes()
    for at in range(0, len(whole), 3):
        (tmp_path / "unet-00000001" / file).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            state = checkpoints.latest()
        except CheckpointError as error:
            assert "damaged" in str(error)
        else:  # white space
            assert state is not None and state.about == {"step": 1}
    (tmp_path / "unet-00000001" / file).write_bytes(whole)
    assert whole_step(tmp_path) == 1


def test_a_state_without_digest_is_of_an_earlier_version(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save_state(checkpoints, 1)
    path = tmp_path / "unet-00000001" / Checkpoints.JSON
    state = json.loads(path.read_text())
    del state["sha256"]
    path.write_text(json.dumps(state))
    assert whole_step(tmp_path) == 1


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "my.partial").mkdir()
    (tmp_path / "my.partial" / "draft.txt").write_text("mine")
    checkpoints = Checkpoints(tmp_path, keep=1)
    for step in (1, 2):
        save_state(checkpoints, step)
    assert names(tmp_path) == ["my.partial", "notes.txt", "pictures", "unet-00000002"]
    assert names(tmp_path / "my.partial") == ["draft.txt"]


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    save_state(checkpoints, 1)
    real, calls = os.fsync, iter(range(9))

    def full(descriptor: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="unet-00000002: could not be written: No space left"):
        save_state(checkpoints, 2)
    assert names(tmp_path) == ["unet-00000001"] and whole_step(tmp_path) == 1


FILE_OPERATIONS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "fsync"}


def killed_after(count: int, act: Callable[[], None]) -> bool:
    """Run `act` in a process of its own that is killed before file operation number `count`; whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    done = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event in FILE_OPERATIONS:
            if done == count:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1

    real = os.fsync

    def fsync(descriptor: Any) -> None:  # Python does not report this one
        sys.audit("fsync")
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    sys.addaudithook(watch)
    try:
        act()
    finally:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("same_name", [False, True])
def test_a_kill_at_any_file_operation_leaves_a_whole_state(tmp_path: Path, same_name: bool) -> None:
    seen = set()
    for count in range(100):
        folder = tmp_path / str(count)
        checkpoints = Checkpoints(folder, keep=1)
        name = "unet" if same_name else None
        save_state(checkpoints, 1, name)
        killed = killed_after(count, lambda to=checkpoints, name=name: save_state(to, 2, name))  # type: ignore[misc]
        step = whole_step(folder)
        assert step in ({1, 2} if killed else {2})
        seen.add((killed, step))
        save_state(checkpoints, 3, name)  # and the next one clears up
        assert whole_step(folder) == 3
        assert names(folder) == [name or "unet-00000003"]
        if not killed:
            break
    assert seen == {(True, 1), (True, 2), (False, 2)}
    assert count > 12  # there were that many places to be killed at


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_file_operation_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")
    for count in range(100):
        killed = killed_after(count, lambda: write_atomically(path, b"new"))
        assert path.read_bytes() in ({b"old", b"new"} if killed else {b"new"})
        if not killed:
            break
    assert count >= 3


def test_the_disk_confirms_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            result = real(*args)
            order.append(name)
            return result

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    save_state(Checkpoints(tmp_path), 1)
    assert order == ["fsync", "fsync", "fsync", "rename", "fsync"]  # two files, their folder; the folder of states


# The lock


def test_the_lock_refuses_a_second_run(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with lock_folder(folder):
        with pytest.raises(FolderInUse, match=r"another run is writing to .*out; wait for it or choose .* --out"):
            lock_folder(folder).__enter__()
        with lock_folder(tmp_path / "other"):
            pass
    with pytest.raises(KeyError), lock_folder(folder):
        raise KeyError  # an error inside passes through and frees the lock
    with lock_folder(folder):
        pass


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = "import sys, time\nfrom pathlib import Path\nfrom minisd.checkpoint import lock_folder\n"
    code += "with lock_folder(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)\n"
    source = Path(checkpoint.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    with run:
        assert run.stdout is not None and run.stdout.readline().strip() == b"locked"
        with pytest.raises(FolderInUse):
            lock_folder(tmp_path).__enter__()
        run.kill()
        run.wait()
        with lock_folder(tmp_path):
            pass


def test_a_lock_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(CheckpointError, match="could not be written"):
            lock_folder(folder).__enter__()
