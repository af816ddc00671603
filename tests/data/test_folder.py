import numpy as np
import pytest
from PIL import Image

from minisd.data import DataError, load_folder, load_pictures
from minisd.data.dataset import Source


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
    assert (images[0] > 250).all()  # padded above and below


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
        ({"a.png": b"not a picture", "a.txt": b"x"}, r"a\.png: cannot be read as a picture"),
        ({"a.png": b""}, "no caption; write one into a.txt"),
        ({"a.png": b"", "a.txt": b"  "}, "a.txt: empty"),
        ({"a.png": b"", "a.txt": b"\xff"}, "UTF-8"),
        ({"a.png": b"", "a.txt": b"a \x1b[31m seven"}, "a sign that is not printed"),
        ({"captions.csv": b"file,caption,caption\na.png,x,y\n"}, "two columns are called caption"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, files, message):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_folder(tmp_path)


def test_what_is_wrong_in_a_table_is_said_with_its_line(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    for text, line, said in (
        ("a.png,a seven, leaning left\n", 2, 'put quotes around commas: "a seven, leaning left"'),
        ('a.png,"a seven\nb.png,an eight\n', 2, "a quote that opens must close"),
        ('a.png,one\nb.png,"a seven\nc.png,""an eight"\n', 3, "a line's end"),
        ('a.png,one\nb.png,"a\nseven"\n', 3, "a line's end"),
        ('a.png,"a seven"s\n', 2, "a quote that opens must close"),
        ("a.png,o\0ne\n", 2, "not printed"),
        ("a.png,one\n\n" + "x" * 300 + ".png,x\n", 4, "cannot be the name of a file (File name too long)"),
        ("a.png,one\n,\nb.png,\n", 4, "fill both columns"),
        (".,one\n", 2, "no file"),
    ):
        (tmp_path / "captions.csv").write_bytes(b"file,caption\n" + text.encode())
        with pytest.raises(DataError) as caught:
            load_folder(tmp_path)
        assert f"captions.csv, line {line}: " in str(caught.value) and said in str(caught.value)


def test_tables_as_programs_write_them(tmp_path):
    save(tmp_path / "A.PNG", value=10)
    save(tmp_path / "e\u0301.png", value=20)  # as macOS composes an accent
    (tmp_path / "sub").mkdir()
    save(tmp_path / "sub" / "c.png", value=30)
    rows = ["File, Caption,by", 'a.png, "one, two",me', "", "\u00e9.png,a\tb,", 'sub/c.png,"a ""c"""', ",,"]
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "Captions.CSV").write_bytes(end.join(rows).encode("utf-8-sig"))
        said = []
        images, captions = load_folder(tmp_path, say=said.append)
        assert captions == ["one, two", "a\tb", 'a "c"'] and images[:, 5, 5].tolist() == [10, 20, 30] and said == []


def test_a_picture_in_a_subfolder_is_found_as_windows_writes_it_and_whatever_its_case(tmp_path):
    (tmp_path / "Sub" / "b").mkdir(parents=True)
    save(tmp_path / "Sub" / "b" / "A.png", value=7)
    for name in ("Sub/b/A.png", "Sub\\b\\A.png", "sub/B/a.PNG"):
        (tmp_path / "captions.csv").write_text(f"file,caption\n{name},x\n")
        assert load_folder(tmp_path)[0].max() == 7
    (tmp_path / "captions.csv").write_text("file,caption\nsub/c/a.png,x\n")
    with pytest.raises(DataError, match="line 2: no file"):
        load_folder(tmp_path)


def test_the_case_of_a_text_files_name_does_not_matter(tmp_path):
    for i, (picture, text) in enumerate(
        (("A.PNG", "A.TXT"), ("b.png", "B.txt"), ("c.Jpg", "c.TXT"), ("d.png", "d.txt"))
    ):
        save(tmp_path / picture)
        (tmp_path / text).write_text(f"number {i}\n of four")
    (tmp_path / "D.TXT").write_text("another")
    assert load_folder(tmp_path)[1] == [f"number {i} of four" for i in range(4)]


def test_what_is_passed_over_is_said_by_name_and_why(tmp_path):
    for name in ("a.png", "b.png", "old/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name)
    for name in ("._cat.png", "x.psd", "y.pdf", "z.heic", "w.svg", ".DS_Store"):
        (tmp_path / name).write_bytes(b"junk")
    (tmp_path / "dead.png").symlink_to("nowhere")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "captions.csv").write_text("file,caption\na.png,one\n")
    said = []
    assert len(load_folder(tmp_path, say=said.append)[0]) == 1
    starts = [
        "passed over 1: ._cat.png (hidden", "passed over 1: dead.png (a link to nothing)",
        "passed over 2: folder.png, old (a folder: ", "passed over 1: b.png (not named in captions.csv)",
        "passed over 4: w.svg, x.psd, y.pdf and 1 more (not one of .png",
    ]  # fmt: skip
    assert [line[: len(start)] for line, start in zip(said, starts, strict=True)] == starts
    (tmp_path / "captions.csv").write_text("file,caption\na.png,one\nold/c.png,three\na.png,two\nb.png,four\n")
    said.clear()
    assert load_folder(tmp_path, say=said.append)[1] == ["one", "three", "two", "four"]
    assert said[2].startswith("passed over 1: folder.png (a folder") and said[3].startswith("passed over 4: ")
    assert said[4:] == ["1 picture with several captions: a.png (used with each of them)"]


