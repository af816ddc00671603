# %% [markdown]
# # 14. From the toy to the real Stable Diffusion
#
# Thirteen chapters of digits of 28 x 28. Is this how Stable Diffusion works, or a cartoon of it? Here the two stand
# side by side: every size, every count, and every choice that differs. The claim to be checked is that they are one
# design: in minisd they are the same classes, and what differs are the values of a configuration.
#
# You need chapters 5 to 10. It takes about ten seconds: no weight of the large networks is made or downloaded, since
# their counts follow from their shapes.

# %%
import time
from collections import Counter
from dataclasses import asdict, fields, replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import window_output_size

from minisd.autograd import Tensor, no_grad
from minisd.course import mine, show
from minisd.diffusion.schedule import make_schedule
from minisd.models.clip import CLIPConfig, TextEncoder
from minisd.models.levels import Layer, Level
from minisd.models.unet import UNet, UNetConfig
from minisd.models.unet import table as unet_table
from minisd.models.vae import VAE, VAEConfig, decoder_table, encoder_table
from minisd.pipeline import Pipeline
from minisd.shapes.claims import check_claims

# %% [markdown]
# ## Three configurations
#
# Stable Diffusion 1.x and 2.x differ from each other in the text encoder and in the heads; their VAE is one.
# `tests/parity/test_diffusers.py` builds small networks of these forms, gives them the weights of the `diffusers` and
# `transformers` libraries' own, and finds the same outputs to a part in 100,000.

# %%
toy = Pipeline.load()
OURS, OUR_VAE, OUR_TEXT = toy.denoiser.config, toy.vae.config, toy.clip.config

SD_1 = UNetConfig(
    levels=(Level(320, 2, heads=8), Level(640, 2, heads=8), Level(1280, 2, heads=8), Level(1280, 2)),
    middle=Level(1280, 2, heads=8),
    copies="block",
    groups=32,
    context_width=768,
    pooled_width=None,
    time_width=1280,
    projections=True,
    activation="geglu",
    expansion=4,
)
SD_2 = replace(
    SD_1,
    levels=(Level(320, 2, heads=5), Level(640, 2, heads=10), Level(1280, 2, heads=20), Level(1280, 2)),
    middle=Level(1280, 2, heads=20),
    context_width=1024,
)
SD_VAE = VAEConfig(
    image_channels=3,
    levels=(Level(128, 2), Level(256, 2), Level(512, 2), Level(512, 2)),
    middle=Level(512, 2, heads=1),
    resampling="nearest",
    quant_convs=True,
    groups=32,
    eps=1e-6,
)
TEXT_1 = CLIPConfig(
    vocabulary=49408,
    end_id=49407,
    context_length=77,
    width=768,
    layers=12,
    heads=12,
    bias=True,
    activation="quick_gelu",
    embedding_width=None,
)
TEXT_2 = replace(TEXT_1, width=1024, layers=23, heads=16, activation="gelu", padding_id=0)


def row(name, *values):
    """A line of a table."""
    print(f"{name:28}" + "".join(f"{value if isinstance(value, str) else f'{value:,}':>17}" for value in values))


# %% [markdown]
# ## Every size beside ours
#
# A picture of $H \times W$ pixels becomes latents of $H/f \times W/f$, where $f$ is 4 for the toy and 8 for Stable
# Diffusion. The U-Net works on those; each of its levels is half as large as the one above, rounded up: a 3 x 3 window,
# padding 1, stride 2, so $\lfloor (n + 2 - 3)/2 \rfloor + 1 = \lceil n/2 \rceil$ (chapter 2). A pixel is a token of the
# attention (chapter 8).


# %%
def sides(latents, levels):
    """The side of every level's maps."""
    sizes = [latents]
    for _ in range(levels - 1):
        sizes.append(window_output_size(sizes[-1], window=3, stride=2, padding=1))
    return sizes


