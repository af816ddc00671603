"""The numbers of a popular overview of Stable Diffusion's structure, each held against running code.

The overview is titled "StableDiffusion 结构总览". What it says is retold here, a sentence a claim, with the claimed
values as data; a check is given these values and finds what is the case, by size arithmetic, by running the operations,
or by counting. ``claim.py`` says how the verdict follows.

>>> for claim in CLAIMS[:3]:
...     print(claim.check().verdict, claim.check().claim)
right A picture of 572 x 572 x 1 is a point in a space of 327,184 dimensions.
wrong The latent Z begins as 572 x 572 x 1, so it has 327,184 dimensions.
loose A first convolution turns 572 x 572 x 1 into 572 x 572 x 64.
"""

from __future__ import annotations

from minisd.autograd import no_grad
from minisd.models.fcn import SkipFCN
from minisd.shapes.claims import layers, networks, operations
from minisd.shapes.claims.claim import Claim, Evidence, Finding, Verdict
from minisd.shapes.report.layers import Map

__all__ = ["CLAIMS", "Claim", "Evidence", "Finding", "Verdict", "check_claims"]

CLAIMS = (
    Claim("A picture of {} is a point in a space of {} dimensions.", (Map(572, 572, 1), 327_184), layers.count),
    Claim("The latent Z begins as {}, so it has {} dimensions.", (Map(572, 572, 1), 327_184), layers.latent),
    Claim("A first convolution turns {} into {}.", (Map(572, 572, 1), Map(572, 572, 64)), layers.first_convolution),
    Claim("After some convolutions and poolings the map is {}.", (Map(128, 128, 256),), networks.on_the_way_down),
    Claim("The deepest map is {}.", (Map(32, 32, 1024),), networks.deepest),
    Claim(
        "{}, {}, {} and {} are stages of one network.",
        (Map(572, 572, 1), Map(572, 572, 64), Map(128, 128, 256), Map(32, 32, 1024)),
        networks.one_network,
    ),
    Claim(
        "From {} to {} the map gets smaller but higher-dimensional, and so more efficient.",
        (Map(572, 572, 1), Map(32, 32, 1024)),
        networks.efficiency,
    ),
    Claim("CLIP turns a word's one-hot code into a low-dimensional, dense vector.", (49_408, 768), operations.one_hot),
    Claim("Clip skip {} stops CLIP at its second-to-last layer.", (2,), operations.stopping_at),
    Claim(
        "A U-Net differs from a fully convolutional network in one thing only: copy and crop.",
        (SkipFCN,),
        networks.difference_to,
    ),
    Claim("The convolutions are {}-dimensional, not 3-dimensional.", (2,), operations.sliding_axes),
    Claim(
        "The size behind a convolution is (n + 2p - f) / s + 1.", (layers.quotient,), layers.formula_of_convolution
    ),
    Claim("Two 3 x 3 convolutions: {} -> {} -> {}.", (572, 570, 568), layers.two_convolutions),
    Claim("The second convolution has {} filters.", (0, Map(284, 284, 64)), layers.second_convolution),
    Claim(
        "A 2 x 2 max-pooling with stride 2 turns {} into {}.",
        (Map(568, 568, 64), Map(284, 284, 64)),
        layers.pooling,
    ),
    Claim(
        "One formula, [(I + 2P - F) / S] + 1, serves convolution and pooling alike.",
        (layers.quotient,),
        layers.formula_of_both,
    ),
    Claim("From there on the steps just repeat.", ((64, 64, 64, 64, 64),), networks.repetition),
)  # fmt: skip


def check_claims() -> list[Finding]:
    """Check every claim, in the overview's order."""
    with no_grad():
        return [claim.check() for claim in CLAIMS]
