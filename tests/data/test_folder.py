import numpy as np
import pytest
from PIL import Image

from minisd.data import DataError, load_folder


def save(path, size=(28, 28), value=128):
    Image.new("L", size, value).save(path)


def test_captions_in_a_table(tmp_path):
    save(tmp_path / "b.png", value=10)
    save(tmp_path / "a.png", value=20)
    (tmp_path / "captions.csv").write_text('file,caption\nb.png,"a cat, asleep"\na.png, Füße \n', encoding="utf-8-sig")
    images, captions = load_folder(tmp_path)
    assert captions == ["a cat, asleep", "Füße"]
    assert images.shape == (2, 28, 28) and images.dtype == np.uint8
    assert images[:, 5, 5].tolist() == [10, 20]


def test_captions_in_text_files_and_resizing(tmp_path):
    Image.new("RGB", (40, 20), (255, 255, 255)).save(tmp_path / "wide.JPG")
    (tmp_path / "wide.txt").write_text("a wide one\n")
    (tmp_path / "notes.md").write_text("not an image")
    images, captions = load_folder(str(tmp_path), size=16)
    assert captions == ["a wide one"] and images.shape == (1, 16, 16)
    assert (images[0, 5:11] > 250).all() and (images[0, [0, 1, 14, 15]] < 5).all()  # padded above and below


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no images"),
        ({"captions.csv": b"file,caption\n"}, "no images"),
        ({"captions.csv": b"name,text\na.png,x\n"}, "wanted the columns file,caption"),
        ({"captions.csv": b""}, "wanted the columns file,caption"),
        ({"captions.csv": b"file,caption\na.png,x\n"}, "line 2: no file"),
        ({"captions.csv": b"file,caption\na.png\n"}, "fill both columns"),
        ({"captions.csv": b"file,caption\na.png,\xff\xfe\n"}, "UTF-8"),
        ({"a.png": b"not a picture", "a.txt": b"x"}, "cannot be read as an image"),
        ({"a.png": b""}, "no caption; write one into a.txt"),
        ({"a.png": b"", "a.txt": b"  "}, "a.txt: empty"),
        ({"a.png": b"", "a.txt": b"\xff"}, "UTF-8"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, files, message):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_folder(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_folder(tmp_path / "nowhere")


def test_truncated_picture(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.txt").write_text("x")
    for length in range(0, len(data), 97):
        (tmp_path / "a.png").write_bytes(data[:length])
        with pytest.raises(DataError, match=r"a\.png: cannot be read"):
            load_folder(tmp_path)
