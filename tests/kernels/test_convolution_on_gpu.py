"""The convolution's ladder on a GPU, step by step: every step gives the sums of the loops, exactly or as TF32 rounds;
every tile and every number of parts gives the same; no thread reads what another still writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels import conv2d
from minisd_kernels.conv2d import cupy_gpu
from minisd_kernels.conv2d.cupy_gpu import NARROW, NARROW_ODD, ODD, SUMS, TILES, Tile, parts_for, step_for, tile_for
from minisd_kernels.devices import to_device, to_host
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.switches import tensor_cores
from strategies import ASYMMETRIC, Array, Arrays, Geometry, few, geometries, on_cuda, on_emu

each_device = pytest.mark.parametrize("device", [on_emu, on_cuda])
FAST = ("registers", "tensor")

# Channels that do and do not come in fours, and that do and do not fill a tile.
channels = st.sampled_from([1, 3, 4, 17, 32, 40, 68])
MAKE = Arrays(0, np.float32)
PADDED = Geometry(size=(7, 6), window=(3, 3), stride=(1, 1), padding=(1, 1))
DILATED = Geometry(size=(9, 8), window=(3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 3))
UNEVEN = Geometry(size=(5, 6), window=(3, 3), stride=(2, 2), padding=((0, 1), (2, 0)))
SMALLEST = Geometry(size=(1, 1), window=(1, 1), stride=(1, 1), padding=(0, 0))


class Case:
    """One convolution's arrays and the exact sums, and how far rounding may take each from them."""

    def __init__(self, make: Arrays, geometry: Geometry, B: int, C: int, O: int) -> None:
        self.geometry = geometry
        self.options = {"stride": geometry.stride, "padding": geometry.padding, "dilation": geometry.dilation}
        self.x, self.weight, self.bias = make(B, *geometry.size, C), make(*geometry.window, C, O), make(O)
        self.grad = make(B, *geometry.out, O)
        self.exact, self.sizes = self._sums(lambda array: array), self._sums(np.abs)

    def _sums(self, of: Callable[[Array], Array]) -> dict[str, Array]:
        x, weight, grad = of(self.x), of(self.weight), of(self.grad)
        grad_x, grad_weight, _ = oracles.conv2d_gradients(grad, x, weight, **self.options)
        y = oracles.conv2d(x, weight, of(self.bias), **self.options)
        return {"forward": y, "input_gradient": grad_x, "weight_gradient": grad_weight}

    def run(self, device: str, step: str, of: str) -> Array:
        x, weight, bias, grad = (to_device(a, device) for a in (self.x, self.weight, self.bias, self.grad))
        g = self.geometry
        rest = (g.stride, g.sides, g.dilation)
        if of == "forward":
            result = cupy_gpu.forward_by(step, x, weight, bias, g.out, *rest)
        elif of == "input_gradient":
            result = cupy_gpu.input_gradient_by(step, grad, weight, None, g.size, *rest)
        else:
            result = cupy_gpu.weight_gradient_by(step, grad, x, g.window, *rest)
        return np.asarray(to_host(result))

    def check(self, device: str, step: str, of: str) -> Array:
        """Run it and hold it against the exact sum."""
        result = self.run(device, step, of)
        assert result.dtype == self.x.dtype and result.shape == self.exact[of].shape
        # A factor rounded to 10 bits is off by 2^-11 of its size, a product of two by 2^-10; float32 by far less.
        relative = 2.0**-10 if step == "tensor" else 0
        relative += 1e-5 if self.x.dtype == np.float32 else 1e-14
        assert (abs(result - self.exact[of]) <= relative * self.sizes[of] + 1e-30).all()
        return result


# ---- The sums


@each_device
@given(st.integers(0, 2**32 - 1), geometries(max_dilation=3, uneven=True), st.integers(1, 3), channels, channels)
@example(0, PADDED, 2, 40, 32)
@example(0, ASYMMETRIC, 3, 17, 4)
@example(0, DILATED, 2, 4, 68)
@example(0, UNEVEN, 2, 4, 32)
@example(0, SMALLEST, 1, 1, 1)
@few
def test_every_step_gives_the_sums_of_the_loops(
    device: str, seed: int, geometry: Geometry, B: int, C: int, O: int
) -> None:
    case = Case(Arrays(seed, np.float32), geometry, B, C, O)
    for step in cupy_gpu.STEPS:
        for of in SUMS if step != "tiled" else ("forward",):
            case.check(device, step, of)


@each_device
@pytest.mark.parametrize("geometry", [PADDED, DILATED])
def test_the_plain_steps_take_float64(device: str, geometry: Geometry) -> None:
    case = Case(Arrays(0, np.float64), geometry, 2, 5, 3)
    for step, of in [*(("plain", of) for of in SUMS), ("tiled", "forward")]:
        case.check(device, step, of)


