# %% [markdown]
# # 7. Words to vectors
#
# A network computes with numbers, and a prompt is words. This chapter goes all the way from "a thick seven" to the
# vectors that the U-Net reads: how text is cut into tokens, how a token becomes a vector, how vectors learn of each
# other, and what taught them what a seven looks like.
#
# You need chapter 4 (gradients); attention is used here and explained in chapter 8. It takes ten seconds.

# %%
from collections import Counter
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.course import show, show_rows, source
from minisd.data.strokes import draw_strokes
from minisd.evaluation import Judge
from minisd.models.clip import CLIP, contrastive_loss, unit_length
from minisd.nn import TransformerBlock
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline
from minisd.text.captions import Caption, caption_text
from minisd.text.tokenizer import Tokenizer, count_pairs, merge, spell

pipeline, judge = Pipeline.load(), Judge.load()
rng = np.random.default_rng(0)

# %% [markdown]
# ## Cutting words: byte-pair encoding
#
# Should a token be a letter or a word? With letters a sentence is long, and each token means nothing. With words the
# table never ends, and who writes "lowest" when only "low" is in it gets nothing. Byte-pair encoding (Sennrich, Haddow
# and Birch 2016) lies between: frequent words become one token, rare ones a few, and nothing is unknown.
#
# It begins with every word spelled in bytes, the last of which carries a mark, `</w>`, for the end of the word. Then,
# over and over: find the pair of neighbours that is the commonest in all the text, and make one symbol of it.
#
# The example of the paper: a text in which "low" occurs five times, "lower" twice, "newest" six times, "widest" three
# times.
#
# You should see how "est" is found in two steps, because "newest" and "widest" share it, and how in the end every word
# is one symbol.

# %%
text = "low " * 5 + "lower " * 2 + "newest " * 6 + "widest " * 3
words = [(spell(word), count) for word, count in Counter(text.split()).items()]
print("at first   ", "   ".join(" ".join(symbols) for symbols, _ in words))
merges = Tokenizer.train([text]).merges
for rank, pair in enumerate(merges, start=1):
    pairs = count_pairs(words)
    assert pairs[pair] == max(pairs.values())  # of equally common ones it is the first in the alphabet
    words = [(merge(symbols, pair), count) for symbols, count in words]
    result = "   ".join(" ".join(symbols) for symbols, _ in words)
    print(f"{rank:2}. {pair[0]:>4} + {pair[1]:8} {pairs[pair]} times   {result}")
assert merges[:2] == [("e", "s"), ("es", "t</w>")] and len(merges) == 13 and not count_pairs(words)

# %% [markdown]
# The list of merges, in order, is the tokenizer. To encode a word one spells it and applies the merges in that order.
# "lowest" was not in the text, and yet needs only two tokens. A word in a script that was never seen falls apart into
# its bytes, of which there are 256: nothing is unknown.

# %%
tokenizer = Tokenizer(merges)
for word in ("newest", "lowest", "slow", "七"):
    ids = tokenizer.encode(word)
    print(f"{word:7} -> {' '.join(tokenizer.symbols[i] for i in ids):18} -> {ids} -> {tokenizer.decode(ids)}")
    assert tokenizer.decode(ids) == word
assert [tokenizer.symbols[i] for i in tokenizer.encode("lowest")] == ["low", "est</w>"]
assert len(tokenizer.encode("七")) == len("七".encode()) == 3

# %% [markdown]
# minisd's tokenizer was trained on captions of digits. Its vocabulary: 256 bytes, the same as ends of words, a symbol
# for each merge, a start and an end mark. CLIP's is made likewise from the web.

# %%
own = pipeline.tokenizer
print(f"minisd: 512 + {len(own.merges)} merges + 2 = {own.size} tokens;  CLIP: 512 + 48,894 merges + 2 = 49,408")
assert own.size == 512 + len(own.merges) + 2 == 576 and 512 + 48_894 + 2 == 49_408
sentence = "a thick seven leaning left"
ids, _ = own([sentence], pipeline.clip.config.context_length)
print([own.symbols[i] for i in ids[0]])
assert len(own.encode(sentence)) == 5, "each word of a caption has become one token"

# %% [markdown]
# ## A row of a table
#
# Every token gets a vector of D = 64 numbers, its row in a table. A popular overview says: "a one-hot code becomes a
# dense vector". That is the same thing, written as a product. The one-hot code of token $i$ is a row of zeros with a 1
# at place $i$, and
#
# $$(\mathrm{onehot}\; T)_d = \sum_v \mathrm{onehot}_v\, T_{vd} = T_{id}$$
#
# The product multiplies with zeros 575 times of 576, and the look-up does not.
#
# You should see that they are equal to the last bit. So are their gradients: the row of the table gets what came to its
# token, and a token that stands there twice gets both.

