"""The classic U-Net beside the same net in PyTorch: logits, and the gradient of every weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import Array

from minisd import ops
from minisd.autograd import Tensor
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig

pytest.importorskip("torch")
import torch
import torch.nn.functional as F  # noqa: N812

from minisd.bench import torch_twins


def both(
    config: UNetClassicConfig, size: tuple[int, int], dtype: type[Any]
) -> tuple[list[Array], list[Array], list[str]]:
    """Logits of a random image and the cross-entropy's gradient by every weight: ours, theirs, and their names."""
    rng = np.random.default_rng(0)
    unet = UNetClassic(config, rng=rng)
    for name, parameter in unet.named_parameters():
        parameter.data = parameter.data.astype(dtype)
        if name.endswith("bias"):
            parameter.data += 0.1 * rng.standard_normal(parameter.shape)
    image = rng.standard_normal((1, *size, config.in_channels)).astype(dtype)

    logits = unet(Tensor(image))
    classes = (np.indices(logits.shape[1:3]).sum(axis=0) // 50 % config.classes).reshape(-1)  # slanted stripes
    ops.cross_entropy(logits.reshape(-1, config.classes), classes).backward()

    weights = {name: parameter.data for name, parameter in unet.named_parameters()}
    twin = torch_twins.with_weights(torch_twins.ClassicUNet(config), weights)
    their_logits = twin(torch_twins.to_torch(image, torch_twins.IMAGES), None)
    F.cross_entropy(their_logits.permute(0, 2, 3, 1).reshape(-1, config.classes), torch.tensor(classes)).backward()
    ours = [logits.data, *(parameter.grad for parameter in unet.parameters())]
    theirs = [
        torch_twins.to_ours(their_logits, torch_twins.IMAGES),
        *torch_twins.gradients(twin, list(weights)).values(),
    ]
    return ours, theirs, ["logits", *weights]


@pytest.mark.parametrize("size", [(188, 204), (191, 188)])  # 191 loses rows, and its copies are cropped unevenly
def test_in_float64(size: tuple[int, int]) -> None:
    config = UNetClassicConfig(base=3, in_channels=2, classes=3)
    for our, their, name in zip(*both(config, size, np.float64), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-9, atol=1e-9 * np.abs(their).max(), err_msg=name)


@pytest.mark.slow
def test_the_paper_s_net_in_float32() -> None:
    (our_logits, *ours), (their_logits, *theirs), (_, *names) = both(UNetClassicConfig(), (572, 572), np.float32)
    assert our_logits.shape == (1, 388, 388, 2)
    np.testing.assert_allclose(our_logits, their_logits, rtol=0, atol=1e-4 * np.abs(their_logits).max())
    # Where rounding turns a ReLU on or off, or moves a maximum, a gradient changes by a jump: float32's gradients are
    # less exact than its logits, PyTorch's like ours. Differences are relative to the length of each weight's gradient.
    for our, their, name in zip(ours, theirs, names, strict=True):
        assert np.linalg.norm(our - their) < 2e-3 * np.linalg.norm(their), name
