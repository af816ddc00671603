# %% [markdown]
# # 2. Sizes
#
# A convolutional network is a chain of pictures, each with a size. One formula gives every size of the chain:
#
# $$O = \left\lfloor \frac{I + 2P - F}{S} \right\rfloor + 1$$
#
# with input I, padding P on each side, window F (the "filter") and stride S. This chapter derives it, and holds it
# against real convolutions and poolings, and then against numbers that a popular overview of Stable Diffusion gives:
# some of them are right, and some cannot be.
#
# You need to know what a convolution is: a window that is laid on a picture at many places, and at each makes one
# number of what lies under it. (Chapter 3 writes one.) It takes half an hour to read, and under half a minute to run.

# %%
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from minisd_kernels import conv2d, conv_transpose2d, max_pool2d
from minisd_kernels.shapes import (
    ReceptiveField,
    ShapeError,
    crop_offset,
    transposed_output_size,
    unread_rows,
    window_output_size,
)

from minisd import ops
from minisd.autograd import Tensor
from minisd.course import show, source
from minisd.models.unet import UNet, UNetConfig
from minisd.models.vae import VAE, VAEConfig
from minisd.nn import Conv2d

rng = np.random.default_rng(0)

# %% [markdown]
# ## The formula counts places
#
# Lay a window of F pixels on a row of I pixels, at its left end. Shift it by S. Shift it again, as long as it fits.
# Every place makes one output pixel. So how many places are there?
#
# Place number k begins at pixel $kS$ and ends behind pixel $kS + F - 1$. It fits if it ends on the row:
#
# $$k S + F \le I \quad\Longleftrightarrow\quad k \le \frac{I - F}{S}$$
#
# k is a whole number, so the last place is the fraction rounded down, $\lfloor (I - F) / S \rfloor$. The first one has
# the number 0, and it counts, too: add 1. Padding makes the row longer by P at each end, so I becomes I + 2P. That is
# the whole formula.
#
# You should see the same number twice, for every row of the table.


# %%
def places(size, window, stride=1, padding=0):
    """Where the window can stand, counted from the left end of the padded row."""
    return list(range(0, size + 2 * padding - window + 1, stride))


print("  I   F  S  P   places                      counted  formula")
for size, window, stride, padding in [(8, 3, 1, 0), (8, 3, 1, 1), (8, 2, 2, 0), (8, 3, 2, 0), (7, 3, 2, 1)]:
    starts = places(size, window, stride, padding)
    predicted = window_output_size(size, window, stride, padding)
    print(f"{size:3} {window:3} {stride:2} {padding:2}   {starts!s:27} {len(starts):5} {predicted:8}")
    assert len(starts) == predicted

# %% [markdown]
# ## 572, 570, 568, 284
#
# The U-Net (Ronneberger, Fischer and Brox, 2015) begins with a picture of 572 x 572 pixels and 1 channel. Two
# convolutions with 64 filters of 3 x 3 and no padding follow, then a max-pooling of 2 x 2 with stride 2.
#
# $$\frac{572 - 3}{1} + 1 = 570, \qquad \frac{570 - 3}{1} + 1 = 568, \qquad \frac{568 - 2}{2} + 1 = 284$$
#
# The number of filters is the number of output channels. It does not enter the formula.
#
# Shapes here are (B, H, W, C): batch, height, width, channels. A convolution's weight is (kh, kw, C, O): window height
# and width, channels in, channels out.
#
# You should see that the real convolutions and the formula agree.

# %%
x = rng.standard_normal((1, 572, 572, 1), dtype=np.float32)
weight_1 = rng.standard_normal((3, 3, 1, 64), dtype=np.float32)
weight_2 = rng.standard_normal((3, 3, 64, 64), dtype=np.float32) / 24

y_1 = conv2d.forward(x, weight_1)
y_2 = conv2d.forward(y_1, weight_2)
pooled, _ = max_pool2d.forward(y_2, window=2)

print("\ninput        ", x.shape)
print("convolution  ", y_1.shape, " formula", window_output_size(572, window=3))
print("convolution  ", y_2.shape, " formula", window_output_size(570, window=3))
print("max-pooling  ", pooled.shape, " formula", window_output_size(568, window=2, stride=2))
assert y_1.shape == (1, 570, 570, 64) and window_output_size(572, window=3) == 570
assert y_2.shape == (1, 568, 568, 64) and window_output_size(570, window=3) == 568
assert pooled.shape == (1, 284, 284, 64) and window_output_size(568, window=2, stride=2) == 284

