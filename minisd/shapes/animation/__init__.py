"""Moving pictures of window operations: the window walks over the input, and the output fills in.

``operation.py`` knows what every cell of the maps is, ``film.py`` has the numbers that the kernels compute, step by
step, and ``drawing.py`` draws them and knows nothing of operations.
"""

from minisd.shapes.animation.drawing import draw, save_gif, save_strip
from minisd.shapes.animation.film import Calculation, Film, Panel
from minisd.shapes.animation.operation import KINDS, LIMIT, WindowOperation

__all__ = ["KINDS", "LIMIT", "Calculation", "Film", "Panel", "WindowOperation", "draw", "save_gif", "save_strip"]
