"""The memory of the scores

Stable Diffusion draws <pictures> pictures of <size> x <size> pixels at once, without guidance. Its latents are 8 times
smaller along each axis, and at the highest level of its U-Net every latent pixel looks at every other with 8 heads. How
many MiB does the matrix of scores take, if it is kept whole in float16? (1 MiB = 2^20 bytes; a number of float16 takes
2 bytes.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "First the number of latent pixels, N.",
    "Each head of each picture has N x N scores.",
    "pictures x 8 heads x N x N x 2 bytes, divided by 2^20.",
)


def answer(size, pictures):
    return pictures * 8 * ((size // 8) ** 2) ** 2 * 2 / 2**20


def numbers(rng):
    return 64 * int(rng.integers(6, 17)), int(rng.integers(2, 9))


def mistake_pixels(size, pictures):
    """You count the picture's pixels: attention looks at latents, which are 8 times smaller along each axis."""
    return pictures * 8 * size**4 * 2 / 2**20


def mistake_one_head(size, pictures):
    """Each of the 8 heads has scores of its own."""
    return pictures * ((size // 8) ** 2) ** 2 * 2 / 2**20


def mistake_one_picture(size, pictures):
    """That is one picture's: each has scores of its own."""
    return 8 * ((size // 8) ** 2) ** 2 * 2 / 2**20


def mistake_float32(size, pictures):
    """A number of float16 takes 2 bytes: you counted 4."""
    return pictures * 8 * ((size // 8) ** 2) ** 2 * 4 / 2**20


def mistake_megabytes(size, pictures):
    """You divided by a million: a MiB has 2^20 bytes."""
    return pictures * 8 * ((size // 8) ** 2) ** 2 * 2 / 1e6


def mistake_tokens_once(size, pictures):
    """Every pixel looks at every one: the matrix has N x N scores, not N."""
    return pictures * 8 * (size // 8) ** 2 * 2 / 2**20
