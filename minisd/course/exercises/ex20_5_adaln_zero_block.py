"""A block, adaLN-zero

One block of the transformer (Peebles & Xie 2023, figure 3), without the prompt's attention. `condition` (B, T) is what
time and prompt say to the sample. One linear layer, `weight` (T, 6 D) and `bias` (6 D,), makes six vectors of D numbers
of it, which lie side by side:

    shift, scale, gate    of the attention
    shift, scale, gate    of the perceptron

Then, with `modulate` of 20.4, x (B, N, D):

$$x \\leftarrow x + \\mathrm{gate}_1 \\; \\mathrm{attend}(\\mathrm{modulate}(x, \\mathrm{shift}_1, \\mathrm{scale}_1)),
\\qquad x \\leftarrow x + \\mathrm{gate}_2 \\; \\mathrm{perceptron}(\\mathrm{modulate}(x, \\mathrm{shift}_2,
\\mathrm{scale}_2))$$

`attend` and `perceptron` are functions of tokens, (B, N, D) -> (B, N, D). A gate has D numbers a sample, which its
tokens share. When weight and bias are 0, as they are in the beginning, the block is the identity.

`modulate` is given: yours, if you have written it.
"""

import numpy as np

from minisd.course import mine

modulate = mine("20.4")

POINTS, MINUTES = 3, 30
GIVEN = ("np", "mine", "modulate")
HINTS = (
    "First the six vectors: one product, one sum, and a split into six along the last axis.",
    "np.split gives six arrays (B, D). modulate takes shift and scale as they are; a gate wants an axis of tokens.",
    "The second line begins with what the first one made of x. A gate multiplies what is added, and nothing else.",
)


def adaln_zero_block(x, condition, weight, bias, attend, perceptron):
    """The tokens after the block, (B, N, D)."""
    vectors = np.split(condition @ weight + bias, 6, axis=1)
    for (shift, scale, gate), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = x + gate[:, None] * part(modulate(x, shift, scale))
    return x


def cases(rng, dtype):
    for B, N, D, T in ((1, 2, 4, 3), (2, 3, 4, 5), (3, 3, 6, 2), (2, 5, 3, 4)):
        x, condition = rng.standard_normal((B, N, D)), rng.standard_normal((B, T))
        weight, bias = rng.standard_normal((T, 6 * D)), rng.standard_normal(6 * D)
        matrices = rng.standard_normal((3, D, D))
        yield tuple(array.astype(dtype) for array in (x, condition, weight, bias, *matrices))
    arrays = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3)), np.zeros((3, 24)), np.zeros(24)
    yield tuple(array.astype(dtype) for array in (*arrays, *rng.standard_normal((3, 4, 4))))


def probe(adaln_zero_block, x, condition, weight, bias, of_means, of_tokens, narrow):
    def attend(tokens):  # every token hears the others
        return tokens @ of_tokens + tokens.mean(axis=1, keepdims=True) @ of_means

    def perceptron(tokens):
        return np.tanh(tokens + 0.3) @ narrow

    return adaln_zero_block(x, condition, weight, bias, attend, perceptron)


def _vectors(condition, weight, bias, order=(0, 1, 2, 3, 4, 5)):
    made = np.split(condition @ weight + bias, 6, axis=1)
    return [made[place][:, None] for place in order]


def _hat(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)


def _block(x, vectors, attend, perceptron):
    for (shift, scale, gate), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = x + gate * part(_hat(x) * (1 + scale) + shift)
    return x


def mistake_gate_over_all(x, condition, weight, bias, attend, perceptron):
    """A gate opens for what is added: you let it shut x itself away, and with gates of 0 nothing is left."""
    vectors = _vectors(condition, weight, bias)
    for (shift, scale, gate), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = gate * (x + part(_hat(x) * (1 + scale) + shift))
    return x


def mistake_no_residual(x, condition, weight, bias, attend, perceptron):
    """x itself is missing: what attention and perceptron say is added to it."""
    vectors = _vectors(condition, weight, bias)
    for (shift, scale, gate), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = gate * part(_hat(x) * (1 + scale) + shift)
    return x


def mistake_no_second_residual(x, condition, weight, bias, attend, perceptron):
    """In the second line, too, x is what is added to: you return the perceptron's part alone."""
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _vectors(condition, weight, bias)
    middle = x + gate_1 * attend(_hat(x) * (1 + scale_1) + shift_1)
    return gate_2 * perceptron(_hat(middle) * (1 + scale_2) + shift_2)


def mistake_identity(x, condition, weight, bias, attend, perceptron):
    """You return x: that is right as long as weight and bias are 0, and no longer."""
    return x.copy()


def mistake_attention_alone(x, condition, weight, bias, attend, perceptron):
    """The perceptron is missing, the second line."""
    shift, scale, gate, *_ = _vectors(condition, weight, bias)
    return x + gate * attend(_hat(x) * (1 + scale) + shift)


