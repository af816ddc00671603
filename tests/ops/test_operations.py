"""Operations that are more than their kernel: losses, and the skip connection's copy and crop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels.devices import counted_crossings, device_of, missing_device_reason, to_device, to_host
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, contiguous_arrays, few

from minisd import ops
from minisd.autograd import Tensor
from minisd.ops.skips import crop

# ---- Every operation once, options and all, against its plain loop


def values(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape)


x_4d, tokens, logits = values(2, 6, 7, 4), values(2, 3, 2, 4), values(3, 4)
weights = np.array([[0, 0.2, 0.5, 0.3], [1, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]])
PLAIN: dict[str, tuple[Callable[[], Tensor], Callable[[], Array]]] = {
    "relu": (lambda: ops.relu(Tensor(logits)), lambda: oracles.relu(logits)),
    "silu": (lambda: ops.silu(Tensor(logits)), lambda: oracles.silu(logits)),
    "gelu": (lambda: ops.gelu(Tensor(logits)), lambda: oracles.gelu(logits)),
    "softmax": (lambda: ops.softmax(Tensor(logits)), lambda: oracles.softmax(logits)),
    "conv2d": (
        lambda: ops.conv2d(
            *map(Tensor, (x_4d, values(3, 2, 4, 5), values(5))), stride=(2, 1), padding=(1, 2), dilation=(1, 3)
        ),
        lambda: oracles.conv2d(x_4d, values(3, 2, 4, 5), values(5), (2, 1), (1, 2), (1, 3)),
    ),
    "conv_transpose2d": (
        lambda: ops.conv_transpose2d(
            *map(Tensor, (x_4d, values(3, 2, 4, 5), values(5))),
            stride=(2, 3),
            padding=(1, 0),
            dilation=(2, 1),
            output_padding=(1, 2),
        ),
        lambda: oracles.conv_transpose2d(x_4d, values(3, 2, 4, 5), values(5), (2, 3), (1, 0), (2, 1), (1, 2)),
    ),
    "max_pool2d": (
        lambda: ops.max_pool2d(Tensor(x_4d), window=(3, 2), stride=(1, 2), padding=(1, 0)),
        lambda: oracles.max_pool2d(x_4d, (3, 2), (1, 2), (1, 0))[0],
    ),
    "max_pool2d, stride as its window": (
        lambda: ops.max_pool2d(Tensor(x_4d), window=(3, 2)),
        lambda: oracles.max_pool2d(x_4d, (3, 2), (3, 2), (0, 0))[0],
    ),
    "upsample2d": (lambda: ops.upsample2d(Tensor(x_4d), scale=(2, 3)), lambda: oracles.upsample2d(x_4d, (2, 3))),
    "linear": (
        lambda: ops.linear(Tensor(x_4d), Tensor(values(4, 5)), Tensor(values(5))),
        lambda: oracles.linear(x_4d.reshape(-1, 4), values(4, 5), values(5)).reshape(2, 6, 7, 5),
    ),
    "embedding": (
        lambda: ops.embedding(Tensor(values(5, 3)), np.array([[4, 0], [4, 1]])),
        lambda: oracles.embedding(values(5, 3), np.array([[4, 0], [4, 1]])),
    ),
    "group_norm": (
        lambda: ops.group_norm(Tensor(x_4d), Tensor(values(4)), Tensor(values(4) + 1), groups=2),
        lambda: oracles.group_norm(x_4d, values(4), values(4) + 1, 2),
    ),
    "group_norm, SiLU": (
        lambda: ops.group_norm(Tensor(x_4d), Tensor(values(4)), Tensor(values(4) + 1), groups=4, silu=True),
        lambda: oracles.silu(oracles.group_norm(x_4d, values(4), values(4) + 1, 4)),
    ),
    "group_norm, eps": (
        lambda: ops.group_norm(Tensor(x_4d), Tensor(values(4)), Tensor(values(4) + 1), groups=2, eps=0.5),
        lambda: oracles.group_norm(x_4d, values(4), values(4) + 1, 2, eps=0.5),
    ),
    "layer_norm, eps": (
        lambda: ops.layer_norm(Tensor(x_4d), Tensor(values(4)), Tensor(values(4) + 1), eps=0.5),
        lambda: oracles.layer_norm(x_4d, values(4), values(4) + 1, eps=0.5),
    ),
    "layer_norm": (
        lambda: ops.layer_norm(Tensor(x_4d), Tensor(values(4)), Tensor(values(4) + 1)),
        lambda: oracles.layer_norm(x_4d, values(4), values(4) + 1),
    ),
    "adaptive_layer_norm": (
        lambda: ops.adaptive_layer_norm(Tensor(values(2, 3, 4)), Tensor(values(2, 4)), Tensor(values(2, 4) + 1)),
        lambda: np.stack(
            [oracles.layer_norm(values(2, 3, 4)[b], 1 + values(2, 4)[b], values(2, 4)[b] + 1, 1e-6) for b in range(2)]
        ),
    ),
    "attention": (
        lambda: ops.attention(Tensor(tokens), Tensor(tokens + 1), Tensor(tokens**2)),
        lambda: oracles.attention(tokens, tokens + 1, tokens**2, 0.5, causal=False)[0],
    ),
    "attention, causal": (
        lambda: ops.attention(Tensor(tokens), Tensor(tokens + 1), Tensor(tokens**2), causal=True),
        lambda: oracles.attention(tokens, tokens + 1, tokens**2, 0.5, causal=True)[0],
    ),
    "concatenate": (
        lambda: ops.concatenate([Tensor(values(2, 3)), Tensor(values(2, 1)), Tensor(values(2, 2))]),
        lambda: np.concatenate([values(2, 3), values(2, 1), values(2, 2)], axis=1),
    ),
    "mean_squared_error": (
        lambda: ops.mean_squared_error(Tensor(logits), Tensor(weights)),
        lambda: oracles.mean_squared_error(logits, weights),
    ),
    "mean_squared_error of weighted samples": (
        lambda: ops.mean_squared_error(Tensor(logits), Tensor(weights), Tensor(np.array([1.0, 4.0, 0.0]))),
        lambda: np.mean(
            [w * oracles.mean_squared_error(*ab) for w, *ab in zip((1, 4, 0), logits, weights, strict=True)]
        ),
    ),
    "cross_entropy of classes": (
        lambda: ops.cross_entropy(Tensor(logits), np.array([2, 0, 3])),
        lambda: oracles.cross_entropy(logits, np.eye(4)[[2, 0, 3]], np.ones(3)),
    ),
    "cross_entropy of probabilities": (
        lambda: ops.cross_entropy(Tensor(logits), weights.astype(np.float32), np.array([1, 2, 5])),
        lambda: oracles.cross_entropy(logits, weights.astype(np.float32), np.array([1, 2, 5])),
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_an_operation_is_its_plain_loop(name: str) -> None:
    ours, plain = PLAIN[name]
    y, wanted = ours(), plain()
    assert y.shape == wanted.shape and y.dtype == np.float64
    np.testing.assert_allclose(y.data, wanted, rtol=1e-9, atol=1e-12)


# ---- Losses


def test_losses_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"mean_squared_error: wanted equal shapes, got \(2, 3\) and \(3,\)"):
        ops.mean_squared_error(Tensor(np.ones((2, 3))), Tensor(np.ones(3)))
    with pytest.raises(ValueError, match=r"wanted a weight for each of 2 samples, got \(3,\)"):
        ops.mean_squared_error(Tensor(np.ones((2, 3))), Tensor(np.ones((2, 3))), Tensor(np.ones(3)))
    for wrong in ([3], [-1]):
        with pytest.raises(ValueError, match=r"cross_entropy: wanted classes in 0\.\.2, got"):
            ops.cross_entropy(Tensor(np.zeros((1, 3))), np.array(wrong))
    with pytest.raises(ValueError, match=r"cross_entropy weight: wanted shape \(N,\) = \(2\), got \(2, 1\)"):
        ops.cross_entropy(Tensor(np.zeros((2, 3))), np.array([0, 1]), weight=np.ones((2, 1)))


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    logits = np.random.default_rng(0).standard_normal((2, 3))
    weighted = ops.cross_entropy(Tensor(logits), np.array([2, 1]), weight=np.array([2.0, 1.0]))
    repeated = ops.cross_entropy(Tensor(logits[[0, 0, 1]]), np.array([2, 2, 1]))
    np.testing.assert_allclose(weighted.item(), repeated.item() * 3 / 2)  # averaged over two rows, not over three


def test_a_class_left_out_by_minus_infinity_costs_nothing() -> None:
    logits = Tensor(np.array([[0.0, 0.0, -np.inf], [1e4, 0.0, -1e4]]), requires_grad=True)
    loss = ops.cross_entropy(logits, np.array([0, 0]))
    np.testing.assert_allclose(loss.item(), np.log(2) / 2)
    loss.backward()
    np.testing.assert_allclose(logits.grad, [[-0.25, 0.25, 0], [0, 0, 0]])  # type: ignore[arg-type]


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
def test_losses_stay_on_the_device_of_their_tensors() -> None:
    logits, classes, weight = (to_device(a, "emu") for a in (np.ones((2, 3)), np.array([0, 2]), np.array([0.5, 2.0])))
    x, y = (Tensor(to_device(a, "emu"), requires_grad=True) for a in (np.ones((2, 3)), np.zeros((2, 3))))
    with counted_crossings() as crossed:
        ops.mean_squared_error(x, y).backward()
        scores = Tensor(logits, requires_grad=True)
        loss = ops.cross_entropy(scores, classes, weight)
        loss.backward()
    assert (crossed.to_device, crossed.to_host) == (0, 0)
    assert {device_of(a) for a in (x.grad, y.grad, scores.grad, loss.data)} == {"emu"}
    np.testing.assert_allclose(to_host(y.grad), np.full((2, 3), -1 / 3))


def test_kl_divergence_is_that_of_the_closed_form() -> None:
    mean, log_variance = np.array([[1.0, 0.0]]), np.array([[0.0, np.log(4.0)]])
    wanted = 0.5 + 0.5 * (4 - 1 - np.log(4.0))  # KL(N(1, 1) || N(0, 1)) + KL(N(0, 4) || N(0, 1))
    np.testing.assert_allclose(ops.kl_divergence(Tensor(mean), Tensor(log_variance)).item(), wanted)
    twice = ops.kl_divergence(Tensor(np.repeat(mean, 2, axis=0)), Tensor(np.repeat(log_variance, 2, axis=0)))
    np.testing.assert_allclose(twice.item(), wanted)  # nats a sample


# ---- Copy and crop

paddings = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(contiguous_arrays, paddings, st.tuples(st.booleans(), st.booleans()))
@few
def test_a_crop_undoes_padding(make: Arrays, padding: tuple[int, int], odd: tuple[bool, bool]) -> None:
    x = make(2, 3, 4, 2)
    # An odd row stands at the end.
    padded = np.pad(x, [(0, 0), *((p, p + extra) for p, extra in zip(padding, odd, strict=True)), (0, 0)])
    np.testing.assert_array_equal(crop(Tensor(padded), 3, 4).data, x)


def test_both_sides_of_a_skip_are_cropped_to_what_they_share() -> None:
    x, skip = Arrays(0, np.float32)(1, 8, 5, 2), Arrays(1, np.float32)(1, 7, 9, 3)
    joined = ops.copy_and_crop(Tensor(x), Tensor(skip)).data
    assert joined.shape == (1, 7, 5, 5)
    np.testing.assert_array_equal(joined[..., :2], x[:, :7])
    np.testing.assert_array_equal(joined[..., 2:], skip[:, :, 2:7])


def test_what_fits_is_not_cropped() -> None:
    x = Tensor(np.ones((1, 3, 4, 2)))
    assert crop(x, 3, 4) is x
    with pytest.raises(ShapeError, match="cannot crop 3 to the larger size 5"):
        crop(x, 5, 4)
