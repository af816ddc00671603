"""Every backend's file of every operation against the Protocol in the operation's contract: names, order, types."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import minisd_kernels
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


def public(operation: str) -> dict[str, Any]:
    """The contract's functions that hand over to a backend."""
    contract = importlib.import_module(f"minisd_kernels.{operation}")
    return {name: getattr(contract, name) for name in {*promised(operation), "backward"} if hasattr(contract, name)}


@each_operation
def test_arrays_come_by_position_and_options_by_keyword(operation: str) -> None:
    for name, function in public(operation).items():
        for parameter in inspect.signature(function).parameters.values():
            array = parameter.annotation in ("Array", "Array | None", "Update")
            assert array == (parameter.kind is not parameter.KEYWORD_ONLY), f"{operation}.{name} {parameter.name}"


@each_operation
def test_a_contract_says_what_comes_in_and_out_and_what_it_raises(operation: str) -> None:
    for name, function in public(operation).items():
        said = function.__doc__
        assert "Shapes: " in said and "Raises:" in said, f"{operation}.{name}"


def kernels() -> list[tuple[str, list[str]]]:
    """Every CUDA kernel and its parameters."""
    text = "\n".join(path.read_text() for path in sorted(Path(minisd_kernels.__path__[0]).glob("*/*.cu")))
    found = re.findall(r"__global__[^{]*?(\w+)\(([^()]*)\) \{", text)
    assert len(found) == text.count("__global__")
    return [(name, [" ".join(parameter.split()) for parameter in parameters.split(",")]) for name, parameters in found]


def test_a_launch_passes_inputs_then_outputs_then_sizes() -> None:
    for name, parameters in kernels():
        if name in ("adam_step", "adam_average"):  # in place: what is written is read, too
            continue
        kinds = [2 if "*" not in parameter else 0 if parameter.startswith("const") else 1 for parameter in parameters]
        assert kinds == sorted(kinds), f"{name}({', '.join(parameters)})"