# %%
table = pipeline.clip.text.token_embedding.table.data
one_hot = np.eye(own.size, dtype=np.float32)[ids[0]]
by_product, by_look_up = one_hot @ table, table[ids[0]]
print(f"one-hot {one_hot.shape} @ table {table.shape} = {by_product.shape}; look-up: the same {by_look_up.shape}")
assert (by_product == by_look_up).all()

grad = rng.standard_normal(by_look_up.shape).astype(np.float32)
own_table = Tensor(table, requires_grad=True)
(ops.embedding(own_table, ids[0]) * Tensor(grad)).sum().backward()
assert np.allclose(own_table.grad, one_hot.T @ grad, atol=1e-5)
assert np.allclose(own_table.grad[own.end], grad[ids[0] == own.end].sum(axis=0), atol=1e-5)
print("rows of the table with a gradient:", np.flatnonzero(own_table.grad.any(axis=1)).size, "of", own.size)

# %% [markdown]
# ## Where a token stands
#
# The transformer to come treats its tokens as a heap: without a mask, shuffled tokens give shuffled results. So a
# second table holds a vector for each position, and it is added: token 3 at position 2 enters as $T_3 + P_2$.

# %%
heap = TransformerBlock(64, heads=2, rng=rng)  # no mask, not trained
tokens, order = rng.standard_normal((1, 12, 64), dtype=np.float32), rng.permutation(12)
with no_grad():
    assert np.allclose(heap(Tensor(tokens[:, order])).data, heap(Tensor(tokens)).data[:, order], atol=1e-4)
positions = pipeline.clip.text.position_embedding.table.data
print(f"positions {positions.shape}: shuffled tokens give shuffled results, and so each gets its position's vector")
assert positions.shape == (12, 64)

# %% [markdown]
# ## The transformer
#
# A block lets each token look at others (attention), and then think for itself (a perceptron of two layers). Both are
# added to what was there, x + f(norm(x)), so a gradient has a straight way down. The norm brings every token's vector
# to mean 0 and variance 1 first:

# %%
source(TransformerBlock.forward)

# %% [markdown]
# Its parameters, at width D and with a perceptron 4 D wide inside: $4D^2$ for query, key, value and output, $8D^2$ for
# the perceptron, and some $D$ for biases and norms. Twelve blocks of width 768, and the tables, are the text encoder of
# Stable Diffusion 1.5.
#
# You should see that the formula counts minisd's block right, and SD's encoder, whose published size is 123,060,480.


# %%
def block_parameters(D, bias):
    """Attention (the output always has a bias), perceptron with biases, two norms."""
    return 4 * D * D + D + (3 * D if bias else 0) + 8 * D * D + 4 * D + D + 2 * 2 * D


ours = pipeline.clip.text.blocks[0].parameter_count()
theirs = 49_408 * 768 + 77 * 768 + 12 * block_parameters(768, bias=True) + 2 * 768
print(f"a block of minisd {ours:,};  SD 1.5's text encoder {theirs:,}")
assert ours == block_parameters(64, bias=False) and theirs == 123_060_480

# %% [markdown]
# The attention is causal: a token sees those before it, and itself. So "thick" does not know that "seven" will follow,
# but "seven" knows that "thick" came before. And the end mark has seen the whole sentence. Its vector, times a last
# matrix, stands for all of it: the pooled vector.
#
# You should see that two sentences have the same vectors up to the word in which they differ.

# %%
thick, thin = pipeline.encode_prompts(["a thick seven", "a thin seven"]).context
for position, word in enumerate(["start", "a", "thick | thin", "seven", "end"]):
    print(f"  {word:13} the two vectors differ by {np.linalg.norm(thick[position] - thin[position]):.2f}")
assert np.allclose(thick[:2], thin[:2], atol=1e-5) and all(np.linalg.norm(thick[i] - thin[i]) > 1 for i in (2, 3, 4))

