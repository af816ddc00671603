"""Any network's sizes, layer by layer: the formula with its numbers filled in, what is dropped, what it costs.

``text.py`` reads a network from a line of text, and ``builtin.py`` has minisd's own; ``layers.py`` knows each kind of
layer, ``network.py`` which takes which map, and ``sums.py`` does the sums. ``table.py`` shows them, ``nearest.py`` says
which inputs would do better, and ``check.py`` holds the sizes against running kernels.
"""
