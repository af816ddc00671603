# %% [markdown]
# # 5. The U-Net, and what its copies are for
#
# The U-Net (Ronneberger, Fischer and Brox, 2015) was made to find cells in microscope pictures. Ten years later a
# U-Net finds the noise in Stable Diffusion. Its first figure is the best-known drawing of the field, and full of
# numbers: 572, 570, 568, 284, ..., 388. Here they all come out of one formula, and then out of the running network.
#
# Then we ask what the horizontal arrows of the figure are for. We take them away, which leaves a fully convolutional
# network (FCN), train both on the same pictures, and look.
#
# You need chapters 2 (sizes) and 4 (gradients). It takes half an hour to read; running it takes under a minute on two
# cores, most of it training.

# %%
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from minisd_kernels import max_pool2d
from minisd_kernels.shapes import ShapeError, UNetShape

from minisd.autograd import Tensor, no_grad, recorded
from minisd.course import show, source
from minisd.data.cells import draw_cells
from minisd.models.fcn import FCN
from minisd.models.overlap_tile import predict
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.train.loop import Fit
from minisd.train.segmentation import SegmentationTask, Tiles, segment

rng = np.random.default_rng(0)

# %% [markdown]
# ## Max-pooling, and where its gradient goes
#
# A pooling keeps of each window of 2 x 2 pixels the largest number, in every channel for itself:
#
# $$y_{b,p,q,c} = \max_{i < 2,\; j < 2}\; x_{b,\; 2p + i,\; 2q + j,\; c}$$
#
# It halves height and width by chapter 2's formula, $(I - 2)/2 + 1 = I/2$, and has nothing to learn. What it is for:
# behind it a window of 3 x 3 sees twice as far, at a quarter of the work.
#
# And its gradient? A maximum changes with the one number that it is: make that a little larger, and the maximum grows
# as much; make another one a little larger, and nothing happens. So the derivative is 1 for one number of the window
# and 0 for the three others, and the gradient goes, whole, to the place where the maximum stood. Forward must remember
# that place. Where two are equal the maximum has a kink there, and no derivative; by agreement the first one gets
# all.
#
# You should see four windows, their largest numbers, and where four gradients go. Window two has two sevens: the upper
# one gets it.

# %%
x = np.array([[1.0, 3, 7, 2], [4, 0, 7, 5], [-6, -2, 0, 8], [-3, -9, 6, 1]]).reshape(1, 4, 4, 1)
y, place = max_pool2d.forward(x, window=2)
grad_y = np.array([[10.0, 20], [30, 40]]).reshape(1, 2, 2, 1)
grad_x = max_pool2d.backward(grad_y, place, x_shape=x.shape, window=2)