# %% [markdown]
# ## What teaches them
#
# No one says what the vectors should be. CLIP (Radford et al. 2021) trains two networks at once, one for texts, one for
# pictures, and asks a riddle: here are B pictures and their B captions, shuffled; which belongs to which?
#
# Bring every vector to length 1, so that their product is the cosine of the angle between them, and multiply by a
# scale, which is learned, too:
#
# $$s_{ij} = \mathrm{scale}\, \langle \mathrm{image}_i, \mathrm{text}_j \rangle$$
#
# Read row $i$ as the scores of a multiple-choice question: which caption has picture $i$? The softmax makes
# probabilities of them, and the loss is the cross-entropy of the right answer, caption $i$:
#
# $$-\log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} = -s_{ii} + \log\sum_j e^{s_{ij}}$$
#
# Its gradient is simple: $\partial / \partial s_{ij} = p_{ij} - [i = j]$. The right pair is pulled together by what its
# probability lacks, and each wrong pair pushed apart by the probability it has. The columns ask the other question,
# which picture has caption $j$, and the loss is the mean of both.
#
# In a batch of digits many captions are equal, and an equal caption is no wrong answer. It is masked:

# %%
source(contrastive_loss)

# %% [markdown]
# A network that knows nothing gives all B answers the same probability: its loss is $\log B$.
#
# You should see that the untrained pair is near it, or worse, and the trained one far below. Our digits here are drawn
# by code; the trained pair has never seen such, only handwritten ones.

# %%
digits = draw_strokes(1000, seed=3)
B = 128
captions = [caption_text(Caption(int(digit))) for digit in digits.labels[:B]]
caption_ids, _ = own(captions, pipeline.clip.config.context_length)
untrained = CLIP(pipeline.clip.config, rng=np.random.default_rng(0))
with no_grad():
    x = Tensor(to_unit_range(digits.images[:B]))
    losses = {
        name: clip(x, caption_ids).item() for name, clip in (("untrained", untrained), ("trained", pipeline.clip))
    }
print(", ".join(f"{name} {loss:.2f}" for name, loss in losses.items()), f"; log {B} = {np.log(B):.2f}")
assert losses["trained"] < 0.5 < losses["untrained"]

similarity = Tensor(rng.standard_normal((6, 6)), requires_grad=True)
contrastive_loss(similarity, np.arange(6)[:, None]).backward()
rows, columns = (np.exp(similarity.data) / np.exp(similarity.data).sum(axis=a, keepdims=True) for a in (1, 0))
assert np.allclose(similarity.grad, ((rows - np.eye(6)) + (columns - np.eye(6))) / 2 / 6)  # the gradient, as derived

# %% [markdown]
# ## Captions against pictures
#
# Now every one of ten captions against a thousand drawn digits: the mean cosine for each digit.
#
# You should see the diagonal. The nearest caption names the digit nearly always, and no one has trained a classifier:
# that is what "zero-shot" means.

# %%
ten = [caption_text(Caption(digit)) for digit in range(10)]
with no_grad():
    images = unit_length(pipeline.clip.image(Tensor(to_unit_range(digits.images)))).data
    texts = unit_length(Tensor(pipeline.encode_prompts(ten).pooled)).data
cosines = images @ texts.T
means = np.stack([cosines[digits.labels == digit].mean(axis=0) for digit in range(10)])
right = (cosines.argmax(axis=1) == digits.labels).mean()
print(f"the nearest of ten captions names the digit in {right:.1%}")
assert right > 0.9 and (means.argmax(axis=1) == np.arange(10)).all()

figure = Figure(figsize=(6.2, 4.6), dpi=110, layout="constrained")
panel = figure.subplots()
panel.imshow(means, cmap="Blues", vmin=means.min(), vmax=means.max())
for row, column in np.ndindex(10, 10):
    colour = "white" if means[row, column] > 0.6 * means.max() else "black"
    panel.text(
        column, row, f"{means[row, column].round(1) + 0.0:.1f}", ha="center", va="center", fontsize=9, color=colour
    )
panel.set_xticks(range(10), ten, rotation=45, ha="right", fontsize=10)
panel.set_yticks(range(10), [f"drawn {digit}" for digit in range(10)], fontsize=10)
panel.tick_params(length=0)
panel.spines[:].set_visible(False)
show(figure, "07_similarity")

# %% [markdown]
# The captions' other words are found as well. Of all drawn sevens, the thick ones agree more with "a thick seven", and
# those that lean right more with "a seven leaning right".

# %%
sevens = digits.labels == 7
for caption, measure in (
    (Caption(7, thickness=0), digits.thickness),
    (Caption(7, thickness=2), digits.thickness),
    (Caption(7, slant=0), digits.slant),
    (Caption(7, slant=2), digits.slant),
):
    vector = unit_length(Tensor(pipeline.encode_prompts([caption_text(caption)]).pooled)).data[0]
    correlation = np.corrcoef(images[sevens] @ vector, measure[sevens])[0, 1]
    of = "thickness" if caption.thickness is not None else "slant"
    print(f"{caption_text(caption):24} correlation of its cosine with the {of:9} {correlation:5.2f}")
    assert correlation < -0.7 if 0 in (caption.thickness, caption.slant) else correlation > 0.7

