"""Networks from ONNX files: the onnx package parses and infers shapes, and here nodes become layers.

``reader.py`` walks the nodes in their order; ``values.py`` has what is known of each name, with the sums that a file
does with sizes; ``axes.py`` follows height, width and channels through arrays that are turned, folded and flattened;
``operators.py`` says which layer a node is. The package is an extra: pip install 'minisd[onnx]'.
"""


class OnnxError(ValueError):
    """The file is no ONNX file of a network over pictures, or cannot be read: the message says what is the matter."""
