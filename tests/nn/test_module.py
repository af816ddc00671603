"""Parameters in one buffer, on another device, loaded: what a module does with them."""

from __future__ import annotations

import numpy as np
import pytest
from minisd_kernels.devices import missing_device_reason

from minisd.autograd import Tensor
from minisd.nn import Linear, Module, Parameter


class Both(Module):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.layers = [Linear(2, 3, rng=rng), Linear(3, 2, rng=rng)]


def test_flat_parameters_are_the_parameters_in_order() -> None:
    module = Both()
    before = [parameter.data.copy() for parameter in module.parameters()]
    buffer = module.flat_parameters()
    np.testing.assert_array_equal(buffer, np.concatenate([array.ravel() for array in before]))
    assert module.flat_parameters() is buffer
    buffer += 1
    for parameter, array in zip(module.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, array + 1)


def test_a_part_leaves_the_whole_modules_buffer_for_one_of_its_own() -> None:
    module = Both()
    whole = module.flat_parameters()
    part = module.layers[0].flat_parameters()
    assert part.size == module.layers[0].parameter_count() and not np.shares_memory(part, whole)
    part += 1
    np.testing.assert_array_equal(module.layers[0].weight.data.ravel(), part[:6])
    assert module.flat_parameters() is not whole  # gathered anew


def test_a_state_is_the_parameters_themselves() -> None:
    module = Both()
    for array, parameter in zip(module.state_dict().values(), module.parameters(), strict=True):
        assert array is parameter.data


@pytest.mark.parametrize("wrong", ["missing", "unknown", "misshapen"])
def test_each_kind_of_other_architecture_is_refused_and_changes_nothing(wrong: str) -> None:
    module = Both()
    state = {name: array + 1 for name, array in module.state_dict().items()}
    before = {name: array.copy() for name, array in module.state_dict().items()}
    if wrong == "missing":
        del state["layers.1.bias"]
    elif wrong == "unknown":
        state["layers.2.bias"] = np.ones(2, np.float32)
    else:
        state["layers.1.bias"] = np.ones((2, 1), np.float32)  # as many numbers
    with pytest.raises(ValueError, match=rf"another architecture than Both: {wrong}: layers\.\d\.bias"):
        module.load_state_dict(state)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loaded_weights_are_a_new_version() -> None:
    module = Both()
    loss = module.layers[0](Tensor(np.ones((1, 2), np.float32))).sum()
    module.load_state_dict({name: array + 1 for name, array in module.state_dict().items()})
    with pytest.raises(RuntimeError, match="written in place"):
        loss.backward()


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
def test_a_module_moves_in_one_buffer_and_its_gradients_stay_behind() -> None:
    module = Both()
    numbers = {name: array.copy() for name, array in module.state_dict().items()}
    for parameter in module.parameters():
        parameter.grad = np.ones_like(parameter.data)
    assert module.to("cpu") is module and module.parameters()[0].grad is not None  # it was there already
    assert module.to("emu") is module and module.device == "emu"
    assert all(parameter.grad is None and parameter.device == "emu" for parameter in module.parameters())
    buffer = module.flat_parameters()
    assert all(parameter.data.base is buffer for parameter in module.parameters())
    for name, array in module.state_dict().items():  # back on the host
        np.testing.assert_array_equal(array, numbers[name])
    module.load_state_dict({name: array * 2 for name, array in numbers.items()})
    assert module.device == "emu"
    np.testing.assert_array_equal(module.state_dict()["layers.1.weight"], numbers["layers.1.weight"] * 2)


def test_a_parameter_wants_a_gradient_and_what_comes_of_it_is_a_tensor() -> None:
    parameter = Parameter(np.ones(2, np.float32))
    assert parameter.requires_grad and type(parameter * 2) is Tensor
    with pytest.raises(TypeError, match="integers have no gradient"):
        Parameter(np.ones(2, np.int64))
