"""From the picture to the lowest level

Stable Diffusion's VAE halves a picture three times, so its latents are 8 times smaller along each axis. The U-Net works
on the latents, and has four levels. From level to level a 3 x 3 convolution of stride 2, with padding 1, makes the map
smaller:

$$n \\to \\left\\lfloor \\frac{n + 2 - 3}{2} \\right\\rfloor + 1$$

Which sizes do the maps of the four levels have, for a picture of `height` x `width` pixels? Both are multiples of 8; of
64 they need not be. If one is no multiple of 8, raise a ValueError.
"""

from minisd_kernels.shapes import window_output_size

POINTS, MINUTES = 1, 15
HINTS = (
    "Begin with 520 x 512: the latents are 65 x 64. What does the formula make of 65, and of 64?",
    "65 becomes 33 and 64 becomes 32: half, rounded up.",
    "The latents first: height and width, each divided by 8. Then three times (h + 1) // 2 and (w + 1) // 2.",
)


def level_sizes(height, width):
    """Four pairs (height, width), from the latents' own size down."""
    if height % 8 or width % 8:
        raise ValueError(f"{height} x {width} is not a multiple of 8")
    sizes = [(height // 8, width // 8)]
    for _ in range(3):
        h, w = sizes[-1]
        sizes.append((window_output_size(h, 3, 2, 1), window_output_size(w, 3, 2, 1)))
    return sizes


def cases(rng, dtype):
    yield 512, 512
    yield 520, 584
    yield 8, 24
    yield 516, 512
    yield 512, 770
    for _ in range(4):
        height, width = (8 * int(n) for n in rng.integers(3, 130, 2))
        yield height, width


def probe(level_sizes, height, width):
    try:
        return [list(size) for size in level_sizes(height, width)]
    except ValueError:
        return "ValueError"


def _halved(height, width, times, half):
    sizes = [(height, width)]
    for _ in range(times):
        sizes.append((half(sizes[-1][0]), half(sizes[-1][1])))
    return sizes


def _refused(height, width):
    if height % 8 or width % 8:
        raise ValueError


def mistake_rounded_down(height, width):
    """With padding 1 half of an odd size is rounded up: 65 becomes 33."""
    _refused(height, width)
    return _halved(height // 8, width // 8, 3, lambda n: n // 2)


def mistake_no_check(height, width):
    """A picture whose sides are no multiples of 8 has no latents of its size: raise a ValueError."""
    return _halved(height // 8, width // 8, 3, lambda n: (n + 1) // 2)


def mistake_from_the_picture(height, width):
    """The U-Net works on the latents, not on the picture: begin 8 times smaller."""
    _refused(height, width)
    return _halved(height, width, 3, lambda n: (n + 1) // 2)


def mistake_one_level_more(height, width):
    """There are four levels: three halvings, and none behind the last."""
    _refused(height, width)
    return _halved(height // 8, width // 8, 4, lambda n: (n + 1) // 2)


def mistake_halved_before_the_first(height, width):
    """The first level has the latents' own size: nothing has been halved there."""
    _refused(height, width)
    return _halved(height // 8, width // 8, 4, lambda n: (n + 1) // 2)[1:]


def mistake_width_first(height, width):
    """Height comes first, then width."""
    return [size[::-1] for size in level_sizes(height, width)]


def mistake_height_alone(height, width):
    """The width follows its own sizes: pictures need not be square."""
    return [(size[0], size[0]) for size in level_sizes(height, width)]


def mistake_no_padding(height, width):
    """The windows have a padding of 1: without it a size of n gives (n - 3) // 2 + 1."""
    _refused(height, width)
    return _halved(height // 8, width // 8, 3, lambda n: (n - 3) // 2 + 1)


def mistake_of_64(height, width):
    """Multiples of 8 are enough: an odd size has a half, too, rounded up."""
    if height % 64 or width % 64:
        raise ValueError
    return level_sizes(height, width)


def right_rounded_up(height, width):
    if height % 8 != 0 or width % 8 != 0:
        raise ValueError("sides must be multiples of 8")
    return [(-(-height // side), -(-width // side)) for side in (8, 16, 32, 64)]


def right_axis_by_axis(h, w):
    columns = []
    for n in (h, w):
        if n & 7:
            raise ValueError(n)
        axis = [n >> 3]
        while len(axis) < 4:
            axis.append((axis[-1] - 1) // 2 + 1)
        columns.append(axis)
    return [*zip(*columns, strict=True)]
