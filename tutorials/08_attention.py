# %% [markdown]
# # 8. Attention
#
# A convolution sees its neighbours. How does a pixel learn of a word, or of a pixel at the other end of the picture? By
# attention: everything may look at everything, and chooses for itself what to look at.
#
# You need chapter 4 (gradients) and chapter 7 (tokens and their vectors). It takes a quarter of a minute.

# %%
from pathlib import Path

import numpy as np
from minisd_kernels.attention import numpy_ref
from minisd_kernels.softmax import numpy_ref as softmax_ref

from minisd import ops
from minisd.autograd import Tensor
from minisd.course import show_rows, source
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.evaluation import Judge
from minisd.nn import MultiHeadAttention, SpatialTransformer
from minisd.pipeline import Pipeline, Prompt

rng = np.random.default_rng(0)
softmax = softmax_ref.forward

# %% [markdown]
# ## A dictionary that answers with a mixture
#
# A dictionary has keys and values. You come with a query; where a key equals it, you get that key's value. Attention is
# the same with vectors, and nothing needs to be equal. The query is held against every key by a product, the score. The
# softmax makes weights of the scores, which are positive and sum to 1. And what you get is the mixture of the values by
# these weights (Vaswani et al. 2017, eq. 1):
#
# $$s_m = \frac{\langle q, k_m\rangle}{\sqrt d}, \quad p_m = \frac{e^{s_m}}{\sum_j e^{s_j}}, \quad o = \sum_m p_m v_m$$
#
# Since a mixture changes smoothly with the query and the keys, all of it can be learned by gradients.
#
# You should see that a query like the second key, and long, gets the second value almost alone. A short one gets a bit
# of everything, and a query of zeros gets the mean.

# %%
keys = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
values = np.array([[10.0], [20.0], [60.0]])
for query in ([0.0, 12.0], [0.0, 1.0], [0.0, 0.0]):
    weights = softmax(keys @ np.array(query) / np.sqrt(2))
    print(f"query {query}: weights {weights.round(3)}, answer {(weights @ values)[0]:.1f}")
assert abs(softmax(keys @ [0.0, 12.0] / np.sqrt(2)) @ values - 20).max() < 0.1
assert np.isclose(softmax(keys @ [0.0, 0.0]) @ values, 30).all()

# %% [markdown]
# ## Why divide by the root of d?
#
# Let the $d$ numbers of a query and of a key be independent, with mean 0 and variance 1. Each product of two of them
# has mean 0 and variance $E[q^2 k^2] = E[q^2]\,E[k^2] = 1$, and the variances of independent terms add up:
#
# $$\mathrm{Var}\,\langle q, k\rangle = \sum_{c=1}^d \mathrm{Var}(q_c k_c) = d$$
#
# So scores grow like $\sqrt d$. In a softmax, scores that lie 8 apart give weights in a ratio of $e^8 \approx 3000$:
# one key takes all. That would be a choice made by chance before anything was learned, and one that is hard to unlearn,
# for the derivative of a weight, $p(1 - p)$, vanishes where $p$ is 0 or 1. Divided by $\sqrt d$, scores have variance 1
# at every width.
#
# You should see the deviation of the scores follow $\sqrt d$, and the largest of 16 weights grow to nearly 1 unless it
# is divided.

# %%
print("   d   deviation of the scores   largest of 16 weights: as they are   divided by sqrt(d)")
largest = {}
for d in (4, 16, 64, 256, 1024):
    scores = np.einsum("nd,nmd->nm", rng.standard_normal((500, d)), rng.standard_normal((500, 16, d)))
    largest[d] = softmax(scores).max(axis=1).mean(), softmax(scores / np.sqrt(d)).max(axis=1).mean()
    print(f"{d:4}   {scores.std():23.1f}   {largest[d][0]:35.2f}   {largest[d][1]:18.2f}")
    assert abs(scores.std() / np.sqrt(d) - 1) < 0.05
assert largest[1024][0] > 0.9 and all(divided < 0.35 for _, divided in largest.values())

# %% [markdown]
# ## A softmax that does not overflow
#
# $e^{89}$ is more than float32 can hold. But the same number taken from all scores cancels:
#
# $$\frac{e^{s_m - c}}{\sum_j e^{s_j - c}} = \frac{e^{-c}\, e^{s_m}}{e^{-c} \sum_j e^{s_j}} = \mathrm{softmax}(s)_m$$
#
# Take the largest score for $c$: then no exponent is above 0, and the sum is at least 1.

