"""Vectors: LANES float32 numbers that the processor adds or multiplies in one instruction.

A compiler turns a simple loop into vector code by itself. Where it does not (sums kept over a loop, many arrays at
once, a function such as exp), a kernel says so: it loads vectors, computes with them as with numbers, and stores them.

    v = load(x, start)                      x[start], ..., x[start + LANES - 1]
    store(y, start, gamma * (v - mean))     + - * / between vectors, or between a vector and a float32
    total(maximum(v, w))                    maximum, minimum; the sum of the lanes
    where((v >= w) | (v == 0), v, w)        >= == != give a yes or no for each lane

fast_exp.py has exp and sigmoid of vectors. For Numba kernels only. Nothing here checks bounds.
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
_llvm_bytes = ir.VectorType(ir.IntType(8), LANES)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, llvm_vector)


class MaskType(types.Type):
    """Numba's type of a yes or no for each lane."""

    def __init__(self) -> None:
        super().__init__(name=f"boolx{LANES}")


mask_type = MaskType()


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _llvm_mask)


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
    """The first `count` lanes, or all if it is larger, from array[start ...], zeros in the others."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = place(context, builder, sig.args[0], *args[:2])
        enough = builder.icmp_signed(">=", args[2], ir.Constant(args[2].type, LANES))
        with builder.if_else(enough) as (whole, cut):
            with whole:
                all_lanes, whole_block = builder.load(pointer, align=4), builder.block
            with cut:
                some_lanes, cut_block = masked_load(builder, pointer, first_lanes(builder, args[2])), builder.block
        value = builder.phi(llvm_vector)
        value.add_incoming(all_lanes, whole_block)
        value.add_incoming(some_lanes, cut_block)
        return value

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
    """array[start : start + count] = the first `count` lanes, or all if it is larger."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = place(context, builder, sig.args[0], *args[:2])
        enough = builder.icmp_signed(">=", args[3], ir.Constant(args[3].type, LANES))
        with builder.if_else(enough) as (whole, cut):
            with whole:
                builder.store(args[2], pointer, align=4)
            with cut:
                masked_store(builder, args[2], pointer, first_lanes(builder, args[3]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type, types.intp), code


@_intrinsic
def add_to(typingctx: Any, sums: Any, start: Any, value: Any) -> Any:
    """sums[start : start + LANES] += value, in a flat float64 array: what long sums are kept in."""
    if not isinstance(sums, types.Array) or sums.dtype != types.float64:
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = ir.VectorType(ir.DoubleType(), LANES)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), wide.as_pointer())
        added = builder.fadd(builder.load(pointer, align=8), builder.fpext(args[2], wide))
        builder.store(added, pointer, align=8)
        return context.get_dummy_value()

    return types.void(sums, types.intp, vector_type), code


def _bytes(context: Any, builder: Any, array_type: Any, args: Any) -> Any:
    """LLVM code: where LANES bytes from array[start] lie, which lanes are below count, and their type's name."""
    data = context.make_array(array_type)(context, builder, args[0]).data
    pointer = builder.bitcast(builder.gep(data, [args[1]]), _llvm_bytes.as_pointer())
    return pointer, first_lanes(builder, args[-1]), f"v{LANES}i8.p0"


@_intrinsic
def load_bytes(typingctx: Any, array: Any, start: Any, count: Any) -> Any:
    """The first `count` lanes, as float32, from a flat uint8 array, zeros in the others."""
    if not isinstance(array, types.Array) or array.dtype != types.uint8:
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, mask, name = _bytes(context, builder, sig.args[0], args)
        kind = ir.FunctionType(_llvm_bytes, [pointer.type, ir.IntType(32), _llvm_mask, _llvm_bytes])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.{name}")
        loaded = builder.call(load, [pointer, ir.Constant(ir.IntType(32), 1), mask, ir.Constant(_llvm_bytes, None)])
        return builder.uitofp(loaded, llvm_vector)

    return vector_type(array, types.intp, types.intp), code


