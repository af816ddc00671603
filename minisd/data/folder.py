"""Your own pictures: a folder of images with a caption each.

Pictures come as people have them, of many sizes and kinds, and are made what the eye sees in them, of one size. Where
captions are missing or unclear, an error says where and what to do; what is passed over is said, and why.
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from minisd.data.dataset import CaptionedPictures, DataSet, Source, Split
from minisd.data.errors import DataError
from minisd.data.picture_file import SUFFIXES, Picture, UnreadablePicture, picture_size, read_picture
from minisd.data.sizes import check_size, fitting_size
from minisd.text.scripts import spaced

_Read = TypeVar("_Read")

_TOLD = 3  # so many names stand for all that something is said of


def load_folder(
    path: Path | str,
    size: int | tuple[int, int] | None = None,
    *,
    fit: str = "pad",
    background: str | None = None,
    caption: str | None = None,
    say: Callable[[str], None] = print,
) -> tuple[NDArray[np.uint8], list[str]]:
    """The pictures of a folder, (N, H, W) or, if there is colour in any, (N, H, W, 3), and their captions.

    The captions stand in `captions.csv`, with the columns file and caption; without that file, beside each picture in a
    text file of the same name (cat.png, cat.txt). A picture that cannot be read is passed over.

    Args:
        size: H and W; without it what fits most of the pictures, see ``fitting_size``.
        fit, background: what is done with pictures of another shape, and under transparent ones: see ``read_picture``.
        caption: of all pictures, in the place of captions of their own.
        say: is told, in a sentence each, what was passed over, how pictures were fitted and what else was done to them.

    Raises:
        DataError: no such folder, no pictures, an impossible size, or a picture without a caption.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; wanted a folder of images with captions.csv or a .txt for each image"
        )
    wanted = (size, size) if isinstance(size, int) else size
    if wanted is not None:
        check_size(wanted)
    files = _Files(folder)
    table = files.find("captions.csv")
    if caption is not None:
        pairs = [(image, caption) for image in files.images()]
    else:
        pairs = _from_table(table, files) if table else _from_text_files(files)
    if not pairs:
        raise DataError(f"{folder}: no images; wanted files that end in {', '.join(SUFFIXES)}, each with a caption")
    for remark in files.remarks({image for image, _ in pairs}, table):
        say(remark)

    unreadable: dict[Path, UnreadablePicture] = {}
    images = dict.fromkeys(image for image, _ in pairs)  # each once, though it may have several captions
    sizes = _read_each(images, picture_size, unreadable)
    H, W = wanted or fitting_size(sizes.values())
    fitted = partial(read_picture, size=(H, W), fit=fit, background=background)
    pictures = _read_each(sizes, fitted, unreadable)
    for remark in (
        *_on_unreadable(unreadable),
        *_on_fitting({path: sizes[path] for path in pictures}, (H, W), fit, asked=wanted is not None),
        *_on_pictures(pictures),
        *_on_several_captions(pairs),
    ):
        say(remark)
    pairs = [(path, caption) for path, caption in pairs if path in pictures]
    pixels = [pictures[path].pixels for path, _ in pairs]
    if any(one.ndim == 3 for one in pixels):
        pixels = [one if one.ndim == 3 else one[..., None].repeat(3, axis=2) for one in pixels]
    return np.stack(pixels), [caption for _, caption in pairs]


def _read_each(
    paths: Iterable[Path], read: Callable[[Path], _Read], unreadable: dict[Path, UnreadablePicture]
) -> dict[Path, _Read]:
    """What `read` makes of each path; those that it cannot read are added to `unreadable`.

    Raises:
        UnreadablePicture: it can read none.
    """
    done = {}
    for path in paths:
        try:
            done[path] = read(path)
        except UnreadablePicture as error:
            unreadable[path] = error
    if not done:
        raise next(iter(unreadable.values()))
    return done