# %%
scores = np.array([1000.0, 999.0, 0.0], np.float32)
with np.errstate(over="ignore", invalid="ignore"):
    plain = np.exp(scores) / np.exp(scores).sum()
print("as it stands", plain, "  with the largest taken away", softmax(scores))
assert np.isnan(plain[0]) and np.allclose(softmax(scores), softmax(scores - 1000)) and softmax(scores)[0] > 0.7

# %% [markdown]
# ## Shapes, and the whole of it
#
# There is a batch of B samples, and every layer has h heads, of which more soon. N tokens look, M tokens are looked at.
#
# |  | shape |
# |---|---|
# | query | (B, N, h, d) |
# | key, value | (B, M, h, d) |
# | scores, weights | (B, h, N, M) |
# | out | (B, N, h, d) |
#
# In minisd this is one operation on tensors. It runs a kernel that keeps the logarithm of each row's denominator
# besides, for the gradient. `minisd_kernels/attention/numpy_ref.py` says it in a page of NumPy: write yours first
# (exercise 08.3), then read it.

# %%
source(ops.attention, docstring=True)

query = rng.standard_normal((2, 5, 3, 4))
key, value = rng.standard_normal((2, 2, 7, 3, 4))
out, logsumexp = numpy_ref.forward(query, key, value, 4**-0.5, causal=False)
print("\nquery", query.shape, "key", key.shape, "-> out", out.shape, "logsumexp", logsumexp.shape)
assert np.allclose(out, ops.attention(Tensor(query), Tensor(key), Tensor(value)).data)

sample_1, head_0, token_3 = 1, 0, 3  # one query by itself, as in the dictionary above
one_weights = softmax(key[sample_1, :, head_0] @ query[sample_1, token_3, head_0] / np.sqrt(4))
assert np.allclose(out[sample_1, token_3, head_0], one_weights @ value[sample_1, :, head_0])

# %% [markdown]
# ## Attention knows no order
#
# The sum over $m$ does not care which key comes first. Shuffle keys together with their values, and nothing changes. So
# words need a position that is added to their vectors (chapter 7), while pixels have it from the convolutions around.

# %%
order = rng.permutation(7)
shuffled, _ = numpy_ref.forward(query, key[:, order], value[:, order], 4**-0.5, causal=False)
assert np.allclose(out, shuffled)
print("keys in the order", order.tolist(), "give the same output")

# %% [markdown]
# ## Heads
#
# With one softmax a token can look at one thing at a time, more or less. So the width D is split into h heads of
# $d = D/h$ numbers. Each looks for itself, and their answers are laid side by side again. The work stays the same: h
# products of width $d$ cost what one of width D does.
#
# The layer around it has four matrices: three make queries, keys and values of the tokens, the last mixes the heads.
# In self-attention keys and values come from the same tokens as the queries. In cross-attention they come from
# others, the context: pixels ask, words answer.

# %%
layer = MultiHeadAttention(12, heads=3, context_width=8, rng=rng)
x, context = (rng.standard_normal(shape, dtype=np.float32) for shape in ((2, 5, 12), (2, 7, 8)))
print("pixels", x.shape, "context", context.shape, "->", layer(Tensor(x), Tensor(context)).shape)
assert layer(Tensor(x), Tensor(context)).shape == (2, 5, 12)
assert layer.to_key.weight.shape == (8, 12) and layer.to_out.weight.shape == (12, 12)

# %% [markdown]
# ## The causal mask
#
# The text encoder's tokens see only what stands before them, and themselves. The scores of all others become minus
# infinity, of which the softmax makes weight 0:
#
# $$\begin{pmatrix} s_{00} & -\infty & -\infty \\ s_{10} & s_{11} & -\infty \\ s_{20} & s_{21} & s_{22} \end{pmatrix}$$
#
# You should see weights on and below the diagonal only. And a change of the last token changes no other's output.

# %%
tokens = rng.standard_normal((1, 4, 1, 8))
print(softmax(numpy_ref._scores(tokens, tokens, 8**-0.5, causal=True))[0, 0].round(2))
before, _ = numpy_ref.forward(tokens, tokens, tokens, 8**-0.5, causal=True)
tokens[:, -1] += 1
after, _ = numpy_ref.forward(tokens, tokens, tokens, 8**-0.5, causal=True)
assert (before[:, :-1] == after[:, :-1]).all() and (before[:, -1] != after[:, -1]).any()