@_intrinsic
def store_bytes(typingctx: Any, array: Any, start: Any, value: Any, count: Any) -> Any:
    """array[start : start + count] = the first `count` lanes, whole numbers from 0 to 255, in a flat uint8 array."""
    if not isinstance(array, types.Array) or array.dtype != types.uint8:
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, mask, name = _bytes(context, builder, sig.args[0], args)
        kind = ir.FunctionType(ir.VoidType(), [_llvm_bytes, pointer.type, ir.IntType(32), _llvm_mask])
        store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{name}")
        builder.call(store, [builder.fptoui(args[2], _llvm_bytes), pointer, ir.Constant(ir.IntType(32), 1), mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type, types.intp), code


@_intrinsic
def broadcast(typingctx: Any, number: Any) -> Any:
    """One float32 in every lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, args[0])

    return vector_type(types.float32), code


def _vectors(builder: Any, kinds: Any, values: Any) -> list[Any]:
    """Vectors as they are, a number in every lane of one."""
    return [value if kind == vector_type else splat(builder, value) for value, kind in zip(values, kinds, strict=True)]


def _define(operation: Any, result: Any, instruction: Any) -> None:
    """Make `operation`, of vectors or of a vector and a number, the LLVM instruction."""

    class Template(AbstractTemplate):
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            numbers = (vector_type, types.float32)
            if len(args) == 2 and vector_type in args and all(arg in numbers for arg in args):
                return signature(result, *args)
            return None

    infer_global(operation)(Template)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return instruction(builder, *_vectors(builder, sig.args, args))

    for kinds in ((vector_type, vector_type), (vector_type, types.float32), (types.float32, vector_type)):
        lower_builtin(operation, *kinds)(code)


_FLAGS = ("contract", "nsz")
_define(operator.add, vector_type, lambda builder, a, b: builder.fadd(a, b, flags=_FLAGS))
_define(operator.sub, vector_type, lambda builder, a, b: builder.fsub(a, b, flags=_FLAGS))
_define(operator.mul, vector_type, lambda builder, a, b: builder.fmul(a, b, flags=_FLAGS))
_define(operator.truediv, vector_type, lambda builder, a, b: builder.fdiv(a, b, flags=_FLAGS))
_define(operator.ge, mask_type, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define(operator.eq, mask_type, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
_define(operator.ne, mask_type, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))


@infer_global(operator.or_)
class _Or(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(mask_type, *args) if args == (mask_type, mask_type) else None


@lower_builtin(operator.or_, mask_type, mask_type)
def _either(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.or_(*args)


@_intrinsic
def where(typingctx: Any, mask: Any, a: Any, b: Any) -> Any:
    """In each lane a if the mask says yes, else b; vectors or float32."""
    numbers = (vector_type, types.float32)
    if mask != mask_type or a not in numbers or b not in numbers:
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(args[0], *_vectors(builder, sig.args[1:], args[1:]))

    return vector_type(mask, a, b), code


@infer_global(operator.neg)
class _Negation(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(vector_type, *args) if args == (vector_type,) else None


@lower_builtin(operator.neg, vector_type)
def _negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _choose(comparison: str, a: Any, b: Any) -> Any:
    """The typed code of `a if a comparison b else b`, for float32 numbers, vectors, or one of each."""
    kinds = (vector_type, types.float32)
    if a not in kinds or b not in kinds:
        return None
    kind = vector_type if vector_type in (a, b) else types.float32

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right = args if kind == types.float32 else _vectors(builder, sig.args, args)
        return builder.select(builder.fcmp_ordered(comparison, left, right), left, right)

    return kind(a, b), code


@_intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger in each lane, or of two float32; b where one of them is NaN."""
    return _choose(">", a, b)


@_intrinsic
def minimum(typingctx: Any, a: Any, b: Any) -> Any:
    """The smaller in each lane, or of two float32; b where one of them is NaN."""
    return _choose("<", a, b)


@_intrinsic
def total(typingctx: Any, vector: Any) -> Any:
    """The sum of the lanes: of the two halves, again and again."""
    if vector != vector_type:
        return None

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (value,) = args
        half = LANES // 2
        while half:
            upper = ir.Constant(_llvm_integers, [(lane + half) % LANES for lane in range(LANES)])
            value = builder.fadd(value, builder.shuffle_vector(value, value, upper))
            half //= 2
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(vector_type), code


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
