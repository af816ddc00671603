"""The classic U-Net against the paper's figure: every map, every crop, the weights; what fits and what does not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import ReceptiveField, ShapeError, UNetShape
from strategies import normal_tensor, rng

from minisd import ops
from minisd.autograd import Tensor, recorded
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.nn import Module


def maps(network: Module, x: Tensor) -> list[tuple[str, int, int, int]]:
    """What the network really computes from x: each operation and its map's height, width and channels."""
    with use_backend("numpy"):  # one channel is too little work for threads
        return [(type(t.function).__name__.strip("_"), *t.shape[1:]) for t in recorded(network(x))]


def sizes(network: Module, x: Tensor, *operations: str) -> list[tuple[int, ...]]:
    """Height and width after these operations, from the input to the output."""
    return [(height, width) for name, height, width, _ in maps(network, x) if name in operations]


# ---- The figure

# Read off figure 1 of the paper, from the top down and up again: the last number of each map is its channels.
CONTRACTING = [
    (570, 64), (568, 64), (282, 128), (280, 128), (138, 256), (136, 256), (66, 512), (64, 512), (30, 1024), (28, 1024),
]  # fmt: skip
EXPANDING = [(54, 512), (52, 512), (102, 256), (100, 256), (198, 128), (196, 128), (390, 64), (388, 64), (388, 2)]
POOLED = [(284, 64), (140, 128), (68, 256), (32, 512)]
UP_CONVOLVED = [(56, 512), (104, 256), (200, 128), (392, 64)]
CROPPED = [(392, 64), (200, 128), (104, 256), (56, 512)]
CONCATENATED = [(56, 1024), (104, 512), (200, 256), (392, 128)]


def test_every_map_of_the_figure() -> None:
    found = maps(UNetClassic(UNetClassicConfig(base=1), rng=rng()), normal_tensor(1, 572, 572, 1))

    def of(operation: str) -> list[tuple[int, int]]:
        """Size and channels, as if there were 64 in the top level instead of 1; the classes are 2 in both."""
        assert all(height == width for _, height, width, _ in found)
        last = len(found) - 1
        return [(h, c if i == last else 64 * c) for i, (name, h, _, c) in enumerate(found) if name == operation]

    assert of("Conv2d") == CONTRACTING + EXPANDING
    assert of("ReLU") == CONTRACTING + EXPANDING[:-1]
    assert of("MaxPool2d") == POOLED
    assert of("ConvTranspose2d") == UP_CONVOLVED
    assert of("Index") == CROPPED
    assert of("Concatenate") == CONCATENATED
    assert len(found) == len(CONTRACTING + EXPANDING) * 2 - 1 + 4 * 4


@pytest.mark.parametrize(
    ("size", "before", "after"),
    [
        (572, [88, 40, 16, 4], [88, 40, 16, 4]),
        (188, [88, 40, 16, 4], [88, 40, 16, 4]),
        (571, [95, 43, 17, 4], [96, 44, 18, 5]),  # 191, 87, 35 and 9 rows: one odd pooling after the other
        (573, [88, 40, 16, 4], [89, 40, 16, 4]),
    ],
)
def test_the_copies_lose_their_border(size: int, before: list[int], after: list[int]) -> None:
    unet = UNetClassic(UNetClassicConfig(base=1), rng=rng())
    for x, axis in ((normal_tensor(1, size, 188, 1), 1), (normal_tensor(1, 188, size, 1), 2)):
        with use_backend("numpy"):
            crops = [t for t in recorded(unet(x)) if type(t.function).__name__ == "Index"]
        cuts = [(crop.function.index[axis], crop.function.inputs[0].shape[axis]) for crop in crops]  # type: ignore[union-attr]
        assert [cut.start for cut, _ in cuts] == before
        assert [whole - cut.stop for cut, whole in cuts] == after


def test_the_paper_s_weights() -> None:
    unet = UNetClassic(UNetClassicConfig(), rng=rng())
    assert unet.parameter_count() == 31_030_658
    weights = [parameter.shape for name, parameter in unet.named_parameters() if name.endswith("weight")]
    assert len(weights) == 23  # "In total the network has 23 convolutional layers."
    assert [shape[:2] for shape in weights].count((3, 3)) == 18
    assert UNetClassic(UNetClassicConfig(same_padding=True), rng=rng()).parameter_count() == 31_030_658


