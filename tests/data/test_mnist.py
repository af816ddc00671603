import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from minisd.data import DataError, cache_folder, load_mnist, mnist
from minisd.data import idx as idx_files

IMAGES, LABELS = mnist.FILES["test"]


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("MINISD_DATA", raising=False)
    monkeypatch.setenv("MINISD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, 28, 28), dtype=np.uint8), np.array([3, 1, 4, 1, 5], np.uint8)


def write(folder: Path, images: bytes | None, labels: bytes | None, suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in ((IMAGES, images), (LABELS, labels)):
        if data is not None:
            (folder / f"{name}{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_plain_and_gzipped_files_load(tmp_path, tiny, suffix):
    images, labels = load_mnist("test", write(tmp_path, *map(idx, tiny), suffix), verify=False)
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    np.testing.assert_array_equal(images, tiny[0])
    np.testing.assert_array_equal(labels, tiny[1])


def test_both_splits_have_their_files_and_checksums(tmp_path, tiny):
    for at, (stem, images_md5, labels_md5) in enumerate(
        (
            ("train", "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
            ("t10k", "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
        )
    ):
        names = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
        for name, array in zip(names, tiny, strict=True):
            (tmp_path / name).write_bytes(idx(array[at : at + 1]))
        assert [mnist.MD5[name] for name in names] == [images_md5, labels_md5]  # as published
    assert load_mnist("train", tmp_path, verify=False)[1].tolist() == [3]
    assert load_mnist("test", tmp_path, verify=False)[1].tolist() == [1]


def test_folder_from_the_environment_and_from_the_cache(tmp_path, tiny, monkeypatch):
    write(cache_folder() / "mnist", *map(idx, tiny))
    assert load_mnist("test", verify=False)[1].tolist() == [3, 1, 4, 1, 5]
    monkeypatch.setenv("MINISD_DATA", str(write(tmp_path / "env", idx(tiny[0][:1]), idx(tiny[1][:1]))))
    assert load_mnist("test", verify=False)[1].tolist() == [3]


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("MINISD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "minisd"


def test_a_named_folder_without_files_is_an_error_and_not_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", (tmp_path.as_uri() + "/",))
    with pytest.raises(DataError, match=r"no t10k-images-idx3-ubyte in .*--data-dir"):
        load_mnist("test", tmp_path / "nowhere")
    monkeypatch.setenv("MINISD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="MINISD_DATA"):
        load_mnist("test")


def test_unknown_split(tmp_path):
    with pytest.raises(DataError, match="'validation'"):
        load_mnist("validation", tmp_path)


def test_wrong_checksum_names_file_expected_and_got(tmp_path, tiny):
    data = idx(tiny[0])
    with pytest.raises(DataError) as caught:
        load_mnist("test", write(tmp_path, data, idx(tiny[1])))
    for part in (IMAGES, mnist.MD5[IMAGES], hashlib.md5(data).hexdigest()):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (b"", None, "begins"),
        (b"\0\0\x0d\3" + bytes(12), None, "begins"),
        (b"\0\0\x08\0", None, "begins"),
        (b"\0\0\x08\3\0\0", None, "inside the header"),
        (idx(np.zeros((2, 28, 28), np.uint8))[:-1], None, "truncated"),
        (idx(np.zeros((2, 28, 28), np.uint8)) + b"\0", None, "too long"),
        (idx(np.zeros((2, 20, 28), np.uint8)), None, r"\(2, 20, 28\)"),
        (idx(np.zeros(5, np.uint8)), None, r"\(5,\)"),
        (None, idx(np.zeros((5, 1), np.uint8)), r"\(5, 1\)"),
        (None, idx(np.zeros(4, np.uint8)), "5 images .* 4 labels"),
        (None, idx(np.array([0, 1, 10, 2, 3], np.uint8)), "label 10 at position 2"),
    ],
)
def test_damaged_idx_files(tmp_path, tiny, images, labels, message):
    folder = write(tmp_path, idx(tiny[0]) if images is None else images, idx(tiny[1]) if labels is None else labels)
    with pytest.raises(DataError, match=message):
        load_mnist("test", folder, verify=False)


def test_every_truncation_and_every_damaged_byte_of_a_gzip_file_is_a_data_error(tmp_path, tiny):
    whole = gzip.compress(idx(tiny[0][:1, :, :]), mtime=0)
    path = tmp_path / "x.gz"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            idx_files.read_idx(path)
    for at in [*range(4), *range(10, len(whole), 13)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(DataError):
            idx_files.read_idx(path)


def test_download_checks_and_keeps_the_files(tmp_path, tiny, monkeypatch, capsys):
    good, bad = write(tmp_path / "good", *map(idx, tiny), ".gz"), write(tmp_path / "bad", b"junk", b"junk", ".gz")
    for name, array in zip((IMAGES, LABELS), tiny, strict=True):
        monkeypatch.setitem(mnist.MD5, name, hashlib.md5(idx(array)).hexdigest())
    monkeypatch.setattr(mnist, "MIRRORS", tuple(f"{folder.as_uri()}/" for folder in (tmp_path / "gone", bad, good)))
    images, _ = load_mnist("test")
    np.testing.assert_array_equal(images, tiny[0])
    assert "downloading" in capsys.readouterr().err
    assert sorted(path.name for path in (cache_folder() / "mnist").iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    monkeypatch.setattr(mnist, "MIRRORS", ())
    load_mnist("test")


def test_no_mirror_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "MIRRORS", (f"{tmp_path.as_uri()}/gone/",))
    with pytest.raises(DataError) as caught:
        load_mnist("test")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"could not download {IMAGES}.gz:" and "gone" in lines[1]
    assert "--data strokes" in lines[2] and "--data-dir FOLDER" in lines[3]
    assert [line.strip() for line in lines[4:]] == [name for names in mnist.FILES.values() for name in names]
    assert max(map(len, lines[2:])) < 80
    assert not any((cache_folder() / "mnist").iterdir())