# %% [markdown]
# ## The last layer but one
#
# Stable Diffusion's users know a switch called "clip skip": take the tokens' vectors not from the last layer (1) but
# from the one before (2). The reason given: the last layer was trained for the riddle above, and keeps of each token
# what the pooled vector needs; the layer before may know more of the single words. A popular overview says that CLIP is
# usually stopped there. SD 1.x was trained with the last layer, SD 2.x with the one before, and so were some models
# that others made of SD 1.x. minisd was trained with 2.
#
# What does the switch do? Let us measure: the same U-Net, prompts and noises, with the tokens of each of our three
# layers. As a measure of what is little, the last row has other noises.
#
# You should see little: the same pictures, but for a pixel here and there. (Twenty are too few to tell 90% from 100%.)
# Each block adds to what was there, so the vectors of neighbouring layers are much alike, and the pooled vector, which
# tells our U-Net the sentence a second time, does not change at all. It is a switch between similar vectors. Which of
# them is better depends on which the U-Net learned to read.


# %%
def with_clip_skip(clip_skip):
    """The same networks, with the tokens of another layer."""
    info = replace(pipeline.info, clip_skip=clip_skip)
    return Pipeline(pipeline.vae, pipeline.clip, pipeline.denoiser, pipeline.tokenizer, info)


def apart(pictures, others):
    """Mean difference of their pixels, of 255."""
    return abs(pictures.astype(float) - others).mean()


asked = ten * 2
usual = pipeline.draw(asked, seed=7, steps=12)
vectors = {n: with_clip_skip(n).encode_prompts(["a thick seven"]).context[0] for n in (1, 2, 3)}
rows = {f"clip skip {n}": with_clip_skip(n).draw(asked, seed=7, steps=12) for n in (1, 2, 3)}
rows["2, other noise"] = pipeline.draw(asked, seed=8, steps=12)
shares = {name: (judge.digits(pictures) == np.tile(np.arange(10), 2)).mean() for name, pictures in rows.items()}
for name, pictures in rows.items():
    print(
        f"{name:15} read as asked {shares[name]:4.0%}; differs from clip skip 2 by {apart(pictures, usual):4.1f} of 255"
    )
cosine = {
    n: (vectors[n][3] @ vectors[2][3]) / np.linalg.norm(vectors[n][3]) / np.linalg.norm(vectors[2][3]) for n in (1, 3)
}
print(f"cosine of the vectors of 'seven': layers 1 and 2 {cosine[1]:.2f}, 3 and 2 {cosine[3]:.2f}")
show_rows(
    {name: pictures[:10] for name, pictures in rows.items()},
    "07_clip_skip",
    headings=[str(digit) for digit in range(10)],
)
assert pipeline.info.clip_skip == 2 and (rows["clip skip 2"] == usual).all() and min(shares.values()) >= 0.8
assert apart(rows["clip skip 1"], usual) < 0.6 * apart(rows["2, other noise"], usual)
assert cosine[1] > 0.5

# %% [markdown]
# ## Try
#
# 1. Take only the first seven merges. Into which tokens does "lowest" fall? Answer: lo, w, est</w>.
# 2. Train a tokenizer on `["abab abab"]`. In what order do the merges come, and why?
#    Answer: a + b, then a + b</w>, then ab + ab</w>. The first two are equally common, and a + b comes first in the
#    alphabet.
# 3. `pipeline.remarks(["a fluffy seven"])` says that "fluffy" was never seen. Into which tokens does it fall? Why does
#    the model draw a seven all the same?

# %%
steps = Tokenizer.train(["abab abab"]).merges
print(steps)
few = Tokenizer(merges[:7])
assert [few.symbols[i] for i in few.encode("lowest")] == ["lo", "w", "est</w>"]
assert steps == [("a", "b"), ("a", "b</w>"), ("ab", "ab</w>")]

# %% [markdown]
# ## Exercises
#
# 07.1 to 07.4 are a tokenizer: count pairs, merge one, train, which is the long one, and encode. 07.5 is the look-up
# backwards, 07.6 the loss that taught the vectors, 07.7 the norm of the transformer's blocks. 07.8 and 07.9 are
# questions with numbers of your own. `minisd course check 07.1` tries your file in a shell, `check("07.1",
# my_function)` a function here.
