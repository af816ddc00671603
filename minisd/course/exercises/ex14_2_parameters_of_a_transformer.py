"""How many parameters a spatial transformer has

Stable Diffusion's transformer on a map of C channels, told a prompt whose tokens have D numbers:

    group norm; linear layer C -> C
        layer norm; self-attention
        layer norm; cross-attention: keys and values from the prompt
        layer norm; GEGLU perceptron: a linear layer to twice 4 C, half of which is the gate, and one from 4 C back to C
    linear layer C -> C

Query, key and value have no bias; all other linear layers have one, also those behind the attentions' heads. Norms have
a scale and a shift for each channel. How many parameters are these? (The heads' number does not matter. Why?)
"""

import numpy as np

from minisd.nn import SpatialTransformer

POINTS, MINUTES = 2, 25
HINTS = (
    "Count the linear layers: 2 around the block, 4 of each attention, 2 of the perceptron. Then the norms.",
    "The self-attention has 4 C C + C; the cross-attention's keys and values take D numbers in: 2 C C + 2 D C + C.",
    "The perceptron: C to 8 C with 8 C biases, 4 C to C with C. And 4 norms of 2 C; 2 C C + 2 C around.",
)


def transformer_parameters(C, D):
    """How many numbers the transformer learns."""
    around = 2 * C + 2 * (C * C + C)
    self_attention = 3 * C * C + C * C + C
    cross_attention = C * C + 2 * D * C + C * C + C
    perceptron = C * 8 * C + 8 * C + 4 * C * C + C
    return around + self_attention + cross_attention + perceptron + 3 * 2 * C


def cases(rng, dtype):
    yield 3, 5
    yield 8, 8
    for _ in range(4):
        C, D = (int(n) for n in rng.integers(2, 24, 2))
        yield C, D


def mistake_context_of_own_width(C, D):
    """Keys and values of the cross-attention are made from the prompt: they take D numbers in."""
    return transformer_parameters(C, C)


def mistake_query_of_context(C, D):
    """The query of the cross-attention is made from the map: only keys and values come from the prompt."""
    return transformer_parameters(C, D) - C * C + D * C


def mistake_no_gate(C, D):
    """GEGLU's first layer makes twice 4 C numbers: one half is the gate."""
    return transformer_parameters(C, D) - 4 * C * (C + 1)


def mistake_gate_kept(C, D):
    """The gate is used up by GEGLU: the second layer takes 4 C numbers in, not 8 C."""
    return transformer_parameters(C, D) + 4 * C * C


def mistake_biases_of_heads(C, D):
    """Query, key and value have no bias here."""
    return transformer_parameters(C, D) + 6 * C


def mistake_no_biases(C, D):
    """All linear layers but query, key and value have a bias."""
    return transformer_parameters(C, D) - (2 * C + 2 * C + 8 * C + C)


def mistake_no_output(C, D):
    """Two linear layers from C to C are missing: behind the heads each attention has one, and two stand around the
    block."""
    return transformer_parameters(C, D) - 2 * (C * C + C)


def mistake_no_norms(C, D):
    """There are four norms, each with a scale and a shift for each channel."""
    return transformer_parameters(C, D) - 8 * C


def mistake_no_group_norm(C, D):
    """The group norm before all of it is missing."""
    return transformer_parameters(C, D) - 2 * C


def right_added_up(C, D):
    def linear(inputs, outputs, bias=True):
        return inputs * outputs + (outputs if bias else 0)

    self_attention = 3 * linear(C, C, False) + linear(C, C)
    cross_attention = linear(C, C, False) + 2 * linear(D, C, False) + linear(C, C)
    perceptron = linear(C, 8 * C) + linear(4 * C, C)
    return 2 * linear(C, C) + self_attention + cross_attention + perceptron + 4 * 2 * C


def right_by_shapes(C, D):
    weights = [(C, C)] * 8 + [(D, C)] * 2 + [(C, 8 * C), (4 * C, C)]
    biases = [C] * 4 + [8 * C, C]
    return sum(a * b for a, b in weights) + sum(biases) + 8 * C


def right_in_the_library(C, D):
    rng = np.random.default_rng(0)
    made = SpatialTransformer(C, 1, context_width=D, groups=1, activation="geglu", expansion=4, rng=rng)
    return made.parameter_count()
