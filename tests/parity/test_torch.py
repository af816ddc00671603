"""The same numbers as PyTorch, forward and backward, on random weights. Needs the extra: pip install minisd[parity]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import Array

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn import ResidualBlock

pytest.importorskip("torch")
import torch
import torch.nn.functional as F  # noqa: N812

from minisd.bench import torch_twins

pytestmark = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def normal(dtype: type[Any]) -> Callable[..., Array]:
    rng = np.random.default_rng(0)
    return lambda *shape: rng.standard_normal(shape).astype(dtype)


def to_nchw(x: Any) -> Any:
    return x.permute(0, 3, 1, 2)


def to_nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1)


def check(ours: Callable[..., Tensor], theirs: Callable[..., Any], *arrays: Array) -> None:
    """Both functions have the same value, and the same gradients by every array."""
    tolerance: dict[str, Any] = (
        {"rtol": 1e-4, "atol": 2e-5} if arrays[0].dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-10}
    )
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    their_tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, their_y = ours(*tensors), theirs(*their_tensors)
    np.testing.assert_allclose(y.data, their_y.detach().numpy(), **tolerance)
    upstream = np.random.default_rng(1).standard_normal(y.shape).astype(arrays[0].dtype)
    y.backward(upstream)
    their_y.backward(torch.tensor(upstream))
    for tensor, their_tensor in zip(tensors, their_tensors, strict=True):
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad, their_tensor.grad.numpy(), **tolerance)


def test_conv2d(normal: Callable[..., Array]) -> None:
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    check(
        lambda x, w, b: ops.conv2d(x, w, b, **options),
        lambda x, w, b: to_nhwc(F.conv2d(to_nchw(x), w.permute(3, 2, 0, 1), b, **options)),
        normal(2, 9, 8, 5),
        normal(3, 2, 5, 7),
        normal(7),
    )


def test_conv_transpose2d(normal: Callable[..., Array]) -> None:
    options: dict[str, Any] = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (2, 1)}
    check(
        lambda x, w, b: ops.conv_transpose2d(x, w, b, **options),
        lambda x, w, b: to_nhwc(F.conv_transpose2d(to_nchw(x), w.permute(2, 3, 0, 1), b, **options)),
        normal(2, 5, 4, 5),
        normal(3, 4, 5, 7),
        normal(7),
    )


def test_linear(normal: Callable[..., Array]) -> None:
    check(ops.linear, lambda x, w, b: F.linear(x, w.T, b), normal(2, 3, 5), normal(5, 7), normal(7))


@pytest.mark.parametrize("causal", [False, True])
def test_attention(normal: Callable[..., Array], causal: bool) -> None:
    def theirs(*tensors: Any) -> Any:
        heads_first = (tensor.transpose(1, 2) for tensor in tensors)
        return F.scaled_dot_product_attention(*heads_first, is_causal=causal).transpose(1, 2)

    M = 9 if causal else 70
    check(
        lambda q, k, v: ops.attention(q, k, v, causal=causal),
        theirs,
        normal(2, 9, 3, 5),
        normal(2, M, 3, 5),
        normal(2, M, 3, 5),
    )


def test_group_norm(normal: Callable[..., Array]) -> None:
    check(
        lambda x, g, b: ops.group_norm(x, g, b, groups=3),
        lambda x, g, b: to_nhwc(F.group_norm(to_nchw(x), 3, g, b)),
        normal(2, 5, 4, 6),
        normal(6),
        normal(6),
    )


def test_layer_norm(normal: Callable[..., Array]) -> None:
    check(ops.layer_norm, lambda x, g, b: F.layer_norm(x, (6,), g, b), normal(2, 5, 6), normal(6), normal(6))


def test_activations(normal: Callable[..., Array]) -> None:
    check(ops.gelu, lambda x: F.gelu(x, approximate="tanh"), 3 * normal(4, 5))
    check(ops.relu, F.relu, 3 * normal(4, 5))
    check(ops.silu, F.silu, 3 * normal(4, 5))
    check(ops.softmax, lambda x: F.softmax(x, dim=-1), 3 * normal(4, 5))


def test_resampling(normal: Callable[..., Array]) -> None:
    check(
        lambda x: ops.max_pool2d(x, window=(3, 2), stride=2, padding=(1, 0)),
        lambda x: to_nhwc(F.max_pool2d(to_nchw(x), (3, 2), 2, (1, 0))),
        normal(2, 7, 6, 3),
    )
    check(
        lambda x: ops.upsample2d(x, scale=(2, 3)),
        lambda x: to_nhwc(F.interpolate(to_nchw(x), scale_factor=(2, 3), mode="nearest")),
        normal(2, 3, 4, 2),
    )


def test_embedding(normal: Callable[..., Array]) -> None:
    ids = np.array([[0, 4, 4], [2, 1, 4]])
    check(lambda table: ops.embedding(table, ids), lambda table: F.embedding(torch.tensor(ids), table), normal(5, 3))


def test_losses(normal: Callable[..., Array]) -> None:
    classes = np.array([2, 0, 2])
    check(lambda x: ops.cross_entropy(x, classes), lambda x: F.cross_entropy(x, torch.tensor(classes)), normal(3, 4))
    probabilities = np.array([[0.5, 0.5, 0, 0], [0, 0.1, 0.2, 0.7]])
    check(
        lambda x: ops.cross_entropy(x, probabilities.astype(x.dtype)),
        lambda x: F.cross_entropy(x, torch.tensor(probabilities).to(x.dtype)),
        normal(2, 4),
    )
    check(ops.mean_squared_error, F.mse_loss, normal(3, 4), normal(3, 4))


def test_a_residual_block(normal: Callable[..., Array], dtype: type[Any]) -> None:
    block = ResidualBlock(6, 9, groups=3, condition_width=5, rng=np.random.default_rng(0))
    for parameter in block.parameters():
        parameter.data = (parameter.data + 0.1 * normal(*parameter.shape)).astype(dtype)
    twin = torch_twins.with_weights(
        torch_twins.ResidualBlock(6, 9, groups=3, condition_width=5),
        {name: parameter.data for name, parameter in block.named_parameters()},
    )
    inputs = [normal(2, 5, 4, 6), normal(2, 5)]
    tensors, their_tensors = [Tensor(a, requires_grad=True) for a in inputs], [leaf(a) for a in inputs]
    y, their_y = block(*tensors), to_nhwc(twin(to_nchw(their_tensors[0]), their_tensors[1]))
    upstream = normal(*y.shape)
    y.backward(upstream)
    their_y.backward(torch.tensor(upstream))
    ours = {name: parameter.grad for name, parameter in block.named_parameters()}
    theirs = torch_twins.gradients(twin, list(ours))
    tolerance: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(y.data, their_y.detach().numpy(), **tolerance)
    assert ours.keys() == theirs.keys()
    for name, found in ours.items():
        np.testing.assert_allclose(found, theirs[name], **tolerance, err_msg=name)
    for tensor, their_tensor in zip(tensors, their_tensors, strict=True):
        np.testing.assert_allclose(tensor.grad, their_tensor.grad.numpy(), **tolerance)


def leaf(array: Array) -> Any:
    return torch.tensor(array, requires_grad=True)
