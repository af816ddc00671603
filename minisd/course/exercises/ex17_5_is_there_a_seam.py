"""Is there a seam?

Does one see where the drawn part of a picture begins? A number for it: how much brighter or darker neighbouring pixels
are across the border, by how much they are elsewhere. Neighbours are two pixels side by side, or one above the other. A
pair lies across the border if one of its pixels is redrawn and the other is not.

$$\\text{seam} = \\frac{\\text{mean of } |a - b| \\text{ over all pairs across the border}}{\\text{mean of } |a - b|
\\text{ over all other pairs}}$$

Both means are taken over all pictures at once. Pictures come as they are drawn, uint8, or as floats.
"""

import numpy as np

POINTS, MINUTES = 3, 25
HINTS = (
    "np.diff along the rows, and along the columns, gives the differences of all pairs. What does it do with uint8?",
    "np.diff of the mask, too: where redrawn changes, the pair lies across. Both directions belong together.",
    "Collect |differences| of both directions, and whether they lie across: (B, pairs) and (pairs,); two means.",
)


def seam(images, redrawn):
    """The ratio, a number. Pictures (B, H, W), redrawn (H, W), True or False."""
    steps, across = [], []
    for axis in (0, 1):
        steps.append(abs(np.diff(images.astype(np.float64), axis=axis + 1)).reshape(len(images), -1))
        across.append(np.diff(redrawn, axis=axis).ravel())
    step, border = np.concatenate(steps, axis=1), np.concatenate(across)
    return float(step[:, border].mean() / step[:, ~border].mean())


def cases(rng, dtype):
    for shape in ((2, 4, 5), (3, 6, 4), (1, 5, 5)):
        images = rng.integers(0, 256, shape).astype(np.uint8)
        half, block, dots = np.zeros((3, *shape[1:]), bool)
        half[shape[1] // 2 :] = True
        block[1:3, 1:3] = True
        dots[:] = rng.random(shape[1:]) < 0.4
        dots[0, :2] = True, False
        images[-1] //= 5  # one picture is darker, so that a mean of ratios is not a ratio of means
        yield images, half
        yield images.astype(dtype), block
        yield images, dots
    side = np.zeros((4, 6), bool)
    side[:, 2:4] = True
    yield rng.standard_normal((2, 4, 6)).astype(dtype), side


def _ratio(images, redrawn, size=abs, directions=(0, 1), changed=np.not_equal, kind=np.float64, rest=np.logical_not):
    steps, across = [], []
    for axis in directions:
        steps.append(size(np.diff(images.astype(kind or images.dtype), axis=axis + 1)).reshape(len(images), -1))
        first, last = (np.delete(redrawn, at, axis) for at in (-1, 0))
        across.append(changed(first, last).ravel())
    step, border = np.concatenate(steps, axis=1).astype(float), np.concatenate(across)
    with np.errstate(all="ignore"):
        return float(step[:, border].mean() / step[:, rest(border)].mean())


def mistake_wraps(images, redrawn):
    """In uint8 the difference of 3 and 5 is 254: make floats of the pictures first."""
    return _ratio(images, redrawn, kind=None)


def mistake_signed(images, redrawn):
    """Steps up and steps down cancel each other: take their absolute values before the mean."""
    return _ratio(images, redrawn, size=lambda step: step)


def mistake_rows_alone(images, redrawn):
    """Pairs side by side count, too, not only those one above the other."""
    return _ratio(images, redrawn, directions=(0,)) if np.diff(redrawn, axis=0).any() else 0.0


def mistake_columns_alone(images, redrawn):
    """Pairs one above the other count, too, not only those side by side."""
    return _ratio(images, redrawn, directions=(1,)) if np.diff(redrawn, axis=1).any() else 0.0


def mistake_by_all(images, redrawn):
    """Below the line stand all other pairs: the ones across the border are among yours."""
    return _ratio(images, redrawn, rest=np.ones_like)


def mistake_one_direction(images, redrawn):
    """The border has two sides: from known to redrawn, and from redrawn to known."""
    return _ratio(images, redrawn, changed=lambda first, last: last & ~first)


def mistake_squares(images, redrawn):
    """The mean of the absolute differences is asked for, not of their squares."""
    return _ratio(images, redrawn, size=np.square)


def mistake_upside_down(images, redrawn):
    """The border's mean stands above the line."""
    return 1 / _ratio(images, redrawn)


def mistake_picture_by_picture(images, redrawn):
    """Both means run over all pictures at once: yours is a mean of each picture's ratio."""
    return float(np.mean([_ratio(image[None], redrawn) for image in images]))


def mistake_inside(images, redrawn):
    """That compares the redrawn part with the rest: pairs across the border have one pixel in each."""
    return _ratio(images, redrawn, changed=np.logical_and)


def right_slices(images, redrawn):
    x = images.astype(np.float64)
    down, right = abs(x[:, 1:] - x[:, :-1]), abs(x[:, :, 1:] - x[:, :, :-1])
    over_down, over_right = redrawn[1:] ^ redrawn[:-1], redrawn[:, 1:] ^ redrawn[:, :-1]
    border = down[:, over_down].sum() + right[:, over_right].sum()
    count = len(x) * (over_down.sum() + over_right.sum())
    everything = down.sum() + right.sum()
    pairs = down.size + right.size
    return (border / count) / ((everything - border) / (pairs - count))


def right_loops(images, redrawn):
    B, H, W = images.shape
    found = {True: list[float](), False: list[float]()}
    for b in range(B):
        for y in range(H):
            for x in range(W):
                for other in ((y + 1, x), (y, x + 1)):
                    if other[0] < H and other[1] < W:
                        step = abs(float(images[b, y, x]) - float(images[b][other]))
                        found[bool(redrawn[y, x] != redrawn[other])].append(step)
    return sum(found[True]) / len(found[True]) / (sum(found[False]) / len(found[False]))