def mistake_side_by_side(x, condition, weight, bias, attend, perceptron):
    """The perceptron sees what the attention has made of x: you give it the block's input."""
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _vectors(condition, weight, bias)
    attended = gate_1 * attend(_hat(x) * (1 + scale_1) + shift_1)
    return x + attended + gate_2 * perceptron(_hat(x) * (1 + scale_2) + shift_2)


def mistake_first_input_added(x, condition, weight, bias, attend, perceptron):
    """In the second line the new x is what is added to: you add to the block's input, and the attention's part is
    lost but for what the perceptron makes of it."""
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _vectors(condition, weight, bias)
    middle = x + gate_1 * attend(_hat(x) * (1 + scale_1) + shift_1)
    return x + gate_2 * perceptron(_hat(middle) * (1 + scale_2) + shift_2)


def mistake_gate_inside(x, condition, weight, bias, attend, perceptron):
    """The gate multiplies what comes out of attention and perceptron: you multiply what goes in."""
    vectors = _vectors(condition, weight, bias)
    for (shift, scale, gate), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = x + part(gate * (_hat(x) * (1 + scale) + shift))
    return x


def mistake_gate_from_one(x, condition, weight, bias, attend, perceptron):
    """Scales are counted from 1, gates are not: a gate of 0 must be shut."""
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _vectors(condition, weight, bias)
    return _block(x, (shift_1, scale_1, 1 + gate_1, shift_2, scale_2, 1 + gate_2), attend, perceptron)


def mistake_no_gate(x, condition, weight, bias, attend, perceptron):
    """The gates are missing: without them a fresh block is not the identity."""
    vectors = _vectors(condition, weight, bias)
    for (shift, scale, _), part in ((vectors[:3], attend), (vectors[3:], perceptron)):
        x = x + part(_hat(x) * (1 + scale) + shift)
    return x


def mistake_same_for_both(x, condition, weight, bias, attend, perceptron):
    """The perceptron has three vectors of its own, the last three: you use the attention's again."""
    return _block(x, _vectors(condition, weight, bias, (0, 1, 2, 0, 1, 2)), attend, perceptron)


def mistake_scale_first(x, condition, weight, bias, attend, perceptron):
    """The vectors come in the order shift, scale, gate: you take the scale first."""
    return _block(x, _vectors(condition, weight, bias, (1, 0, 2, 4, 3, 5)), attend, perceptron)


def mistake_in_pairs(x, condition, weight, bias, attend, perceptron):
    """Three vectors belong to the attention and three to the perceptron: you take them in turn."""
    return _block(x, _vectors(condition, weight, bias, (0, 2, 4, 1, 3, 5)), attend, perceptron)


def mistake_dealt_out(x, condition, weight, bias, attend, perceptron):
    """The six vectors lie side by side, D numbers each: you deal the numbers out in turn."""
    made = condition @ weight + bias
    return _block(x, [made[:, None, place::6] for place in range(6)], attend, perceptron)


def mistake_no_bias(x, condition, weight, bias, attend, perceptron):
    """The linear layer has a bias: add it."""
    return _block(x, _vectors(condition, weight, 0), attend, perceptron)


def mistake_no_modulation(x, condition, weight, bias, attend, perceptron):
    """Attention and perceptron see the modulated tokens: you give them x as it is."""
    vectors = _vectors(condition, weight, bias)
    return (middle := x + vectors[2] * attend(x)) + vectors[5] * perceptron(middle)


def mistake_perceptron_first(x, condition, weight, bias, attend, perceptron):
    """The attention comes first, the perceptron after it."""
    return _block(x, _vectors(condition, weight, bias), perceptron, attend)


def mistake_gate_not_shaped(x, condition, weight, bias, attend, perceptron):
    """A gate belongs to a sample: shape it to (B, 1, D), or NumPy takes B for the tokens."""
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _vectors(condition, weight, bias)
    return _block(x, (shift_1, scale_1, gate_1[:, 0], shift_2, scale_2, gate_2[:, 0]), attend, perceptron)


def right_written_out(x, condition, weight, bias, attend, perceptron):
    D = x.shape[2]
    said = np.einsum("bt,tk->bk", condition, weight) + bias
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (said[:, i * D : (i + 1) * D] for i in range(6))
    x = x + gate_1.reshape(-1, 1, D) * attend(modulate(x, shift_1, scale_1))
    return x + gate_2.reshape(-1, 1, D) * perceptron(modulate(x, shift_2, scale_2))


def right_without_modulate(x, condition, weight, bias, attend, perceptron):
    said = (condition @ weight + bias).reshape(len(x), 6, 1, -1)

    def normal(tokens):
        return (tokens - tokens.mean(-1, keepdims=True)) / np.sqrt(tokens.var(-1, keepdims=True) + 1e-6)

    y = x + said[:, 2] * attend(normal(x) + normal(x) * said[:, 1] + said[:, 0])
    return y + said[:, 5] * perceptron(normal(y) + normal(y) * said[:, 4] + said[:, 3])
