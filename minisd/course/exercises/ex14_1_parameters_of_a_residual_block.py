"""How many parameters a residual block has

Stable Diffusion's residual block, from C to O channels, told the time by a vector of T numbers (chapter 5):

    group norm (C), SiLU, 3 x 3 convolution C -> O
    plus a linear layer T -> O of the time, behind a SiLU
    group norm (O), SiLU, 3 x 3 convolution O -> O
    plus the input; where C and O differ, through a 1 x 1 convolution

Convolutions and linear layers have a bias for each output; a norm has a scale and a shift for each channel. In the VAE
blocks are not told the time: then T is None, and there is no such layer.
"""

import numpy as np

from minisd.nn import ResidualBlock

POINTS, MINUTES = 1, 15
HINTS = (
    "Go through the five layers with weights, one after the other. What shape has each weight?",
    "A 3 x 3 convolution has 9 C O weights and O biases, a linear layer T O and O, a norm 2 C.",
    "Which norm has O channels? And the 1 x 1 convolution has C O + O, but only where C is not O.",
)


def residual_parameters(C, O, T):
    """How many numbers a block from C to O channels learns; T is the time vector's length, or None."""
    norms = 2 * C + 2 * O
    convolutions = 9 * C * O + O + 9 * O * O + O
    time = T * O + O if T is not None else 0
    shortcut = C * O + O if C != O else 0
    return norms + convolutions + time + shortcut


def cases(rng, dtype):
    yield 4, 4, None
    yield 3, 7, None
    yield 6, 6, 11
    yield 9, 5, 13
    for _ in range(3):
        C, O, T = (int(n) for n in rng.integers(2, 20, 3))
        yield C, O + 20, T


def _count(C, O, T, shortcut=True, bias=1, norms=2, time=True, second=True):
    total = norms * C + 9 * C * O + bias * O + (norms * O + 9 * O * O + bias * O if second else 0)
    if T is not None and time:
        total += T * O + bias * O
    return total + (C * O + bias * O if shortcut and C != O else 0)


def mistake_no_shortcut(C, O, T):
    """Where the channels change, the input passes through a 1 x 1 convolution: it has parameters, too."""
    return _count(C, O, T, shortcut=False)


def mistake_shortcut_always(C, O, T):
    """Where C and O are equal the input is added as it is: there is no 1 x 1 convolution."""
    return _count(C, O, T) + (C * O + O if C == O else 0)


def mistake_no_biases(C, O, T):
    """Every convolution and linear layer has a bias for each of its outputs."""
    return _count(C, O, T, bias=0)


def mistake_no_norms(C, O, T):
    """Norms learn, too: a scale and a shift for each channel."""
    return _count(C, O, T, norms=0)


def mistake_norms_of_one_number(C, O, T):
    """A norm has two numbers for each channel, a scale and a shift."""
    return _count(C, O, T, norms=1)


def mistake_no_time(C, O, T):
    """The linear layer that tells the block the time is missing."""
    return _count(C, O, T, time=False)


def mistake_second_from_inputs(C, O, T):
    """The second convolution goes from O to O channels: the first has changed them already."""
    return _count(C, O, T) + 9 * C * O - 9 * O * O


def mistake_second_norm_of_inputs(C, O, T):
    """The second norm stands behind the first convolution: it has O channels."""
    return _count(C, O, T) + 2 * C - 2 * O


def right_layer_by_layer(C, O, T):
    shapes = [(2, C), (3, 3, C, O), (O,), (2, O), (3, 3, O, O), (O,)]
    if T is not None:
        shapes += [(T, O), (O,)]
    if C != O:
        shapes += [(1, 1, C, O), (O,)]
    return sum(int(np.prod(shape)) for shape in shapes)


def right_in_one_line(c, o, t):
    return 2 * (c + o) + (9 * (c + o) + 2 + ((t or 0) + 1) * (t is not None) + (c + 1) * (c != o)) * o


def right_in_the_library(C, O, T):
    return ResidualBlock(C, O, groups=1, condition_width=T, rng=np.random.default_rng(0)).parameter_count()
