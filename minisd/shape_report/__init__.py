"""Any network's sizes, layer by layer: the formula with its numbers filled in, what is dropped, what it costs.

``text.py`` reads a network from a line of text and ``onnx/`` from a file; ``layers.py`` knows each kind of layer, and
``report.py`` does the sums. ``table.py`` and ``figure/`` show them, ``nearest.py`` says which inputs would do better,
and ``check.py`` holds the sizes against running kernels.
"""
