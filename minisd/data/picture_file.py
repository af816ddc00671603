"""One picture from a file, as the eye sees it, and made to measure.

Cameras, scanners and drawing programs write pictures that are turned by a note in the file, of 12 or 16 bits, in
printers' colours, on a transparent ground, as the first of many pages. Read here, a picture is upright and has 8 bits,
grey (H, W) or red, green and blue (H, W, 3), whatever it was, and has the size that is wanted of it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minisd.data.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff")
GROUNDS = {"white": 255, "black": 0}
FITS = ("pad", "crop")
_COLOUR = 32  # levels between a pixel's red, green and blue: less is a grey that a camera tinted
_FEW = 8  # pixels: a picture that is short of its size by fewer is filled up, as enlarging would blur it
_ORIENTATION = 0x0112  # the note of a camera that was turned; from 5 on height and width change places


class UnreadablePicture(DataError):
    """A file that is no picture, or a damaged one; `reason` says why in a few words."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: cannot be read as a picture ({reason}); save it again as PNG")
        self.reason = reason


class Picture(NamedTuple):
    """A picture that was read.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8, 0 black and 255 white.
        ground: what its transparent parts were laid on: "white" or "black"; None if it has none.
        first_of_many: whether the file holds more, such as the other frames of an animation.
    """

    pixels: NDArray[np.uint8]
    ground: str | None
    first_of_many: bool


def read_picture(
    path: Path | str,
    size: tuple[int, int] | None = None,
    *,
    colour: bool | None = None,
    fit: str = "pad",
    background: str | None = None,
) -> Picture:
    """The picture in a file.

    Args:
        size: height and width to fit it to; None to leave it as large as it is.
        colour: True for (H, W, 3), False for (H, W); None for what the picture needs.
        fit: "pad" shows the whole picture, and fills up what is too narrow with the colour of its edge; "crop" fills
            the size and cuts off what juts out.
        background: the ground under transparent parts; if None white, but black if the ink would be lost on white.

    Raises:
        UnreadablePicture: the file is missing or cannot be read as a picture.
        DataError: an argument is unknown.
    """
    if background not in (None, *GROUNDS):
        raise DataError(f"background is {background!r}; wanted {' or '.join(GROUNDS)}")
    if fit not in FITS:
        raise DataError(f"fit is {fit!r}; wanted {' or '.join(FITS)}")
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore")  # of large pictures and odd notes in them; what is too large raises
            many = file.format != "MPO" and getattr(file, "is_animated", False)  # a phone's JPEG has a preview besides
            if size is not None:
                file.draft(None, (2 * max(size), 2 * max(size)))  # a JPEG is read no larger than is needed
            image, ground = _in_eight_bits(ImageOps.exif_transpose(file), background, colour)
            if size is not None:
                image = _fitted(image, size, fit)
    except Exception as error:  # whatever a decoder raises at what it finds in a damaged file
        raise UnreadablePicture(path, _reason(Path(path), error)) from None
    pixels = np.asarray(image)
    if colour is None and pixels.ndim == 3 and not has_colour(pixels):
        pixels = np.asarray(image.convert("L"))
    return Picture(pixels, ground, many)


