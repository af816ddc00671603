# %% [markdown]
# # 20. A transformer instead of the U-Net
#
# What finds the noise need not be a U-Net. Cut the latent into patches, call each a token, and a plain transformer does
# it, the network that reads text: all blocks alike, no convolution, no levels, no copies (Peebles and Xie 2023, "DiT").
# Stable Diffusion 3, Flux and most that came after are built so. What must such a network be told that a U-Net knows,
# and what is gained?
#
# You need chapters 5 (the U-Net), 8 (attention) and 9 (noise). It takes about 35 seconds, nearly all of it training.

# %%
import time
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from minisd_kernels.softmax import numpy_ref as softmax_ref

from minisd.autograd import Tensor, no_grad
from minisd.course import mine, show, show_rows, source
from minisd.data.dataset import CaptionedPictures
from minisd.data.strokes import draw_strokes
from minisd.models.denoiser import make_denoiser
from minisd.models.dit import DiT, DiTBlock, DiTConfig, positions, to_patches
from minisd.models.levels import Level
from minisd.models.unet import UNetConfig
from minisd.nn import Conv2d
from minisd.pipeline import Pipeline
from minisd.shapes.report.builtin import dit as dit_text
from minisd.shapes.report.builtin import unet as unet_text
from minisd.shapes.report.sums import examine
from minisd.shapes.report.text import parse
from minisd.text.captions import DIGITS as WORDS
from minisd.text.captions import Caption, caption_text
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit

rng = np.random.default_rng(0)
strokes, unseen = draw_strokes(3000, seed=0), draw_strokes(200, seed=5)
patchify, unpatchify = mine("20.1"), mine("20.2")  # yours, once they are written

# %% [markdown]
# ## A picture is a row of tokens
#
# Squares of p x p pixels are cut out, from left to right and row by row, and the $p \cdot p \cdot C$ numbers of each
# are laid behind each other. A linear layer makes D numbers of them, and that is a token. In the end another one makes
# $p \cdot p \cdot C$ numbers of each token, which go back to their places.

# %%
source(to_patches)
digits = unseen.images[:, :, :, None] / np.float32(255)
tokens = patchify(digits, 4)
assert tokens.shape == (200, 49, 16) and (unpatchify(tokens, 7, 7, 4) == digits).all()

# %% [markdown]
# How many tokens? minisd's latents are 7 x 7 x 4, and p = 1: each pixel is one. Of 64 x 64 x 4, as Stable Diffusion's
# are, one takes p = 2.
#
# When p is halved, twice as many patches lie along each axis. So there are four times the tokens, four times the work
# in all that is done for each token, and sixteen times the scores, for every token looks at every token. The weights
# stay as they are, but for the first and the last layer: another p makes no larger network, but one that looks more
# closely. DiT-XL/2 and DiT-XL/8 of the article are the same 675 million parameters, and the first draws far better.

# %%
print("latents        p   tokens   numbers in each   scores of a head")
for side, p, wanted in ((7, 1, 49), (64, 8, 64), (64, 4, 256), (64, 2, 1024), (64, 1, 4096)):
    _, N, numbers = patchify(np.zeros((1, side, side, 4), np.float32), p).shape
    print(f"{side} x {side} x 4".ljust(13), f"{p:2} {N:8,} {numbers:17} {N * N:18,}")
    assert wanted == N

# %% [markdown]
# ## A shuffled picture is the same picture
#
# Let P shuffle the rows of a matrix, here the tokens: $X \to PX$. Queries, keys and values are shuffled alike, the
# scores become $P Q K^T P^T$, rows and columns in the new order. The softmax goes along rows, and
#
# $$\mathrm{softmax}(P S P^T)\; P V = P\, \mathrm{softmax}(S)\, P^T P\, V = P\, \mathrm{softmax}(S)\, V$$
#
# for $P^T P = 1$. Norms and perceptrons look at one token at a time. So the whole block f has $f(PX) = P f(X)$: each
# token gets the answer that it got before, wherever it stands. Is there ink above me, or a border? Such a network
# cannot ask. To it a digit is a bag of patches.
#
# You should see a digit and its patches, in order and shuffled. What a block says to the two is the same, put back.

# %%
config = DiTConfig(width=48, heads=3, depth=6, time_width=80)
order, nothing = rng.permutation(49), Tensor(np.zeros((1, 80), np.float32))


