"""Every backend's file of every operation against the Protocol in the operation's contract: names, order, types."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
from minisd_kernels.backends import CUDA_FILE, FILES
from minisd_kernels.examples import operations

each_operation = pytest.mark.parametrize("operation", operations())


def promised(operation: str) -> dict[str, inspect.Signature]:
    """The functions of the Protocol, without self."""
    backend = importlib.import_module(f"minisd_kernels.{operation}").Backend
    functions = {name: value for name, value in vars(backend).items() if inspect.isfunction(value) and name[0] != "_"}
    signatures = {name: inspect.signature(function) for name, function in functions.items()}
    return {name: s.replace(parameters=list(s.parameters.values())[1:]) for name, s in signatures.items()}


def signature(function: Any) -> inspect.Signature:
    return inspect.signature(getattr(function, "py_func", function))


@pytest.mark.parametrize("file", [*FILES.values(), CUDA_FILE])
@each_operation
def test_a_backend_has_the_functions_of_its_contract(operation: str, file: str) -> None:
    module = importlib.import_module(f"minisd_kernels.{operation}.{file}")
    for name, wanted in promised(operation).items():
        assert signature(getattr(module, name)) == wanted, f"{module.__name__}.{name}"


@each_operation
def test_a_plain_loop_is_called_as_what_it_explains(operation: str) -> None:
    module = importlib.import_module(f"minisd_kernels.{operation}.numba_cpu")
    wanted = {f"plain_{name}": signature for name, signature in promised(operation).items()}
    plain = {name: signature(value) for name, value in vars(module).items() if name.startswith("plain_")}
    # A transposed convolution is the convolution's three sums in other places: its loops stand there.
    assert plain == ({} if operation == "conv_transpose2d" else wanted)


@each_operation
def test_what_comes_in_backward_is_grad_y(operation: str) -> None:
    contract = importlib.import_module(f"minisd_kernels.{operation}")
    functions = {**promised(operation), **{n: signature(f) for n, f in vars(contract).items() if n == "backward"}}
    for name, found in functions.items():
        if name == "backward" or name.endswith("_gradient"):
            assert next(iter(found.parameters)) == "grad_y", f"{operation}.{name}"
