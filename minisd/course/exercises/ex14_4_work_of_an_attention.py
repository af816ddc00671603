"""The work of an attention

Count the multiply-adds of an attention layer: N tokens of D numbers ask, M tokens of E numbers answer. There are
`heads` heads, which share the D numbers out. The layer has four linear ones: query (D to D) of the N, key and value
(E to D) of the M, and the output (D to D) of the N. Between them come the scores of every asking token with every
answering one, in each head, and the sums of values weighted by them:

$$\\text{scores}_{nm} = \\sum_{i=1}^{D/h} q_{ni}\\, k_{mi}, \\qquad \\text{out}_{ni} = \\sum_m p_{nm}\\, v_{mi}$$

In a self-attention M is N and E is D. Softmax, scale and biases are not counted.
"""

POINTS, MINUTES = 2, 20
HINTS = (
    "How many multiply-adds does one score take, in one head? How many scores are there in all heads together?",
    "A head's score takes D / h, and h N M of them are N M D in all: the heads' number does not matter.",
    "N D D for the query, 2 M E D for key and value, 2 N M D in between, N D D for the output.",
)


def attention_work(N, M, D, E, heads):
    """Multiply-adds for one picture, a whole number."""
    return 2 * N * D * D + 2 * M * E * D + 2 * N * M * D


def cases(rng, dtype):
    yield 4096, 4096, 320, 320, 8
    yield 4096, 77, 320, 768, 8
    yield 5, 3, 8, 2, 4
    for _ in range(4):
        heads, width, N, M, E = (int(n) for n in rng.integers(2, 30, 5))
        yield N, M, heads * width, E, heads


def mistake_scores_alone(N, M, D, E, heads):
    """The linear layers are missing: query, key, value and output."""
    return 2 * N * M * D


def mistake_no_weighted_sum(N, M, D, E, heads):
    """Scores are half of what lies between: the sums of values, weighted by them, take as many."""
    return attention_work(N, M, D, E, heads) - N * M * D


def mistake_times_heads(N, M, D, E, heads):
    """Heads share the D numbers out: each works on D / h of them, so their number cancels."""
    return attention_work(N, M, D, E, heads) + 2 * (heads - 1) * N * M * D


def mistake_one_head(N, M, D, E, heads):
    """That is one head's part of the scores and sums: there are h of them."""
    return 2 * N * D * D + 2 * M * E * D + 2 * N * M * (D // heads)


def mistake_keys_of_asking_tokens(N, M, D, E, heads):
    """Key and value are made of the M tokens that answer, from E numbers each."""
    return 4 * N * D * D + 2 * N * M * D


def mistake_no_output(N, M, D, E, heads):
    """The output's linear layer is missing, D to D for each of the N tokens."""
    return attention_work(N, M, D, E, heads) - N * D * D


def mistake_squared_tokens(N, M, D, E, heads):
    """Every asking token meets every answering one: N times M scores, not N times N."""
    return 2 * N * D * D + 2 * M * E * D + 2 * N * N * D


def mistake_operations(N, M, D, E, heads):
    """A multiply-add counts once here: you count the multiplication and the addition."""
    return 2 * attention_work(N, M, D, E, heads)


def mistake_value_forgotten(N, M, D, E, heads):
    """Both key and value are made of the answering tokens: one of the two is missing."""
    return attention_work(N, M, D, E, heads) - M * E * D


def right_piece_by_piece(N, M, D, E, heads):
    width = D // heads
    query, output = N * D * D, N * D * D
    key = value = M * E * D
    inside = sum(N * M * width + N * M * width for _ in range(heads))
    return query + key + value + inside + output


def right_factored(asking, answering, width, context, h):
    return 2 * width * (asking * (width + answering) + answering * context)