def fresh_block(gate):
    """Of random weights, without words; told nothing, it opens both of its gates so far (see below)."""
    made = DiTBlock(replace(config, context_width=None), rng=rng)
    for modulation in (made.modulate_self, made.modulate_perceptron):
        modulation.linear.bias.data[-48:] = gate  # the last of shift, scale, gate
    return made


block = fresh_block(gate=1)
embedded = tokens[:1] @ rng.standard_normal((16, 48), dtype=np.float32)
answers, to_shuffled = (block(Tensor(x), nothing).data for x in (embedded, embedded[:, order]))
off = abs(mine("20.7")(to_shuffled, order) - answers).max() / abs(answers).max()
print(f"answers to the shuffled tokens, put back: off by {off:.0e}")
assert off < 1e-4 < abs(to_shuffled - answers).max()

figure = Figure(figsize=(10, 3), dpi=110, layout="constrained")
panels = figure.subplots(2, 2, width_ratios=(1, 4.6))
for (whole, strip), name, row in zip(panels, ("in order", "shuffled"), (tokens[0], tokens[0, order]), strict=True):
    whole.imshow(unpatchify(row[None], 7, 7, 4)[0, :, :, 0], cmap="gray")
    whole.set_ylabel(name)
    lines = np.full((2, 25, 5, 5), 0.35)
    lines.reshape(50, 5, 5)[:49, :4, :4] = row.reshape(49, 4, 4)
    strip.imshow(lines.transpose(0, 2, 1, 3).reshape(10, 125)[:-1, :-1], cmap="gray", vmin=0, vmax=1)
    for panel in (whole, strip):
        panel.set(xticks=(), yticks=())
panels[0, 0].set_title("28 x 28 pixels")
panels[0, 1].set_title("as 49 tokens of 4 x 4, 25 in a line")
show(figure, "20_tokens")

# %% [markdown]
# ## Positions in two dimensions
#
# So every token is told its place, by numbers that are added to it. Chapter 9 had waves for the time; a place has two
# whole numbers, row r and column c. Half of the D numbers are the waves of r, the other half those of c.
#
# Why waves? What attention forms of two tokens is a product, and of two places it is, by $\cos a \cos b + \sin a \sin b
# = \cos(a - b)$,
#
# $$\langle E(r, c), E(r', c') \rangle = \sum_i \cos \omega_i (r - r') + \sum_i \cos \omega_i (c - c')$$
#
# It knows the displacement alone, and is largest where there is none. A head whose queries and keys keep the places
# looks at neighbours, everywhere alike. Nothing in the network makes it do so; but now it can.
#
# You should see three tokens (red), and bright what is like theirs: a mound of neighbours, which goes along. On the
# right a place is one number, as in a text: neighbours are those in the row, and the token below is a stranger.