# %% [markdown]
# A pooling obeys the formula of the convolution, because it visits the same places. Only what it does there differs:
# it takes the largest number instead of a weighted sum. A pooling's stride is its window's size unless you say
# otherwise, so that the windows tile the picture.

# %%
for stride in (1, 2, 3):
    picture = rng.standard_normal((1, 11, 14, 2))  # height and width each follow the formula on their own
    by_convolution = conv2d.forward(picture, np.ones((3, 3, 2, 5)), stride=stride)
    by_pooling, _ = max_pool2d.forward(picture, window=3, stride=stride)
    print(f"stride {stride}: convolution {by_convolution.shape}, pooling {by_pooling.shape}")
    assert by_convolution.shape[1:3] == by_pooling.shape[1:3]
    assert by_pooling.shape[1:3] == (window_output_size(11, 3, stride), window_output_size(14, 3, stride))

# %% [markdown]
# ## The floor, and the row that nobody reads
#
# The division need not come out even. With I = 8, F = 3 and S = 2 the windows begin at 0, 2 and 4. The next would
# begin at 6 and reach over the end. So the remainder of the division,
#
# $$(I + 2P - F) \bmod S,$$
#
# is a number of pixels at the end of the padded row that no window ever reads. Many texts write square brackets for
# this floor and do not say so.
#
# You should see that the last row and the last column can be anything: the output does not notice.

# %%
picture = rng.standard_normal((1, 8, 8, 1))
weight = rng.standard_normal((3, 3, 1, 1))
before = conv2d.forward(picture, weight, stride=2)

unread = (8 + 2 * 0 - 3) % 2
picture[:, -unread:] = 1000.0
picture[:, :, -unread:] = 1000.0
after = conv2d.forward(picture, weight, stride=2)

print(f"\n8 -> {before.shape[1]}; rows that no window reads: {unread}")
print("largest change of the output after setting them to 1000:", abs(after - before).max())
assert before.shape == (1, 3, 3, 1) and unread == 1 and (after == before).all()

picture[:, -unread - 1] = 1000.0  # one row further in
assert (conv2d.forward(picture, weight, stride=2) != before).any()


# %% [markdown]
# In the picture below the windows are orange. Red is what lies behind the last one: at the upper left it is a pixel of
# the picture. At the lower left it is a pixel of the padding, and the picture itself is read whole.


# %%
blue, grey, orange, red = "#7aa6d6", "0.82", "tab:orange", "#d9534f"


def draw_places(panel, size, window, stride, padding):
    """A row of pixels with its padding, and under it every place of the window."""
    starts = places(size, window, stride, padding)
    unread = unread_rows(size, window, stride, padding)
    for pixel in range(-padding, size + padding):
        is_unread = pixel >= size + padding - unread
        colour = red if is_unread else blue if 0 <= pixel < size else grey
        panel.barh(0, width=0.9, left=pixel, height=0.9, align="edge", color=colour)
        text = pixel if 0 <= pixel < size else "pad"
        panel.text(pixel + 0.45, 0.45, text, ha="center", va="center", fontsize=10, color="0.2")
    for row, start in enumerate(starts, start=1):
        panel.barh(-0.6 * row, width=window - 0.1, left=start - padding, height=0.4, align="edge", color=orange)
    panel.set_title(f"I={size}  F={window}  S={stride}  P={padding}:   O={len(starts)}, {unread} unread", fontsize=12)
    panel.set(xlim=(-1.2, 9.2), ylim=(-2.6, 1.1), aspect="equal")
    panel.axis("off")
    return unread


figure = Figure(figsize=(10, 5), dpi=100, layout="constrained")
cases = [(8, 3, 2, 0), (7, 3, 2, 1), (8, 3, 2, 1), (8, 2, 2, 0)]
unread = [draw_places(panel, *case) for panel, case in zip(figure.subplots(2, 2).flat, cases, strict=True)]
key = {"a pixel": blue, "padding": grey, "read by no window": red, "a place of the window": orange}
figure.legend(handles=[Patch(color=colour, label=label) for label, colour in key.items()],
              loc="outside lower center", ncols=4, fontsize=12, frameon=False)  # fmt: skip
