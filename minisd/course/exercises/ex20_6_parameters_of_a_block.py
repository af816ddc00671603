"""How many parameters a block has

One block of minisd's transformer, of width D. A prompt's token has E numbers, the condition (time and prompt) has T:

    linear layer T -> 3 D              shift, scale, gate of the self-attention
    self-attention                     query, key, value and output
    cross-attention                    the same; keys and values are made from the prompt's tokens
    linear layer T -> 3 D              shift, scale, gate of the perceptron
    perceptron                         a linear layer D -> e D, and one e D -> D

Query, key and value have no bias; all other linear layers have one, also the attentions' output. The layer norms have
no parameters: shift and scale take their place. How many numbers does the block learn?
"""

import numpy as np

from minisd.models.dit import DiTBlock, DiTConfig

POINTS, MINUTES = 2, 20
HINTS = (
    "Count layer by layer: a linear layer of n numbers in and m out has n m weights, and m biases if it has any.",
    "The self-attention has 4 D D + D; in the cross-attention two of the four matrices take E numbers in.",
    "The condition's two layers have 6 D (T + 1) together, the perceptron 2 e D D + e D + D.",
)


def block_parameters(D, E, T, e):
    """A whole number."""
    self_attention = 4 * D * D + D
    cross_attention = 2 * D * D + 2 * E * D + D
    perceptron = D * e * D + e * D + e * D * D + D
    return 2 * (T * 3 * D + 3 * D) + self_attention + cross_attention + perceptron


def cases(rng, dtype):
    yield 96, 64, 160, 2
    yield 8, 8, 8, 4
    for _ in range(4):
        D, E, T, e = (int(n) for n in rng.integers(2, 24, 4))
        yield 4 * D, E, T, e


def mistake_context_of_own_width(D, E, T, e):
    """Keys and values of the cross-attention are made from the prompt: they take E numbers in."""
    return block_parameters(D, D, T, e)


def mistake_query_of_context(D, E, T, e):
    """The cross-attention's query is made of the picture's tokens, D numbers each: keys and values alone of E."""
    return block_parameters(D, E, T, e) - D * D + D * E


def mistake_one_condition(D, E, T, e):
    """There are two layers for the condition, three vectors each: you count three vectors in all."""
    return block_parameters(D, E, T, e) - 3 * D * (T + 1)


def mistake_no_gates(D, E, T, e):
    """The condition says three vectors a time: shift, scale and gate. You leave out the gates."""
    return block_parameters(D, E, T, e) - 2 * D * (T + 1)


def mistake_condition_for_the_cross_attention(D, E, T, e):
    """The cross-attention is neither shifted, scaled nor gated: the condition has two layers, not three."""
    return block_parameters(D, E, T, e) + 3 * D * (T + 1)


def mistake_no_condition(D, E, T, e):
    """The condition's layers are missing: they are a large part of the block."""
    return block_parameters(D, E, T, e) - 6 * D * (T + 1)


def mistake_norms(D, E, T, e):
    """The norms have nothing of their own: what scales and shifts is made of the condition."""
    return block_parameters(D, E, T, e) + 4 * D


def mistake_biases_of_heads(D, E, T, e):
    """Query, key and value have no bias here."""
    return block_parameters(D, E, T, e) + 6 * D


def mistake_no_biases(D, E, T, e):
    """All linear layers but query, key and value have a bias."""
    return block_parameters(D, E, T, e) - (6 * D + D + D + e * D + D)


def mistake_no_biases_of_the_condition(D, E, T, e):
    """The condition's layers have biases as well, 3 D each: it is the biases that a fresh gate's 0 stands in."""
    return block_parameters(D, E, T, e) - 6 * D


def mistake_no_output(D, E, T, e):
    """Each attention has a fourth matrix, which mixes the heads, with a bias: it is missing."""
    return block_parameters(D, E, T, e) - 2 * (D * D + D)


def mistake_perceptron_once(D, E, T, e):
    """The perceptron has two layers: to e D, and back."""
    return block_parameters(D, E, T, e) - (e * D * D + D)


def mistake_no_cross_attention(D, E, T, e):
    """The cross-attention is missing."""
    return block_parameters(D, E, T, e) - (2 * D * D + 2 * E * D + D)


def right_by_shapes(D, E, T, e):
    weights = [(T, 3 * D)] * 2 + [(D, D)] * 6 + [(E, D)] * 2 + [(D, e * D), (e * D, D)]
    biases = [3 * D, 3 * D, D, D, e * D, D]
    return sum(inputs * outputs for inputs, outputs in weights) + sum(biases)


def right_factored(D, E, T, e):
    return D * (6 * (T + 1) + (6 + 2 * e) * D + 2 * E + e + 3)


def right_in_the_library(D, E, T, e):
    config = DiTConfig(width=D, heads=1, context_width=E, time_width=T, expansion=e)
    return DiTBlock(config, rng=np.random.default_rng(0)).parameter_count()