# %%
source(positions)
places = mine("20.3")(7, 7, 48)
assert np.allclose(places, positions(7, 7, 48))
alike, in_a_row = places @ places.T, positions(1, 49, 96)[:, 48:] @ positions(1, 49, 96)[:, 48:].T
assert np.isclose(alike[0, 8], alike[8, 16]) and np.isclose(alike[0, 8], alike[40, 48])  # one down, one to the right
assert (alike.argmax(axis=1) == np.arange(49)).all() and np.isclose(alike[24, 17], alike[24, 23])
figure = Figure(figsize=(10, 2.5), dpi=110, layout="constrained")
shown = [("row and column", alike, n) for n in (8, 24, 41)] + [("one number", in_a_row, 24)]
for panel, (name, products, n) in zip(figure.subplots(1, 4), shown, strict=True):
    panel.imshow(products[n].reshape(7, 7), cmap="gray")
    panel.plot(n % 7, n // 7, "o", color="tab:red")
    panel.set(xticks=(), yticks=(), title=name)
show(figure, "20_positions")

# %% [markdown]
# ## How it hears time and prompt: adaLN-zero
#
# Peebles and Xie (section 3.2) try four ways to tell the network what it must know: as more tokens in the row; by
# cross-attention; by scaling and shifting the norms, *adaptive layer norm*; and the last, with a gate that starts at
# zero. The last draws best in their comparison, and costs hardly anything: time and prompt become one vector c, and a
# linear layer makes six vectors of it for each block (their figure 3),
#
# $$x \leftarrow x + g_1\, \mathrm{attend}\big((1 + s_1)\, \hat x + b_1\big), \qquad
# x \leftarrow x + g_2\, \mathrm{perceptron}\big((1 + s_2)\, \hat x + b_2\big)$$
#
# with $\hat x$ for x after a layer norm, and shift b, scale s and gate g of D numbers each. They belong to a sample,
# and all of its tokens share them. That suits the time, which is the same for the whole picture. A sentence is not:
# "leaning left" concerns some places more than others. So between the two minisd's tokens ask the words, by
# cross-attention, as in PixArt-alpha (Chen et al. 2023). Only the sentence's pooled vector goes into c.

# %%
source(DiTBlock.forward)
x, c = rng.standard_normal((2, 5, 48)), rng.standard_normal((2, 80))
shift, scale = rng.standard_normal((2, 2, 48))
modulated = mine("20.4")(x, shift, scale)
hat = (modulated - shift[:, None]) / (1 + scale[:, None])
assert np.allclose(hat.mean(-1), 0) and np.allclose(hat.var(-1), 1, atol=1e-5)
of_zeros = mine("20.5")(x, c, np.zeros((80, 288)), np.zeros(288), np.sin, np.tanh)
assert (of_zeros == x).all()
print("a block whose condition says nothing gives back its input, to the bit")

# %% [markdown]
# ## Why the gate starts at zero
#
# With weights and biases of 0, b, s and g are 0, whatever c is. Then every block is the identity, and so are a hundred
# of them. A gradient comes back through $x + g\, f(x)$ multiplied by $1 + g\, f'(x)$: with g = 0 it arrives at the
# first block as it left the last. A deep network begins as a shallow one, and each block opens as far as it is of use.
#
# But can it begin at all, with a gradient multiplied by 0? The one of f is 0, true. That of the gate is not: for $y = x
# + g\, a$
#
# $$\frac{\partial L}{\partial g} = \sum_{\mathrm{tokens}} \frac{\partial L}{\partial y}\, a$$
#
# The gate moves first, and what is behind it learns from the next step on. It is a multiplication of two numbers of
# which one may be 0, not both.
#
# You should see what 24 fresh blocks make of a token and of a gradient, gates shut and open. And then which weights of
# a fresh network have a gradient, step by step: it awakes from its end. (Its last layer is 0, too, so in the first step
# that is all that learns.)

# %%
for gate in (0.0, 0.3, 1.0):
    x = start = Tensor(rng.standard_normal((1, 49, 48), dtype=np.float32), requires_grad=True)
    for _ in range(24):
        x = fresh_block(gate)(x, nothing)
    wish = rng.standard_normal(x.shape, dtype=np.float32)
    (x * Tensor(wish)).sum().backward()
    kept, came = (float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())) for a, b in (
        (x.data, start.data), (start.grad, wish)))  # fmt: skip
    print(f"gates at {gate:.1f}: likeness of output and input {kept:.2f}, of gradient and wish {came:.2f}")
    assert (kept > 0.9999 and came > 0.9999) if gate == 0 else came < 0.97

fresh = DiT(config, rng=rng)
told = [rng.standard_normal(shape, dtype=np.float32) for shape in ((4, 7, 7, 4), (4, 12, 64), (4, 64), (4, 7, 7, 4))]
awake = []
for _ in range(3):
    x_t, context, pooled, wanted = map(Tensor, told)
    ((fresh(x_t, np.array([50, 300, 600, 900]), context, pooled) - wanted) ** 2).mean().backward()
    awake.append({name: (parameter.grad != 0).mean() for name, parameter in fresh.named_parameters()})
    for parameter in fresh.parameters():
        parameter.data, parameter.grad = parameter.data - 0.1 * parameter.grad, None
for name in ("linear_out", *(f"blocks.2.{layer}" for layer in (
    "modulate_self.linear", "attend_cross.to_out", "attend_self.to_query", "attend_cross.to_key", "widen"
))):  # fmt: skip
    print(f"{name:30} step by step", *(f"{shares[f'{name}.weight']:5.0%}" for shares in awake))
assert {name for name, share in awake[0].items() if share > 0} == {"linear_out.weight", "linear_out.bias"}
assert np.isclose(awake[1]["blocks.2.modulate_self.linear.weight"], 1 / 3)  # the gate, without shift and scale
assert awake[1]["blocks.2.widen.weight"] == 0 and all(share > 0.9 for share in awake[2].values())

