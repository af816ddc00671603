"""IDX data sets under MNIST's names: where their files may lie, how they are spelled, what their captions are."""

import gzip

import numpy as np
import pytest

from minisd.data import DATA_SETS, DataError, DigitSet, colours, load_digits, load_pictures, mnist, strokes
from minisd.data.colours import ColourSet
from minisd.data.dataset import CaptionedPictures, ClassedPictures, Source
from minisd.data.idx import FILES, find, load_idx

IMAGES = np.arange(4 * 28 * 28, dtype=np.uint32).reshape(4, 28, 28).astype(np.uint8)
LABELS = np.array([2, 0, 2, 1], np.uint8)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(folder, split="train", spell=lambda name: name, labels=LABELS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(FILES[split], (IMAGES, labels), strict=True):
        data = idx(array)
        (folder / spell(name)).write_bytes(gzip.compress(data) if spell(name).endswith(".gz") else data)


SPELLINGS = {
    "plain": lambda name: name,
    "gz": lambda name: f"{name}.gz",
    "dot": lambda name: name.replace("-idx", ".idx"),
    "dot gz": lambda name: f"{name.replace('-idx', '.idx')}.gz",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("below", ["", "raw", "FashionMNIST/raw"])
def test_files_are_found_as_mirrors_spell_them_and_torchvision_leaves_them(tmp_path, spelling, below):
    write(tmp_path / below, "train", SPELLINGS[spelling])
    images, labels = load_idx("train", tmp_path)
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == [2, 0, 2, 1] and labels.dtype == np.int64
    with pytest.raises(DataError, match="no t10k-images-idx3-ubyte"):
        load_idx("test", tmp_path)


@pytest.mark.parametrize("below", ["raw", "MNIST/raw", "MNIST"])
def test_mnist_is_found_as_torchvision_leaves_it(tmp_path, below):
    write(tmp_path / "FashionMNIST" / "raw", labels=LABELS + 1)
    write(tmp_path / below, "train", SPELLINGS["dot"])
    assert mnist.load_mnist("train", tmp_path, verify=False)[1].tolist() == [2, 0, 2, 1]


def test_two_data_sets_below_one_folder_are_not_guessed_between(tmp_path):
    for name in ("FashionMNIST", "KMNIST"):
        write(tmp_path / name / "raw")
    with pytest.raises(DataError, match=r"is in .*FashionMNIST/raw and in .*KMNIST/raw; name the one"):
        find(tmp_path, FILES["train"][0])


def test_captions_are_classes_or_the_lines_of_a_file(tmp_path):
    write(tmp_path)
    said = []
    pictures = load_pictures("idx", "train", Source(tmp_path, say=said.append))
    assert pictures.captions(np.array([3, 0]), np.random.default_rng(0)) == ["class 1", "class 2"]
    assert len(said) == 1 and str(tmp_path / "labels.txt") in said[0]
    (tmp_path / "labels.txt").write_text("\ufeffa shirt\n trousers \r\na pullover\nunused\n", encoding="utf-8")
    said.clear()
    pictures = load_pictures("idx", "train", Source(tmp_path, say=said.append))
    assert pictures.captions(np.array([3, 0]), np.random.default_rng(0)) == ["trousers", "a pullover"] and said == []
    assert pictures.all_captions() == pictures.example_captions() == ["a pullover", "a shirt", "trousers"]
    for text in (b"a shirt\ntrousers\n", b"a shirt\n\na pullover\n", b"\xff\xfe"):
        (tmp_path / "labels.txt").write_bytes(text)
        with pytest.raises(DataError, match=r"labels\.txt: "):
            load_pictures("idx", "train", Source(tmp_path))


def test_another_data_set_under_mnists_names_is_told_how_to_train(tmp_path):
    write(tmp_path)
    with pytest.raises(
        DataError, match=r"not MNIST's: (?s:.)*minisd train --data fashion \(or kmnist, or idx\) --data-dir FOLDER"
    ):
        load_pictures("mnist", "train", Source(tmp_path))


def test_empty_files_are_no_data_set(tmp_path):
    for name, shape in zip(FILES["train"], ((0, 28, 28), (0,)), strict=True):
        (tmp_path / name).write_bytes(idx(np.zeros(shape, np.uint8)))
    with pytest.raises(DataError, match="holds no images"):
        load_idx("train", tmp_path)


# All data sets by name


def test_every_data_set_has_pictures_and_captions(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(strokes, "draw_strokes", lambda count, seed, real=strokes.draw_strokes: real(9, seed))
    monkeypatch.setattr(colours, "draw_colours", lambda count, seed, real=colours.draw_colours: real(9, seed))
    monkeypatch.setattr(mnist, "MD5", dict.fromkeys(mnist.MD5, ""))
    monkeypatch.setattr(mnist, "_check_md5", lambda *_: None)
    from PIL import Image

    write(tmp_path, spell=lambda name: f"emnist-letters-{name}", labels=LABELS + 1)
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a wave")
    for name, data_set in DATA_SETS.items():
        source = Source(None if data_set.folder == "none" else tmp_path, say=lambda line: None)
        pictures = load_pictures(name, "train", source)
        assert (
            pictures.images.shape[1:] == ((32, 32, 3) if name == "colours" else (28, 28))
            and pictures.images.dtype == np.uint8
        )
        captions = pictures.captions(np.arange(len(pictures)), np.random.default_rng(0))
        assert len(captions) == len(pictures.images) and set(captions) <= set(pictures.all_captions())
        assert 1 <= len(pictures.example_captions()) <= 10 and set(pictures.example_captions()) <= set(
            pictures.all_captions()
        )
        assert isinstance(pictures, DigitSet if data_set.digits else CaptionedPictures | ClassedPictures | ColourSet)


def test_digits_captions_name_what_is_to_be_seen():
    drawn = strokes.draw_strokes(300, 0)
    digits = DigitSet(drawn.images, drawn.labels, drawn)
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    chosen = np.array([7, 100, 299, 3])
    told = set()
    for seed in range(60):
        for i, caption in zip(chosen, digits.captions(chosen, np.random.default_rng(seed)), strict=True):
            told.add(caption)
            label = int(drawn.labels[i])
            assert names[label] in caption.split() or str(label) in caption.split()
            for word, right in (("left", 0), ("right", 2)):
                assert word not in caption.split() or digits.slant_bin[i] == right
    assert len(told) > 20
    assert [names[i] in caption for i, caption in enumerate(digits.example_captions())] == [True] * 10


def test_what_no_data_set_can_do():
    with pytest.raises(DataError, match=r"is called 'cifar'; there are mnist, strokes, colours, folder, .*, idx"):
        load_pictures("cifar", "train")
    with pytest.raises(DataError, match="--data-dir FOLDER"):
        load_pictures("folder", "train")
    with pytest.raises(DataError, match="holds no digits with labels; wanted one of mnist, strokes"):
        load_digits("idx", "train")


def test_pictures_examples_are_spread_over_the_captions():
    texts = [f"number {i:02}" for i in range(30)]
    pictures = CaptionedPictures(np.zeros((31, 28, 28), np.uint8), [*texts, "number 00"])
    assert pictures.example_captions() == texts[::3] and len(pictures) == 31