show(figure, "02_places")
assert unread == [1, 0, 1, 0]

# %% [markdown]
# ## Padding
#
# With P = (F - 1) / 2 and S = 1 the formula gives O = I: the picture keeps its size ("same" padding). With P = 0
# ("valid") a 3 x 3 convolution takes one pixel from every side.
#
# The overview says that the first convolution turns 572 x 572 x 1 into 572 x 572 x 64. By its own formula with P = 0
# it is 570 x 570 x 64. You get 572 only with P = 1.
#
# A window that is larger than the padded picture has no place at all. That is an error, not a size of 0.

# %%
print("\n3 x 3 on 572:  P=0 ->", window_output_size(572, 3), "  P=1 ->", window_output_size(572, 3, padding=1))
assert window_output_size(572, 3) == 570 and window_output_size(572, 3, padding=1) == 572
for window in (1, 3, 5, 7):
    assert window_output_size(100, window, padding=(window - 1) // 2) == 100

try:
    window_output_size(2, window=5)
except ShapeError as error:
    print("error:", error)
else:
    raise AssertionError("a window of 5 cannot stand on 2 pixels")

# %% [markdown]
# ## Back up: the transposed convolution
#
# A convolution with stride 2 gathers a window into one pixel. The transposed convolution spreads one pixel over a
# window, so its size formula is the other one, solved for the input:
#
# $$O = S\,(I - 1) + F - 2P + a$$
#
# (The last of I pixels is spread from S (I - 1) on, over F pixels; P are cut off at each end.)
#
# The floor has made the question ambiguous: with F = 3, S = 2 and P = 1, both 7 and 8 become 4. So what should 4
# become? The output padding a, from 0 to S - 1, says which of them.
#
# You should see 7 and 8 going down to the same 4, and a choosing between them on the way up.

# %%
weight = rng.standard_normal((3, 3, 1, 1))
for size, a in [(7, 0), (8, 1)]:
    down = conv2d.forward(rng.standard_normal((1, size, size, 1)), weight, stride=2, padding=1)
    up = conv_transpose2d.forward(down, weight, stride=2, padding=1, output_padding=a)
    print(f"{size} -> {down.shape[1]} -> {up.shape[1]}  with a = {a}")
    assert down.shape[1] == 4 and up.shape[1] == size == transposed_output_size(4, 3, 2, 1, output_padding=a)
    assert a == (size + 2 * 1 - 3) % 2  # the output padding is what the floor dropped

# %% [markdown]
# ## 7, 4, 8, and a crop to 7
#
# Our own U-Net works on 7 x 7 latents. Halved they are 4 x 4. Doubled again, by repeating every pixel, they are
# 8 x 8: one too many. The U-Net has an answer, because it puts the features of the way down (the copy) beside those
# of the way up: it crops the larger of the two to the size of the smaller.
#
# In the paper the copy is the larger one, 64 against 56, and loses 4 pixels on each side. Here it is the other.

# %%
unet = UNet(UNetConfig(), rng=rng)  # not trained: sizes do not care
skip = Tensor(rng.standard_normal((1, 7, 7, 64), dtype=np.float32))
below = unet.down[1][0](skip)  # the lower level begins with a convolution: window 3, stride 2, padding 1
doubled = ops.upsample2d(below, scale=2)
joined = ops.copy_and_crop(doubled, skip)

print("\ncopy", skip.shape, " halved", below.shape, " doubled", doubled.shape, " cropped and joined", joined.shape)
assert below.shape == (1, 4, 4, 64) and doubled.shape == (1, 8, 8, 64) and joined.shape == (1, 7, 7, 128)
assert (joined.data[..., :64] == doubled.data[:, :7, :7]).all() and (joined.data[..., 64:] == skip.data).all()
assert crop_offset(64, 56) == 4  # the paper's crop begins at row 4

# %% [markdown]
# ## 28, 14, 7: the autoencoder
#
# The autoencoder (VAE) makes the latents: 28 x 28 digits become 7 x 7 x 4, by two convolutions with F = 4, S = 2 and
# P = 1. An even window with this padding halves every even size exactly, and its transposed convolution doubles it.

# %%
sizes = [28]
for _ in range(2):
    sizes.append(window_output_size(sizes[-1], window=4, stride=2, padding=1))
for larger, smaller in pairwise(sizes):
    assert transposed_output_size(smaller, window=4, stride=2, padding=1) == larger

vae = VAE(VAEConfig(), rng=rng)
mean, _ = vae.encode(Tensor(np.zeros((1, 28, 28, 1), np.float32)))
picture_back = vae.decode(mean)
print("formula", sizes, "  real encoder", mean.shape, "  real decoder", picture_back.shape)
assert sizes == [28, 14, 7] and mean.shape == (1, 7, 7, 4) and picture_back.shape == (1, 28, 28, 1)

# %% [markdown]
# ## What a pixel sees
#
# A pixel behind two convolutions of 3 x 3 sees 5 x 5 pixels of the picture; behind a pooling its neighbour begins 2
# pixels further on. Two numbers follow a chain: how many pixels r one pixel sees, and how far j apart two neighbours
# begin. A layer's window reaches over F - 1 steps of the layer below, each j pixels wide:
#
# $$r' = r + (F - 1)\, j, \qquad j' = S\, j$$
#
# You should see that a pixel of the U-Net's lowest level sees 140 pixels of the picture: a whole cell, and what is
# beside it.

# %%
field = ReceptiveField.of_input()
print()
for level in range(5):
    field = field.through_window(3).through_window(3)
    print(f"level {level}: a pixel sees {field.size:3} pixels; neighbours are {field.stride:>2} apart")
    if level < 4:
        field = field.through_window(2, stride=2)
assert field.size == 140 and field.stride == "16"

# %% [markdown]
# ## Weights and work
#
# One filter has a number for every pixel of its window and every channel that comes in, and one more, its bias. At
# every place each of its numbers is multiplied once and added:
#
# $$\text{weights} = O_c\,(F^2\, C + 1), \qquad \text{multiply-adds} = \underbrace{O \cdot O}_{\text{places}}
# \cdot\; O_c\, F^2\, C$$
#
# with C channels in, $O_c$ out, and O from the formula above. The weights do not depend on the picture's size; the work
# does.
#
# You should see that the paper's deepest convolution has 256 times the weights of the second one, and less work.

# %%
print()
for size, channels, filters in ((572, 1, 64), (570, 64, 64), (32, 512, 1024), (30, 1024, 1024)):
    weights, places_ = filters * (3 * 3 * channels + 1), window_output_size(size, window=3) ** 2
    work = places_ * filters * 3 * 3 * channels
    shapes = f"{size:3} x {size:3} x {channels:4} -> {filters:4} filters"
    print(f"{shapes}: {weights:9,} weights, {work / 1e9:5.2f} e9 multiply-adds")
layer = Conv2d(64, 64, 3, rng=rng)
assert layer.parameter_count() == 64 * (3 * 3 * 64 + 1) == 36_928
assert 568**2 * 64 * 9 * 64 > 28**2 * 1024 * 9 * 1024 and round(1024 * (9 * 1024 + 1) / 36_928) == 256

# %% [markdown]
# ## How many numbers are these?
#
# A picture of H x W x C numbers is a point in a space of H W C dimensions.
#
# The overview counts 572 x 572 x 1 = 327,184, which is right. But that is the U-Net paper's picture, not Stable
# Diffusion's latent: for a picture of 512 x 512 x 3 that is 64 x 64 x 4, which is 48 times smaller than the picture.
# Ours is 7 x 7 x 4, 4 times smaller. That is why diffusion is run on latents: a U-Net's work grows with the number of
# pixels, and the latent has few.

# %%
numbers = {"the U-Net paper's picture": (572, 572, 1), "our digit": (28, 28, 1), "our latent": (7, 7, 4)}
numbers |= {"Stable Diffusion's picture": (512, 512, 3), "Stable Diffusion's latent": (64, 64, 4)}
print()
for name, shape in numbers.items():
    print(f"{name:27} {' x '.join(map(str, shape)):12} = {np.prod(shape):8,}")
assert 572 * 572 * 1 == 327_184 and 7 * 7 * 4 == 196
assert 28 * 28 * 1 == 4 * 196 and 512 * 512 * 3 == 48 * 64 * 64 * 4

# %% [markdown]
# ## Two networks in one text
#
# The overview then says: after some convolutions and poolings the picture is 128 x 128 x 256, and the deepest one is
# 32 x 32 x 1024. Let us walk down the U-Net and look for them. Every level has two 3 x 3 convolutions and, but for the
# last, a 2 x 2 pooling. The channels double from level to level: 64, 128, 256, 512, 1024.
#
# We run it twice: with the paper's 572 pixels and no padding, and with 512 pixels and padding 1. To be quick, our
# pictures have 64 times fewer channels than the table says: sizes do not depend on channels.


# %%
def walk_down(size, padding):
    """(height, channels) of every picture on the way down, by the formula; real kernels check each."""
    x = rng.standard_normal((1, size, size, 1), dtype=np.float32)
    levels, channels_before = [], 1
    for channels in (64, 128, 256, 512, 1024):
        level = [(size, channels_before)]
        for _ in range(2):
            weight = rng.standard_normal((3, 3, x.shape[3], channels // 64), dtype=np.float32)
            x = conv2d.forward(x, weight, padding=padding)
            size = window_output_size(size, window=3, padding=padding)
            level.append((size, channels))
            assert x.shape == (1, size, size, channels // 64)
        levels.append(level)
        if channels < 1024:
            x, _ = max_pool2d.forward(x, window=2)
            size = window_output_size(size, window=2, stride=2)
        channels_before = channels
    return levels


paper, padded = walk_down(572, padding=0), walk_down(512, padding=1)
print("\n        572 pixels, P = 0 (the paper)              512 pixels, P = 1")
for number, (left, right) in enumerate(zip(paper, padded, strict=True)):
    text = ["  ".join(f"{size:3} x{channels:5}" for size, channels in level) for level in (left, right)]
    print(f"level {number}  {text[0]}       {text[1]}")

# %% [markdown]
# You should see that 128 x 128 x 256 and 32 x 32 x 1024 are both on the right: they belong to a network with padding
# and a 512-pixel picture. The paper's network has 138 and 136 where it has 256 channels, and no 128 anywhere. It does
# have a 32, but with 512 channels: the 1024 come with 30 x 30 and 28 x 28. The overview mixed the two networks.

# %%
in_paper = [picture for level in paper for picture in level]
in_padded = [picture for level in padded for picture in level]
assert (128, 256) in in_padded and (32, 1024) in in_padded
assert 128 not in [size for size, _ in in_paper]
assert [size for size, channels in in_paper if channels == 256] == [138, 136, 68]
assert [channels for size, channels in in_paper if size == 32] == [512]
assert paper[-1] == [(32, 512), (30, 1024), (28, 1024)]

# %% [markdown]
# ## Try
#
# 1. Which sizes I become 4 with F = 3, S = 2, P = 1? And with S = 3? How many are there always?
# 2. The paper's U-Net wants every pooling to see an even size. Change 572 in `walk_down` to 571 and find the level
#    where a row is lost. Which sizes near 256 lose none?
# 3. A dilation D spreads the window: F becomes D (F - 1) + 1. Which padding keeps the size with F = 3 and D = 2? Ask
#    `window_output_size(..., dilation=2)` whether you are right.
#
# Answers: 1: 7 and 8; with S = 3 the sizes 10, 11 and 12; always S. 2: level 0, whose map of 567 is pooled to 283; 252
# and 268. 3: P = 2.
#
# On the command line, `minisd shapes "572x572x1 conv3:64 conv3:64 pool2"` makes such tables for any network,
# `minisd animate conv --input 8 --stride 2` shows the window walking, and `minisd claims` checks the overview's other
# numbers. Chapter 5 goes on with the U-Net. And this is the formula as the library has it:

# %%
source(window_output_size, docstring=True)
assert [size for size in range(1, 30) if (size + 2 - 3) // 2 + 1 == 4] == [7, 8]
assert [size for size in range(1, 30) if (size + 2 - 3) // 3 + 1 == 4] == [10, 11, 12]
assert window_output_size(100, 3, padding=2, dilation=2) == 100

# %% [markdown]
# ## Exercises
#
# 02.1 to 02.5 are the formula in all its directions: forth, back, through a chain, and what the floor drops. 02.6 to
# 02.11 are questions for paper, with numbers of your own: write their answers into `answers.toml`. Run
# `minisd course check 02.1` in a shell, or `check("02.1", output_size)` here with your function.
