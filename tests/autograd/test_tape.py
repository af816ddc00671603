"""The tape: reuse, depth, what is freed and who owns a gradient, what was written in place, and errors that teach."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import few

from minisd import ops
from minisd.autograd import Array, Function, Tensor, no_grad, recorded
from minisd.nn import Linear
from minisd.optim import EMA, SGD, AdamW


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


# ---- Whose memory a gradient is


def test_every_leaf_owns_its_gradient() -> None:
    x, z, upstream = leaf(1.0, 2.0), leaf(3.0, 4.0), np.array([10.0, 20.0])
    (x + z).backward(upstream)
    assert x.grad is not None and z.grad is not None
    x.grad *= 0.5
    assert (x.grad.tolist(), z.grad.tolist(), upstream.tolist()) == ([5, 10], [10, 20], [10, 20])


class Twins(Function):
    """Hands one array to both of its inputs, and keeps it."""

    def forward(self, x: Array, y: Array, given: Array) -> Array:
        self.given = given
        return x + y

    def backward(self, grad: Array) -> tuple[Array, Array]:
        return self.given, self.given


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.sum(),
        lambda x: x.reshape(4),
        lambda x: x.transpose(1, 0),
        lambda x: x + 1.0,
        lambda x: x - 1.0,
        lambda x: ops.concatenate([x, x]),
        lambda x: x.to("cpu"),
        lambda x: Twins.apply(x, x * 1.0, given=np.ones((2, 2))),
        lambda x: x,
    ],
)
def test_a_gradient_can_be_changed_in_place_whatever_made_it(operation: Callable[[Tensor], Tensor]) -> None:
    x = leaf([1.0, 2.0], [3.0, 4.0])
    y = operation(x)
    upstream = np.ones(y.shape)
    y.backward(upstream)
    assert x.grad is not None and not np.shares_memory(x.grad, upstream)
    x.grad += 5
    assert (upstream == 1).all()


def test_a_gradient_that_one_function_gives_twice_or_keeps_is_copied() -> None:
    x, y, given = leaf(1.0), leaf(2.0), np.array([7.0])
    Twins.apply(x, y, given=given).backward()
    assert x.grad is not None and y.grad is not None
    x.grad += 1
    assert (given.tolist(), y.grad.tolist()) == ([7], [7])


class Kept(Function):
    """Hands back an array that it keeps, for every input whether it wants a gradient or not."""

    def forward(self, *arrays: Array, given: Array) -> Array:
        self.given, self.count = given, len(arrays)
        return sum(arrays)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return (self.given, *(2 * self.given for _ in range(self.count - 1)))


def test_a_gradient_that_a_function_keeps_is_copied() -> None:
    x, given = leaf(1.0), np.array([7.0])
    Kept.apply(x, given=given).backward()
    assert x.grad is not None
    x.grad += 1
    assert given.tolist() == [7]


def test_what_wants_no_gradient_is_given_none() -> None:
    x, constant = leaf(1.0), Tensor(np.array([2.0]))
    Kept.apply(constant, x, given=np.array([7.0])).backward()
    assert constant.grad is None and x.grad is not None and x.grad.tolist() == [14]


def test_a_fresh_gradient_is_not_copied() -> None:
    made: list[Array] = []

    class Doubled(Function):
        def forward(self, x: Array) -> Array:
            return 2 * x

        def backward(self, grad: Array) -> tuple[Array]:
            made.append(2 * grad)
            return (made[-1],)

    x = leaf(1.0)
    Doubled.apply(x).backward()
    assert x.grad is made[0]


def test_a_gradient_has_its_tensors_type() -> None:
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    (x * np.array([1.0, 2.0, 3.0])).sum().backward()  # the product is float64, as NumPy's
    assert x.grad is not None and x.grad.dtype == np.float32 and x.grad.tolist() == [1, 2, 3]
    x.grad = None
    (x * 2.0).backward(np.ones(3))
    assert x.grad is not None and x.grad.dtype == np.float32


# ---- Arrays that change between forward and backward


def written_in_place(x: Tensor, module: Linear) -> dict[str, Callable[[], Any]]:
    weight = module.weight

    def give_gradients() -> None:
        weight.grad = np.ones_like(weight.data)

    def augmented() -> None:
        x.data += 1

    def scaled() -> None:
        weight.data *= 2

    def sgd() -> None:
        give_gradients()
        SGD(module.parameters()).step(0.1)

    def adam() -> None:
        give_gradients()
        AdamW(module).step(0.1)

    def average() -> None:
        with EMA(module, 0.9).in_use():
            pass

    return {
        "augmented": augmented,
        "scaled": scaled,
        "sgd": sgd,
        "adam": adam,
        "average": average,
        "loaded": lambda: module.load_state_dict({"weight": np.ones((2, 3), np.float32)}),
        "said": weight.changed,
    }


@pytest.mark.parametrize("how", ["augmented", "scaled", "sgd", "adam", "average", "loaded", "said"])
def test_arrays_written_in_place_under_a_tape_are_noticed(how: str) -> None:
    module = Linear(2, 3, rng=np.random.default_rng(0), bias=False)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    loss = module(x).sum()
    written_in_place(x, module)[how]()
    module.weight.grad = None
    with pytest.raises(
        RuntimeError, match=r"an input of Linear, of shape \(\d, \d\), was written in place after the forw"
    ):
        loss.backward()
    assert x.grad is None and module.weight.grad is None
    module(x).sum().backward()  # another forward pass serves
    assert x.grad is not None


def test_another_array_in_a_tensor_leaves_the_forward_pass_what_it_was() -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    x.data = np.array([100.0, 100.0])
    loss.backward()
    assert x.grad is not None and x.grad.tolist() == [2, 4]


def test_an_optimiser_may_be_made_between_forward_and_backward() -> None:
    module = Linear(2, 3, rng=np.random.default_rng(0))
    loss = module(Tensor(np.ones((1, 2), np.float32))).sum()
    optimiser = AdamW(module)  # gathers the weights in one buffer
    loss.backward()
    optimiser.step(0.1)
    assert (module.bias.data == np.float32(-0.1)).all()


# ---- Errors


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


def test_a_gradient_may_be_a_tensor_and_must_be_of_its_shape() -> None:
    x = leaf(1.0, 2.0)
    (x * 3.0).backward(Tensor(np.array([1.0, 10.0])))
    assert x.grad is not None and x.grad.tolist() == [3, 30]
    x.grad = None
    (x * 3.0).backward([1, 2])
    assert x.grad is not None and x.grad.tolist() == [3, 6]


class Careless(Function):
    """Gives back whatever it is told to."""

    def forward(self, x: Array, gives: Any) -> Array:
        self.gives = gives
        return x * 2

    def backward(self, grad: Array) -> Any:
        return self.gives


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (np.ones(2), r"Careless\.backward: wanted a tuple of 1 gradients, one per input; got array"),
        ((np.ones(2), np.ones(2)), "wanted a tuple of 1 gradients"),
        ([np.ones(2)], "wanted a tuple of 1 gradients"),
        ((np.ones(3),), r"Careless\.backward: wanted a gradient of shape \(2,\), got \(3,\)"),
        ((np.ones((1, 2)),), r"wanted a gradient of shape \(2,\), got \(1, 2\)"),
    ],
)
def test_a_function_that_gives_back_something_else_is_named(gives: Any, message: str) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises((TypeError, ValueError), match=message):
        Careless.apply(x, gives=gives).backward(np.ones(2))
    assert x.grad is None


def test_where_a_function_gives_no_gradient_the_walk_ends() -> None:
    x = leaf(1.0, 2.0)
    (Careless.apply(x * 3.0, gives=(None,)) + x).backward(np.ones(2))
    assert x.grad is not None and x.grad.tolist() == [1, 1]


def test_a_pass_that_fails_adds_nothing() -> None:
    x, z = leaf(1.0, 2.0), leaf(1.0, 2.0)
    with pytest.raises(ValueError, match="wanted a gradient of shape"):
        (z + Careless.apply(x, gives=(np.ones(3),))).backward(np.ones(2))
    assert x.grad is None and z.grad is None


# ---- Threads


def test_each_thread_records_for_itself() -> None:
    inside, outside = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with no_grad():
            inside.set()
            outside.wait(10)
            seen.append((leaf(1.0) * 2.0).requires_grad)

    thread = threading.Thread(target=other)
    with no_grad():
        thread.start()
        inside.wait(10)
    assert (leaf(1.0) * 2.0).requires_grad  # the other thread is still inside
    outside.set()
    thread.join()
    assert seen == [False] and (leaf(1.0) * 2.0).requires_grad


def test_blocks_may_close_in_any_order() -> None:
    first, second = no_grad(), no_grad()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not (leaf(1.0) * 2.0).requires_grad
    second.__exit__(None, None, None)
    assert (leaf(1.0) * 2.0).requires_grad


def test_an_array_where_a_tensor_is_wanted_is_named() -> None:
    array = np.ones((1, 3, 3, 1), np.float32)
    with pytest.raises(TypeError, match=r"Conv2d: wanted tensors, got ndarray, ndarray; .* Tensor\(array\)"):
        ops.conv2d(array, array)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="concatenate: wanted one tensor or more"):
        ops.concatenate([])