def test_weights_start_as_in_the_paper() -> None:
    unet = UNetClassic(UNetClassicConfig(base=32, depth=2), rng=rng())
    for name, parameter in unet.named_parameters():
        if name.endswith("bias"):
            assert not parameter.data.any()
            continue
        kh, kw, inputs, _ = parameter.shape
        # Of a 2 x 2 up-convolution with stride 2 each output meets one tap.
        N = inputs * (1 if "up_convolutions" in name else kh * kw)
        spread = 5 / np.sqrt(2 * parameter.data.size)  # five standard errors of a standard deviation, relative
        assert parameter.data.std() == pytest.approx(np.sqrt(2 / N), rel=spread), name
    # With them a map is about as large as the one before, whatever the depth.
    deep = UNetClassic(UNetClassicConfig(base=8), rng=rng())
    assert 0.3 < deep(normal_tensor(1, 188, 188, 1)).data.std() < 10


# ---- With padding


def test_where_128_x_128_x_256_and_32_x_32_x_1024_come_from() -> None:
    found = maps(UNetClassic(UNetClassicConfig(base=1, same_padding=True), rng=rng()), normal_tensor(1, 512, 512, 1))
    levels = [(512, 64), (256, 128), (128, 256), (64, 512), (32, 1024)]
    relus = [(h, 64 * c) for name, h, _, c in found if name == "ReLU"]
    assert relus == [level for level in levels for _ in range(2)] + [
        level for level in levels[-2::-1] for _ in range(2)
    ]
    assert "Index" not in {name for name, *_ in found}  # nothing is cropped
    assert found[-1] == ("Conv2d", 512, 512, 2)
    figure = CONTRACTING + EXPANDING + POOLED + UP_CONVOLVED + CONCATENATED
    assert (128, 256) not in figure and (32, 1024) not in figure


@pytest.mark.parametrize(("H", "W"), [(16, 32), (17, 40), (31, 16)])
def test_padded_sizes_that_do_not_halve_evenly_lose_rows(H: int, W: int) -> None:
    logits = UNetClassic(UNetClassicConfig(base=2, same_padding=True), rng=rng())(normal_tensor(1, H, W, 1))
    assert logits.shape == (1, H - H % 16, W - W % 16, 2)


# ---- Predicted sizes are run sizes


