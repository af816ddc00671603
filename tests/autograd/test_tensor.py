"""The Tensor's arithmetic is NumPy's: types, numbers, shapes and indices; and errors that teach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from minisd_kernels.devices import missing_device_reason, to_device
from strategies import few

from minisd.autograd import Tensor, unbroadcast
from minisd.nn import Parameter


def leaf(*values: Any) -> Tensor:
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


@given(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), st.integers(0, 2))
@few
def test_unbroadcast_is_the_adjoint_of_broadcasting(shape: tuple[int, ...], extra: int) -> None:
    rng = np.random.default_rng(0)
    small = rng.standard_normal(tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    grad = rng.standard_normal((2,) * extra + shape)
    back = unbroadcast(grad, small.shape)
    assert back.shape == small.shape
    np.testing.assert_allclose((back * small).sum(), (grad * np.broadcast_to(small, grad.shape)).sum())


def test_every_repeated_axis_is_summed() -> None:
    for shape in ((1, 3, 1), (1, 1, 1), (3, 1), (2, 1, 1), (1,), ()):
        grad = np.arange(24.0).reshape(2, 3, 4)
        wanted = np.zeros(shape)
        for place in np.ndindex(2, 3, 4):
            trailing = place[len(place) - len(shape) :]
            wanted[tuple(0 if size == 1 else at for size, at in zip(shape, trailing, strict=True))] += grad[place]
        np.testing.assert_array_equal(unbroadcast(grad, shape), wanted)


# ---- Types


def test_a_number_takes_the_tensors_type() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = (2 * x + 1.5) / 3 - 1 / (x + 1)
    y.mean().backward()
    assert y.dtype == np.float32 and x.grad is not None and x.grad.dtype == np.float32


def test_an_array_on_the_left_gives_a_tensor() -> None:
    x, ones = leaf([1.0, 2.0]), np.ones((1, 2))
    for result in (ones + x, ones - x, ones * x, ones / x, np.float64(1) * x, np.ones((3, 1)) @ x):
        assert isinstance(result, Tensor) and result.requires_grad


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_integers_have_no_gradient(dtype: type[Any]) -> None:
    name = np.dtype(dtype).name
    with pytest.raises(TypeError, match=rf"requires_grad wants a floating type, got {name}; .* use .astype"):
        Tensor(np.array([1, 0], dtype), requires_grad=True)


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


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
each_operator = pytest.mark.parametrize("operator", OPERATORS)
TYPES = [np.bool_, np.uint8, np.int8, np.int64, np.float32, np.float64]


@each_operator
@pytest.mark.parametrize("number", [3, 2.5, 127.5, -1, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_number_beside_a_tensor_is_as_numpy_takes_it(operator: str, number: float, dtype: type[Any]) -> None:
    compute, x = OPERATORS[operator], np.array([1, 0, 1] if dtype is np.bool_ else [1, 7, 100], dtype)
    for ours, theirs in (
        (lambda n: compute(Tensor(x), n), lambda: compute(x, number)),
        (lambda n: compute(n, Tensor(x)), lambda: compute(number, x)),
    ):
        try:
            with np.errstate(divide="ignore"):
                wanted = theirs()
        except (OverflowError, TypeError) as refused:
            with pytest.raises(type(refused)):
                ours(number)
            continue
        for same in (number, np.asarray(number)[()], np.asarray(number)):  # NumPy's numbers give way, too
            with np.errstate(divide="ignore"):
                found = ours(same)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found.data, wanted)


@each_operator
@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_two_arrays_have_numpys_type(operator: str, first: type[Any], second: type[Any]) -> None:
    a, b = np.array([1, 1], first), np.array([1, 1], second)
    if operator == "-" and first is second is np.bool_:
        return  # NumPy refuses
    wanted = OPERATORS[operator](a, b)
    for found in (OPERATORS[operator](Tensor(a), Tensor(b)), OPERATORS[operator](Tensor(a), b)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found.data, wanted)


def test_pictures_of_bytes_become_numbers_around_0() -> None:
    pictures = Tensor(np.array([0, 255], np.uint8))
    assert (pictures / 127.5 - 1).data.tolist() == [-1, 1]
    assert (Tensor(np.array([1, 2])) * 2.5).data.tolist() == [2.5, 5]
    assert Tensor(np.array([1, 2])).mean().item() == 1.5
    assert Tensor(np.array([True, False])).mean().item() == 0.5
    assert (-Tensor(np.array([1, 2]))).data.tolist() == [-1, -2] and (-Tensor(np.array([1]))).dtype == np.int64


def test_numbers_of_numpy_leave_float32_alone() -> None:
    x = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    loss = (x * np.float64(0.5) / np.sqrt(2) + np.array(1.0) - np.int64(2)).sum() * np.float64(3)
    loss = loss + [[0.5, 1.0]] + x @ [[1.0], [2.0]] + x ** np.float64(2)
    loss.sum().backward()
    assert loss.dtype == np.float32 and x.grad is not None and x.grad.dtype == np.float32


# ---- Exact values


def test_a_power_of_0_is_flat_everywhere() -> None:
    for exponent in (0, 0.0, np.float64(0)):
        x = leaf(0.0, 2.0, -1.0)
        y = x**exponent
        y.sum().backward()
        assert y.data.tolist() == [1, 1, 1]
        assert x.grad is not None and x.grad.tolist() == [0, 0, 0]
    x = leaf(0.0, 2.0)
    (x**1).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1]
    x.grad = None
    (x**2).sum().backward()
    assert x.grad.tolist() == [0, 4]


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum_and_mean_are_numpys(axis: Any, keepdims: bool) -> None:
    data = np.array([[1.0, 2.0, 6.0], [5.0, 7.0, 3.0]])
    for name, share in (("sum", 1.0), ("mean", {None: 6, 0: 2, 1: 3, -1: 3, (0, 1): 6}[axis] ** -1)):
        x = Tensor(data, requires_grad=True)
        y = getattr(x, name)(axis=axis, keepdims=keepdims)
        wanted = getattr(data, name)(axis=axis, keepdims=keepdims)
        assert y.shape == wanted.shape
        np.testing.assert_allclose(y.data, wanted, rtol=1e-15)
        y.sum().backward()
        np.testing.assert_allclose(x.grad, np.full((2, 3), share), rtol=1e-15)  # type: ignore[arg-type]


def test_a_place_that_is_read_twice_counts_twice() -> None:
    for index in (np.array([1, 1, 0]), [1, 1, 0], Tensor(np.array([1, 1, 0]))):
        x = leaf(1.0, 2.0, 3.0)
        y = x[index]
        y.backward(np.array([1.0, 10.0, 100.0]))
        assert y.data.tolist() == [2, 2, 1]
        assert x.grad is not None and x.grad.tolist() == [100, 11, 0]
    x = leaf([1.0, 2.0], [3.0, 4.0])
    x[np.array([0, 0]), Tensor(np.array([1, 1]))].sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0, 2], [0, 0]]


def test_each_side_has_its_own_gradient() -> None:
    def gradients(compute: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
        a, b = leaf(6.0), leaf(2.0)
        compute(a, b).backward()
        return [float(x.grad[0]) for x in (a, b)]  # type: ignore[index]

    assert gradients(lambda a, b: a + b) == [1, 1]
    assert gradients(lambda a, b: a - b) == [1, -1]
    assert gradients(lambda a, b: a * b) == [2, 6]
    assert gradients(lambda a, b: a / b) == [0.5, -1.5]
    assert gradients(lambda a, b: 3 - a + 1 / b) == [-1, -0.25]
    assert gradients(lambda a, b: (a - 6).exp() + b.log() - a) == [0, 0.5]
    assert gradients(lambda a, b: -(a * b)) == [-2, -6]
    assert gradients(lambda a, b: a**2 / b) == [6, -9]


def test_each_place_has_its_own_gradient() -> None:
    """With another upstream gradient everywhere, so that no two places can be exchanged."""
    data = np.arange(24.0).reshape(2, 3, 4) + 1
    compute: dict[str, Callable[[Any], Any]] = {
        "slices": lambda x: x[:, 2:0:-1, ..., None, -1],
        "one": lambda x: x[1],
        "mask": lambda x: x[data[:, :, 0] > 4],
        "numbers": lambda x: x[[1, 0, 1]],
        "reshape": lambda x: x.reshape(4, 6),
        "transpose": lambda x: x.transpose(2, 0, 1),
        "sum": lambda x: x.sum(axis=(0, 2)),
        "product": lambda x: x * (x + 1) - 3 / x,
    }
    for name, function in compute.items():
        x = Tensor(data, requires_grad=True)
        y = function(x)
        np.testing.assert_allclose(y.data, function(data), err_msg=name)
        upstream = np.arange(y.data.size).reshape(y.shape) + 1.0
        y.backward(upstream)
        wanted = oracles.gradient(lambda at, f=function: 1 * f(at), data, upstream)  # type: ignore[misc]
        np.testing.assert_allclose(x.grad, wanted, rtol=1e-6, atol=1e-6, err_msg=name)  # type: ignore[arg-type]


def test_the_gradients_of_a_product_of_matrices() -> None:
    rng = np.random.default_rng(0)
    for left, right in (((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (2, 3, 4))):
        a, b = (Tensor(rng.standard_normal(shape), requires_grad=True) for shape in (left, right))
        y = a @ b
        upstream = rng.standard_normal(y.shape)
        y.backward(upstream)
        wanted = (
            oracles.gradient(lambda at, b=b: at @ b.data, a.data, upstream),  # type: ignore[misc]
            oracles.gradient(lambda at, a=a: a.data @ at, b.data, upstream),  # type: ignore[misc]
        )
        for x, grad in zip((a, b), wanted, strict=True):
            assert x.grad is not None
            np.testing.assert_allclose(x.grad, grad, rtol=1e-6, atol=1e-8)


# ---- Shapes, as NumPy takes them


def test_a_sum_drops_only_the_axes_that_it_was_over() -> None:
    x = leaf([[1.0, 2.0]])
    assert x.shape == (1, 1, 2)
    for axis, shape in ((2, (1, 1)), (0, (1, 2)), ((0, 2), (1,)), (-1, (1, 1))):
        y = x.sum(axis=axis)
        assert y.shape == shape
        x.grad = None
        y.backward(np.full(shape, 2.0))
        assert x.grad is not None and x.grad.tolist() == [[[2, 2]]]


def test_what_is_on_a_device_is_not_moved_there() -> None:
    x = leaf(1.0)
    assert x.to("cpu") is x


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
def test_a_gradient_comes_back_to_where_its_tensor_is() -> None:
    x = leaf(1.0, 2.0)
    y = x.to("emu") * 3.0
    assert y.device == "emu"
    y.sum().backward()
    assert isinstance(x.grad, np.ndarray) and x.grad.tolist() == [3, 3]


def test_reshape_and_transpose_take_what_numpys_take() -> None:
    data = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(data)
    shapes: list[tuple[Any, ...]] = [(6, 4), ((6, 4),), ([6, 4],), (-1,), ((-1, 8),), (np.int64(24),)]
    for shape in shapes:
        np.testing.assert_array_equal(x.reshape(*shape).data, data.reshape(*shape))
    axes: list[tuple[Any, ...]] = [(), (1, 2, 0), ((1, 2, 0),), ([0, 2, 1],), (-1, 0, 1)]
    for order in axes:
        y = leaf(*data)
        y.transpose(*order).backward(upstream := data.transpose(*order) * 2)
        np.testing.assert_array_equal(x.transpose(*order).data, data.transpose(*order))
        np.testing.assert_array_equal(y.grad, upstream.transpose(np.argsort(data.transpose(*order).strides)[::-1]))  # type: ignore[arg-type]
    assert Tensor(np.float32(3)).transpose().shape == Tensor(np.ones(1)).reshape(()).shape == ()


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError, match=r"mean: a tensor of shape \(0, 3\) has no numbers to take the mean of"):
        Tensor(np.ones((0, 3))).mean()
    with pytest.raises(ValueError, match="no numbers"):
        Tensor(np.ones((0, 3))).mean(axis=0)
    assert Tensor(np.ones((0, 3))).mean(axis=1).shape == (0,)


# ---- Errors


@pytest.mark.parametrize("wrong", [None, "a", 1j, [None], {}, [Tensor(np.ones(2))], np.array(["a"])])
def test_what_is_no_number_is_refused(wrong: Any) -> None:
    x = Tensor(np.ones(2))
    for compute in (*OPERATORS.values(), lambda a, b: a @ b):
        with pytest.raises(TypeError, match="Tensor: wanted an array or a number, got"):
            compute(x, wrong)
    with pytest.raises(TypeError, match="Tensor: wanted an array or a number, got"):
        Tensor(wrong)
    with pytest.raises(TypeError, match="the exponent must be one plain number"):
        x**wrong


def test_a_tensor_of_a_tensor_is_refused() -> None:
    for make in (Tensor, Parameter):
        with pytest.raises(TypeError, match="got a Tensor, wanted an array; use the Tensor itself"):
            make(Tensor(np.ones(2)))
    with pytest.raises(TypeError, match="the exponent must be one plain number, got Tensor"):
        Tensor(np.ones(2)) ** Tensor(np.ones(2))  # type: ignore[operator]


def test_what_comes_of_a_parameter_is_a_plain_tensor() -> None:
    weight = Parameter(np.ones(2, np.float32))
    for made in (weight * 2, weight.sum(), weight[0], weight.reshape(2, 1), weight.detach()):
        assert type(made) is Tensor


def test_numpys_functions_do_not_take_a_tensor_apart() -> None:
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.exp(Tensor(np.ones(2)))


def test_several_numbers_are_neither_true_nor_false() -> None:
    assert Tensor(np.array(1.0)) and not Tensor(np.array([0.0]))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor(np.ones(2)))
    with pytest.raises(TypeError, match=r"len\(\)|unsized"):
        len(Tensor(np.array(1.0)))


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
def test_mixed_devices_are_found_before_anything_is_computed() -> None:
    x, there = leaf(1.0, 2.0), Tensor(to_device(np.ones(2), "emu"))
    for compute in OPERATORS.values():
        with pytest.raises(TypeError, match="its inputs live on cpu and emu; move them to one device"):
            compute(x, there)
    assert ((2 * there + np.float64(1)) / 3).device == "emu"  # numbers go with every device
    with pytest.raises(TypeError, match="backward: the gradient lives on emu, the tensor on cpu"):
        (x * 2.0).backward(there)
