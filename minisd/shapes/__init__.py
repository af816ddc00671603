"""The room that explains sizes: what a network makes of a picture's height, width and channels, and how one sees it.

``report/`` is a network as data, from a line of text, with every size by its formula and a table of them; ``onnx/``
reads one from a file. ``figure/`` draws it as a U, ``animation/`` shows a window at work, and ``claims/`` holds the
numbers of a popular overview against running code.
"""
