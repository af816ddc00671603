"""The overlap-tile strategy: tiles predict what one huge input would, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import ShapeError
from minisd_kernels.switches import winograd
from strategies import Array, few

from minisd.autograd import Tensor
from minisd.models.fcn import FCN
from minisd.models.overlap_tile import mirrored, predict
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig


def network(kind: type[UNetClassic | FCN] = UNetClassic, **sizes: int) -> UNetClassic | FCN:
    """With random biases, as training leaves them."""
    rng = np.random.default_rng(0)
    model = kind(UNetClassicConfig(in_channels=2, classes=3, **sizes), rng=rng)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data += rng.standard_normal(parameter.shape).astype(np.float32)
    return model


def images(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def untiled(model: UNetClassic | FCN, x: Array) -> Array:
    """The prediction for one mirrored input that is large enough for the whole image."""
    shape, (_, H, W, _) = model.config.shape, x.shape
    half = shape.margin // 2
    behind = [shape.covering(size) - size - half for size in (H, W)]
    mirror = np.pad(x, ((0, 0), (half, behind[0]), (half, behind[1]), (0, 0)), mode="reflect")
    logits: Array = model(Tensor(mirror)).data[:, :H, :W]
    return logits


sizes_and_tiles = {
    "depth": st.integers(0, 3),
    "base": st.sampled_from([1, 3, 8]),
    "kind": st.sampled_from([UNetClassic, FCN]),
    "H": st.integers(1, 50),
    "W": st.integers(1, 50),
    "rows_of_a_tile": st.integers(16, 40),
}


def tiled_and_untiled(
    depth: int, base: int, kind: type[UNetClassic | FCN], H: int, W: int, rows_of_a_tile: int
) -> tuple[Array, Array]:
    model, x = network(kind, depth=depth, base=base), images(1, H, W, 2)
    with use_backend("numba"), winograd.off():
        return predict(model, x, tile=model.config.shape.covering(rows_of_a_tile)), untiled(model, x)


@given(**sizes_and_tiles)
@few
def test_tiles_predict_the_same_bits_as_one_huge_input(**drawn: Any) -> None:
    tiles, whole = tiled_and_untiled(**drawn)
    assert tiles.dtype == np.float32
    np.testing.assert_array_equal(tiles, whole)


@pytest.mark.parametrize(("depth", "base", "tile", "H", "W"), [(1, 40, 40, 50, 31), (4, 2, 204, 37, 20)])
def test_wide_and_deep(depth: int, base: int, tile: int, H: int, W: int) -> None:
    model, x = network(depth=depth, base=base), images(1, H, W, 2)
    with winograd.off():
        whole = untiled(model, x)
    np.testing.assert_array_equal(predict(model, x, tile=tile), whole)


def test_winograd_s_tiles_would_show() -> None:
    # Wide enough for Winograd's method; the deepest maps of a tile lie off the grid of 4 of the whole input's.
    model, x = network(depth=2, base=64), images(1, 29, 31, 2)
    with use_backend("numba"):
        tiles, rounded_by_place = predict(model, x, tile=60), untiled(model, x)
        with winograd.off():
            np.testing.assert_array_equal(tiles, untiled(model, x))
    assert (tiles != rounded_by_place).any()
    np.testing.assert_allclose(tiles, rounded_by_place, rtol=1e-3, atol=1e-4)


def test_numpy_agrees_but_for_rounding() -> None:
    # Its matrix products come from a BLAS library, which may add in another order for another size.
    model, x = network(depth=2, base=5), images(2, 41, 30, 2)
    with use_backend("numpy"):
        np.testing.assert_allclose(predict(model, x, tile=60), untiled(model, x), rtol=1e-3, atol=1e-4)


class Watched(UNetClassic):
    """Remembers the shape of every input, and whether a tape was kept."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        self.seen = [*getattr(self, "seen", []), (x.shape, y.requires_grad)]
        return y


def test_one_tile_at_a_time_and_no_tape() -> None:
    model = Watched(UNetClassicConfig(base=1), rng=np.random.default_rng(0))
    predict(model, images(2, 400, 20, 1), tile=284)  # 284 predict 100 rows, 96 apart: 5 tiles high and 1 wide
    assert model.seen == [((1, 284, 284, 1), False)] * 2 * 5


def test_the_paper_s_512_takes_four_tiles() -> None:
    model = Watched(UNetClassicConfig(base=1), rng=np.random.default_rng(0))
    with use_backend("numpy"):
        assert predict(model, images(1, 512, 512, 1)).shape == (1, 512, 512, 2)
    assert model.seen == [((1, 572, 572, 1), False)] * 4


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 40))
@few
def test_the_mirror_stands_on_the_outermost_pixel(size: int, before: int, behind: int) -> None:
    wanted = np.pad(np.arange(size), (before, behind), mode="reflect")
    np.testing.assert_array_equal(mirrored(np.arange(-before, size + behind), size), wanted)


def test_what_cannot_be_tiled_is_explained() -> None:
    model = network(depth=2, base=1)
    with pytest.raises(ShapeError, match=r"tiles of 50 do not lie on the poolings' grid of 4; nearest .* 48, 52"):
        predict(model, images(1, 30, 30, 2), tile=50)
    with pytest.raises(ShapeError, match=r"overlap_tile.predict images: wanted shape \(B, H, W, C\)"):
        predict(model, images(30, 30, 2), tile=52)
    padded = UNetClassic(UNetClassicConfig(base=1, depth=1, same_padding=True), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"sees zeros at a tile's edge .* give it the whole image"):
        predict(padded, images(1, 30, 30, 1), tile=28)