# %% [markdown]
# ## Counting
#
# A block of width D on N tokens, with a perceptron e times wider inside, a condition of T numbers, and a prompt of M
# tokens of E numbers:
#
# | | parameters | multiply-adds |
# |---|---|---|
# | query, key, value, output | $4 D^2$ | $4 N D^2$ |
# | scores, mixing the values | 0 | $2 N^2 D$ |
# | to the words | $2 D^2 + 2 D E$ | $2 N D^2 + 2 M D E + 2 N M D$ |
# | perceptron | $2 e D^2$ | $2 e N D^2$ |
# | condition | $6 T D$ | $6 T D$ |
#
# and some biases. The linear layers grow with N, the scores with its square: they cost as much at $N = (2 + e) D$. The
# condition is cheap to work out, once for all tokens, but it has many parameters.
#
# Is the table right? DiT-XL/2 has 28 blocks of width 1152, e = 4, T = 1152, no words, and 256 tokens for pictures of
# 256 x 256. The article gives 675 million parameters and 118.64 "Gflops", which are multiply-adds.


# %%
def counts(text):
    """Parameters and multiply-adds of a network that is written as `minisd shapes` reads it."""
    rows = examine(parse(text)).rows
    return sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)


xl_2 = counts("16x16x16 conv1:1152 " + 28 * "transformer:x4:t1152 " + "norm:t1152 conv1:32")
print(f"DiT-XL/2: {xl_2[0] / 1e6:.0f} million parameters, and the networks of time and class; {xl_2[1] / 1e9:.2f} G")
by_table = 28 * (4 * 256 * 1152**2 + 2 * 256**2 * 1152 + 2 * 4 * 256 * 1152**2 + 6 * 1152**2)
assert abs(by_table / 118.64e9 - 1) < 0.001 and abs(xl_2[1] / 118.64e9 - 1) < 0.001 and 665e6 < xl_2[0] < 675e6
of_ours = DiTBlock(DiTConfig(), rng=rng).parameter_count()
assert of_ours == mine("20.6")(96, 64, 160, 2)
print(f"minisd's block: {of_ours:,} parameters, of which {6 * 96 * 161 / of_ours:.0%} are the condition's")

# %% [markdown]
# And beside the U-Net? minisd's two networks have the same size and work at 7 x 7. They do not spend it alike: the
# U-Net's is in convolutions, many of them on the small map, the transformer's in six equal blocks.
#
# You should see that on larger latents the transformer grows faster: the scores. (minisd's U-Net has attention at every
# level, so it bends upwards, too.) The lowest curve, p = 2, is the way out.

# %%
figure = Figure(figsize=(10, 3.4), dpi=110, layout="constrained")
bars, growth = figure.subplots(1, 2, width_ratios=(3, 2))
for place, (name, text) in enumerate({"U-Net": unet_text(), "transformer": dit_text()}.items()):
    left = 0
    for row in examine(parse(text)).rows:
        kind = "tab:orange" if type(row.step.layer).__name__ == "Transformer" else "tab:blue"
        bars.barh(place, row.multiply_adds / 1e6, left=left, color=kind, edgecolor="white", height=0.6)
        left += row.multiply_adds / 1e6
    size = make_denoiser(DiTConfig() if name == "transformer" else UNetConfig(), rng=rng).parameter_count()
    bars.text(0, place + 0.36, f"{name}: {size / 1e6:.2f} million parameters")
