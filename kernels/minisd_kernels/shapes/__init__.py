"""Size arithmetic: integers only, no array library.

``window.py`` has the formulas of one layer along one axis, ``receptive_field.py`` follows them through a chain of
layers back to the input, and ``unet.py`` solves them for the U-Net: its sizes, its crops, the inputs that fit it.
Height and width are two axes with a formula each.
"""

from minisd_kernels.shapes.receptive_field import ReceptiveField
from minisd_kernels.shapes.unet import UNetLevel, UNetShape
from minisd_kernels.shapes.window import (
    Padding,
    ShapeError,
    ceil_output_size,
    crop_offset,
    effective_window,
    half_padding,
    input_sizes,
    same_padding,
    transposed_output_size,
    unread_rows,
    window_output_size,
)

__all__ = [
    "Padding",
    "ReceptiveField",
    "ShapeError",
    "UNetLevel",
    "UNetShape",
    "ceil_output_size",
    "crop_offset",
    "effective_window",
    "half_padding",
    "input_sizes",
    "same_padding",
    "transposed_output_size",
    "unread_rows",
    "window_output_size",
]