@each_device
@pytest.mark.parametrize("parts", [1, 3, 40])
@pytest.mark.parametrize("tile", TILES)
def test_every_tile_and_number_of_parts_will_do(
    device: str, tile: Tile, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(MAKE, PADDED, 2, 20, 36)
    monkeypatch.setattr(cupy_gpu, "tile_for", lambda *_: tile)
    monkeypatch.setattr(cupy_gpu, "parts_for", lambda *_: parts)
    for step in FAST:
        for of in SUMS:
            result = case.check(device, step, of)
            np.testing.assert_array_equal(case.run(device, step, of), result)  # the same bits again


@each_device
def test_a_last_layers_one_channel_has_a_tile_of_its_own(device: str) -> None:
    case = Case(MAKE, PADDED, 2, 20, 1)
    assert tile_for(84, 1, 180, 4, 1) is NARROW_ODD
    for step in FAST:
        for of in ("forward", "weight_gradient"):
            case.check(device, step, of)


@each_device
def test_arrays_may_begin_anywhere(device: str) -> None:
    """Four numbers can be read at once only from multiples of 16 bytes, and a view may begin between them."""
    case = Case(MAKE, PADDED, 2, 8, 8)
    g, weight, bias = PADDED, to_device(case.weight, device), to_device(case.bias, device)
    memory = to_device(np.concatenate([[np.float32(0)], case.x.reshape(-1)]), device)
    for step in FAST:
        y = cupy_gpu.forward_by(
            step, memory[1:].reshape(case.x.shape), weight, bias, g.out, g.stride, g.sides, g.dilation
        )
        np.testing.assert_allclose(to_host(y), case.run(device, step, "forward"), rtol=1e-4, atol=1e-5)


@each_device
def test_nan_and_infinity_pass_the_tensor_cores(device: str) -> None:
    case = Case(MAKE, PADDED, 1, 4, 4)
    case.x[0, 0, 0, 0], case.x[0, 6, 5, 1] = np.uint32(0x7FFFFFFF).view(np.float32), np.inf  # the NaN that a GPU makes
    y = case.run(device, "tensor", "forward")
    assert np.isnan(y[0, :2, :2]).all() and np.isinf(y[0, -2:, -2:]).all()
    assert np.isfinite(y[0, 2:5]).all() and np.isfinite(y[0, :, 2:4]).all()


# ---- What the emulator sees


@pytest.mark.emu
@pytest.mark.parametrize("tile", [*TILES, NARROW, NARROW_ODD, ODD])
def test_no_step_races_or_leaves_its_memory(tile: Tile, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(MAKE, Geometry(size=(4, 5), window=(2, 2), stride=(1, 1), padding=(1, 1)), 1, 8, tile.vector_b)
    monkeypatch.setattr(cupy_gpu, "tile_for", lambda *_: tile)
    monkeypatch.setattr(cupy_gpu, "parts_for", lambda *_: 2)
    sums = cupy_gpu._OF_TILES[tile]
    results = []
    for reverse in (False, True):
        with watching(reversed=reverse):
            results.append([case.check("emu", step, of) for step in FAST for of in sums])
    for forwards, backwards in zip(*results, strict=True):
        np.testing.assert_array_equal(forwards, backwards)


@pytest.mark.emu
@pytest.mark.parametrize("step", FAST)
def test_lanes_read_the_tiles_without_meeting_in_a_bank(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(MAKE, PADDED, 1, 16, 16)
    monkeypatch.setattr(cupy_gpu, "tile_for", lambda *_: TILES[0])
    with watching(races=False, counting=True) as watch:
        for of in SUMS:
            case.run("emu", step, of)
    reads = [line for line in watch.lines if line.shared and not line.writes]
    assert reads and all(line.moved == line.best for line in reads)


# ---- The rule


@pytest.mark.emu
def test_the_rule_takes_the_fastest_step_that_may_run() -> None:
    single, double = (to_device(np.zeros(1, dtype), "emu") for dtype in (np.float32, np.float64))
    assert step_for(single, 2880) == "tensor" and step_for(double, 2880) == "plain"
    assert step_for(single, 9) == "plain"
    with tensor_cores.off():
        assert step_for(single, 2880) == "registers"


@given(st.integers(1, 10**6), st.integers(1, 2000), st.integers(1, 10**6), st.booleans(), st.booleans())
@few
def test_the_rule_names_kernels_that_are_there(M: int, N: int, K: int, four_a: bool, four_b: bool) -> None:
    vectors = 4 if four_a else 1, 4 if four_b else 1
    tile = tile_for(M, N, K, *vectors)
    assert tile.vector_a <= vectors[0] and tile.vector_b <= vectors[1]
    for of in SUMS:
        if of != "input_gradient" or vectors[0] == vectors[1]:
            assert tile.instance("tensor", of) in cupy_gpu._TENSOR.instances
            assert tile.instance("registers", of) in cupy_gpu._REGISTERS.instances
    parts = parts_for(tile, M, N, K)
    assert parts == 1 or (parts * tile.blocks(M, N) <= cupy_gpu.BUSY and K // parts >= cupy_gpu.LEAST)


@pytest.mark.emu
def test_what_a_step_cannot_do_is_said() -> None:
    x, weight = (to_device(np.zeros(shape), "emu") for shape in ((1, 3, 3, 1), (3, 3, 1, 1)))
    rest: Any = (x, weight, None, (1, 1), (1, 1), (0, 0), (1, 1))
    with pytest.raises(ValueError, match="no step 'fast' here; choose one of plain, tiled, registers, tensor"):
        cupy_gpu.forward_by("fast", *rest)
    with pytest.raises(ValueError, match="'tensor' takes float32, got float64"):
        cupy_gpu.forward_by("tensor", *rest)
    huge = type("Huge", (), {"size": 2**31, "shape": (2**11, 2**10, 2**10, 1)})()
    with pytest.raises(ValueError, match=r"too large: .* split the batch"):
        cupy_gpu._require_countable(huge)


@each_device
def test_an_empty_batch_stays_empty(device: str) -> None:
    x, weight = to_device(MAKE(0, 4, 4, 4), device), to_device(MAKE(3, 3, 4, 4), device)
    y = conv2d.forward(x, weight)
    assert y.shape == (0, 2, 2, 4)
    for step in ("plain", *FAST):
        grad_weight = to_host(cupy_gpu.weight_gradient_by(step, y, x, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)))
        assert grad_weight.shape == (3, 3, 4, 4) and not grad_weight.any()
    assert not to_host(cupy_gpu.bias_gradient(y)).any()