class _Files:
    """What lies in a folder. A name is found whatever its case, and however its accents are composed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.all = sorted(folder.iterdir())
        except OSError as error:
            raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
        self._by_key = {_key(path.name): path for path in reversed(self.all)}

    def images(self) -> list[Path]:
        """Every file that is a picture by its name, but for hidden ones: macOS leaves ._cat.png in archives."""
        return [
            path
            for path in self.all
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]

    def find(self, name: str) -> Path | None:
        """The file of that name, in the folder or, with a path, in one below it; None if there is none.

        Raises:
            OSError, ValueError: this cannot be the name of a file.
        """
        path = self.folder / name
        if not path.is_file() and (parts := name.replace("\\", "/").split("/")):  # Windows' way, too
            path = self._by_key.get(_key(parts[0]), path)
            for part in parts[1:]:
                inside = path.iterdir() if path.is_dir() else ()
                path = next((file for file in sorted(inside) if _key(file.name) == _key(part)), path / part)
        return path if path.is_file() else None

    def remarks(self, used: set[Path], table: Path | None) -> Iterator[str]:
        """What was passed over, and why."""
        seen = [path for path in self.all if not path.name.startswith(".")]
        of_pictures = [path for path in self.all if path.suffix.lower() in SUFFIXES]
        folders = [path for path in seen if path.is_dir() and not any(path in file.parents for file in used)]
        kinds = (*SUFFIXES, ".txt")
        for paths, why in (
            ([path for path in of_pictures if path not in seen], "hidden, as macOS leaves them in archives"),
            ([path for path in of_pictures if path in seen and not path.exists()], "a link to nothing"),
            (folders, "a folder: pictures in it are used where captions.csv names them, as sub/cat.png"),
            ([path for path in self.images() if path not in used], "not named in captions.csv"),
            (
                [path for path in seen if path.suffix.lower() not in kinds and path != table and not path.is_dir()],
                f"not one of {' '.join(SUFFIXES)}; if it is a picture, save it as PNG",
            ),
        ):
            if paths:
                yield f"passed over {len(paths)}: {_names(paths)} ({why})"


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _names(paths: Sequence[Path]) -> str:
    more = len(paths) - _TOLD
    return ", ".join(path.name for path in paths[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _has_controls(text: str) -> bool:
    """Whether signs are in it that are not printed, such as a line's end; a tab is a space."""
    return any(unicodedata.category(letter) == "Cc" and letter != "\t" for letter in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _from_table(table: Path, files: _Files) -> list[tuple[Path, str]]:
    pairs: list[tuple[Path, str]] = []
    line = 1
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:  # -sig: spreadsheets begin the file with a mark
            rows = csv.reader(file, strict=True, skipinitialspace=True)
            names = [name.strip().lower() for name in next(rows, [])]
            if not {"file", "caption"} <= set(names):
                raise DataError(
                    f"{table}: its first line is {names}; wanted the columns file,caption, with a comma between"
                )
            if twice := [name for name in ("file", "caption") if names.count(name) > 1]:
                raise DataError(f"{table}: two columns are called {twice[0]}; rename or delete one")
            line = rows.line_num + 1
            for row in rows:
                if any(map(str.strip, row)):  # spreadsheets leave lines of mere commas
                    pairs.append(_pair(row, names, f"{table}, line {line}", files))
                line = rows.line_num + 1
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: not a CSV file in UTF-8 ({error}); save it again as CSV, UTF-8") from None
    except csv.Error as error:
        raise DataError(
            f"{table}, line {line}: {error}; a quote that opens must close, and a quote inside is written twice: "
            'a.png,"a ""quoted"" seven"'
        ) from None
    except OSError as error:
        raise DataError(f"{table}: cannot be read ({error.strerror})") from None
    return pairs


def _pair(row: list[str], names: list[str], where: str, files: _Files) -> tuple[Path, str]:
    """The picture and the caption of a row."""
    if len(row) > len(names):
        rest = ", ".join(row[len(names) - 1 :])
        raise DataError(f'{where}: {len(row)} columns instead of {len(names)}; put quotes around commas: "{rest}"')
    fields = dict(zip(names, row, strict=False))
    name, caption = fields.get("file", "").strip(), fields.get("caption", "").strip()
    if not name or not caption:
        raise DataError(f"{where}: file {name!r}, caption {caption!r}; fill both columns")
    if _has_controls(name + caption):
        raise DataError(
            f"{where}: {(name + ', ' + caption)[:80]!r} holds a line's end or another sign that is not printed; "
            "close the quotes, and write a line a picture"
        )
    try:
        image = files.find(name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{where}: {name[:80]!r} cannot be the name of a file ({reason}); correct it") from None
    if image is None:
        raise DataError(f"{where}: no file {files.folder / name}; correct the name or delete the line")
    return image, caption


def _from_text_files(files: _Files) -> list[tuple[Path, str]]:
    pairs = []
    for image in files.images():
        text = files.find(f"{image.stem}.txt")
        if text is None:
            raise DataError(f"{image}: no caption; write one into {image.stem}.txt beside it, or all into captions.csv")
        try:
            caption = " ".join(text.read_text(encoding="utf-8-sig").split())
        except UnicodeDecodeError:
            raise DataError(f"{text}: not a text in UTF-8; save it again as UTF-8") from None
        except OSError as error:
            raise DataError(f"{text}: cannot be read ({error.strerror})") from None
        if _has_controls(caption):
            raise DataError(
                f"{text}: {caption[:80]!r} holds a sign that is not printed; write the caption of {image.name} into it"
            )
        if not caption:
            raise DataError(f"{text}: empty; write the caption of {image.name} into it")
        pairs.append((image, caption))
    return pairs


def _on_unreadable(unreadable: Mapping[Path, UnreadablePicture]) -> Iterator[str]:
    for reason in dict.fromkeys(error.reason for error in unreadable.values()):
        paths = [path for path, error in unreadable.items() if error.reason == reason]
        yield f"passed over {len(paths)}: {_names(paths)} (cannot be read: {reason}; fetch or save again)"


def _on_fitting(
    sizes: Mapping[Path, tuple[int, int]], size: tuple[int, int], fit: str, *, asked: bool
) -> Iterator[str]:
    """Of pictures that have not the size that all are made."""
    H, W = size
    if others := {path: own for path, own in sizes.items() if own != size}:
        (height, width), count = Counter(others.values()).most_common(1)[0]
        which = f"all are {height} x {width}" if count == len(sizes) else f"{count} of them are {height} x {width}"
        hint = "" if asked else " (--size chooses another size)"
        yield f"{_count(len(others), 'picture')} made {H} x {W}, height by width; {which}{hint}"
    cut: list[Path] = []  # of another shape, by a pixel or more
    thin: list[Path] = []  # those of which next to nothing is left
    for path, (height, width) in others.items():
        scale = (min if fit == "pad" else max)(H / height, W / width)
        if (scale < 1 or fit == "crop") and max(abs(scale * height - H), abs(scale * width - W)) >= 1:
            (thin if scale * min(height, width) < min(size) / 4 and fit == "pad" else cut).append(path)
    if cut:
        how = "padded with the colour of their edge" if fit == "pad" else "cropped to the middle"
        other = "--fit crop cuts them to shape" if fit == "pad" else "--fit pad shows all of them"
        yield f"{_count(len(cut), 'picture')} of another shape {how}: {_names(cut)} ({other})"
    if thin:
        yield (
            f"{_count(len(thin), 'picture')} so long or so wide that hardly anything is left to see: "
            f"{_names(thin)} (cut out what matters, or --fit crop)"
        )


def _on_pictures(pictures: Mapping[Path, Picture]) -> Iterator[str]:
    """What transparent pictures were laid on, and which files hold more pictures than one."""
    for ground in dict.fromkeys(picture.ground for picture in pictures.values() if picture.ground):
        on_it = [path for path, picture in pictures.items() if picture.ground == ground]
        yield f"laid {_count(len(on_it), 'transparent picture')} on {ground}: {_names(on_it)} (--background chooses)"
    if many := [path for path, picture in pictures.items() if picture.first_of_many]:
        yield f"{_count(len(many), 'file')} of several pictures: {_names(many)} (the first of each is used)"


def _on_several_captions(pairs: list[tuple[Path, str]]) -> Iterator[str]:
    if twice := [path for path, lines in Counter(path for path, _ in pairs).items() if lines > 1]:
        yield f"{_count(len(twice), 'picture')} with several captions: {_names(twice)} (used with each of them)"


def _load(split: Split, source: Source) -> CaptionedPictures:
    folder, size = source.folder or Path(), source.size
    images, texts = load_folder(
        folder, size, fit=source.fit, background=source.background, caption=source.caption, say=source.say
    )
    return CaptionedPictures(images, [spaced(text) for text in texts])


FOLDER = DataSet("a folder of your pictures", _load, folder="needed")
