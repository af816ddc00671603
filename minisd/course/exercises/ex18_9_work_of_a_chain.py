"""What one layer costs in a chain

A network doubles pictures, and computes at the size of the picture that it is shown. One of its layers, at that size,
is a 3 x 3 convolution with padding 1 and stride 1 from <channels> channels to <outputs>. The first picture has <side> x
<side> pixels, and the chain doubles it <doublings> times with the same network, in <steps> steps of the sampler each
time. How many multiply-adds does this layer take for one picture, all together? (A whole number; the bias is not
counted.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "One pass at one size: 9 multiply-adds for each pixel, input channel and output channel.",
    "Twice the side are four times the pixels: what does the second doubling cost beside the first?",
    "9 C O steps side^2 (1 + 4 + ... + 4^(doublings - 1)).",
)


def answer(channels, outputs, side, doublings, steps):
    return 9 * channels * outputs * steps * sum((side * 2**k) ** 2 for k in range(doublings))


def numbers(rng):
    channels, outputs = 8 * int(rng.integers(2, 9)), 8 * int(rng.integers(9, 17))
    return channels, outputs, 4 * int(rng.integers(5, 13)), int(rng.integers(2, 5)), int(rng.integers(4, 13))


def mistake_one_size(channels, outputs, side, doublings, steps):
    """Each doubling works on a picture of four times as many pixels as the one before."""
    return 9 * channels * outputs * steps * side**2 * doublings


def mistake_twice_the_work(channels, outputs, side, doublings, steps):
    """Twice the side is twice the rows and twice the columns: four times the work, not twice."""
    return 9 * channels * outputs * steps * side**2 * (2**doublings - 1)


def mistake_at_the_large_size(channels, outputs, side, doublings, steps):
    """The network computes at the size of the picture that it is shown, not of the one that it draws."""
    return 4 * answer(channels, outputs, side, doublings, steps)


def mistake_last_alone(channels, outputs, side, doublings, steps):
    """The doublings before the last count, too."""
    return 9 * channels * outputs * steps * (side * 2 ** (doublings - 1)) ** 2


def mistake_one_step(channels, outputs, side, doublings, steps):
    """The network is asked once in every step of the sampler."""
    return answer(channels, outputs, side, doublings, 1)


def mistake_no_window(channels, outputs, side, doublings, steps):
    """A window of 3 x 3 meets 9 pixels."""
    return answer(channels, outputs, side, doublings, steps) // 9
