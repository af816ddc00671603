"""Pictures for people: sheets of drawn digits, curves, cells. What is written is PNG.

Matplotlib and Pillow are imported where they are used: importing this room costs nothing. Only Matplotlib's Figure is
used and never pyplot, which keeps every figure alive and looks for a screen.
"""

from minisd.plots.curves import save_loss_curve, save_panels, save_profile
from minisd.plots.film import save_film
from minisd.plots.lettering import load_font, missing_letters
from minisd.plots.lines import Panel, save_lines
from minisd.plots.paths import save_paths
from minisd.plots.png import load_about, save_png
from minisd.plots.rows import draw_rows
from minisd.plots.segmentation import save_segmentation
from minisd.plots.sheet import save_grid, save_strip

__all__ = [
    "Panel",
    "draw_rows",
    "load_about",
    "load_font",
    "missing_letters",
    "save_film",
    "save_grid",
    "save_lines",
    "save_loss_curve",
    "save_panels",
    "save_paths",
    "save_png",
    "save_profile",
    "save_segmentation",
    "save_strip",
]
