"""Attention on the GPU: a ladder of four steps, and the rule that chooses among them.

plain        a thread a query row; float64 and any width, too
tiled        keys and values in shared memory, a warp a query row; float64, too; forward alone
registers    tiles of scores in registers, copies that run ahead
tensor       both products on tensor cores; factors rounded to TF32
"""

from __future__ import annotations

from collections.abc import Iterable

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.source import (
    OLDEST,
    TENSOR_CORES,
    Source,
    blocks,
    c_type,
    capability,
    contiguous,
    empty,
    of_each_type,
)
from minisd_kernels.devices import device_of
from minisd_kernels.switches import tensor_cores

STEPS = ("plain", "tiled", "registers", "tensor")


# ---- The kernels

# Widths of heads that they are compiled for; a width between them takes the next larger. The shape of the tiles belongs
# to the width: it is what fits into 255 registers, and into the 48 KB of shared memory that a block always gets.
TILED = {"float": (32, 64, 128), "double": (32, 64)}
REGISTERS = {32: (4, 32), 40: (4, 32), 64: (4, 32), 80: (4, 32), 128: (2, 16), 160: (2, 16)}  # a thread's rows, keys
TENSOR = {32: (1, 32), 40: (2, 32), 64: (1, 32), 80: (1, 32), 128: (1, 32), 160: (1, 16)}  # a warp's 16 rows, keys
BACKWARD_REGISTERS = (32, 40, 64, 80)
BACKWARD_TENSOR = (32, 48, 64, 80)


def _tiled(of: str, width: int) -> str:
    return f"attention_forward_tiled<{of}, {width // 32}>"


def _registers(D: int) -> str:
    rows, keys = REGISTERS[D]
    return f"attention_forward_registers<{D}, {rows}, {keys}>"


def _tensor(D: int) -> str:
    row_tiles, keys = TENSOR[D]
    return f"attention_forward_tensor<{D}, {row_tiles}, {keys}>"


def _backward(step: str, D: int, of_keys: bool) -> str:
    return f"attention_backward_{step}<{D}, {'true' if of_keys else 'false'}>"


def _shared_by_registers(D: int) -> int:
    rows, keys = REGISTERS[D]
    return 4 * ((16 * rows + keys) * (D + 4) + keys * D)


def _shared_by_tensor(D: int) -> int:
    row_tiles, keys = TENSOR[D]
    rows, width = 64 * row_tiles, 16 * blocks(D, 16)
    in_the_loop = keys * (D + 4) + keys * (width + 8) + rows * (keys + 4)
    return 4 * max(in_the_loop, rows * (width + 4))


_PLAIN = Source(
    __file__,
    "attention_plain.cu",
    of_each_type(
        "attention_forward_plain",
        "attention_row_sums",
        "attention_grad_query_plain",
        "attention_grad_key_value_plain",
    ),
)
_TILED = Source(
    __file__, "attention_tiled.cu", {_tiled(of, width): OLDEST for of, widths in TILED.items() for width in widths}
)
_REGISTERS = Source(
    __file__,
    "attention_registers.cu",
    {_registers(D): OLDEST for D in REGISTERS},
    shared={_registers(D): _shared_by_registers(D) for D in REGISTERS},
)
_TENSOR = Source(
    __file__,
    "attention_tensor.cu",
    {_tensor(D): TENSOR_CORES for D in TENSOR},
    shared={_tensor(D): _shared_by_tensor(D) for D in TENSOR},
)
_SIDES = (False, True)  # gradients of the queries, of the keys and values
_BACKWARD_REGISTERS = Source(
    __file__,
    "attention_backward_registers.cu",
    {_backward("registers", D, side): OLDEST for D in BACKWARD_REGISTERS for side in _SIDES},
    shared={_backward("registers", D, side): 4 * 128 * (D + 4) for D in BACKWARD_REGISTERS for side in _SIDES},
)
_BACKWARD_TENSOR = Source(
    __file__,
    "attention_backward_tensor.cu",
    {_backward("tensor", D, side): TENSOR_CORES for D in BACKWARD_TENSOR for side in _SIDES},
    shared={_backward("tensor", D, side): 4 * (128 * (D + 4) + 1280) for D in BACKWARD_TENSOR for side in _SIDES},
)


def _at_least(wanted: int, widths: Iterable[int]) -> int:
    return min(width for width in widths if width >= wanted)


# ---- The rule: of the steps that can take the arrays, the last


def forward_steps(query: Array, key: Array, value: Array) -> list[str]:
    """The steps that can take these arrays, from the plainest to the fastest."""
    tiled = ["tiled"] if query.shape[-1] <= max(TILED[c_type(query)]) else []
    return ["plain", *tiled, *_fast_steps(max(TENSOR), query, key, value)]


def backward_steps(grad_y: Array, query: Array, key: Array, value: Array) -> list[str]:
    """The same for the gradients."""
    return ["plain", *_fast_steps(max(BACKWARD_TENSOR), grad_y, query, key, value)]


