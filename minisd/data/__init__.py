"""Pictures to train on: MNIST, digits and cells drawn by code, your own folder; and what can be measured on them."""

from minisd.data.cells import CellSet, draw_cells
from minisd.data.colours import ColourSet, draw_colours
from minisd.data.digits import DigitSet
from minisd.data.errors import DataError
from minisd.data.folder import load_folder
from minisd.data.mnist import cache_folder, load_mnist
from minisd.data.morphology import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness
from minisd.data.sets import DATA_SETS, load_digits, load_pictures
from minisd.data.strokes import StrokeSet, draw_strokes

__all__ = [
    "DATA_SETS",
    "SLANT_BINS",
    "THICKNESS_BINS",
    "CellSet",
    "ColourSet",
    "DataError",
    "DigitSet",
    "StrokeSet",
    "bins",
    "cache_folder",
    "draw_cells",
    "draw_colours",
    "draw_strokes",
    "load_digits",
    "load_folder",
    "load_mnist",
    "load_pictures",
    "slant",
    "thickness",
]
