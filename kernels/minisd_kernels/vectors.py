"""Vectors: LANES float32 numbers that the processor adds or multiplies in one instruction.

A compiler turns a simple loop into vector code by itself. Where it does not (sums kept over a loop, many arrays at
once, a function such as exp), a kernel says so: it loads vectors, computes with them as with numbers, and stores them.

    v = load(x, start)                      x[start], ..., x[start + LANES - 1]
    store(y, start, gamma * (v - mean))     + - * / between vectors, or between a vector and a float32

For Numba kernels only. Nothing here checks bounds.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

# What Numba compiles for: this processor, or what the variable NUMBA_CPU_FEATURES says.
_chosen: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]
_features = (get_host_cpu_features() if _chosen is None else _chosen).split(",")
if "+avx512f" in _features:
    LANES = 16
elif "+avx2" in _features:
    LANES = 8
else:
    LANES = 4  # SSE on any x86-64, NEON on 64-bit ARM


_intrinsic: Any = intrinsic
_literal_intrinsic: Any = intrinsic(prefer_literal=True)


class VectorType(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector_type = VectorType()
llvm_vector = ir.VectorType(ir.FloatType(), LANES)
_llvm_mask = ir.VectorType(ir.IntType(1), LANES)
_llvm_integers = ir.VectorType(ir.IntType(32), LANES)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, llvm_vector)


def splat(builder: Any, number: Any) -> Any:
    """LLVM code: a vector of one number, LANES times."""
    single = builder.insert_element(ir.Constant(llvm_vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, ir.Constant(llvm_vector, ir.Undefined), ir.Constant(_llvm_integers, None))


def first_lanes(builder: Any, count: Any) -> Any:
    """LLVM code: true in the lanes 0 ... count - 1."""
    integers = _llvm_integers
    count = builder.trunc(count, ir.IntType(32))
    single = builder.insert_element(ir.Constant(integers, ir.Undefined), count, ir.Constant(ir.IntType(32), 0))
    everywhere = builder.shuffle_vector(single, ir.Constant(integers, ir.Undefined), ir.Constant(integers, None))
    return builder.icmp_signed("<", ir.Constant(integers, list(range(LANES))), everywhere)


def place(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> Any:
    """LLVM code: where a vector that begins at array[start] lies."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), llvm_vector.as_pointer())


def masked_load(builder: Any, pointer: Any, mask: Any) -> Any:
    """LLVM code: the lanes of mask from memory, 0 in the others, whose memory is not touched."""
    kind = ir.FunctionType(llvm_vector, [pointer.type, ir.IntType(32), _llvm_mask, llvm_vector])
    load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    return builder.call(load, [pointer, ir.Constant(ir.IntType(32), 4), mask, ir.Constant(llvm_vector, None)])


def masked_store(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
    """LLVM code: store the lanes of mask; the other lanes' memory is not touched."""
    kind = ir.FunctionType(ir.VoidType(), [llvm_vector, pointer.type, ir.IntType(32), _llvm_mask])
    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), 4), mask])


def is_float32_array(array: Any) -> bool:
    return isinstance(array, types.Array) and array.dtype == types.float32


@_intrinsic
def load(typingctx: Any, array: Any, start: Any) -> Any:
    """array[start : start + LANES] of a flat float32 array."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(place(context, builder, sig.args[0], *args), align=4)

    return vector_type(array, types.intp), code


@_intrinsic
def load_some(typingctx: Any, array: Any, start: Any, count: Any) -> Any:
    """The first `count` lanes from array[start ...], zeros in the others."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = place(context, builder, sig.args[0], *args[:2])
        return masked_load(builder, pointer, first_lanes(builder, args[2]))

    return vector_type(array, types.intp, types.intp), code


@_intrinsic
def store(typingctx: Any, array: Any, start: Any, value: Any) -> Any:
    """array[start : start + LANES] = value."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], place(context, builder, sig.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type), code


@_intrinsic
def store_some(typingctx: Any, array: Any, start: Any, value: Any, count: Any) -> Any:
    """array[start : start + count] = the first `count` lanes."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = place(context, builder, sig.args[0], *args[:2])
        masked_store(builder, args[2], pointer, first_lanes(builder, args[3]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type, types.intp), code


@_intrinsic
def broadcast(typingctx: Any, number: Any) -> Any:
    """One float32 in every lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, args[0])

    return vector_type(types.float32), code


class _Arithmetic(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        numbers = (vector_type, types.float32)
        if len(args) == 2 and vector_type in args and all(arg in numbers for arg in args):
            return signature(vector_type, *args)
        return None


def _define(operation: Any, instruction: str) -> None:
    infer_global(operation)(type(f"_{instruction}", (_Arithmetic,), {"key": operation}))

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right = (
            value if kind == vector_type else splat(builder, value) for value, kind in zip(args, sig.args, strict=True)
        )
        return getattr(builder, instruction)(left, right, flags=("contract", "nsz"))

    for kinds in ((vector_type, vector_type), (vector_type, types.float32), (types.float32, vector_type)):
        lower_builtin(operation, *kinds)(code)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


@_literal_intrinsic
def load_each(typingctx: Any, array: Any, start: Any, step: Any, count: Any) -> Any:
    """A tuple of `count` (a literal) vectors from array[start ...], array[start + step ...], and so on."""
    if not is_float32_array(array) or not isinstance(count, types.IntegerLiteral):
        return None
    found = types.UniTuple(vector_type, count.literal_value)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, start, step, _ = args
        places = _places(context, builder, sig.args[0], array, start, step, count.literal_value)
        return cgutils.pack_array(builder, [builder.load(pointer, align=4) for pointer in places])

    return found(array, types.intp, types.intp, count), code


@_intrinsic
def store_each(typingctx: Any, array: Any, start: Any, step: Any, vectors: Any) -> Any:
    """Store a tuple of vectors to array[start ...], array[start + step ...], and so on."""
    if not is_float32_array(array) or not isinstance(vectors, types.UniTuple):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, start, step, values = args
        values = cgutils.unpack_tuple(builder, values, vectors.count)
        places = _places(context, builder, sig.args[0], array, start, step, vectors.count)
        for value, pointer in zip(values, places, strict=True):
            builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vectors), code


def _places(context: Any, builder: Any, array_type: Any, array: Any, start: Any, step: Any, count: int) -> list[Any]:
    starts = [builder.add(start, builder.mul(step, ir.Constant(step.type, i))) for i in range(count)]
    return [place(context, builder, array_type, array, at) for at in starts]
