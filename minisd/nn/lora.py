"""Low-rank adaptation: frozen layers learn something new through two thin matrices beside each weight.

    y = x W + (alpha / r) (x A) B             beside: what is trained, A and B alone
    W' = W + scale (alpha / r) A B            merged: what is drawn with, at the cost of W alone

(Hu et al. 2021, eq. 3.) A (C, r) begins at random and B (r, O) at zero: at first nothing changes. With r = 4 the two
hold 4 (C + O) numbers, where W holds C O. A convolution's weight is a matrix, too, of kh kw C rows: there A is a
convolution to r channels, of the same window, stride and padding, and B takes each of its pixels.

Differs: the paper adapts attention's matrices alone; here every linear layer and convolution can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.nn.layers import Conv2d, Linear
from minisd.nn.module import Module, Parameter, random_weight, zeros

Layer = Linear | Conv2d


class LowRank(Module):
    """The change of one layer's weight.

    Shapes: down, the paper's A, (..., r) beside a weight (..., O); up, its B, (r, O).

    >>> rng = np.random.default_rng(0)
    >>> layer, change = Linear(6, 5, rng=rng), LowRank.beginning((6, 5), 2, rng=rng)
    >>> change.delta().shape, float(abs(change.delta()).max())
    ((6, 5), 0.0)
    """

    def __init__(self, down: Array, up: Array, alpha: float | None = None) -> None:
        self.down, self.up = Parameter(down), Parameter(up)
        self.alpha = float(self.rank) if alpha is None else alpha

    @classmethod
    def beginning(cls, shape: Sequence[int], rank: int, *, rng: np.random.Generator) -> LowRank:
        """For a weight of this shape: A at random, B zero, and alpha = r."""
        *inputs, O = shape
        return cls(random_weight(rng, (*inputs, rank), fan_in=math.prod(inputs)).data, zeros(rank, O).data)

    @property
    def rank(self) -> int:
        return self.up.shape[0]

    def delta(self) -> Array:
        """(alpha / r) A B, of the weight's shape."""
        return (self.down.data @ self.up.data) * self.up.dtype.type(self.alpha / self.rank)

    def forward(self, layer: Layer, x: Tensor) -> Tensor:
        """What it adds to layer(x): the layer to r channels, with A and without a bias, and then B."""
        narrow = copy(layer)
        vars(narrow).update(weight=self.down, bias=None)
        return ops.linear(narrow(x), self.up * (self.alpha / self.rank))


class LoRA(Module):
    """The changes of some of a network's layers, by the layers' names.

    >>> from minisd.nn import TransformerBlock
    >>> block = TransformerBlock(8, 1, rng=np.random.default_rng(0))
    >>> lora = LoRA.beginning(block, rank=2, rng=np.random.default_rng(1))
    >>> lora.parameter_count(), block.parameter_count()
    (288, 848)
    """

    def __init__(self, layers: Mapping[str, LowRank]) -> None:
        self.layers = dict(layers)

    @classmethod
    def beginning(cls, network: Module, rank: int, *, rng: np.random.Generator) -> LoRA:
        """For all linear layers and convolutions of a network: it changes nothing yet."""
        return cls({name: LowRank.beginning(m.weight.shape, rank, rng=rng) for name, m in adaptable(network).items()})

    def fitting(self, network: Module) -> dict[str, tuple[LowRank, Layer]]:
        """Every change with its layer.

        Raises:
            ValueError: the network has no such layer, or one of another shape; says which, and what was wanted.
        """
        pairs, known = {}, adaptable(network)
        for name, change in self.layers.items():
            if name not in known:
                raise ValueError(
                    f"{name}: {type(network).__name__} has no linear layer or convolution of that name; its names are "
                    f"such as {', '.join([*known][:2])}"
                )
            wanted, found = known[name].weight.shape, (*change.down.shape[:-1], change.up.shape[1])
            if found != wanted:
                raise ValueError(f"{name}: is for a weight of shape {found}, and this network's is {wanted}")
            pairs[name] = change, known[name]
        return pairs

    @contextmanager
    def beside(self, network: Module) -> Iterator[None]:
        """Inside the block the layers add what the changes say, and the network's own weights are frozen: a backward
        pass computes no gradients for them.

        Raises:
            ValueError: as ``fitting``.
        """
        pairs, free = self.fitting(network), [p for p in network.parameters() if p.requires_grad]
        for parameter in free:
            parameter.requires_grad = False
        for change, layer in pairs.values():
            vars(layer)["forward"] = partial(_adapted, copy(layer), change)
        try:
            yield
        finally:
            for _, layer in pairs.values():
                del vars(layer)["forward"]
            for parameter in free:
                parameter.requires_grad = True


def _adapted(layer: Layer, change: LowRank, x: Tensor) -> Tensor:
    y: Tensor = layer(x) + change(layer, x)
    return y


def adaptable(network: Module) -> dict[str, Layer]:
    """The layers that a LoRA can change, by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Linear | Conv2d)}
