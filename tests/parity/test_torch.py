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

torch = pytest.importorskip("torch")
F = torch.nn.functional
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
        lambda x: ops.upsample2d(x, (2, 3)),
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
    names = [name for name, _ in block.named_parameters()]
    arrays = [(parameter.data + 0.1 * normal(*parameter.shape)).astype(dtype) for parameter in block.parameters()]

    def ours(x: Tensor, condition: Tensor, *weights: Tensor) -> Tensor:
        for parameter, weight in zip(block.parameters(), weights, strict=True):
            parameter.data = weight.data
        y: Tensor = block(x, condition)
        return y

    def theirs(x: Any, condition: Any, *weights: Any) -> Any:
        of = dict(zip(names, weights, strict=True))

        def conv(h: Any, name: str, padding: int) -> Any:
            return F.conv2d(h, of[f"{name}.weight"].permute(3, 2, 0, 1), of[f"{name}.bias"], padding=padding)

        x = to_nchw(x)
        h = conv(F.silu(F.group_norm(x, 3, of["norm_1.gamma"], of["norm_1.beta"])), "conv_1", 1)
        h = h + F.linear(F.silu(condition), of["to_shift.weight"].T, of["to_shift.bias"])[:, :, None, None]
        h = conv(F.silu(F.group_norm(h, 3, of["norm_2.gamma"], of["norm_2.beta"])), "conv_2", 1)
        return to_nhwc(conv(x, "shortcut", 0) + h)

    inputs = [normal(2, 5, 4, 6), normal(2, 5)]
    their_tensors = [torch.tensor(array, requires_grad=True) for array in (*inputs, *arrays)]
    tensors = [Tensor(array, requires_grad=True) for array in inputs]
    y, their_y = ours(*tensors, *map(Tensor, arrays)), theirs(*their_tensors)
    upstream = normal(*y.shape)
    y.backward(upstream)
    their_y.backward(torch.tensor(upstream))
    tolerance: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(y.data, their_y.detach().numpy(), **tolerance)
    for tensor, their_tensor in zip((*tensors, *block.parameters()), their_tensors, strict=True):
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad, their_tensor.grad.numpy(), **tolerance)