def draw_map(panel, numbers, left, title, colours, cell=1):
    """A map as a table of numbers; colours[window row][window column], 2 cells of 1 or one of 2 wide."""
    for row, column in np.ndindex(*numbers.shape):
        window = (row // 2, column // 2) if len(numbers) == 4 else (row, column)
        corner = left + cell * column, cell * row
        shown = numbers[row, column] != 0 or title != "grad_x"
        face = colours[window] if shown else "0.96"
        panel.add_patch(Rectangle(corner, cell, cell, facecolor=face, edgecolor="white", lw=2))
        panel.text(corner[0] + cell / 2, corner[1] + cell / 2, f"{numbers[row, column]:.0f}", ha="center", va="center",
                   fontsize=13, color="black" if shown else "0.6")  # fmt: skip
    panel.text(left + cell * len(numbers) / 2, -0.3, title, ha="center", fontsize=13)


colours = {(0, 0): "#f6c9a0", (0, 1): "#a8d5ba", (1, 0): "#b7c9f2", (1, 1): "#f2b8c6"}
figure = Figure(figsize=(10, 2.9), dpi=100, layout="constrained")
panel = figure.subplots()
draw_map(panel, x[0, :, :, 0], 0, "x", colours)
draw_map(panel, y[0, :, :, 0], 5, "y", colours, cell=2)
draw_map(panel, grad_y[0, :, :, 0], 11, "grad_y", colours, cell=2)
draw_map(panel, grad_x[0, :, :, 0], 16, "grad_x", colours)
panel.set(xlim=(-0.2, 20.2), ylim=(4.1, -0.9), aspect="equal")
panel.axis("off")
show(figure, "05_pooling")
assert y.ravel().tolist() == [4, 7, -2, 8] and place.ravel().tolist() == [2, 0, 1, 1]
assert grad_x[0, :, :, 0].tolist() == [[0, 0, 20, 0], [10, 0, 0, 0], [0, 30, 0, 40], [0, 0, 0, 0]]

# %% [markdown]
# ## Every number of the figure
#
# On the way down, each level has two 3 x 3 convolutions without padding, which take 2 rows each, and a 2 x 2 pooling.
# On the way up a 2 x 2 up-convolution doubles the map, and two convolutions follow.
#
# The grey arrows: the last map of a level is copied to the other side and put beside the map that comes up. But the
# copy is larger, because the map that comes up has lost rows at every convolution in between. So the copy's border is
# cut off: copy and crop.
#
# You should see the numbers of the paper's figure 1.

# %%
paper = UNetShape(depth=4, window=3, convolutions=2)
print("level  down                copy and crop        up")
for number, level in enumerate(paper.levels(572)):
    crop = f"{level.down[-1]} - {level.crop[0]} - {level.crop[1]} = {level.up[0]}" if level.up else ""
    down, up = (" -> ".join(map(str, sizes)) for sizes in (level.down, level.up))
    print(f"  {number}    {down:20}{crop:21}{up}")

assert [level.crop for level in paper.levels(572)] == [(88, 88), (40, 40), (16, 16), (4, 4), (0, 0)]
assert paper.output(572) == 388

# %% [markdown]
# Are they true of a real network? `UNetClassic` is the paper's, with 64 channels at the top and 31 million weights. We
# run it with 1 channel instead, because sizes do not depend on channels, and ask for every map on the way.

# %%
unet = UNetClassic(UNetClassicConfig(base=1), rng=rng)
maps = recorded(unet(Tensor(np.zeros((1, 572, 572, 1), np.float32))))
heights = [map.shape[1] for map in maps if len(map.shape) == 4 and map.shape[1] > 3]  # weights are 1 x 1 to 3 x 3
print("\nmaps of the running network:", sorted(set(heights), reverse=True))
assert set(heights) == {size for level in paper.levels(572) for size in (*level.down, *level.up)} - {572}

# %% [markdown]
# ## Which pictures fit
#
# 572 is a strange number. Why not 512? A pooling of an odd map drops a row, and then the copy cannot be cropped evenly.
# So every pooling must get an even map. Working back from the lowest level, that leaves every 16th size:
#
# $$n \equiv 12 \pmod{16}, \qquad n \ge 188$$
#
# You should see that 512 runs, but not cleanly, and that 100 does not run at all.

# %%
print()
for size in (572, 512, 100):
    try:
        crops = [level.crop for level in paper.levels(size)[:-1]]
        print(f"{size}: fits {paper.fits(size)!s:5}  output {paper.output(size)}  crops {crops}")
    except ShapeError as error:
        print(f"{size}: {error}")
print("nearest to 512 that fit:", paper.nearest(512))
assert paper.nearest(512) == (508, 524) and all(n % 16 == 12 for n in range(188, 700) if paper.fits(n))

# %% [markdown]
# ## A picture of any size
#
# 572 pixels in, 388 out: 92 on each side are lost. The paper's way out is to continue the picture past its border as
# in a mirror, and to cut large pictures into tiles whose outputs lie side by side.
#
# One detail is easily missed. Tiles of 388 rows, put 388 apart, do not predict what the whole picture would: 388 is no
# multiple of 16, so the second tile's poolings pair other rows. Put 384 apart, they do.
#
# You should see that tiles of two sizes predict exactly the same.

# %%
small = UNetClassic(UNetClassicConfig(base=2, depth=2), rng=rng)  # margin 40, poolings on a grid of 4
picture = rng.standard_normal((1, 90, 130, 1), dtype=np.float32)
in_small_tiles, in_one = predict(small, picture, tile=60), predict(small, picture, tile=172)
print("\ntiles of 60 start at", small.config.shape.tile_starts(130, 60), "; prediction", in_small_tiles.shape)
print("largest difference to one large tile:", abs(in_small_tiles - in_one).max())
assert in_one.shape == (1, 90, 130, 2) and np.allclose(in_small_tiles, in_one, atol=1e-5)

# %% [markdown]
# ## Cells that touch
#
# Now something to learn. Our cells are drawn by code, so we know each one. Many touch, and in the truth a thin line of
# ground, one or two pixels wide, parts them. Whoever wants to count cells must find that line.
#
# We train two networks: the U-Net, and the same network without copy and crop, an FCN. Here are both, and there is no
# other difference: the U-Net asks for all maps of the way down, the FCN for the lowest only.

# %%
source(UNetClassic.forward)
source(FCN.forward)

# %% [markdown]
# A popular overview says just that: a U-Net differs from a fully convolutional network by copy and crop alone. It is
# true of these two. The FCN that the name comes from (Long, Shelhamer and Darrell 2015) does have connections across,
# but it adds class scores there, one number for each class, where the U-Net puts all features side by side.
#
# What would a network without any of it not know? After three poolings a pixel of its lowest map stands for 8 x 8
# pixels of the picture. Where within these the line ran must be squeezed through, unless a copy remembers.
#
# All else is equal, to the random numbers of every step. (What a training loop does at each step is chapter 9's.)

# %%
train, test = draw_cells(24, seed=0, size=128), draw_cells(4, seed=1, size=128)
config = UNetClassicConfig(base=8, depth=3)
tiles = Tiles(train, config.shape, tile=188)  # of 188 x 188 pixels 100 x 100 are predicted
networks = {"without copies (FCN)": FCN, "U-Net": UNetClassic}
found, losses = {}, {}
for name, kind in networks.items():
    network = kind(config, rng=np.random.default_rng(0))
    fit = Fit(SegmentationTask(network, tiles), seed=0, steps=160)
    while not fit.done:
        fit.step()
    fit.keep_average()
    found[name], losses[name] = segment(network, test, tile=188), fit.losses
    print(f"{name:21} {network.parameter_count():7,} weights, loss {np.mean(fit.losses[-30:]):.3f}")

# %% [markdown]
# Two numbers say how good a network is. The pixel IoU (intersection over union) counts pixels: of all that are a cell
# in truth or by the network, how many are in both?
#
# $$\text{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}$$
#
# The object IoU counts cells: how well does the best piece match
# each true cell? Where the line is missing, two cells become one piece, and both score low.
#
# You should see that the U-Net is better by both. The other network has seen the cells, too, but it cannot place their
# borders: so as not to run into a line that is paid for dearly, it draws the cells too small.

# %%
print(f"\n{'':21} pixel IoU  object IoU")
for name, result in found.items():
    print(f"{name:21} {result.pixel_iou:9.3f}  {result.object_iou:10.3f}")
without, with_copies = found.values()
assert with_copies.object_iou > without.object_iou + 0.05 and with_copies.pixel_iou > without.pixel_iou + 0.05
area = {name: result.masks.sum() / (test.instances > 0).sum() for name, result in found.items()}
print("area of the cells, by the truth's:", ", ".join(f"{name} {part:.2f}" for name, part in area.items()))
assert area["without copies (FCN)"] < 0.8 and area["without copies (FCN)"] < area["U-Net"]

# %%
figure = Figure(figsize=(9, 7.1), dpi=100, layout="constrained")
panels = figure.subplots(3, 4)
columns = {"picture": test.images, "truth": test.instances > 0} | {name: result.masks for name, result in found.items()}
for column, (title, pictures) in enumerate(columns.items()):
    panels[0, column].set_title(title, fontsize=12)
    for row in range(3):
        panels[row, column].imshow(pictures[row], cmap="gray")
        panels[row, column].axis("off")
show(figure, "05_cells")

# %% [markdown]
# ## Try
#
# 1. What would a mean-pooling do with the gradient? Which of the two hands back to more pixels?
# 2. `from minisd.models.fcn import SkipFCN`: it carries class scores across and adds them, as Long, Shelhamer and
#    Darrell did in 2015. Train it, too. Where does it stand between the two?
# 3. `minisd shapes --unet 572` prints the first table, `minisd shapes unet-classic --draw unet.png` draws the figure,
#    and `minisd segment` trains larger networks for longer.
#
# Answers: 1: a quarter of it goes to each of the four; the mean-pooling. 2: between them, by both numbers (the README
# has a table): it knows where a border is, but by two numbers a pixel, and computes nothing with them afterwards.

# %%
with no_grad():
    assert unet(Tensor(np.zeros((1, 188, 188, 1), np.float32))).shape == (1, 4, 4, 2)  # the smallest that fits
print("\nAll sizes are as said.")

# %% [markdown]
# ## Exercises
#
# 05.1 and 05.2 are the pooling and its gradient, 05.3 is copy and crop, 05.4 the gradient of the other way to double a
# map. 05.5 and 05.6 are what a segmentation is measured and trained by. 05.7 and 05.8 are for paper. Run
# `minisd course check 05.1`, or `check("05.1", max_pool2d)` here with your own function.