def test_on_what_transparent_pictures_were_laid_is_said(tmp_path):
    for name, level in (("a", 0), ("b", 255), ("c", 0)):
        Image.fromarray(np.dstack([np.full((28, 28, 3), level), np.tri(28) * 255]).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
        (tmp_path / f"{name}.txt").write_text("a triangle")
    said = []
    load_folder(tmp_path, say=said.append)
    assert said == [
        "laid 2 transparent pictures on white: a.png, c.png (--background chooses)",
        "laid 1 transparent picture on black: b.png (--background chooses)",
    ]
    said.clear()
    load_folder(tmp_path, background="black", say=said.append)
    assert "on black, where its ink is lost: a.png, c.png" in said[0]
    with pytest.raises(DataError, match="background is 'green'; wanted white or black"):
        load_folder(tmp_path, background="green")


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_folder(tmp_path / "nowhere")


# Sizes, colour, and what cannot be read


def put(tmp_path, **pictures):
    """Pictures by name, each captioned with its name; what `load_folder` makes of them, and what it says."""
    for name, image in pictures.items():
        image.save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text(name)

    def load(**options):
        said = []
        images, captions = load_folder(tmp_path, say=said.append, **options)
        return images, captions, said

    return load


def grey(H, W, level=128):
    return Image.new("L", (W, H), level)


def test_pictures_of_one_size_stay_as_they_are(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 24), dtype=np.uint8)
    images, captions, said = put(tmp_path, a=Image.fromarray(noise[0]), b=Image.fromarray(noise[1]))()
    np.testing.assert_array_equal(images, noise)
    assert captions == ["a", "b"] and said == []


def test_what_is_made_of_other_sizes_is_said(tmp_path):
    load = put(tmp_path, a=grey(300, 400), b=grey(300, 400), c=grey(150, 200), d=grey(400, 300), e=grey(20, 9000))
    images, _, said = load()
    assert images.shape == (5, 48, 64) and (images == 128).all()
    assert said == [
        "5 pictures made 48 x 64, height by width; 2 of them are 300 x 400 (--size chooses another size)",
        "1 picture of another shape padded with the colour of their edge: d.png (--fit crop cuts them to shape)",
        "1 picture so long or so wide that hardly anything is left to see: e.png (cut out what matters, or --fit crop)",
    ]
    images, _, said = load(size=(32, 32), fit="crop")
    assert images.shape == (5, 32, 32) and said == [
        "5 pictures made 32 x 32, height by width; 2 of them are 300 x 400",
        "5 pictures of another shape cropped to the middle: a.png, b.png, c.png and 2 more "
        "(--fit pad shows all of them)",
    ]


def test_one_coloured_picture_makes_all_of_them_coloured(tmp_path):
    load = put(tmp_path, a=grey(28, 28, 7), b=Image.new("RGB", (28, 28), (9, 9, 9)))
    assert load()[0].shape == (2, 28, 28)
    images, _, said = put(tmp_path, c=Image.new("RGB", (28, 28), (200, 0, 0)))()
    assert images[:, 0, 0].tolist() == [[7, 7, 7], [9, 9, 9], [200, 0, 0]] and said == []


def test_what_cannot_be_read_is_passed_over_and_said(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)
    load = put(tmp_path, a=grey(28, 28), b=Image.fromarray(noise), c=grey(28, 28), d=grey(28, 28), e=grey(28, 28, 5))
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:1000])  # its size is still to be read
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "d.png").write_bytes(b"")
    images, captions, said = load()
    assert captions == ["a", "e"] and images[:, 0, 0].tolist() == [128, 5]
    assert said == [
        "passed over 2: c.png, d.png (cannot be read: it is empty; fetch or save again)",
        "passed over 1: b.png (cannot be read: it ends too early; fetch or save again)",
    ]
    for name in "ae":
        (tmp_path / f"{name}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"\.png: cannot be read as a picture"):
        load()


def test_of_an_animation_the_first_picture_is_used_and_said(tmp_path):
    grey(28, 28, 0).save(tmp_path / "a.gif", save_all=True, append_images=[grey(28, 28, 255)])
    (tmp_path / "a.txt").write_text("x")
    images, _, said = put(tmp_path)()
    assert images.max() == 0 and said == ["1 file of several pictures: a.gif (the first of each is used)"]


def test_an_impossible_size_is_refused(tmp_path):
    for size, nearest in ((30, "32 x 32"), ((8, 28), "16 x 28"), ((64, 100), "64 x 64")):
        with pytest.raises(DataError, match=rf"wanted multiples of 4 from 16 to 64; nearest: {nearest}"):
            load_folder(tmp_path, size)


def test_captions_of_every_alphabet(tmp_path):
    texts = {"a": "\u7ea2\u8272\u7684\u4e03", "b": "\u043a\u043e\u0442", "c": "\U0001f431 \u201cface\u201d"}
    load = put(tmp_path, **{name: grey(28, 28) for name in texts})
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_bytes(f"\ufeff{text}\r\n".encode())
    assert load()[1] == [*texts.values()]


def test_chinese_captions_are_learned_character_by_character(tmp_path):
    put(tmp_path, a=grey(16, 20))
    (tmp_path / "a.txt").write_text("\u7ea2\u8272\u7684\u4e03", encoding="utf-8")
    assert load_pictures("folder", "train", Source(tmp_path)).all_captions() == ["\u7ea2 \u8272 \u7684 \u4e03"]


def test_what_is_wished_for_reaches_the_pictures(tmp_path):
    put(tmp_path, a=grey(20, 40))
    said = []
    source = Source(tmp_path, size=(16, 24), fit="crop", say=said.append)
    assert load_pictures("folder", "train", source).images.shape == (1, 16, 24)
    assert any("cropped" in line for line in said)
