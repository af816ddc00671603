"""Automatic differentiation, in three files.

tape.py         nodes and Functions, and the chain rule that walks from a result back to the leaves
arithmetic.py   the Functions that need no layer: +, *, sum, reshape, index, ...
tensor.py       the Tensor: a node of the tape with NumPy's operators and methods
"""

from minisd.autograd.arithmetic import Move, unbroadcast
from minisd.autograd.tape import Array, Function, Node, no_grad, recorded
from minisd.autograd.tensor import Tensor

__all__ = ["Array", "Function", "Move", "Node", "Tensor", "no_grad", "recorded", "unbroadcast"]