# %% [markdown]
# ## Where it stands in the U-Net
#
# At both levels of minisd's U-Net, on the way down and up, stands a transformer block. A map of H x W pixels is a row
# of H W tokens. First they look at each other, then at the prompt's 12 tokens.
#
# You should see that the scores of self-attention grow with the square of the pixels. With 4096 pixels, Stable
# Diffusion's highest level, there are 134 million for each picture.

# %%
pipeline, judge = Pipeline.load(), Judge.load()
blocks = {}
for way, rows in (("down", pipeline.denoiser.down), ("up", pipeline.denoiser.up)):
    for row in rows:
        for part in row:
            if isinstance(part, SpatialTransformer):
                width = part.block.attend_self.to_query.weight.shape[0]
                blocks[f"{way}, {'7 x 7' if width == 64 else '4 x 4'}"] = part.block
M = pipeline.clip.config.context_length
for place, block in blocks.items():
    N, heads = int(place[-1]) ** 2, block.attend_self.heads
    print(f"{place:12} {heads} heads; scores: self {heads * N * N:5,}, cross {heads * N * M:5,}")
assert len(blocks) == 4 and 8 * 4096**2 == 134_217_728

# %% [markdown]
# ## What a word looks at, or rather, who looks at a word
#
# While a digit is drawn, every pixel asks and the words answer, twenty steps long. We want to see the weights. The
# library does not keep them, and its fast kernel never has them all at once. But a layer's queries and keys are there,
# and the plain formula makes the weights of them. So for the time of a drawing we put a function before each layer that
# notes them down and then lets the layer do its work.

# %%
notes = {place: [] for place in blocks}


