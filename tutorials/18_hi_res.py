# %% [markdown]
# # 18. Hi-Res, a chain of U-Nets
#
# The model of chapter 1 draws 28 x 28 pixels, the first Stable Diffusion 512 x 512. People want more. "Hi-Res" is the
# name of two quite different ways to get it:
#
# 1. **A chain.** A second U-Net, with weights of its own, takes the first one's picture and draws it larger; a third
#    may follow. That is what an article on Stable Diffusion's structure, from which minisd grew, means by Hi-Res.
# 2. **The same network again.** The picture is enlarged by smoothing, half covered by noise, and the first U-Net draws
#    on from there, only larger: image-to-image. That is what the box "Hires. fix" of the well-known web interface does.
#
# minisd does both. Which one works, and why? And where do pixels come from that nobody has seen?
#
# You need chapters 9 and 10 (noise, drawing). It takes about 20 seconds.

# %%
import math
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from minisd.course import mine, show, show_rows, source
from minisd.data.components import connected_components
from minisd.data.sharp import sharpened
from minisd.data.strokes import draw_strokes
from minisd.diffusion.schedule import make_schedule
from minisd.evaluation import Judge, hires
from minisd.hires import HIRES_UNET, MOST_AUGMENTED, HiresInfo, Upscaler
from minisd.models.unet import UNetConfig, table
from minisd.pictures import to_bytes, to_unit_range
from minisd.pipeline import Pipeline
from minisd.pipeline.enlarging import by_img2img
from minisd.plots import draw_rows
from minisd.resizing import area_mean, bicubic, space_to_depth
from minisd.sharpness import edge_width


def show_large(rows, name):
    """As show_rows, with two pixels of the page for every pixel of a picture of 112 x 112."""
    figure, scale = draw_rows(rows), 2 * 112 / (110 * 0.78 * 0.94)
    figure.set_size_inches(scale * figure.get_size_inches())
    figure.axes[0].tick_params(labelsize=10 * scale)
    show(figure, name)


rng = np.random.default_rng(0)
pipeline, judge = Pipeline.load(), Judge.load()

# %% [markdown]
# ## What a small picture does not say
#
# Reduce a picture of 112 x 112 to 28 x 28, each pixel the mean of the 4 x 4 pixels that lie under it:
#
# $$\mathrm{small}_{ij} = \frac{1}{16} \sum_{a=0}^{3} \sum_{b=0}^{3} \mathrm{large}_{4i + a,\, 4j + b}$$
#
# These are 784 equations for 12,544 unknowns. Each equation has unknowns of its own, so none is idle, and
# 12,544 - 784 = 11,760 numbers are open: 15 of 16.
#
# It is not quite as bad. A pixel lies between 0 and 255. Where the mean is 0, all 16 are 0, and where it is 255, all
# are
# 255. What is open is open in grey pixels alone, and those are the border of the stroke.

# %%
drawn = draw_strokes(8, seed=3, size=112)  # by code, at any size: here the large truth is known
small = area_mean(drawn.images, 4)
grey = (small > 0) & (small < 255)
print(f"{small[0].size} equations, {drawn.images[0].size} unknowns, {drawn.images[0].size - small[0].size} open")
print(
    f"{grey.mean():.0%} of the small pixels are grey: {15 * grey.sum() / len(small):.0f} numbers of a picture are open"
)
assert drawn.images[0].size - small[0].size == 11_760
assert 0.05 < grey.mean() < 0.25

white = np.rint(small / 255 * 16).astype(int)  # of each block's 16 pixels, if all are black or white
bits = sum(math.log2(math.comb(16, k)) for k in white[0].flat)
print(f"in black and white alone, 2 to the {bits:.0f} pictures have the first one's area means")
assert bits > 500

# %% [markdown]
# So many, and here are three. Shuffle the 16 pixels of every block: no mean changes. Or give all 16 the mean itself.
#
# You should see three rows of pictures that look quite different. Reduced to 28 x 28 they are the same, to the last
# digit.


