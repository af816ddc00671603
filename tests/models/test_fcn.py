"""Without copy and crop: what an FCN has less than a U-Net, and Long's class scores that are added instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from minisd_kernels.shapes import ShapeError
from strategies import Array, normal_tensor, rng

from minisd import ops
from minisd.autograd import Tensor, recorded
from minisd.models.fcn import FCN, SkipFCN, bilinear_weight
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.nn import Module

CONFIG = UNetClassicConfig(base=3, depth=2, in_channels=2, classes=3)
both_paddings = pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, same_padding=True)])


def maps(network: Module, x: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    return [(type(t.function).__name__.strip("_"), t.shape) for t in recorded(network(x))]


# ---- The U-Net without copy and crop


@both_paddings
def test_an_fcn_computes_what_a_unet_does_except_copy_and_crop(config: UNetClassicConfig) -> None:
    x = normal_tensor(2, 52, 44, 2)
    unet, fcn = maps(UNetClassic(config, rng=rng()), x), maps(FCN(config, rng=rng()), x)
    assert [step for step in unet if step[0] not in ("Index", "Concatenate")] == fcn
    assert len(unet) > len(fcn)


@both_paddings
def test_an_fcn_lacks_exactly_the_weights_that_read_the_copy(config: UNetClassicConfig) -> None:
    unet, fcn = UNetClassic(config, rng=rng()).state_dict(), FCN(config, rng=rng()).state_dict()
    assert list(unet) == list(fcn)
    reading = [name for name in unet if unet[name].shape != fcn[name].shape]
    assert reading == [f"expanding.{i}.conv_1.weight" for i in range(config.depth)]
    for name in reading:
        kh, kw, inputs, outputs = unet[name].shape
        assert fcn[name].shape == (kh, kw, inputs // 2, outputs)


@both_paddings
def test_a_unet_whose_weights_ignore_the_copy_is_an_fcn(config: UNetClassicConfig) -> None:
    unet, fcn = UNetClassic(config, rng=rng()), FCN(config, rng=rng(1))
    state = {}
    for name, array in unet.state_dict().items():
        channels = fcn.state_dict()[name].shape[-2] if array.ndim == 4 else 0
        if array.ndim == 4 and array.shape[2] > channels:
            array[:, :, channels:] = 0  # the copy's channels stand behind the up-convolved ones
            array = array[:, :, :channels]
        state[name] = array
    fcn.load_state_dict(state)
    x = normal_tensor(2, 52, 44, 2)
    np.testing.assert_array_equal(unet(x).data, fcn(x).data)


def test_the_paper_s_fcn_has_these_weights_less() -> None:
    config = UNetClassicConfig()
    unet, fcn = UNetClassic(config, rng=rng()), FCN(config, rng=rng())
    assert unet.parameter_count() - fcn.parameter_count() == sum(9 * c * c for c in (64, 128, 256, 512)) == 3_133_440


# ---- Class scores, added


def test_the_maps_of_the_scores() -> None:
    found = maps(SkipFCN(UNetClassicConfig(base=1), rng=rng()), normal_tensor(1, 572, 188, 1))
    assert [shape[1:3] for name, shape in found if name == "Index"] == [(448, 64), (224, 32), (112, 16), (56, 8)]
    assert [shape[1:3] for name, shape in found if name == "Add"] == [(56, 8), (112, 16), (224, 32), (448, 64)]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("same_padding", [False, True])
def test_the_margin_of_the_scores(depth: int, same_padding: bool) -> None:
    config = UNetClassicConfig(base=1, depth=depth, same_padding=same_padding)
    fcn, shape = SkipFCN(config, rng=rng()), config.shape
    margin = 0 if same_padding else 4 * (2 ** (depth + 1) - 1)
    for H, W in ((shape.smallest, shape.smallest + shape.step), (shape.smallest + 2 * shape.step, shape.smallest)):
        assert fcn(normal_tensor(1, H, W, 1)).shape == (1, H - margin, W - margin, 2)


@pytest.mark.parametrize(("H", "W"), [(52, 44), (53, 47)])
@both_paddings
def test_the_logits_are_the_sum_of_what_each_level_says(config: UNetClassicConfig, H: int, W: int) -> None:
    fcn, x = SkipFCN(config, rng=rng()), normal_tensor(2, H, W, 2)
    together: Array = fcn(x).data
    of_each = []
    for level in range(config.depth + 1):
        alone = SkipFCN(config, rng=rng())
        for other, to_scores in enumerate(alone.to_scores):
            if other != level:
                to_scores.weight.data[:] = 0
        of_each.append(alone(x).data)
        assert of_each[-1].any()
    np.testing.assert_allclose(sum(of_each), together, atol=1e-4)


def test_an_untrained_doubling_interpolates() -> None:
    # Row o of the doubled map lies at (o + 1/2) / 2 - 1/2 of the small one; away from the border a ramp stays a ramp.
    h, w = np.arange(6)[:, None], np.arange(5)
    ramp = np.stack([2.0 * h - w, h + 10.0 * w], axis=-1)[None]
    doubled = ops.conv_transpose2d(Tensor(ramp), Tensor(bilinear_weight(2).astype(float)), stride=2, padding=1).data
    h, w = (np.arange(12)[:, None] + 0.5) / 2 - 0.5, (np.arange(10) + 0.5) / 2 - 0.5
    wanted = np.stack([2.0 * h - w, h + 10.0 * w], axis=-1)
    np.testing.assert_allclose(doubled[0, 1:-1, 1:-1], wanted[1:-1, 1:-1])


# ---- Both


@pytest.mark.parametrize("network", [FCN, SkipFCN])
@both_paddings
def test_every_weight_gets_a_gradient(network: type[FCN | SkipFCN], config: UNetClassicConfig) -> None:
    fcn = network(config, rng=rng())
    logits = fcn(normal_tensor(2, 48, 44, 2))
    ops.cross_entropy(logits.reshape(-1, 3), np.zeros(logits.data.size // 3, int)).backward()
    for name, parameter in fcn.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@pytest.mark.parametrize("network", [FCN, SkipFCN])
def test_impossible_sizes_are_explained(network: type[FCN | SkipFCN]) -> None:
    with pytest.raises(ShapeError, match=r"40 is too small .*sizes that fit: 44, 48, 52"):
        network(CONFIG, rng=rng())(normal_tensor(1, 60, 40, 2))