def watch(place, layer):
    """From now on, note the cross-attention's weights (B, h, N, M) at every step."""
    attend = layer.forward

    def forward(x, context):
        (B, N, D), (_, M, _), h = x.shape, context.shape, layer.heads
        query = layer.to_query(x).data.reshape(B, N, h, D // h)
        key = layer.to_key(context).data.reshape(B, M, h, D // h)
        notes[place].append(softmax(numpy_ref._scores(query, key, (D // h) ** -0.5, causal=False)))
        return attend(x, context)

    layer.forward = forward


sentence, words = "a thick seven leaning left", ["start", "a", "thick", "seven", "leaning", "left", "end"]
for place, block in blocks.items():
    watch(place, block.attend_cross)
sevens = pipeline([sentence] * 8, seed=7, steps=20, guidance=1.0)
for block in blocks.values():
    del block.attend_cross.forward  # the layer's own is back
weights = {place: np.stack(noted) for place, noted in notes.items()}  # (20 steps, B, h, N, M)
assert (
    weights["up, 7 x 7"].shape == (20, 8, 2, 49, 12)
    and (pipeline([sentence] * 8, seed=7, steps=20, guidance=1.0) == sevens).all()
)

# %% [markdown]
# First: how much of all attention does each token get? The prompt is "a thick seven leaning left"; there are a start
# mark before it and end marks behind it.
#
# You should see that most of it goes to the start mark and to "a", which say nothing of the digit: the start mark's
# vector is the same for every prompt, and that of "a", which has seen nothing but the start, for every prompt that
# begins so. This is the rule in transformers, and such tokens are called attention sinks
# (Xiao et al. 2024). A softmax must spend its weight somewhere, and a head that has nothing to ask spends it there.
#
# And words are read early. In the first five steps, when all is noise, a good part goes to tokens that know something;
# in the last five almost none: then the seven is there, and the pixels themselves say where its stroke runs.

# %%
print("share of the attention in %   " + "".join(f"{word:>9}" for word in [*words, "other ends"]))
for place, noted in weights.items():
    for name, steps in (("first steps", noted[:5]), ("last steps", noted[-5:])):
        share = 100 * steps.mean(axis=(0, 1, 2, 3))
        print(f"{place:12} {name:17}" + "".join(f"{s:9.0f}" for s in [*share[:7], share[7:].sum()]))
    to_words_early, to_words_late = (
        noted[part][..., 2:].mean(axis=(0, 1, 2, 3)).sum() for part in (slice(5), slice(-5, None))
    )
    assert noted[..., :2].sum(axis=-1).mean() > 0.3 and to_words_early > to_words_late
sinks = np.mean([noted[..., :2].sum(axis=-1).mean() for noted in weights.values()])
print(f"start mark and 'a' get {sinks:.0%} of it all")
assert sinks > 0.5
this, other = pipeline.encode_prompts([sentence, "a thin two"]).context
assert np.allclose(this[:2], other[:2], atol=1e-5)

# %% [markdown]
# Second: where? The last layer of the U-Net, on the way up at 7 x 7, has two heads; this is its first, in the second
# half of the steps. Each map is drawn on a scale of its own, with the mean share under it.
#
# You should see the seven in the maps. Pixels where its stroke runs look at the words, pixels of the ground look at the
# start mark: over all eight pictures, the share that goes to "seven" rises with the ink and the share of the start mark
# falls. The maps of all words from "seven" on are nearly the same: they do not show one word's meaning, but where words
# are asked at all.

# %%
last_layer = weights["up, 7 x 7"][10:].mean(axis=0)[:, 0].reshape(8, 7, 7, M)  # a head's, (B, 7, 7, M)
maps = {}
for number in range(3):
    shown = last_layer[number, :, :, :7].transpose(2, 0, 1)
    enlarged = (255 * shown / shown.max(axis=(1, 2), keepdims=True)).repeat(4, axis=1).repeat(4, axis=2)
    maps[f"seven {number + 1}"] = np.concatenate([sevens[number][None], enlarged.astype(np.uint8)])
shares = {
    row: ["", *(f"{100 * s:.1f}%" for s in last_layer[i, :, :, :7].mean(axis=(0, 1)))] for i, row in enumerate(maps)
}
show_rows(maps, "08_maps", headings=["picture", *words], notes=shares)

ink = sevens.reshape(8, 7, 4, 7, 4).mean(axis=(2, 4))  # of each latent pixel's 4 x 4 pixels


def with_ink(word):
    return np.corrcoef(ink.ravel(), last_layer[..., words.index(word)].ravel())[0, 1]


print("correlation with the ink:", ", ".join(f"{word} {with_ink(word):.2f}" for word in words))
assert with_ink("start") < -0.7 and all(with_ink(word) > 0.7 for word in ("seven", "leaning", "left", "end"))
likeness = np.corrcoef([last_layer[..., words.index(w)].ravel() for w in ("seven", "leaning", "left", "end")])
assert likeness.min() > 0.7

# %% [markdown]
# Third: is what is looked at what matters? Weights are not reasons. Let us take vectors away: in their place come those
# of the empty prompt. minisd's U-Net is told the prompt in two ways, by the tokens' vectors and by the pooled vector,
# which is added to the time's embedding.
#
# You should see that either way alone gives a seven most times, and both together nearly always. And the vector of the
# word "seven" alone can be taken away, without harm: the tokens behind it have looked at it, in the text encoder, and
# know what it said.

# %%
full, none = pipeline.encode_prompts([sentence] * 8), pipeline.encode_prompts([""] * 8)
without_seven = full.context.copy()
without_seven[:, words.index("seven")] = none.context[:, words.index("seven")]
z_T = initial_noise(pipeline.latent_shape, sample_rngs(seed=7, count=8))
told = {
    "both": full,
    "tokens only": Prompt(full.context, none.pooled),
    "pooled only": Prompt(none.context, full.pooled),
    "neither": none,
    "both, no 'seven'": Prompt(without_seven, full.pooled),
}
drawn, right = {}, {}
for name, prompt in told.items():

    def predict(z_t, t, prompt=prompt):
        return pipeline.predict(z_t, t, prompt)

    z_0 = sample(predict, z_T, pipeline.schedule, steps=20, prediction=pipeline.info.prediction)
    drawn[name] = pipeline.decode(z_0)
    right[name] = int((judge.digits(drawn[name]) == 7).sum())
    print(f"{name:17} {right[name]} of 8 are read as a seven")
show_rows(drawn, "08_told")
assert right["both"] >= 7 and right["both, no 'seven'"] >= 7
assert (
    right["both"] > right["tokens only"] > right["neither"] and right["both"] > right["pooled only"] > right["neither"]
)

# %% [markdown]
# ## The gradient
#
# Backwards through the three steps $S = \mathrm{scale}\; Q K^T$, $P = \mathrm{softmax}(S)$, $O = P V$, for one sample
# and head. Let $dX$ stand for the loss's gradient by X; $dO$ comes in.
#
# $O = PV$ is a product of matrices, so
#
# $$dV = P^T\, dO, \qquad dP = dO\; V^T$$
#
# The softmax makes every weight of a row depend on every score of it. From $p_m = e^{s_m} / \sum_j e^{s_j}$ one finds
# $\partial p_j / \partial s_m = p_j\,([j = m] - p_m)$, and so
#
# $$ds_m = \sum_j dp_j\, p_j\,([j = m] - p_m) = p_m\,\Big(dp_m - \underbrace{\sum_j p_j\, dp_j}_{r}\Big)$$
#
# A score is pulled up when its value would have done better than the mixture. And $r$ is known without the weights:
# $r = \sum_j p_j \langle dO, v_j \rangle = \langle dO, O \rangle$. The scores are a product again:
#
# $$dQ = \mathrm{scale}\; dS\, K, \qquad dK = \mathrm{scale}\; dS^T Q$$
#
# The weights are made again from the scores and the row's logsumexp, $P = e^{S - L}$; keeping them would take N M
# numbers a head.

# %%
grad_out = rng.standard_normal(out.shape)
gradients = numpy_ref.backward(grad_out, query, key, value, out, logsumexp, 4**-0.5, False)


def loss(*inputs):
    return (numpy_ref.forward(*inputs, 4**-0.5, False)[0] * grad_out).sum()


for place, name in enumerate(("query", "key", "value")):
    inputs, step = [query, key, value], 1e-6
    direction = rng.standard_normal(inputs[place].shape)
    ahead, behind = (
        [*inputs[:place], inputs[place] + sign * step * direction, *inputs[place + 1 :]] for sign in (1, -1)
    )
    slope, told = (loss(*ahead) - loss(*behind)) / (2 * step), (gradients[place] * direction).sum()
    print(f"along a random direction of {name:5}: by differences {slope:9.5f}, by the gradient {told:9.5f}")
    assert abs(slope - told) < 1e-6

# %% [markdown]
# ## A softmax as the scores come in
#
# The matrix of scores is what makes attention expensive: at 4096 tokens with 8 heads it takes 512 MiB in float32. But
# nobody needs all of it at once (Milakov and Gimelshein 2018; Dao et al. 2022, "FlashAttention"). Walk over blocks of
# keys, and carry three things along for each query: the largest score so far, the sum of the exponentials so far, and
# the values mixed so far. If a block holds a larger score, what was summed is too large by one factor, and is brought
# down by it:
#
# $$e^{s - \mathrm{new}} = e^{s - \mathrm{old}} \cdot e^{\mathrm{old} - \mathrm{new}}$$

# Here the scores of one query come in one by one; only the sum is kept, without values.

# %%
incoming = [1.0, 3.0, -2.0, 3.5, 0.0]
largest, total = -np.inf, 0.0
for number, score in enumerate(incoming, start=1):
    new = max(largest, score)
    total = total * np.exp(largest - new) + np.exp(score - new)
    largest = new
    logsumexp_1, told = largest + np.log(total), np.log(np.exp(incoming[:number]).sum())
    print(f"score {score:4.1f}: largest {largest:3.1f}, sum {total:.3f}, log {logsumexp_1:.3f}; at once {told:.3f}")
    assert np.isclose(logsumexp_1, told)
assert 8 * 4096**2 * 4 == 512 * 2**20

# %% [markdown]
# minisd's fast kernel on the CPU does this with blocks of 112 keys and 112 queries, whose scores fit a core's second
# cache. Here is its softmax: `largest` and `totals` are carried along as above, `shrink` is the factor by which the
# caller brings the mixed values down, and a vector holds sixteen queries, or eight, at once.

# %%
kernel = Path(numpy_ref.__file__).with_name("numba_cpu.py").read_text(encoding="utf-8")
start = kernel.index("def _softmax(")
print(kernel[start : kernel.index("@jit", start)].rstrip())

# %% [markdown]
# The kernels for the GPU do the same, with blocks in shared memory (chapter 13).
#
# ## Your own in the real thing
#
# Exercise 08.3 is this chapter's function. When yours passes,
#
#     minisd draw "a seven" --with exercises/ex08_3_attention.py
#
# draws the digit with it: every word that a pixel looks at is then looked at by your code.
#
# ## Try
#
# 1. Set the mask to 0 instead of minus infinity in the causal attention. Which tokens change?
#    Answer: all but the last, since a hidden key of score 0 still gets weight.
# 2. Why is the sum of `grad_key` over all keys, weighted by nothing, not 0, while each row of $dS$ sums to 0?
#    Answer: $dK = dS^T Q$ sums $dS$ over the queries, and its columns need not sum to 0.
#
# ## Exercises
#
# 08.1 and 08.2 are the softmax and the mask. 08.3 is attention, and 08.4 its gradient, a day's work: check every step
# by differences as above. 08.5 splits the heads, 08.6 is the softmax that runs along. 08.7 and 08.8 are questions with
# numbers of your own. `minisd course check 08.3` tries your file, `check("08.3", my_function)` a function here.