bars.set(
    yticks=(), ylim=(-0.5, 1.7), xlabel="million multiply-adds: layer by layer; orange with attention, blue without"
)
bars.spines[["top", "right", "left"]].set_visible(False)
sides, grown = (8, 16, 32, 64), {}
for name, text_at, colour in (
    ("transformer, p = 1", lambda side: dit_text(DiTConfig(), side), "tab:orange"),
    ("U-Net", lambda side: unet_text(UNetConfig(), side), "tab:blue"),
    ("transformer, p = 2", lambda side: dit_text(DiTConfig(latent_channels=16), side // 2), "tab:green"),
):
    grown[name] = [counts(text_at(side))[1] for side in sides]
    growth.loglog(sides, grown[name], "o-", color=colour, label=name)
growth.set_xticks(sides, sides, minor=False)
growth.minorticks_off()
growth.set(xlabel="side of the latents", title="multiply-adds")
growth.legend(frameon=False)
show(figure, "20_work")
both = [counts(text) for text in (unet_text(), dit_text())]
assert all(abs(a / b - 1) < 0.02 for a, b in zip(*both, strict=True))
assert grown["transformer, p = 1"][3] > 2.5 * grown["U-Net"][3] > 5 * grown["transformer, p = 2"][3]

# %% [markdown]
# ## What a convolution knows before it has learned anything
#
# Two things are built into a convolution of 3 x 3. It is **local**: an output sees its neighbours. And it does the same
# **everywhere**: nine matrices serve all places, so what is learned in one corner is known in the others, and a moved
# picture gives a moved answer. Both are true of pictures, mostly, and neither must be learned.
#
# In a transformer each output sees all. What a token looks at is decided by what it is and where it is, by weights that
# are learned. It can find out that neighbours matter; it can also find out that the left half of an eight is like the
# right. That is less prejudice, and more to learn.
#
# You should see what one changed pixel changes, and what becomes of an answer when the map is moved by one.


# %%
def by_block(x):
    placed = x.reshape(1, 49, 48) + Tensor(places[None].astype(np.float32))
    return block(placed, nothing).reshape(1, 7, 7, 48)


x = rng.standard_normal((1, 7, 7, 48), dtype=np.float32)
touched = x.copy()
touched[0, 3, 3] = rng.standard_normal(48)
for name, layer in {"convolution": Conv2d(48, 48, 3, padding=1, rng=rng), "block": by_block}.items():
    y, other, moved = (layer(Tensor(shown)).data for shown in (x, touched, np.roll(x, 1, axis=2)))
    changed = int((abs(y - other).max(axis=-1) > 1e-4).sum())  # less is rounding
    unlike = abs(moved[:, 1:-1, 2:-1] - y[:, 1:-1, 1:-2]).max() / abs(y).max()
    print(f"{name:12} one pixel changes {changed:2} of 49 places; moved by one, the answer is off by {unlike:.0%}")
    assert (changed == 9 and unlike < 1e-5) if name == "convolution" else (changed == 49 and unlike > 0.05)
print(f"3 x 3 from 48 to 48: {9 * 48**2:,} weights; every place to every place, each for itself: {(49 * 48) ** 2:,}")

# %% [markdown]
# ## A race
#
# Now both are trained: a U-Net and a transformer of a third of a million parameters and 8 million multiply-adds each,
# on the latents of 3,000 digits that code drew, on the same batches with the same noise, 250 steps. Which learning rate
# is fair? Three were tried. At 0.002, 0.005 and 0.01 the U-Net's loss ended at 0.53, 0.45 and 0.49, the transformer's
# at 0.52, 0.50 and 0.49. So whoever tries one alone can have either win, or none. Here both run at 0.005: the U-Net's
# best, and as good as the transformer's.
#
# And a third: the same transformer, but for the places, which are taken away again behind its first layer.

# %%
pipeline, STEPS, EVERY = Pipeline.load(), 250, 25
SIZES = {
    "U-Net": UNetConfig(levels=(Level(32, heads=2), Level(48, heads=3)), middle=Level(48), time_width=64),
    "transformer": config,
    "without places": config,
}
data = CaptionedPictures(strokes.images, [caption_text(Caption(int(digit))) for digit in strokes.labels])
latents = encode_all(pipeline.vae, strokes.images)
prompts = pipeline.encode_prompts([caption_text(Caption(int(digit))) for digit in unseen.labels])
noise, times = rng.standard_normal((200, 7, 7, 4), dtype=np.float32), np.tile(np.arange(25, 1000, 50), 10)


def loss_of(task, images=unseen.images, order=None):
    """The loss for digits that it has not seen, at each of 20 times."""
    x_t, wanted = task.objective.noised(pipeline.encode(images), noise, times, task.schedule)
    if order is not None:
        x_t, wanted = (a.reshape(200, 49, 4)[:, order].reshape(a.shape) for a in (x_t, wanted))
    error = (task.pipeline.predict(x_t.astype(np.float32), times, prompts) - wanted) ** 2
    return error.mean(axis=(1, 2, 3)).reshape(10, 20).mean(axis=0)


def race(name):
    """A trained network's task, and its loss on the way."""
    network = make_denoiser(SIZES[name], rng=np.random.default_rng(0))
    if name == "without places":
        embed, at = network.embed.forward, Tensor(positions(7, 7, 48).astype(np.float32))
        network.embed.forward = lambda x: embed(x) - at  # the network adds them again, and 0 is left
    whole = Pipeline(pipeline.vae, pipeline.clip, network, pipeline.tokenizer, pipeline.info)
    task = DenoiserTask(data, whole, latents)
    task.name = "race"  # its random numbers are drawn from this name: the same for all
    task.recipe = replace(task.recipe, batch=32, peak_lr=0.005, warmup=20)
    fit, curve, began = Fit(task, seed=0, steps=STEPS), [], time.perf_counter()
    while not fit.done:
        fit.step()
        if fit.steps_done % EVERY == 0:
            curve.append(loss_of(task).mean())
    text = (unet_text if name == "U-Net" else dit_text)(SIZES[name])
    size, seconds = network.parameter_count(), time.perf_counter() - began
    print(f"{name:14} {size:,} parameters, {counts(text)[1] / 1e6:.1f} M, {seconds:4.1f} s: loss {curve[-1]:.3f}")
    return task, curve


tasks, curves = {}, {}
for name in SIZES:
    tasks[name], curves[name] = race(name)

# %% [markdown]
# What is there to be learned first? How bright each place is on average, and how much of its own number is noise. For
# each place and time a linear answer of its own pixel's four numbers, fitted by least squares, knows just that: dotted.
#
# You should see the transformer arrive there after 100 steps: it was given the places. The U-Net has none, and takes
# 130. But from there on one must look at neighbours. The U-Net does, and goes through; the transformer has to find out
# which they are, and is overtaken. Without places even the dotted line is out of reach. On the right, the same by the
# time: hardly a matter where there is little noise, more where strokes must be guessed.

# %%
COLOURS = dict(zip(SIZES, ("tab:blue", "tab:orange", "0.5"), strict=True))
x_0, alone = pipeline.info.scale_factor * latents[0], []


def by_places(x):
    """(places, pictures, 4 numbers and a 1): what one place knows of itself."""
    return np.concatenate([x, np.ones_like(x[..., :1])], axis=3).reshape(-1, 49, 5).swapaxes(0, 1)


for t in times[:20]:
    (x, wanted), (x_new, wanted_new) = (
        tasks["U-Net"].objective.noised(z, rng.standard_normal(z.shape), np.full(len(z), t), pipeline.schedule)
        for z in (x_0, pipeline.encode(unseen.images))
    )
    x, wanted = by_places(x), wanted.reshape(-1, 49, 4).swapaxes(0, 1)
    fitted = np.linalg.solve(x.swapaxes(1, 2) @ x, x.swapaxes(1, 2) @ wanted)
    alone.append(((by_places(x_new) @ fitted - wanted_new.reshape(-1, 49, 4).swapaxes(0, 1)) ** 2).mean())

figure = Figure(figsize=(10, 3.4), dpi=110, layout="constrained")
way, by_time = figure.subplots(1, 2, sharey=True)
ends = {name: loss_of(task) for name, task in tasks.items()}
for name, colour in COLOURS.items():
    way.plot(np.arange(0, STEPS + 1, EVERY), [1, *curves[name]], color=colour, label=name)
    by_time.plot(times[:20], ends[name], color=colour)
way.axhline(np.mean(alone), color="0.2", linestyle=":", label="each place for itself")
by_time.plot(times[:20], alone, ":", color="0.2")
way.set(xlabel="steps", ylabel="loss, unseen digits", ylim=(0.2, 1.05))
by_time.set(xlabel="t: noise grows to the right")
way.legend(frameon=False)
show(figure, "20_race")
print(f"each place for itself: {np.mean(alone):.3f}")
assert curves["transformer"][2] < curves["U-Net"][2] and curves["U-Net"][-1] < 0.95 * curves["transformer"][-1]
assert curves["transformer"][-1] < np.mean(alone) < curves["without places"][-1] / 1.25

# %% [markdown]
# What do they draw? You should see digits from the U-Net, and from the transformer some that are none yet; without
# places all the right pieces of strokes, strewn over the picture. That network's loss on shuffled latents is the same
# as on digits.

# %%
drawn = {name: task.pipeline([f"a {word}" for word in WORDS], seed=3, steps=20) for name, task in tasks.items()}
show_rows(drawn, "20_drawn", headings=WORDS)
for name in ("transformer", "without places"):
    print(f"{name:14} loss on digits {ends[name].mean():.3f}, shuffled {loss_of(tasks[name], order=order).mean():.3f}")
assert np.allclose(loss_of(tasks["without places"], order=order), ends["without places"], atol=1e-3)
assert loss_of(tasks["transformer"], order=order).mean() > 1.5 * ends["transformer"].mean()

# %% [markdown]
# Convolutions do the same everywhere. So does the U-Net better on digits that are moved by 4 pixels, a place of the
# latents? You should see that it does not: both have learned where digits stand. The U-Net can know it, too: padding of
# zeros tells a convolution where the border is, on a map of 7 x 7 it is never far, and our U-Net's attention looks over
# all of it. What is built in makes the learning shorter. It is no promise for pictures that were never seen.

# %%
aside = np.zeros_like(unseen.images)
aside[:, :, 4:] = unseen.images[:, :, :-4]
moved = {name: loss_of(tasks[name], aside).mean() / ends[name].mean() for name in ("U-Net", "transformer")}
print("loss on moved digits, beside that on others:", {name: round(float(ratio), 2) for name, ratio in moved.items()})
assert all(1.3 < ratio < 1.9 for ratio in moved.values())

# %% [markdown]
# ## What a token looks at
#
# The weights of self-attention can be made visible as in chapter 8: a layer's queries and keys are there, and the plain
# formula makes the weights of them. First, how far each head looks, the mean distance by its weights (Dosovitskiy et
# al. 2021, figure 7). Who looks at all tokens alike has 3.57 on 7 x 7; who looks at the eight neighbours, 1.2.


# %%
def weights_of(network, t=400):
    """Of each block, (B, heads, 49, 49), while it looks at the unseen digits at t."""
    found = []
    for block in network.blocks:

        def watched(x, layer=block.attend_self, attend=block.attend_self.forward):
            query, key = (to(x).data.reshape(200, 49, layer.heads, -1) for to in (layer.to_query, layer.to_key))
            scores = np.einsum("bnhd,bmhd->bhnm", query, key) / np.sqrt(query.shape[-1])
            found.append(softmax_ref.forward(scores))
            return attend(x)

        block.attend_self.forward = watched
    x_t = pipeline.schedule.add_noise(pipeline.encode(unseen.images), noise, t).astype(np.float32)
    with no_grad():
        network(Tensor(x_t), np.full(200, t), Tensor(prompts.context), Tensor(prompts.pooled))
    for block in network.blocks:
        del block.attend_self.forward  # the layer's own is back
    return np.array(found)


far = {}
for name, network in {"fresh": make_denoiser(config, rng=rng), "trained": tasks["transformer"].network}.items():
    seen = weights_of(network).mean(axis=1)  # (blocks, heads, 49, 49), of 200 digits
    far[name] = np.array([mine("20.8")(of_block, 7, 7) for of_block in seen])
    print(f"{name:8}", *(f"{', '.join(f'{d:.2f}' for d in of_block)};" for of_block in far[name]))
nearest = int(far["trained"].mean(axis=1).argmin())
assert abs(far["fresh"] - 3.57).max() < 0.35 and far["trained"][nearest].mean() < 3.4 < far["fresh"].mean()

# %% [markdown]
# Nobody told it that neighbours matter, and after 250 steps it has hardly begun to find out. We look at the block that
# has most: what do five tokens (red) look at?
#
# You should see, in the mean of 200 digits, tokens of the middle look at the middle, where digits are, and those
# outside at the border. Where they look around themselves, that is a convolution in the making. In the last line a
# single six, by one head: tokens on its stroke look at its stroke, and those on the ground at the ground, wherever both
# lie. That no convolution does.

# %%
weights = weights_of(tasks["transformer"].network)[nearest]  # (200, heads, 49, 49)
ink = patchify(digits, 4).mean(axis=2) > 0.15  # (200, 49): where there is a stroke
to_ink = np.einsum("bhnm,bm->bhn", weights, ink).mean(axis=1)
print(f"share of the looks that go to the stroke: from it {to_ink[ink].mean():.0%}, from the ground", end=" ")
print(f"{to_ink[~ink].mean():.0%}; the stroke is {ink.mean():.0%} of the picture")
assert to_ink[ink].mean() > 1.5 * to_ink[~ink].mean()
chosen = (8, 10, 24, 27, 38)
figure = Figure(figsize=(10, 5.2), dpi=110, layout="constrained")
panels = figure.subplots(4, 6)
rows = [(f"head {head + 1}", seen[nearest, head]) for head in range(3)] + [("one digit", weights[0, 0])]
for row, (name, maps) in zip(panels, rows, strict=True):
    row[0].imshow(unseen.images[0] if name == "one digit" else unseen.images.mean(axis=0), cmap="gray")
    row[0].set_ylabel(name)
    for panel, n in zip(row[1:], chosen, strict=True):
        panel.imshow(maps[n].reshape(7, 7), cmap="gray", vmin=0)
        panel.plot(n % 7, n // 7, "o", color="tab:red", markersize=4)
    for panel in row:
        panel.set(xticks=(), yticks=())
show(figure, "20_maps")

# %% [markdown]
# ## On digits
#
# Ten seconds are no training. Here the two whole networks, of 1.27 million parameters each, were trained on MNIST for
# the same time, and measured as in chapter 11 (`minisd train --network unet`, `--network dit`; then `minisd eval`): how
# many of the test digits' prompts the judge reads as asked, the Frechet distance, and the recall.
#
# Before you look: the race says that the U-Net leads by a tenth of the loss after 250 steps. Will it still, after fifty
# times as many? And equal time is not equal work: which of the two takes more seconds for the same multiply-adds?

# %%
# THE DIGITS' TABLE: (network, minutes, accuracy, Frechet distance, recall), a line each.
DIGITS = ()

for network, minutes, accuracy, frechet, recall in DIGITS:
    print(f"{network:12} {minutes:3} minutes: accuracy {accuracy:6.1%}, Frechet {frechet:6.2f}, recall {recall:.2f}")

# %% [markdown]
# Where does each win, then? In our race the U-Net, which has few data and little time, and true prejudices. In the
# article the transformer, which has much of both. It is one block, repeated, and is made deeper and wider by two
# numbers; it is nothing but large products of matrices, which GPUs do best; and the Frechet distance of the article's
# falls evenly with their multiply-adds, whether these go into width, depth or smaller patches (their figure 8).
#
# ## What Stable Diffusion 3 and Flux do
#
# In our block the words are asked and never change. In theirs they are tokens as well, in the same row as the
# picture's: **joint attention** (Esser et al. 2024, "MM-DiT", figure 2). Each kind has weights of its own, for queries,
# keys, values, for the perceptron and the modulation, since a word is not a patch. But keys and values of both are laid
# behind each other, and one softmax goes over all. So words look at the picture, too, and "left" can learn what stands
# there. The pooled prompt goes with the time into adaLN-zero, as in ours. A picture of 1024 x 1024 is 128 x 128 x 16
# latents, and with p = 2 that is 4,096 tokens. Before the scores queries and keys are brought to one length, or they
# would grow until the training breaks. Flux has 19 such blocks and then 38 in which both kinds share one set of
# weights; its places are not added in the beginning, they turn queries and keys by an angle in every block, which makes
# the product know the displacement alone: the law of the cosine above, again.

# %% [markdown]
# ## Exercises
#
# 20.1 cuts a picture into tokens, 20.2 puts them back, 20.3 says where they lie. 20.4 is the modulated norm, and 20.5
# the block with its gates. 20.6 counts its parameters, 20.7 undoes a shuffle, 20.8 measures how far a head looks. 20.9
# to 20.11 want a number: scores of a picture, where attention takes over, the first step of a gate. In a shell: `minisd
# course check 20.1`; here: `check("20.1", patchify)`.
#
# ## Try
#
# 1. At how many tokens do scores and mixing cost as much as the linear layers of DiT-XL, words and condition aside?
#    Answer: at $(2 + 4) \cdot 1152 = 6912$; its 256 are far below.
# 2. Train the transformer with p = 7, one token. What can it still learn, and what do the places do for it? Answer: a
#    plain perceptron of all 196 numbers; one place says nothing.
# 3. Take the learning rate 0.002 for both. Who leads after 250 steps? And after 1,000?

# %%
assert (2 + 4) * 1152 == 6912