def predicted(config: UNetClassicConfig, height: int, width: int) -> list[tuple[str, int, int, int]]:
    """What `maps` should find, by UNetShape."""
    levels = list(zip(config.shape.levels(height), config.shape.levels(width), config.channels, strict=True))

    def convolutions(
        rows: tuple[int, ...], columns: tuple[int, ...], channels: int
    ) -> Iterator[tuple[str, int, int, int]]:
        for h, w in zip(rows[1:], columns[1:], strict=True):
            yield from (("Conv2d", h, w, channels), ("ReLU", h, w, channels))

    found: list[tuple[str, int, int, int]] = []
    for rows, columns, channels in levels:
        if found:
            found.append(("MaxPool2d", rows.down[0], columns.down[0], channels // 2))
        found += convolutions(rows.down, columns.down, channels)
        if rows.up and (any(rows.crop) or any(columns.crop)):
            found.append(("Index", rows.down[-1] - sum(rows.crop), columns.down[-1] - sum(columns.crop), channels))
    for rows, columns, channels in reversed(levels[:-1]):
        found.append(("ConvTranspose2d", rows.up[0], columns.up[0], channels))
        found.append(("Concatenate", rows.up[0], columns.up[0], 2 * channels))
        found += convolutions(rows.up, columns.up, channels)
    return [*found, ("Conv2d", *found[-1][1:3], config.classes)]


def smallest_that_runs(shape: UNetShape) -> int:
    """The smallest size whose maps do not vanish; some below `shape.smallest` lose rows and still leave one."""
    size = shape.smallest
    while True:
        try:
            shape.levels(size - 1)
        except ShapeError:
            return size
        size -= 1


def check_sizes(config: UNetClassicConfig, heights: range) -> None:
    unet, other = UNetClassic(config, rng=rng()), config.shape.smallest
    for size in heights:
        for height, width in ((size, other), (other, size)):
            assert maps(unet, normal_tensor(1, height, width, 1)) == predicted(config, height, width), (height, width)


@pytest.mark.parametrize("same_padding", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_every_size_up_to_200(depth: int, same_padding: bool) -> None:
    config = UNetClassicConfig(base=1, depth=depth, same_padding=same_padding)
    check_sizes(config, range(smallest_that_runs(config.shape), 201, 1 if depth < 3 else 3))


def test_every_size_that_fits_the_paper_s_net_up_to_700() -> None:
    config = UNetClassicConfig(base=1)
    fitting = range(188, 701, 16)
    assert all(config.shape.fits(size) for size in fitting)
    check_sizes(config, fitting)


@pytest.mark.slow
def test_every_size_of_the_paper_s_net_up_to_700() -> None:
    config = UNetClassicConfig(base=1)
    unet = UNetClassic(config, rng=rng())
    for height in range(smallest_that_runs(config.shape), 701):
        assert maps(unet, normal_tensor(1, height, 188, 1)) == predicted(config, height, 188), height


# ---- What does not fit


@pytest.mark.parametrize(("H", "W"), [(572, 100), (100, 572)])
def test_impossible_sizes_are_explained_before_anything_is_computed(
    H: int, W: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = UNetClassic(UNetClassicConfig(base=1), rng=rng())
    monkeypatch.setattr(ops, "conv2d", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ShapeError, match=r"100 is too small for a U-Net with 4 poolings .*sizes that fit: 188, 204"):
        unet(normal_tensor(1, H, W, 1))


def test_other_channels_are_explained() -> None:
    unet = UNetClassic(UNetClassicConfig(base=1, depth=1, in_channels=3), rng=rng())
    with pytest.raises(ShapeError, match=r"conv2d weight: wanted shape .* = \(any, any, 1, any\), got \(3, 3, 3, 1\)"):
        unet(normal_tensor(1, 18, 18, 1))


# ---- Gradients


@pytest.mark.parametrize("same_padding", [False, True])
def test_every_weight_gets_a_gradient(same_padding: bool) -> None:
    config = UNetClassicConfig(base=4, depth=2, in_channels=2, classes=3, same_padding=same_padding)
    unet = UNetClassic(config, rng=rng())
    logits = unet(normal_tensor(2, 48, 44, 2))
    ops.cross_entropy(logits.reshape(-1, 3), np.zeros(logits.data.size // 3, int)).backward()
    for name, parameter in unet.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


# ---- What a logit sees


def seen_by_logits(shape: UNetShape, size: int) -> ReceptiveField:
    """Which rows of an input of `size` each row of logits sees."""

    def through_convolutions(field: ReceptiveField) -> ReceptiveField:
        for _ in range(shape.convolutions):
            field = field.through_window(shape.window)
        return field

    *above, _ = levels = shape.levels(size)
    fields = [through_convolutions(ReceptiveField.of_input())]
    for _ in levels[1:]:
        fields.append(through_convolutions(fields[-1].through_window(2, stride=2)))
    field = fields.pop()
    for level, copy in zip(reversed(above), reversed(fields), strict=True):
        field = through_convolutions(field.through_transposed(2, stride=2).together(copy.moved(level.crop[0])))
    return field


@pytest.mark.parametrize(("depth", "size"), [(0, 20), (1, 40), (1, 41), (2, 100), (2, 103)])
def test_exactly_the_logits_that_see_a_pixel_depend_on_it(depth: int, size: int) -> None:
    unet = UNetClassic(UNetClassicConfig(base=1, depth=depth), rng=rng())
    field = seen_by_logits(unet.config.shape, size)
    middle = size // 2
    for row, column in ((middle, middle), (middle + 1, middle - 2), (3, size - 5)):
        x = normal_tensor(1, size, size, 1)
        x.data[0, row, column] = np.nan  # nothing that sees it stays a number
        marked = np.isnan(unet(x).data).any(axis=-1)[0]
        rows, columns = (
            [field.at(o)[0] <= place <= field.at(o)[1] for o in range(len(marked))] for place in (row, column)
        )
        assert any(rows) and any(columns) and not all(rows)
        np.testing.assert_array_equal(marked, np.outer(rows, columns))
