"""The tensor and the tape: broadcasting, reuse, depth, what is freed, and errors that teach."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import few

from minisd.autograd import Array, Function, Tensor, no_grad, recorded, unbroadcast


def leaf(*values: Any) -> Tensor:
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


# ---- Gradients add up in the right places


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
@few
def test_a_broadcast_input_gets_the_sum_over_its_copies(shapes: hnp.BroadcastableShapes) -> None:
    a, b = (Tensor(np.ones(shape), requires_grad=True) for shape in shapes.input_shapes)
    (a + b).sum().backward()
    size = np.prod(shapes.result_shape, dtype=int)
    for tensor in (a, b):
        assert tensor.grad is not None and tensor.grad.shape == tensor.shape
        assert (tensor.grad == size // max(1, tensor.data.size)).all()


@given(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), st.integers(0, 2))
@few
def test_unbroadcast_is_the_adjoint_of_broadcasting(shape: tuple[int, ...], extra: int) -> None:
    rng = np.random.default_rng(0)
    small = rng.standard_normal(tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    grad = rng.standard_normal((2,) * extra + shape)
    back = unbroadcast(grad, small.shape)
    assert back.shape == small.shape
    np.testing.assert_allclose((back * small).sum(), (grad * np.broadcast_to(small, grad.shape)).sum())


def test_a_tensor_used_often_gets_the_sum() -> None:
    x = leaf(2.0, 3.0)
    y = x * x + x + x  # x^2 + 2x
    (y * y).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2 * 8 * 6, 2 * 15 * 8]


def test_a_diamond_is_walked_once_a_function() -> None:
    calls = []

    class Counted(Function):
        def forward(self, x: Array) -> Array:
            self.x = x
            return x.copy()

        def backward(self, grad: Array) -> tuple[Array]:
            calls.append(float(grad.sum()))
            return (grad,)

    x = leaf(1.0)
    middle = Counted.apply(x)
    left, right = middle * 2.0, middle * 3.0
    (left + right + left * right).sum().backward()
    assert calls == [2 + 3 + 12]  # one call, with the gradients of all four uses
    assert x.grad is not None and x.grad.tolist() == [17]


def test_gradients_of_several_passes_add_up() -> None:
    x = leaf(1.0, 2.0)
    (x * 2.0).sum().backward()
    first = x.grad
    (x * 3.0).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [5, 5]
    assert first is not None and first.tolist() == [2, 2]


def test_no_array_of_somebody_else_is_changed() -> None:
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    upstream = np.array([10.0, 20.0])
    total = x + z  # Add hands the same array to both
    ((total + x) + (x + z)).backward(upstream)
    assert upstream.tolist() == [10, 20]
    assert x.grad is not None and x.grad.tolist() == [30, 60]
    assert z.grad is not None and z.grad.tolist() == [20, 40]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12))
@few
def test_any_web_of_additions_counts_its_paths(edges: list[tuple[int, int]]) -> None:
    # Shared and read-only gradients (of sums) meet in every order; the number of paths is the exact answer.
    tensors, paths = [leaf(1.0, 1.0)], [1]
    for a, b in edges:
        i, j = a % len(tensors), b % len(tensors)
        tensors.append(tensors[i] + tensors[j])
        paths.append(paths[i] + paths[j])
    upstream = np.broadcast_to(np.float64(1), (2,))  # cannot be written to
    tensors[-1].backward(upstream)
    grad = tensors[0].grad
    assert grad is not None and grad.tolist() == [paths[-1]] * 2


# ---- The tape


@pytest.mark.parametrize("goes_back", [True, False])
def test_a_deep_graph_needs_no_recursion(goes_back: bool) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    if goes_back:
        y.backward()
        assert x.grad is not None and x.grad.tolist() == [1]
    del y  # nor does throwing it away


def test_a_tape_serves_once() -> None:
    x = leaf(1.0, 2.0)
    shared = x * x
    loss, other = shared.sum(), (shared * 2.0).sum()
    loss.backward()
    for freed in (loss, other):
        with pytest.raises(RuntimeError, match="freed by an earlier backward pass; run the forward pass again"):
            freed.backward()
    assert x.grad is not None and x.grad.tolist() == [2, 4]  # a refused pass adds nothing


def test_what_forward_kept_is_gone_after_backward() -> None:
    x = leaf(1.0, 2.0)
    kept = weakref.ref(inner := (x * x).exp())
    data = weakref.ref(inner.data)
    loss = (inner * inner).sum()
    del inner
    gc.collect()
    assert kept() is not None and data() is not None
    loss.backward()  # `loss` itself lives on
    gc.collect()
    assert kept() is None and data() is None
    assert x.grad is not None


def test_without_a_tape_nothing_is_kept() -> None:
    x = leaf(1.0)
    with no_grad():
        with no_grad():
            pass
        y = x * x
        inner = weakref.ref(y)
        z = y * 2.0
    assert not z.requires_grad and z.function is None
    del y
    gc.collect()
    assert inner() is None
    assert (x * x).requires_grad  # the block is over
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_the_tape_can_be_read_from_the_leaves_on() -> None:
    x = leaf(1, 2)
    twice = x * 2
    left, right = twice.exp(), -twice
    found = recorded(left + right)
    assert {id(tensor) for tensor in (twice, left, right)} < {id(tensor) for tensor in found}
    assert x not in found and len(found) == len({id(tensor) for tensor in found}) == 4
    for i, tensor in enumerate(found):
        assert tensor.function is not None
        before = {id(earlier) for earlier in found[:i]}
        assert all(source.function is None or id(source) in before for source in tensor.function.inputs)
    with no_grad():
        assert recorded(x * 2) == []


def test_detach_stops_the_gradient() -> None:
    x = leaf(3.0)
    (x * x.detach()).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3]


def test_a_part_that_needs_no_gradient_gets_none() -> None:
    x, constant = leaf(1.0), Tensor(np.array([2.0]))
    (x * constant).sum().backward()
    assert constant.grad is None


# ---- Types and errors


def test_a_number_takes_the_tensors_type() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = (2 * x + 1.5) / 3 - 1 / (x + 1)
    y.mean().backward()
    assert y.dtype == np.float32 and x.grad is not None and x.grad.dtype == np.float32


def test_an_array_on_the_left_gives_a_tensor() -> None:
    x, ones = leaf([1.0, 2.0]), np.ones((1, 2))
    for result in (ones + x, ones - x, ones * x, ones / x, np.float64(1) * x, np.ones((3, 1)) @ x):
        assert isinstance(result, Tensor) and result.requires_grad


def test_integers_have_no_gradient() -> None:
    with pytest.raises(TypeError, match=r"requires_grad wants a floating type, got int64; .* use .astype"):
        Tensor(np.array([1, 2]), requires_grad=True)


def test_a_tensor_of_several_numbers_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"a tensor of shape \(2,\) needs a gradient; or take \.sum\(\) first"):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"wanted a gradient of shape \(2,\), got \(3,\)"):
        (x * 2.0).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="made without a tape"):
        Tensor(np.ones(1)).backward()


def test_an_infinite_loss_has_a_gradient() -> None:
    x = leaf(np.inf)
    (x * 2.0).backward()
    assert x.grad is not None and x.grad.tolist() == [2]


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 3), (3,))])
def test_matmul_explains_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"matmul: wanted \(\.\.\., N, K\) @ \(\.\.\., K, M\), got"):
        Tensor(np.ones(a)) @ Tensor(np.ones(b))


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        Tensor(np.ones(2)) + Tensor(np.ones(3))


def test_a_tensor_tells_its_shape() -> None:
    x = Tensor(np.ones((2, 3), np.float32))
    assert (len(x), x.ndim, x.shape) == (2, 2, (2, 3))
    assert repr(x) == "Tensor(shape=(2, 3), dtype=float32, requires_grad=False)"
    assert Tensor(np.array([[7.0]])).item() == 7
