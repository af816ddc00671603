# %% [markdown]
# # 4. The U-Net, and what its copies are for
#
# The U-Net (Ronneberger, Fischer and Brox, 2015) was made to find cells in microscope pictures. Ten years later a
# U-Net finds the noise in Stable Diffusion. Its first figure is the best-known drawing of the field, and full of
# numbers: 572, 570, 568, 284, ..., 388. Here they all come out of one formula, and then out of the running network.
#
# Then we ask what the horizontal arrows of the figure are for. We take them away, train both networks on the same
# pictures, and look.
#
# You need tutorial 2 (sizes). It takes about a minute, most of it training.

# %%
import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from minisd_kernels.shapes import ShapeError, UNetShape

from minisd.autograd import Tensor, no_grad, recorded
from minisd.data.cells import draw_cells
from minisd.models.fcn import FCN
from minisd.models.overlap_tile import predict
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.train.segmentation import Tiles, segment, train_segmenter

here = Path(globals().get("__file__", "")).parent  # a notebook has no __file__: then the current folder
output = (here if os.access(here, os.W_OK) else Path()) / "output"
output.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

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
#     n = 12 (mod 16),  n >= 188
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
# We train two networks: the U-Net, and the same network without copy and crop. All else is equal, to the random
# numbers of every step. What would the second one not know? After three poolings a pixel of its lowest map stands for
# 8 x 8 pixels of the picture. Where within these the line ran must be squeezed through, unless a copy remembers.

# %%
train, test = draw_cells(24, seed=0, size=128), draw_cells(4, seed=1, size=128)
config = UNetClassicConfig(base=8, depth=3)
tiles = Tiles(train, config.shape, tile=188)  # of 188 x 188 pixels 100 x 100 are predicted
networks = {"without copies (FCN)": FCN, "U-Net": UNetClassic}
found = {}
for name, kind in networks.items():
    network = kind(config, rng=np.random.default_rng(0))
    losses, _ = train_segmenter(network, tiles, seed=0, steps=300, name=name)
    found[name] = segment(network, test, tile=188)
    print(f"{name:21} {network.parameter_count():7,} weights, loss {np.mean(losses[-30:]):.3f}")

# %% [markdown]
# Two numbers say how good a network is. The pixel IoU (intersection over union) counts pixels: of all that are a cell
# in truth or by the network, how many are in both? The object IoU counts cells: how well does the best piece match
# each true cell? Where the line is missing, two cells become one piece, and both score low.
#
# You should see that the U-Net is better by both. The other network has seen the cells, too, but it cannot place their
# borders: look at how it shrinks some and runs others together.

# %%
print(f"\n{'':21} pixel IoU  object IoU")
for name, result in found.items():
    print(f"{name:21} {result.pixel_iou:9.3f}  {result.object_iou:10.3f}")
without, with_copies = found.values()
assert with_copies.object_iou > without.object_iou + 0.05 and with_copies.pixel_iou > without.pixel_iou + 0.05

# %%
figure = Figure(figsize=(9, 7.1), dpi=90, layout="constrained")
panels = figure.subplots(3, 4)
columns = {"picture": test.images, "truth": test.instances > 0} | {name: result.masks for name, result in found.items()}
for column, (title, pictures) in enumerate(columns.items()):
    panels[0, column].set_title(title, fontsize=10)
    for row in range(3):
        panels[row, column].imshow(pictures[row], cmap="gray")
        panels[row, column].axis("off")
figure.savefig(output / "04_cells.png")
print("picture:", output / "04_cells.png")

# %% [markdown]
# ## Try
#
# 1. Predict one tile, and look at the lowest map of both networks. Which of them still shows the lines between cells?
# 2. `from minisd.models.fcn import SkipFCN`: it carries class scores across and adds them, as Long, Shelhamer and
#    Darrell did in 2015. Train it, too. Where does it stand between the two?
# 3. `minisd shapes --unet 572` prints the first table, `minisd shapes unet-classic --draw unet.png` draws the figure,
#    and `minisd segment` trains larger networks for longer.

# %%
with no_grad():
    assert unet(Tensor(np.zeros((1, 188, 188, 1), np.float32))).shape == (1, 4, 4, 2)  # the smallest that fits
print("\nAll sizes are as said.")