row("", "ours", "SD 1.5", "SD 2.1")
PICTURE, LATENT = (28, 512, 768), (28 // OUR_VAE.factor, 512 // SD_VAE.factor, 768 // SD_VAE.factor)
row("picture", "28 x 28 x 1", "512 x 512 x 3", "768 x 768 x 3")
row("latents", *(f"{side} x {side} x 4" for side in LATENT))
row(
    "numbers, picture / latents",
    *(f"{p * p * c / (z * z * 4):.0f}" for p, z, c in zip(PICTURE, LATENT, (1, 3, 3), strict=True)),
)
SIZES = [sides(z, len(config.levels)) for z, config in zip(LATENT, (OURS, SD_1, SD_2), strict=True)]
for depth in range(4):
    cells = []
    for config, sizes in zip((OURS, SD_1, SD_2), SIZES, strict=True):
        if depth < len(config.levels):
            cells.append(f"{sizes[depth]} x {sizes[depth]} x {config.levels[depth].channels}")
        else:
            cells.append("-")
    row(f"U-Net, level {depth}", *cells)
    heads = [c.levels[depth].heads if depth < len(c.levels) else None for c in (OURS, SD_1, SD_2)]
    widths = [c.levels[depth].channels // h if h else 0 for c, h in zip((OURS, SD_1, SD_2), heads, strict=True)]
    row("    heads x width", *(f"{h} x {w}" if h else "-" for h, w in zip(heads, widths, strict=True)))
    row("    pixels that are tokens", *(s[depth] ** 2 if h else "-" for s, h in zip(SIZES, heads, strict=True)))
row("prompt: tokens x width", *(f"{t.context_length} x {t.width}" for t in (OUR_TEXT, TEXT_1, TEXT_2)))
row("    layers, heads", *(f"{t.layers}, {t.heads}" for t in (OUR_TEXT, TEXT_1, TEXT_2)))
row("    vocabulary", *(t.vocabulary for t in (OUR_TEXT, TEXT_1, TEXT_2)))
row("time embedding", *(f"{c.levels[0].channels} -> {c.time_width}" for c in (OURS, SD_1, SD_2)))
assert SIZES == [[7, 4], [64, 32, 16, 8], [96, 48, 24, 12]]
assert 512 * 512 * 3 == 48 * 64 * 64 * 4 and 28 * 28 == 4 * 7 * 7 * 4

# %% [markdown]
# To scale: a map's height is its side in pixels, its width a fortieth of its channels. Ours is the small one.

# %%
figure = Figure(figsize=(9, 4.6), dpi=110, layout="constrained")
panel = figure.subplots()
at = 0.0
for name, config, sizes, colour in (
    ("ours", OURS, SIZES[0], "tab:orange"),
    ("Stable Diffusion 1.5", SD_1, SIZES[1], "tab:blue"),
):
    begin = at
    for level, side in zip(config.levels, sizes, strict=True):
        width = level.channels / 40
        panel.add_patch(Rectangle((at, -side / 2), width, side, facecolor=colour, alpha=0.75, edgecolor="black"))
        below = -side / 2 - 1.5
        panel.text(at + width / 2, below, f"{side} x {side}\nx {level.channels}", ha="center", va="top", fontsize=9)
        at += max(width, 8) + 6
    panel.text(begin, 37, f"{name}: the levels of its U-Net", color=colour, fontsize=11)
    at += 18
panel.set(xlim=(-4, at - 10), ylim=(-43, 42), aspect="equal")
panel.set_axis_off()
show(figure, "14_maps")

# %% [markdown]
# ## Parameters, counted from the shapes
#
# A network's table lists its layers with their channels. What each kind of layer has:
#
# $$\text{convolution}: k^2 C O + O \qquad \text{linear}: C O + O \qquad \text{norm}: 2C$$
#
# Two kinds of layer are made of others, and counting them is an exercise: 14.1 the residual block (chapter 5) and 14.2
# the transformer (chapter 8). `mine` takes your functions if you have written them, else the library's: so the sizes
# of Stable Diffusion below may be your own count.
#
# The rest is adding up. Does it come out right? Small networks tell: we count a thin one of the same form by the
# formulas, and then its arrays.

# %%
residual, transformer = mine("14.1"), mine("14.2")


def conv(C, O, k=3):
    return k * k * C * O + O


def linear(C, O):
    return C * O + O


def of_unet(config):
    """A U-Net of Stable Diffusion's form."""
    down, middle, up = unet_table(config)
    first, time = config.levels[0].channels, config.time_width
    total = linear(first, time) + linear(time, time) + 2 * first + conv(first, config.latent_channels)
    for kind, C, O, _ in [layer for part in (*down, middle, *up) for layer in part]:
        if kind == "residual":
            total += residual(C, O, time)
        elif kind == "attention":
            total += transformer(C, config.context_width)
        else:
            total += conv(C, O)
    return total


def of_vae(config):
    encoder, decoder, z = encoder_table(config), decoder_table(config), config.latent_channels
    smallest, largest = encoder[-1].outputs, decoder[-1].outputs
    total = 2 * smallest + conv(smallest, 2 * z) + 2 * largest + conv(largest, config.image_channels)
    total += conv(2 * z, 2 * z, 1) + conv(z, z, 1)
    for kind, C, O, _ in [*encoder, *decoder]:
        if kind == "residual":
            total += residual(C, O, None)
        elif kind == "attention":
            total += 2 * C + 4 * linear(C, C)
        else:
            total += conv(C, O)
    return total


def of_text(config):
    D = config.width
    block = 2 * D + 4 * linear(D, D) + 2 * D + linear(D, 4 * D) + linear(4 * D, D)
    return (config.vocabulary + config.context_length) * D + config.layers * block + 2 * D


rng = np.random.default_rng(0)
narrow = tuple(replace(level, channels=channels) for level, channels in zip(SD_1.levels, (32, 64, 64, 64), strict=True))
thin_unet = replace(SD_1, levels=narrow, middle=replace(SD_1.middle, channels=64), context_width=24, time_width=40)
thin_vae = replace(SD_VAE, levels=(Level(32, 2), Level(64, 2)), middle=Level(64, 2, heads=1))
thin_text = replace(TEXT_1, vocabulary=600, end_id=599, width=24, layers=3, heads=2)
thin = {
    "U-Net": (of_unet, UNet, thin_unet),
    "VAE": (of_vae, VAE, thin_vae),
    "text encoder": (of_text, TextEncoder, thin_text),
}
for name, (count, kind, config) in thin.items():
    made = kind(config, rng=rng).parameter_count()
    print(f"a thin {name}: {count(config):,} by the formulas, {made:,} in its arrays")
    assert count(config) == made

# %% [markdown]
# The formulas hold. So here are the real ones: the numbers of the published files, to the last parameter.

# %%
COUNTS = {
    "U-Net": (toy.denoiser.parameter_count(), of_unet(SD_1), of_unet(SD_2)),
    "VAE": (toy.vae.parameter_count(), of_vae(SD_VAE), of_vae(SD_VAE)),
    "text encoder": (toy.clip.text.parameter_count(), of_text(TEXT_1), of_text(TEXT_2)),
}
row("parameters", "ours", "SD 1.5", "SD 2.1")
for name, counts in COUNTS.items():
    row(name, *counts)
TOTAL = [sum(counts) for counts in zip(*COUNTS.values(), strict=True)]
row("together", *TOTAL)
row("float32, in MB", *(f"{4 * total / 1e6:,.1f}" for total in TOTAL))
row("float16, in MB", *(f"{2 * total / 1e6:,.1f}" for total in TOTAL))
assert COUNTS["U-Net"][1:] == (859_520_964, 865_910_724)
assert COUNTS["VAE"][1] == 83_653_863
assert COUNTS["text encoder"][1:] == (123_060_480, 340_387_840)

# %%
figure = Figure(figsize=(8, 4), dpi=110, layout="constrained")
panel = figure.subplots()
at = 0.0
squares = [(name, counts[1]) for name, counts in COUNTS.items()] + [("all of ours", TOTAL[0])]
for name, count in sorted(squares, key=lambda square: -square[1]):
    side = count**0.5 / 1000
    panel.add_patch(
        Rectangle(
            (at, 0), side, side, color="tab:orange" if name == "all of ours" else "tab:blue", alpha=0.75, linewidth=0
        )
    )
    panel.text(at, -1.2, f"{name}\n{count / 1e6:,.1f} million", va="top", fontsize=10)
    at += max(side, 14) + 3
panel.set(xlim=(-1, at + 3), ylim=(-7, 31), aspect="equal")
panel.set_axis_off()
panel.set_title("A square's area is its number of parameters (Stable Diffusion 1.5, and ours)", fontsize=11)
show(figure, "14_parameters")
assert 500 < TOTAL[1] / TOTAL[0] < 700

# %% [markdown]
# ## Work: multiply-adds and seconds
#
# A convolution takes $k^2 C O$ multiply-adds for each pixel of its output, a linear layer $C O$ a token, and attention
# of $N$ tokens to $M$ takes $2 N M C$ besides its linear layers: every token with every other, once for the scores and
# once for the sum. That last one grows with the fourth power of the picture's side.


# %%
def work(config, side, tokens):
    """Multiply-adds of one pass of the U-Net, by kind."""
    total = Counter()
    down, middle, up = unet_table(config)
    sizes = sides(side, len(config.levels))
    depth, first = 0, config.levels[0].channels
    for kind, C, O, _ in [layer for part in (*down, middle, *up) for layer in part]:
        depth += kind == "halve"
        N = sizes[depth] ** 2
        if kind == "residual":
            total["convolution"] += N * (9 * C * O + 9 * O * O + (C * O if C != O else 0))
        elif kind == "attention":
            perceptron = (3 if config.activation == "geglu" else 2) * config.expansion * C * C
            around = 2 * C * C if config.projections else 0
            total["linear"] += N * (4 * C * C + 2 * C * C + perceptron + around) + 2 * tokens * config.context_width * C
            total["scores and their sum"] += 2 * N * N * C + 2 * N * tokens * C
        elif kind == "double":
            depth -= 1
            total["convolution"] += sizes[depth] ** 2 * 9 * C * O
        else:
            total["convolution"] += N * 9 * C * O
    total["convolution"] += side * side * 9 * first * config.latent_channels
    return total


def decoding(config, side):
    """Multiply-adds of the decoder, from latents of this side."""
    strided = config.resampling == "strided"
    total, layers = 0, decoder_table(config)
    last = Layer("double" if strided else "conv", layers[-1].outputs, config.image_channels)
    for kind, C, O, _ in [*layers, last]:
        if kind == "double":
            side *= 2
        N = side * side
        if kind == "residual":
            total += N * (9 * C * O + 9 * O * O + (C * O if C != O else 0))
        elif kind == "attention":
            total += N * 4 * C * C + 2 * N * N * C
        else:  # of a 4 x 4 window that doubles, each pixel is met by 4 taps
            total += N * C * O * (4 if strided and kind == "double" else 9)
    return total


WORK = [
    work(c, z, t.context_length) for c, z, t in zip((OURS, SD_1, SD_2), LATENT, (OUR_TEXT, TEXT_1, TEXT_2), strict=True)
]
row("million multiply-adds", "ours", "SD 1.5, 512", "SD 2.1, 768")
for kind in WORK[1]:
    row(f"    {kind}", *(f"{of[kind] / 1e6:,.1f}" for of in WORK))
row("one pass of the U-Net", *(f"{sum(of.values()) / 1e6:,.1f}" for of in WORK))
passes = 2 * 50  # guidance asks twice
row("fifty steps with guidance", *(f"{passes * sum(of.values()) / 1e6:,.0f}" for of in WORK))
DECODING = [decoding(c, z) for c, z in zip((OUR_VAE, SD_VAE, SD_VAE), LATENT, strict=True)]
row("decoding, once", *(f"{once / 1e6:,.1f}" for once in DECODING))
assert round(DECODING[1] / 1e9) == 1257 and round(sum(WORK[1].values()) / 1e9) == 402
assert (
    abs(2 * 2 * sum(WORK[1].values()) / 1607e9 - 1) < 0.01
)  # operations for a batch of two, as was counted in PyTorch
twice = work(SD_1, 128, 77)
assert twice["convolution"] / WORK[1]["convolution"] == 4
assert 15 < twice["scores and their sum"] / WORK[1]["scores and their sum"] < 16

# %% [markdown]
# How long is that? We time our U-Net, and ask how long Stable Diffusion's pass would take at the same speed. The guess
# is too long: larger layers use the processor better (chapter 12). Measured with minisd's kernels on two cores of a
# server, a pass of two pictures took 15 seconds of processor time, and 20 steps about three minutes.

# %%
x_t, t = Tensor(rng.standard_normal((16, 7, 7, 4), dtype=np.float32)), np.full(16, 500)
context, pooled = (np.repeat(part, 16, 0) for part in toy.encode_prompts(["a seven"]))
seconds = []
with no_grad():
    for _ in range(4):
        start = time.perf_counter()
        predicted = toy.denoiser(x_t, t, Tensor(context), Tensor(pooled))
        seconds.append((time.perf_counter() - start) / 16)
assert predicted.shape == (16, 7, 7, 4)
ratio = sum(WORK[1].values()) / sum(WORK[0].values())
print(
    f"ours: {1e3 * min(seconds):.2f} ms a picture and pass, {2e-9 * sum(WORK[0].values()) / min(seconds):.0f} GFLOP/s"
)
print(f"Stable Diffusion's pass is {ratio:,.0f} times the work: {ratio * min(seconds):.0f} s at this speed")
assert 5_000 < ratio < 50_000

# %% [markdown]
# ## Memory
#
# The weights are most of it, as long as nobody keeps what need not be kept. The scores of the attention at the highest
# level are the example: $N^2$ numbers for each head. minisd's kernel, as FlashAttention (Dao et al. 2022), makes them a
# block at a time and forgets them.

# %%
scores = [4 * c.levels[0].heads * sizes[0] ** 4 for c, sizes in zip((OURS, SD_1, SD_2), SIZES, strict=True)]
largest = [4 * p * p * c for p, c in zip(PICTURE, (32, 256, 256), strict=True)]
row("megabytes", "ours", "SD 1.5, 512", "SD 2.1, 768")
row("U-Net's weights, float32", *(f"{4 * n / 1e6:,.1f}" for n in COUNTS["U-Net"]))
row("scores, if they were kept", *(f"{n / 1e6:,.2f}" for n in scores))
row("largest map of the decoder", *(f"{n / 1e6:,.2f}" for n in largest[:1]), *(f"{n / 1e6:,.0f}" for n in largest[1:]))
assert scores[1] == 4 * 8 * 4096**2 and round(scores[1] / 1e6) == 537 and round(largest[1] / 1e6) == 268

# %% [markdown]
# ## What differs
#
# The configurations themselves say it. These are all fields in which ours differs from Stable Diffusion 1.5's, levels
# and widths aside.

# %%
NAMES = {"U-Net": (OURS, SD_1), "VAE": (OUR_VAE, SD_VAE), "text encoder": (OUR_TEXT, TEXT_1)}
CHOICES = {}
for name, (ours, theirs) in NAMES.items():
    for field in fields(ours):
        values = asdict(ours)[field.name], asdict(theirs)[field.name]
        if values[0] != values[1] and not isinstance(values[0], int | tuple | list) and field.name != "middle":
            CHOICES[f"{name}: {field.name}"] = values
    for field in ("projections", "quant_convs", "bias"):
        if getattr(ours, field, None) != getattr(theirs, field, None):
            CHOICES[f"{name}: {field}"] = getattr(ours, field), getattr(theirs, field)
row("", "ours", "SD 1.5")
for name, values in CHOICES.items():
    row(name, *map(str, values))
assert {
    "U-Net: copies",
    "U-Net: activation",
    "U-Net: projections",
    "VAE: resampling",
    "VAE: quant_convs",
} <= CHOICES.keys()

# %% [markdown]
# And why it does not matter for what you have learned:
#
# | what | ours | Stable Diffusion 1.5 | why the idea is the same |
# |---|---|---|---|
# | the prediction | v | the noise | with $z_t$ known each follows from the other (chapter 9); 2.1 predicts v, too |
# | the schedule | cosine | square roots of beta evenly spaced | another curve, the same equation |
# | copies | one a level | one a block | as in the U-Net's paper; more copies, the same copy |
# | the sentence's pooled vector | added to the time | not used | SDXL adds it as we do |
# | activation of the perceptron | GELU | GEGLU | a gate: one linear layer more |
# | VAE's sizes | 4 x 4 windows | nearest pixel, then 3 x 3 | both double; the second makes no checkers |
# | VAE's loss | squares and KL | and a perceptual and an adversarial one | sharper pictures, the same latent space |
# | latents | 7 x 7 x 4, 4 times fewer | 64 x 64 x 4, 48 times fewer | digits have little to save |
# | CLIP's picture side | convolutions | a vision transformer | it is thrown away after training |
# | clip skip | 2 | 1 (2.x: one layer fewer) | the same knob, chapter 7 |
# | training | 60,000 digits, minutes on a CPU | 2 billion pictures, 150,000 GPU hours | the same loop (chapter 9) |
#
# The schedules' ends can be checked. Stable Diffusion's does not reach pure noise: at t = 999 some 7% of the picture
# are left (as amplitude), which is why it hardly ever draws a picture all black (Lin et al. 2024).

# %%
ours, theirs = make_schedule(toy.info.schedule), make_schedule("scaled_linear")
for name, schedule in (("ours", ours), ("SD 1.x", theirs)):
    kept = [schedule.alpha[t] for t in (0, 499, 999)]
    print(f"{name:7} of the picture's amplitude is left at t = 0, 499, 999: {', '.join(f'{k:.4f}' for k in kept)}")
assert round(theirs.alpha_bar[0], 5) == 0.99915 and round(theirs.alpha_bar[999], 7) == 0.0046601
assert theirs.alpha[999] > 0.05 > ours.alpha[999]
print(f"scale factor: ours {toy.info.scale_factor:.3f}, SD's 0.18215: each measured, to give latents variance 1")

# %% [markdown]
# ## The overview, claim by claim
#
# This course follows a popular overview of Stable Diffusion's structure. `minisd claims` holds its numbers against
# running code. Here is the verdict on each; the command says why.

# %%
with use_backend("numpy"):
    findings = check_claims()
for number, finding in enumerate(findings, start=1):
    print(f"{number:2} {finding.verdict:6} {finding.claim}")
verdicts = Counter(finding.verdict for finding in findings)
print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
assert verdicts == {"right": 7, "loose": 7, "wrong": 3}

# %% [markdown]
# What no number decides, and where you have seen it:
#
# - *The core is a U-Net, with an image encoder and decoder around it and a text encoder beside it.* Right: chapter 1
#   walks through all four.
# - *Random noise goes through the encoder and becomes Z.* Not so: Z is drawn among the latents. The encoder serves
#   training, and drawing from a picture (chapters 1 and 6).
# - *The U-Net makes noise, not pictures.* Right in spirit: it says what is noise, and the picture is what remains
#   (chapter 9). What it gives out may be the noise, the picture or v.
# - *Training: show a picture, let the U-Net try, compare, update, repeat.* Right, but what is compared is the noise,
#   not the picture (chapter 9).
# - *The U-Net comes from the segmentation of medical pictures.* Right: chapter 5 builds that one, 572 -> 388.
#
# ## Try
#
# 1. How many parameters would the U-Net have with a context of width 2048? Answer: 891.5 million, since keys and
#    values of every transformer read it: 16 of them, and 2 x 1280 numbers more for each of their channels.
# 2. How many parameters more does it take to draw 1024 x 1024 pixels? Answer: none. No count above contains a size of
#    pictures; but what the network has learned, it has learned at one.
# 3. From what size of picture on do the scores take as much work as all convolutions? Answer: between 768 and 1024
#    pixels a side.

# %%
wider = of_unet(replace(SD_1, context_width=2048))
channels = [
    layer.inputs
    for part in (*unet_table(SD_1).down, unet_table(SD_1).middle, *unet_table(SD_1).up)
    for layer in part
    if layer.kind == "attention"
]
assert len(channels) == 16 and wider - of_unet(SD_1) == 2 * (2048 - 768) * sum(channels)
print(f"with a context of width 2048: {wider / 1e6:.1f} million parameters")
assert round(wider / 1e6, 1) == 891.5
for pixels in (512, 768, 1024):
    of = work(SD_1, pixels // 8, 77)
    share = of["scores and their sum"] / of["convolution"]
    print(f"{pixels} pixels: scores / convolutions = {share:.2f}")
    assert (share > 1) == (pixels == 1024)

# %% [markdown]
# ## Exercises
#
# 14.1 to 14.4 count: a residual block, a transformer block, the sizes from picture to lowest level, the work of an
# attention. Write the formula on paper first. 14.5 to 14.7 are questions about the real networks, with numbers of your
# own, and 14.8 turns the arrays of a published file into minisd's. `minisd course check 14.2` in a shell, or
# `check("14.2", my_function)` here.