# %%
def shuffled(large):
    """The same pictures with the pixels of every 4 x 4 block in another order."""
    N, H, W = large.shape
    blocks = large.reshape(N, H // 4, 4, W // 4, 4).transpose(0, 1, 3, 2, 4).reshape(N, H // 4, W // 4, 16)
    blocks = rng.permuted(blocks, axis=-1).reshape(N, H // 4, W // 4, 4, 4)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(N, H, W)


blocks = small.repeat(4, axis=1).repeat(4, axis=2)
rows = {"drawn large": drawn.images, "shuffled": shuffled(drawn.images), "all the mean": blocks}
for picture in rows.values():
    assert np.allclose(area_mean(picture, 4), small, atol=1e-3)
assert abs(rows["shuffled"].astype(float) - drawn.images).mean() > 5
show_large({name: pictures[1:6] for name, pictures in rows.items()}, "18_same_means")

# %% [markdown]
# Which one is right? Nobody can tell from the 784 numbers. Only somebody who has seen strokes knows that they have
# smooth borders. So the missing pixels come from the training pictures, and from nowhere else.
#
# It also tells what kind of network is wanted. Train one to return the large picture, with the mean squared error as
# its loss, and the best that it can say is the mean of all pictures that fit (chapter 9): a blur. You should see the
# mean of many shufflings come close to the blocks of the third row. A diffusion model does not answer with the mean: it
# draws one of those that fit.

# %%
for count in (1, 10, 100):
    mean = np.mean([shuffled(drawn.images[:1]) for _ in range(count)], axis=0)
    off = abs(mean - blocks[:1])[grey[:1].repeat(4, axis=1).repeat(4, axis=2)].mean()
    print(f"the mean of {count:3} shufflings is {off:4.1f} off the blocks, where they are grey")
    assert off < 110 / math.sqrt(count)

# %% [markdown]
# ## What the pairs know
#
# The second network learns from pairs, small and large. MNIST has only 28 x 28. Two sources of large pictures are left:
#
# - `draw_strokes` draws its digits at any size. Their large pictures are true, but they look like drawings by code.
# - `sharpened` makes large ones of MNIST's. A grey pixel says how much of it the ink covered, so the contour is known
#   to a part of a pixel; drawn anew at 112 x 112, it is sharp.
#
# How good is the second? The first can tell: sharpen the small pictures, and hold them against the large truth.
#
# You should see `sharpened` nearer to it than smoothing is, and what is still wrong lie in corners, where strokes meet
# or end.

# %%
small_8 = np.rint(small).astype(np.uint8)
smooth, sharp = np.rint(bicubic(small_8, 4).clip(0, 255)).astype(np.uint8), sharpened(small_8)
differences = {name: abs(x.astype(int) - drawn.images) for name, x in (("bicubic", smooth), ("sharpened", sharp))}
for name, difference in differences.items():
    print(f"{name:10} {difference.mean():.1f} of 255 off")
assert differences["sharpened"].mean() < 0.8 * differences["bicubic"].mean()
show_large(
    {
        "28 x 28": small_8[:5],
        "bicubic": smooth[:5],
        "sharpened": sharp[:5],
        "the truth": drawn.images[:5],
        "sharpened is off": differences["sharpened"][:5],
    },
    "18_pairs",
)

# %% [markdown]
# And what can no pair know? What is smaller than a small pixel. Two hairs side by side, one large pixel wide each, with
# a gap between them, and one stroke as wide as both: the area means are the same, so whoever sees only these must give
# the same answer to both.

# %%
hairs, stroke = np.zeros((2, 1, 112, 112), np.uint8)
hairs[:, 20:92, [56, 58]] = 255
stroke[:, 20:92, 56:58] = 255
one, other = (np.rint(area_mean(x, 4)).astype(np.uint8) for x in (hairs, stroke))
assert np.array_equal(one, other) and np.array_equal(sharpened(one), sharpened(other)) and np.any(hairs != stroke)
print("two hairs and one stroke: the same small picture, so the same large one")

# %% [markdown]
# ## The chain, on paper
#
# $$28 \times 28 \;\xrightarrow{\ \text{U-Net}\ }\; 56 \times 56 \;\xrightarrow{\ \text{U-Net}\ }\; 112 \times 112$$
#
# Each link is a diffusion model of the pictures of twice the side. It begins with noise, as in chapter 10. That it
# draws *this* digit it knows from the small picture, the hint, and it is told it in the plainest way there is: the hint
# is laid beside $x_t$ as a channel more, at every step.
#
# For that both must have the same size. Ho et al. (2022) enlarge the hint. minisd goes the other way: every 2 x 2
# pixels of $x_t$ are laid into channels. Nothing is lost, and the network computes at the size of the hint, on a
# quarter of the pixels.

# %%
x_t, hint = np.zeros((1, 56, 56, 1)), np.zeros((1, 28, 28, 1))
in_channels = space_to_depth(x_t)
seen = np.concatenate([in_channels, hint], axis=-1)
print(f"x_t {x_t.shape} -> {in_channels.shape}; beside the hint {hint.shape}: {seen.shape}")
assert seen.shape == (1, 28, 28, 5)
assert seen.shape[-1] == HIRES_UNET.latent_channels + HIRES_UNET.hint_channels == table(HIRES_UNET).down[0][0].inputs
source(Upscaler.double)

# %% [markdown]
# Ho et al. have a network for each size. One may do for both, if strokes look alike at 56 and at 112 pixels, and they
# do: it was trained on both.
#
# ## What it costs
#
# A convolution takes $9\, C\, O$ multiply-adds a pixel. Twice the side are four times the pixels, so the second link
# costs four times the first. No attention is in this network: that would cost sixteen times.
#
# You should see a network that is small beside the first one, and makes up for it by the size of its maps.


# %%
def work(config, side):
    """Multiply-adds of a U-Net's convolutions for one look at one picture of side x side."""
    down, middle, up = table(config)
    size, total = side, 9 * side * side * config.levels[0].channels * config.latent_channels  # the last one
    sizes = [side]
    for layer in (layer for row in (*down, middle, *up) for layer in row):
        if layer.kind == "halve":
            size = (size + 1) // 2
            sizes.append(size)
        elif layer.kind == "double":
            sizes.pop()
            size = sizes[-1]
        C, O = layer.inputs, layer.outputs
        if layer.kind == "residual":
            total += size * size * (9 * C * O + 9 * O * O + (C * O if C != O else 0))
        elif layer.kind != "attention":
            total += size * size * 9 * C * O
    return total


steps = HiresInfo().steps
links = {"28 to 56": work(HIRES_UNET, 28), "56 to 112": work(HIRES_UNET, 56)}
first = 75 * work(pipeline.denoiser.config, 7)  # 50 steps, of which 25 are guided and look twice
print(f"the first model, 7 x 7 latents: {first / 1e6:,.0f} million multiply-adds for a drawing")
for name, one_look in links.items():
    print(f"{name:>9}: {one_look / 1e6:,.0f} million a look, {steps * one_look / 1e6:,.0f} million in {steps} steps")
assert links["56 to 112"] == 4 * links["28 to 56"]
assert max(level.channels for level in HIRES_UNET.levels) < 96 == pipeline.denoiser.config.levels[-1].channels

# %% [markdown]
# Why do few channels and few steps do? The first model had to decide what to draw: which digit, how slanted, how thick.
# All that is settled. What is left is how a border runs within a pixel, and its neighbours say that.
#
# ## Noise on the hint
#
# There is a catch. In training the hint is a real picture made small. In drawing it is the first model's picture, which
# has faults: soft borders, specks, a grey veil. A network that has only met perfect hints has learned to believe every
# pixel, and enlarges the faults as well.
#
# The cure (Ho et al. 2022) is to spoil the hint on purpose, with noise like any other, of a time s of its
# own, anew for each picture of the training:
#
# $$\mathrm{hint} = \sqrt{\bar\alpha_s}\; \mathrm{small} + \sqrt{1 - \bar\alpha_s}\; \varepsilon', \qquad
# s \text{ uniform in } 0 \ldots 300$$
#
# Faults that lie below the noise cannot be told from it, so the network learns not to copy them but to draw anew what
# ought to be there. And it is told s, as it is told t, so that it knows how much to believe. When drawing, s is ours to
# choose.
#
# You should see what each s covers: at 50, minisd's choice, a grey veil; at 300 the borders of the strokes, too.

# %%
schedule = make_schedule(HiresInfo().schedule, HiresInfo().timesteps)
LEVELS = (0, 50, 150, MOST_AUGMENTED)
noise = rng.standard_normal(small_8.shape)
hints = {}
for s in LEVELS:
    hints[f"s = {s}"] = to_bytes(schedule.add_noise(to_unit_range(small_8), noise[..., None], np.full(len(noise), s)))
    deviation = 127.5 * math.sqrt(1 - schedule.alpha_bar[s])
    print(f"s = {s:3}: noise of deviation {deviation:4.1f} of 255, the picture at {schedule.alpha_bar[s] ** 0.5:.3f}")
assert 8 < 127.5 * math.sqrt(1 - schedule.alpha_bar[50]) < 16
show_rows({name: pictures[:6] for name, pictures in hints.items()}, "18_hints")

# %% [markdown]
# ## How sharp is sharp?
#
# "It looks sharper" is not a measurement. Walk across an edge, from dark to light, and note the grey level: how far is
# it from 10% to 90% of the rise? Three edges can be done on paper:
#
# - A straight ramp over $w$ pixels: 80% of it, $0.8\,w$.
# - A step blurred by a Gaussian of deviation $\sigma$: the level is $\Phi(u / \sigma)$, which is 0.1 at $u = -1.2816\,
#   \sigma$ and 0.9 at $+1.2816\,\sigma$. So the width is $2.563\,\sigma$.
# - From one pixel to the next there is a straight line, so the sharpest edge of all is 0.8 pixels wide.
#
# You should see the library agree with the paper.

# %%
on_a_walk = mine("18.5")  # yours, once it is written
u = np.arange(64) - 31.5
phi = np.array([0.5 * (1 + math.erf(x / 2 / math.sqrt(2))) for x in u])  # sigma = 2
for name, profile, wanted in (
    ("a ramp of 8 pixels", np.clip(u / 8 + 0.5, 0, 1), 6.4),
    ("a Gaussian's, sigma = 2", phi, 2 * 1.2816 * 2),
    ("a step", u > 0, 0.8),
):
    measured, walked = edge_width(profile * np.ones((1, 64, 1))), on_a_walk(np.asarray(profile, float))
    print(f"{name:24} {measured:.2f} pixels in a picture, {walked:.2f} on the walk; on paper {wanted:.2f}")
    assert abs(measured - wanted) < 0.1 and abs(walked - wanted) < 0.1

# %% [markdown]
# And an enlarged edge? A perfect border runs somewhere through the small pixels; we reduce it to 28 x 28 and enlarge it
# by 4, by cubic convolution. It depends on where it ran: between two pixels it is narrowest, through the middle of one
# it is widest. Either way it is four small pixels' width that nothing can win back by smoothing.

# %%
figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
widths = {}
for panel, (name, offset) in zip(
    figure.subplots(1, 2, sharey=True), (("between two pixels", 0), ("through a pixel", 0.5)), strict=True
):
    truth = ((np.arange(112) + 0.5) / 4 > 14 + offset) * 255.0
    reduced = area_mean(truth * np.ones((1, 112, 1)), 4)
    enlarged = bicubic(reduced, 4)[0, 50]
    widths[name] = edge_width(bicubic(reduced, 4))
    x = np.arange(112) - 56 - 4 * offset + 0.5
    panel.plot(x, truth, color="0.55", drawstyle="steps-mid", linewidth=1.5)
    panel.plot(x, enlarged, color="tab:blue", linewidth=2)
    low, high = enlarged.min(), enlarged.max()
    for part in (0.1, 0.9):
        panel.axhline(low + part * (high - low), color="tab:red", linewidth=0.8, linestyle="--")
    panel.text(-9.6, low + 0.9 * (high - low) - 24, "90%", color="tab:red", fontsize=10)
    panel.text(7.6, low + 0.1 * (high - low) + 8, "10%", color="tab:red", fontsize=10)
    panel.text(3.4, 130, f"bicubic:\n{widths[name]:.1f} pixels", color="tab:blue", fontsize=11)
    panel.text(-9.6, 130, f"the border:\n{edge_width(truth * np.ones((1, 112, 1))):.1f}", color="0.4", fontsize=11)
    panel.set(title=f"a border {name}", xlabel="large pixels from the border", xlim=(-10, 10))
    panel.spines[["top", "right"]].set_visible(False)
show(figure, "18_edges")
assert 3.4 < widths["between two pixels"] < 3.9 and 6.2 < widths["through a pixel"] < 6.7

# %% [markdown]
# One warning. The measure can be cheated. Cut the blocks of 4 x 4 into black and white: their borders are as sharp as
# any, and nobody wants them. So there are two more measures beside it, whether the digit is the same when the picture
# is made small again, and whether there is as much ink. And one looks.

# %%
jagged = np.where(blocks > 127, 255, 0)
for name, large in (("jagged", jagged), ("bicubic", smooth), ("sharpened", sharp), ("the truth", drawn.images)):
    again = np.rint(area_mean(large, 4)).astype(np.uint8)
    same, ink = (judge.digits(again) == judge.digits(small_8)).mean(), again.sum() / small_8.sum()
    print(f"{name:10} edges of {edge_width(large):.2f} pixels, the same digit in {same:.0%}, ink {ink:.2f}")
assert edge_width(jagged) < edge_width(drawn.images) < edge_width(smooth) / 2
show_large({"jagged": jagged[1:6], "the truth": drawn.images[1:6]}, "18_jagged")

# %% [markdown]
# ## The three ways, side by side
#
# `minisd draw "a seven" --size 112` goes through the chain; `--hires img2img` and `--hires bicubic` are the other ways.
# `minisd hires` measures them, best on many drawings; here are 6.
#
# You should see edges that are more than twice as sharp as smoothing makes them, in both ways of Hi-Res, and digits
# that are kept. But look at the ink, and at the pictures. The chain keeps it. Image-to-image loses almost a third of
# it: its strokes are full of holes, and the sharp edges that were measured are those of grains.

# %%
report, pictures = hires.compare(pipeline, judge, count=6, size=112, say=lambda line: None)
print(*hires.table(report, 112), sep="\n")
measured = {way.way: way for way in report}
assert measured["chain"].sharper > 2 and measured["chain"].same_digit >= 0.8 and abs(measured["chain"].ink - 1) < 0.06
assert measured["img2img"].sharper > 2 and measured["img2img"].ink < 0.85 and measured["img2img"].same_digit >= 0.8
show_large({name: pictures[name][1:6] for name in ("drawing", "bicubic", "img2img", "chain")}, "18_ways")

# %% [markdown]
# One thing that the averages do not tell. The neck of the 5 is faint in the drawing. Smoothing leaves it faint; the
# chain has to say ink or ground, and it said ground. You should see one 5 in one piece, and one in two.

# %%
for name, wanted in (("drawing", 1), ("chain", 2)):
    pieces = connected_components(pictures[name][5] > 64).max()
    print(f"{name}: the 5 has {pieces} {'piece' if pieces == 1 else 'pieces'}")
    assert pieces == wanted

# %% [markdown]
# ## The same network again
#
# Why does image-to-image do that? The first model has seen strokes of two or three pixels all its life. Enlarged by 4
# they are ten pixels wide, and no digit that it knows looks so. The noise decides who wins. With little noise the
# enlarged picture stays as it is, and so does its blur. With more, the network sees ink where by all that it knows
# there is too much of it, and tears it up. With still more it draws what it knows, all over the picture: lines that are
# two or three pixels wide.
#
# You should see holes in the strokes, ever more of them as the strength grows: pixels that lie deep in the ink of the
# enlarged picture, and are dark afterwards.

# %%
prompts = ["a three", "a nine"]
drawings = pipeline.draw(prompts, seed=1)
deep = bicubic(drawings, 4) > 240
by_strength, holes = {}, {}
for strength in (0.1, 0.3, 0.6):
    large = by_img2img(pipeline, drawings, prompts, 112, 1, strength=strength)
    by_strength[f"strength {strength}"] = large
    holes[strength] = (large[deep] < 128).mean()
    print(
        f"strength {strength}: {holes[strength]:4.0%} of the deep ink is dark; edges of {edge_width(large):.1f} pixels"
    )
assert holes[0.1] < 0.05 and holes[0.1] < holes[0.3] < holes[0.6]
show_large({"drawing": drawings.repeat(4, axis=1).repeat(4, axis=2), **by_strength}, "18_same_network")

# %% [markdown]
# Stable Diffusion gets away with it, and the reason is in its training pictures. Photographs have details of every
# size: a face fills the picture in one and is a speck in another. So at 1024 x 1024 its network still meets things that
# it knows. Digits come in one size.
#
# ## The second network forgives, or not
#
# We spoil small pictures with light specks, faults as a first model might make, and double them, with the hint noised
# to different s.
#
# You should see that hardly a speck comes through, at any s, though smoothing would keep them all. The forgiving is in
# the weights by now: the training put it there, with noise on every hint and none on what was wanted. So when drawing,
# little noise is enough. With much, what the hint said of the digit goes as well, and strokes wander: that is the
# price.

# %%
upscaler = pipeline.hires
spoiled, where = small_8.copy(), np.zeros(small_8.shape, bool)
for picture, places in zip(small_8, where, strict=True):
    ink = np.argwhere(picture > 0)
    far = [place for place in np.argwhere(picture == 0) if np.abs(ink - place).max(axis=1).min() >= 3]
    places[tuple(rng.permutation(far)[:8].T)] = True
spoiled[where] = 160
at_56, copied, off = {"the hint": spoiled}, {}, {}
for s in LEVELS:
    dialled = Upscaler(upscaler.unet, replace(upscaler.info, augmentation=s))
    at_56[f"s = {s}"] = large = dialled.double(spoiled, seed=0)
    again = area_mean(large, 2)
    copied[s], off[s] = again[where].mean() / 160, abs(again - small_8)[small_8 > 0].mean()
    print(f"s = {s:3}: {copied[s]:4.0%} of the specks is copied; strokes are {off[s]:4.1f} of 255 off")
assert max(copied.values()) < 0.2 and off[MOST_AUGMENTED] > 1.3 * off[0]
show_large({name: large[1:6] for name, large in at_56.items()}, "18_forgiving")

# %% [markdown]
# ## How few steps
#
# Since the hint says nearly everything, few steps do.
#
# You should see edges that are as sharp after four steps as after sixteen. One step alone is the mean of all pictures
# that fit, and it is the softest.

# %%
edges = {}
for steps in (1, 2, 4, 16):
    large = upscaler.double(small_8, seed=0, steps=steps)
    edges[steps] = edge_width(large)
    same = (judge.digits(np.rint(area_mean(large, 2)).astype(np.uint8)) == judge.digits(small_8)).mean()
    print(f"{steps:2} steps: edges of {edges[steps]:.2f} pixels, the same digit in {same:.0%}")
assert edges[1] > 1.1 * edges[4] and abs(edges[4] - edges[16]) < 0.25

# %% [markdown]
# ## What the real Stable Diffusion does
#
# | | network | from, to | told the small picture by |
# |---|---|---|---|
# | "Hires. fix" (web interfaces) | the same | 512 to 1024 and more | the start: enlarged, noised (Meng et al. 2022) |
# | SDXL's refiner (Podell et al. 2023) | a second, for little noise | 1024 to 1024 | the start, too; nothing grows |
# | Stable Diffusion's x4 upscaler | a second | 128 to 512 | 3 channels beside 4 latent ones, and s up to 350 |
# | Imagen (Saharia et al. 2022), Ho et al. 2022 | a chain | 64, 256, 1024 | 3 channels beside 3, and s |
# | ESRGAN and its like | one look, no diffusion | by 4 | its input |
# | ours | a second, used twice | 28, 56, 112 | 1 channel beside 4, and s up to 300 |
#
# Nearest to ours is the x4 upscaler: the small picture laid beside the latents, noise on it, and the network told how
# much. The article's "chain of U-Nets" is that, and Imagen. What most people call "Hires. fix" is no chain: one
# network, used twice. It is needed because a network trained on 512 x 512 and asked for 1024 x 1024 at once draws the
# subject two times over: its first pass at 512 settles where things are.

# %%
x4_upscaler = UNetConfig(latent_channels=4, hint_channels=3)
print("channels of the first convolution, ours and the x4 upscaler's:", end=" ")
print(*(table(config).down[0][0].inputs for config in (HIRES_UNET, x4_upscaler)))
assert table(x4_upscaler).down[0][0].inputs == 7 and table(HIRES_UNET).down[0][0].inputs == 5
assert MOST_AUGMENTED == 300

# %% [markdown]
# ## Exercises
#
# 18.1 to 18.3 are the area mean, its gradient, and the large picture that fits a small one; 18.4 has the weights of
# cubic convolution, 18.5 the width of an edge. 18.6 lays pixels into channels, 18.7 makes a pair for the training, and
# 18.8 drives the chain. 18.9 to 18.11 want a number: work, what is open, memory. In a shell: `minisd course check
# 18.1`; here: `check("18.1", block_mean)`.
#
# ## Try
#
# 1. How many times more multiply-adds would a third link take, 112 to 224, than the second? Answer: four times.
# 2. Why is a jagged picture as sharp as the truth, and yet no good? Answer: its borders run along the grid of the small
#    pixels, not along the stroke.
# 3. How wide is a border that a Gaussian of deviation 1 pixel has blurred? Answer: 2.56 pixels.

# %%
assert work(HIRES_UNET, 112) == 4 * work(HIRES_UNET, 56)
assert round(2 * 1.2816, 2) == 2.56
