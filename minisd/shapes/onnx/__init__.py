"""Networks from ONNX files: the onnx package parses and infers shapes, and here nodes become layers.

``reader.py`` walks the nodes in their order, from what ``inputs.py`` finds given. Of each node it asks: what are the
output's axes made of (``carried.py``), and which layer makes it (``operators.py``)? ``values.py`` has what is known of
each name, with the sums that a file does with sizes; ``call.py`` is a node with what it takes; ``axes.py`` has the axes
themselves: height, width and channels in arrays that are turned, folded and flattened.

The package is an extra: pip install 'minisd[onnx]'.
"""


class OnnxError(ValueError):
    """The file is no ONNX file of a network over pictures, or cannot be read: the message says what is the matter."""
