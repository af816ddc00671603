"""How much signal is left?

At some $t$ of a schedule $\\bar\\alpha_t$ = <alpha_bar>. In
$x_t = \\sqrt{\\bar\\alpha_t}\\, x_0 + \\sqrt{1 - \\bar\\alpha_t}\\, \\varepsilon$, with x_0 of variance 1, divide the
picture's variance by the noise's. What comes out? (A number, to three digits.)
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "What is the variance of the first term, and what that of the second?",
    "A factor counts squared in a variance, which takes the roots away.",
    "Divide alpha_bar by 1 - alpha_bar.",
)


def answer(alpha_bar):
    return alpha_bar / (1 - alpha_bar)


def numbers(rng):
    return (float(rng.choice([0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.7, 0.75, 0.85, 0.9, 0.95])),)


def mistake_root(alpha_bar):
    """That is the ratio of the factors; a variance has them squared."""
    return (alpha_bar / (1 - alpha_bar)) ** 0.5


def mistake_inverse(alpha_bar):
    """That is the noise's variance by the picture's."""
    return (1 - alpha_bar) / alpha_bar


def mistake_share(alpha_bar):
    """That is the picture's share of the whole variance; the noise's has to stand below the line."""
    return alpha_bar