def _fast_steps(widest: int, *arrays: Array) -> list[str]:
    if arrays[0].shape[-1] > widest or not fits_float4(*arrays):
        return []
    return ["registers", "tensor"] if capability(device_of(arrays[0])) >= TENSOR_CORES else ["registers"]


def _last_allowed(steps: list[str]) -> str:
    return steps[-2] if steps[-1] == "tensor" and not tensor_cores else steps[-1]


def forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    query, key, value = (contiguous(array) for array in (query, key, value))
    return forward_by(_last_allowed(forward_steps(query, key, value)), query, key, value, scale, causal)


def backward(
    grad_y: Array, query: Array, key: Array, value: Array, y: Array, logsumexp: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    grad_y, query, key, value = (contiguous(array) for array in (grad_y, query, key, value))
    step = _last_allowed(backward_steps(grad_y, query, key, value))
    return backward_by(step, grad_y, query, key, value, (y, logsumexp), scale, causal)


# ---- The launches


def forward_by(step: str, query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    """Attention by one step of the ladder, whatever the rule says.

    Raises:
        ValueError: the step cannot take these arrays.
    """
    query, key, value = (contiguous(array) for array in (query, key, value))
    _require(step, forward_steps(query, key, value), query)
    (B, N, heads, d), M = query.shape, key.shape[1]
    y, logsumexp = empty(query.shape, query), empty((B, heads, N), query)
    arrays, sizes = (query, key, value, y, logsumexp), (N, M, heads, d, query.dtype.type(scale), causal)
    of, rows = c_type(query), B * heads * N
    if step == "plain":
        _PLAIN.launch(f"attention_forward_plain<{of}>", blocks(rows, 128), 128, *arrays, rows, *sizes)
    elif step == "tiled":
        _TILED.launch(_tiled(of, _at_least(d, TILED[of])), B * heads * blocks(N, 16), 512, *arrays, *sizes)
    elif step == "registers":
        D = _at_least(d, REGISTERS)
        _REGISTERS.launch(_registers(D), B * heads * blocks(N, 16 * REGISTERS[D][0]), 64, *arrays, *sizes)
    else:
        D = _at_least(d, TENSOR)
        _TENSOR.launch(_tensor(D), B * heads * blocks(N, 64 * TENSOR[D][0]), 128, *arrays, *sizes)
    return y, logsumexp


def backward_by(
    step: str,
    grad_y: Array,
    query: Array,
    key: Array,
    value: Array,
    saved: tuple[Array, Array],
    scale: float,
    causal: bool,
) -> tuple[Array, Array, Array]:
    """The gradients by one step of the ladder, whatever the rule says; `saved` is what forward returned.

    Raises:
        ValueError: the step cannot take these arrays.
    """
    grad_y, query, key, value, y, logsumexp = (contiguous(a) for a in (grad_y, query, key, value, *saved))
    _require(step, backward_steps(grad_y, query, key, value), query)
    (B, N, heads, d), M = query.shape, key.shape[1]
    of, rows, columns = c_type(query), B * heads * N, B * heads * M
    row_sums = empty(logsumexp.shape, query)
    _PLAIN.launch(f"attention_row_sums<{of}>", blocks(rows, 8), 256, grad_y, y, row_sums, rows, N, heads, d)
    grad_query, grad_key, grad_value = (empty(array.shape, query) for array in (query, key, value))
    shape = heads, d, query.dtype.type(scale), causal
    if step == "plain":
        arrays = grad_y, query, key, value, logsumexp, row_sums
        kernel = f"attention_grad_query_plain<{of}>"
        _PLAIN.launch(kernel, blocks(rows, 128), 128, *arrays, grad_query, rows, N, M, *shape)
        kernel = f"attention_grad_key_value_plain<{of}>"
        _PLAIN.launch(kernel, blocks(columns, 128), 128, *arrays, grad_key, grad_value, columns, N, M, *shape)
        return grad_query, grad_key, grad_value

    tensor = step == "tensor"
    source, widths = (_BACKWARD_TENSOR, BACKWARD_TENSOR) if tensor else (_BACKWARD_REGISTERS, BACKWARD_REGISTERS)
    D, of_queries, of_keys, left = _at_least(d, widths), (query, grad_y), (key, value), (logsumexp, row_sums)
    kernel, grid = _backward(step, D, of_keys=False), B * heads * blocks(N, 32)
    source.launch(kernel, grid, 64, *of_queries, *of_keys, *left, grad_query, None, N, M, *shape)
    kernel, grid = _backward(step, D, of_keys=True), B * heads * blocks(M, 32)
    source.launch(kernel, grid, 64, *of_keys, *of_queries, *left, grad_key, grad_value, M, N, *shape)
    return grad_query, grad_key, grad_value


def _require(step: str, steps: list[str], query: Array) -> None:
    if step not in steps:
        raise ValueError(
            f"attention has no step {step!r} for {query.dtype.name} and heads of width {query.shape[-1]} on "
            f"{device_of(query)}; choose one of {', '.join(steps)}"
        )