def picture_size(path: Path | str) -> tuple[int, int]:
    """Height and width of the picture in a file, held upright, from the file's first bytes.

    Raises:
        UnreadablePicture: the file is missing or no picture.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore")
            sides = file.height, file.width
            noted = file.format != "PNG" or "exif" in file.info  # a PNG would be read whole to look for a note
            turned = noted and file.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:
        raise UnreadablePicture(path, _reason(Path(path), error)) from None
    return sides[::-1] if turned else sides


def has_colour(pixels: NDArray[np.uint8]) -> bool:
    """Whether more than grey is to be seen; shapes (..., 3) red, green and blue.

    >>> has_colour(np.array([[200, 200, 200], [90, 96, 92]], np.uint8)), has_colour(np.array([200, 60, 60], np.uint8))
    (False, True)
    """
    return bool((pixels.max(-1).astype(int) - pixels.min(-1)).max(initial=0) > _COLOUR)


def _reason(path: Path, error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    match error:
        case FileNotFoundError():
            return "there is no such file"
        case Image.DecompressionBombError():
            return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels; make it smaller"
        case _ if path.is_file() and path.stat().st_size == 0:
            return "it is empty"
        case UnidentifiedImageError():
            return "it is no picture of a kind that is known here"
        case OSError() if "truncated" in str(error):
            return "it ends too early"
        case _:
            return " ".join(str(error).split()) or type(error).__name__


def _in_eight_bits(image: Image, background: str | None, colour: bool | None) -> tuple[Image, str | None]:
    """The picture in mode L or RGB, and the ground that its transparent parts were laid on."""
    if image.mode[0] in "IF":
        image = _by_its_depth(image)
    ground = None
    if image.has_transparency_data:
        image, ground = _on_ground(image.convert("RGBA"), background, colour)
    if image.mode in ("1", "L"):
        return image.convert("RGB" if colour else "L"), ground
    image = image.convert("RGB")  # of a palette, and of printers' and televisions' colours
    return (image.convert("L") if colour is False else image), ground


def _by_its_depth(image: Image) -> Image:
    """A grey picture of more than 8 bits, as 8. Of 16 bits, a scanner that has 12 uses only the lower ones."""
    from PIL import Image

    levels = np.asarray(image).astype(np.float64)
    if not np.isfinite(levels).all():
        raise ValueError("some of its pixels are not finite numbers")
    most = next((float(2**bits - 1) for bits in (12, 16, 32) if levels.max() < 2**bits), levels.max())
    if image.mode == "F" and levels.max() <= 1:  # a picture of fractions
        most = 1.0
    grey = Image.fromarray(np.rint(levels.clip(0) * (255 / most)).astype(np.uint8))
    if (clear := image.info.get("transparency")) is not None:  # one level that stands for no ink
        grey.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    return grey


def _on_ground(image: Image, background: str | None, colour: bool | None) -> tuple[Image, str]:
    """A picture (RGBA) laid on a ground: white unless its ink is lost there, as white ink is."""
    from PIL import Image

    laid = {}
    for ground, level in GROUNDS.items():
        sheet = Image.new("RGBA", image.size, (level, level, level, 255))
        laid[ground] = Image.alpha_composite(sheet, image).convert("L" if colour is False else "RGB")
    # The contrast; of a coloured picture in its strongest colour: yellow ink is to be seen on white, grey it is not.
    on_white, on_black = (max(int(high) - int(low) for low, high in _extrema(laid[ground])) for ground in GROUNDS)
    ground = background or ("black" if 4 * on_white < on_black else "white")
    lost = 4 * on_white < on_black if ground == "white" else 4 * on_black < on_white
    return laid[ground], f"{ground}, where its ink is lost" if lost else ground


def _extrema(image: Image) -> list[tuple[float, float]]:
    """The lowest and the highest level of each channel."""
    levels = np.asarray(image).reshape(image.height * image.width, -1)
    return list(zip(levels.min(0), levels.max(0), strict=True))


def _fitted(image: Image, size: tuple[int, int], fit: str) -> Image:
    """The picture (L or RGB) in `size`, height and width; of a picture of that size nothing is changed."""
    from PIL import Image, ImageOps

    (H, W), (height, width) = size, (image.height, image.width)
    if fit == "crop":
        return ImageOps.fit(image, (W, H))
    short = 0 <= H - height < _FEW and 0 <= W - width < _FEW
    scale = 1 if short else min(H / height, W / width)
    inner = image.resize((max(1, round(scale * width)), max(1, round(scale * height))))
    pixels = np.asarray(inner).reshape(inner.height, inner.width, -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    sheet = Image.new(image.mode, (W, H), tuple(int(level) for level in np.median(edge, axis=0)))
    sheet.paste(inner, ((W - inner.width) // 2, (H - inner.height) // 2))
    return sheet
