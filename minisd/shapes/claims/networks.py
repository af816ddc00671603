"""Evidence from whole U-Nets: which maps occur where, for which inputs, and what tells a U-Net from an FCN.

The overview takes its sizes from the U-Net of Ronneberger, Fischer & Brox (2015) and from its padded variant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
from minisd_kernels.shapes import ShapeError, window_output_size

from minisd.autograd import Tensor
from minisd.models.fcn import FCN, SkipFCN
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.nn import Module
from minisd.shapes.claims.claim import Evidence
from minisd.shapes.claims.layers import convolved, latent_of
from minisd.shapes.report.layers import Map

PAPER, PADDED = UNetClassicConfig(), UNetClassicConfig(same_padding=True)
INPUT = 572  # the side of the paper's picture, and of the overview's
LARGEST = 1024  # where searches for another input end

Levels = list[list[Map]]  # of each level, what comes in and what each convolution makes of it


def way_down(network: UNetClassicConfig, side: int) -> Levels:
    """The maps of the way down, level by level.

    >>> [str(map) for map in way_down(PAPER, 572)[-1]]
    ['32 x 32 x 512', '30 x 30 x 1024', '28 x 28 x 1024']
    """
    levels, above = [], network.in_channels
    for channels, level in zip(network.channels, network.shape.levels(side), strict=True):
        levels.append([Map(n, n, c) for n, c in zip(level.down, (above, channels, channels), strict=True)])
        above = channels
    return levels


@cache
def all_ways_down() -> list[tuple[UNetClassicConfig, int, Levels]]:
    """Network, input and way down for every input up to LARGEST, without padding and with."""
    ways = []
    for network, side in product((PAPER, PADDED), range(1, LARGEST + 1)):
        try:
            ways.append((network, side, way_down(network, side)))
        except ShapeError:  # the input is too small
            continue
    return ways


def _inputs(found: list[tuple[UNetClassicConfig, int]]) -> str:
    """Inputs in words; of several those that lose no row at a pooling, if there are such.

    >>> _inputs([(PAPER, 540), (PAPER, 541), (PADDED, 512)])
    '540 pixels without padding, or 512 pixels with padding 1'
    """
    chosen = [(network, side) for network, side in found if network.shape.fits(side)] or found
    parts = []
    for network, padding in ((PAPER, "without padding"), (PADDED, "with padding 1")):
        if sides := [str(side) for other, side in chosen if other == network]:
            parts.append(f"{' or '.join(sides)} pixels {padding}")
    return ", or ".join(parts)


def _beginning(holds: Callable[[Levels], bool]) -> str:
    """A condition: the inputs that lose no row and whose way down has this property; empty if there are none."""
    found = [(network, side) for network, side, levels in all_ways_down() if holds(levels)]
    fitting = [(network, side) for network, side in found if network.shape.fits(side)]
    return f"the network begins with {_inputs(fitting)} (inputs of up to {LARGEST:,} were searched)" if fitting else ""


def on_the_way_down(shape: Map) -> Evidence:
    """Does this map occur on the way down?"""
    maps = [here for level in way_down(PAPER, INPUT) for here in level]
    wide = sum(here.height == shape.height for here in maps)
    deep = [str(here) for here in maps if here.channels == shape.channels]
    return Evidence(
        shape in maps,
        f"the sides on the paper's way down are {', '.join(str(here.height) for here in maps)}: {wide or 'none'} of "
        f"{len(maps)} is {shape.height}",
        _beginning(lambda levels: any(shape in level for level in levels)),
        f"with {shape.channels:,} channels the paper has {', '.join(deep) or 'no map'}",
    )


def deepest(shape: Map) -> Evidence:
    """Is this the last map of the lowest level?"""
    lowest = way_down(PAPER, INPUT)[-1]
    return Evidence(
        shape == lowest[-1],
        f"from {INPUT} pixels the paper's last pooling gives {lowest[0]}, and the two convolutions behind it "
        f"{lowest[1]} and {lowest[2]}",
        _beginning(lambda levels: levels[-1][-1] == shape),
        str(lowest[-1]),
    )


def one_network(*shapes: Map) -> Evidence:
    """Do all these maps occur on one way down, that of the paper for the first of them?"""
    together: dict[tuple[Map, ...], list[tuple[UNetClassicConfig, int]]] = {}
    for network, side, levels in all_ways_down():
        present = tuple(shape for shape in shapes if any(shape in level for level in levels))
        together.setdefault(present, []).append((network, side))
    most, everywhere = max(map(len, together)), together.get(shapes, [])
    groups = [
        f"{' and '.join(map(str, group))} (from {_inputs(together[group])})" for group in together if len(group) == most
    ]
    return Evidence(
        (PAPER, shapes[0].height) in everywhere,
        f"on the ways down of {len(all_ways_down()):,} U-Nets, for every input of up to {LARGEST:,} pixels without "
        f"padding and with padding 1, at most {most} of these {len(shapes)} come together: {'; '.join(groups)}",
        f"the network begins with {_inputs(everywhere)}" if everywhere else "",
        "stages of different networks, with and without padding",
    )


def efficiency(before: Map, after: Map) -> Evidence:
    """Does the way down make maps narrower and deeper, and leave fewer numbers than it began with?"""
    first, lowest = Map(before.height, before.width, PAPER.base), way_down(PAPER, INPUT)[-1][-1]
    narrower = after.height < before.height and after.channels > before.channels
    fewer_than_first = narrower and after.values < first.values
    work = {9 * level[-1].values * level[-1].channels for level in way_down(PADDED, 512)}
    picture, latent = Map(512, 512, 3), latent_of(512)
    return Evidence(
        narrower and after.values < before.values,
        f"{before} is {before.values:,} numbers, and {after} is {after.values:,}: {after.values / before.values:.2g} "
        f"times as many (in the paper {lowest}: {lowest.values / (INPUT * INPUT):.2g} times); nor is there less work: "
        f"with 512 pixels and padding 1 the second convolution of every level takes "
        f"{' or '.join(f'{number / 1e9:.2f}' for number in sorted(work))} billion multiplications",
        f"it is compared with {first} behind the first convolution: {first.values / after.values:.3g} times fewer "
        f"numbers"
        if fewer_than_first
        else "",
        f"what makes Stable Diffusion efficient is the VAE around the U-Net: {picture} = {picture.values:,} numbers "
        f"become {latent} = {latent.values:,}, {picture.values / latent.values:.0f} times fewer",
    )


def repetition(filters: tuple[int, ...]) -> Evidence:
    """Is the way down two 3 x 3 convolutions and a pooling again and again, with these filters?"""
    side, repeated = INPUT, []
    for number in filters:
        side = convolved(convolved(side))
        repeated.append(Map(side, side, number))
        side = window_output_size(side, window=2, stride=2)
    levels = [level[-1] for level in way_down(PAPER, INPUT)]
    sides, sides_repeated = ([str(here.height) for here in maps] for maps in (levels, repeated))
    ups = len(levels) - 1
    return Evidence(
        repeated == levels,
        f"two convolutions and a pooling, repeated, end their levels with sides of {', '.join(sides_repeated)}, the "
        f"paper with {', '.join(sides)}; its filters are {', '.join(str(here.channels) for here in levels)}; then come "
        f"{ups} up-convolutions, {ups} times copy and crop, {2 * ups} convolutions of 3 x 3 and one of 1 x 1",
        "no more is meant than the sides of the way down" if sides == sides_repeated else "",
        "filters double from level to level, the lowest level has no pooling, and the way up has other steps",
    )


def only_copy_and_crop(unet: UNetClassic, other: Module) -> bool:
    """Whether the U-Net, when it does not read its copies, is the other network: the same weights, the same logits."""
    own, others = unet.state_dict(), other.state_dict()
    if own.keys() != others.keys():
        return False
    for name, array in own.items():
        array[...] = 0  # what is not overwritten now are the weights that read a copy
        array[tuple(map(slice, others[name].shape))] = others[name]
    side = unet.config.shape.smallest
    picture = Tensor(np.random.default_rng(1).standard_normal((1, side, side, 1), dtype=np.float32))
    return np.allclose(unet(picture).data, other(picture).data, rtol=1e-4, atol=1e-5)


def difference_to(fcn: type[FCN] | type[SkipFCN]) -> Evidence:
    """Is copy and crop the one difference between the U-Net and this network?"""
    config, rng = UNetClassicConfig(base=1), np.random.default_rng(0)
    unet, long, bare = UNetClassic(config, rng=rng), SkipFCN(config, rng=rng), FCN(config, rng=rng)
    shapes, shapes_of_bare = ({name: array.shape for name, array in net.state_dict().items()} for net in (unet, bare))
    shared = shapes.keys() & long.state_dict().keys()
    reading = sum(shapes[name] != shapes_of_bare[name] for name in shapes.keys() & shapes_of_bare.keys())
    bare_is_unet = only_copy_and_crop(unet, bare)
    scores = {layer.weight.shape[-1] for layer in long.to_scores}
    return Evidence(
        only_copy_and_crop(unet, fcn(config, rng=rng)),
        f"the FCN of Long, Shelhamer & Darrell (2015), put over the U-Net's way down, has {len(shared)} of the U-Net's "
        f"{len(shapes)} arrays of weights; it copies and crops, too, but {' or '.join(map(str, scores))} class scores "
        f"a level, and adds them; a U-Net built without copies has {len(shapes_of_bare)} arrays, {reading} of them "
        f"smaller, and its logits {'equal' if bare_is_unet else 'are not'} those of a U-Net that reads no copy",
        "the FCN is the U-Net's own layers without copies" if bare_is_unet else "",
        f"a U-Net concatenates copies of all features ({PAPER.channels[0]} to {PAPER.channels[-2]} channels) and goes "
        f"on computing with them; Long's FCN adds up class scores",
    )
