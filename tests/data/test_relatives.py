"""MNIST's relatives by name: their classes' captions, EMNIST's turned letters, and files that were confused."""

import gzip
import hashlib

import numpy as np
import pytest

from minisd.data import DataError, load_pictures, mnist, relatives
from minisd.data.dataset import Source
from minisd.data.idx import FILES

NAMES = {"fashion": FILES, "kmnist": FILES, "emnist-letters": relatives._LETTERS}
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)


def write(folder, name, labels, split="train", ending=""):
    """The two files of a data set; gives what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    held = []
    for file, array in zip(NAMES[name][split], (IMAGES[: len(labels)], np.array(labels, np.uint8)), strict=True):
        data = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        held.append(gzip.compress(data) if ending else data)
        (folder / f"{file}{ending}").write_bytes(held[-1])
    return held


def told(pictures, at):
    return {pictures.captions(np.array([at]), np.random.default_rng(seed))[0] for seed in range(40)}


def load(name, folder, split="train"):
    return load_pictures(name, split, Source(folder))


def test_classes_are_named(tmp_path):
    for name, labels, wanted in (
        ("fashion", [7, 9, 1], [{"a sneaker", "sneaker"}, {"an ankle boot", "ankle boot"}, {"trousers"}]),
        ("kmnist", [1, 9], [{"the hiragana ki", "hiragana ki", "the hiragana \u304d", "\u304d"}, None]),
        ("emnist-letters", [1, 17, 26], [{"the letter a", "letter a", "a"}, {"the letter q", "letter q", "q"}, None]),
    ):
        write(tmp_path / name, name, labels)
        pictures = load(name, tmp_path / name)
        for at, captions in enumerate(wanted):
            assert captions is None or told(pictures, at) == captions
        assert set().union(*(told(pictures, at) for at in range(len(labels)))) <= {*pictures.all_captions()}
        assert len(pictures) == len(labels) and len(pictures.example_captions()) == 10


def test_letters_are_turned_upright(tmp_path):
    write(tmp_path, "emnist-letters", [3, 4], split="test", ending=".gz")
    np.testing.assert_array_equal(load("emnist-letters", tmp_path, "test").images, IMAGES[:2].transpose(0, 2, 1))
    write(tmp_path, "fashion", [3, 4])
    np.testing.assert_array_equal(load("fashion", tmp_path).images, IMAGES[:2])


def test_each_is_found_where_torchvision_leaves_it(tmp_path):
    for name, folder, label in (
        ("fashion", "FashionMNIST", 3),
        ("kmnist", "KMNIST", 4),
        ("emnist-letters", "EMNIST", 5),
    ):
        write(tmp_path / folder / "raw", name, [label])
        assert load(name, tmp_path).labels.tolist() == [label - (name == "emnist-letters")]
    with pytest.raises(DataError, match=r"in FashionMNIST/raw, plain or .gz:\n  train-images-idx3-ubyte"):
        load("fashion", tmp_path / "KMNIST" / "..", "test")


def test_labels_that_no_class_has(tmp_path):
    for name, label, wanted in (
        ("fashion", 10, "0 to 9"),
        ("emnist-letters", 0, "1 to 26"),
        ("emnist-letters", 27, "1 to"),
    ):
        write(tmp_path, name, [5, label])
        with pytest.raises(DataError, match=f"labels from .* those of {name} are {wanted}"):
            load(name, tmp_path)


def test_a_file_of_another_data_set_is_known_by_its_checksum(tmp_path, monkeypatch):
    held = write(tmp_path, "kmnist", [1], ending=".gz")
    sums = tuple(hashlib.md5(data).hexdigest() for data in held)
    monkeypatch.setitem(relatives.MD5, "kmnist", sums)
    assert len(load("kmnist", tmp_path)) == 1
    with pytest.raises(DataError, match="is of kmnist, by its MD5; train with --data kmnist"):
        load("fashion", tmp_path)
    monkeypatch.setitem(mnist.MD5, FILES["train"][0], hashlib.md5(gzip.decompress(held[0])).hexdigest())
    with pytest.raises(DataError, match="is of mnist, by its MD5"):
        load("kmnist", tmp_path)
