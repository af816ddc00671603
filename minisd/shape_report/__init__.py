"""Any network's sizes, layer by layer: the formula with its numbers filled in, what is dropped, what it costs.

``text.py`` reads a network from a line of text and ``onnx.py`` from a file; ``layers.py`` knows each kind of layer, and
``report.py`` does the sums. ``table.py`` and ``figure.py`` show them, ``check.py`` holds them against running kernels.
"""
