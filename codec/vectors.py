"""Sixteen floats at a time in compiled loops, with bfloat16 in memory where an array holds uint16.

Left to itself, the compiler guards each short loop over channels against arrays that overlap, and does the last channels one at a time.
Here the loops say what they mean: `load` and `store` sixteen channels of a position, and between them sums and products, in registers. It
is LLVM's own vector arithmetic, which every processor has: one with narrower registers takes several of them.
"""

from typing import Any, Final

import llvmlite.ir
import numba.core.cgutils
from numba.core import types
from numba.extending import intrinsic as _intrinsic
from numba.extending import models, register_model

ir: Any = llvmlite.ir
cgutils: Any = numba.core.cgutils

WIDTH: Final = 16
"""Floats in a vector; numbers of channels are multiples of it."""

_F32, _I32, _I16 = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.IntType(32), WIDTH), ir.VectorType(ir.IntType(16), WIDTH)
SLOPE: Final = 0.009999999776482582
"""Of the leaky rectifiers: the float32 that is nearest to `codec.network.blocks.SLOPE`."""

_HALF: Final = types.uint16
_I8 = ir.VectorType(ir.IntType(8), WIDTH)
intrinsic: Any = _intrinsic


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Vector16")


vector: Any = _Vector()


@register_model(_Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _F32)  # type: ignore[no-untyped-call]


def _all(number: int) -> Any:
    return ir.Constant(_I32, [number] * WIDTH)


def _address(context: Any, builder: Any, kinds: Any, values: Any, vector_type: Any) -> Any:
    """Of sixteen elements of the array that is the first argument, at the index or indices (position, channel) behind it."""
    array = context.make_array(kinds[0])(context, builder, values[0])
    offset = values[1]
    if kinds[0].ndim == 2:
        columns = cgutils.unpack_tuple(builder, array.shape)[1]
        offset = builder.add(builder.mul(values[1], columns), values[2])
    return builder.bitcast(builder.gep(array.data, [offset]), vector_type.as_pointer())


def _widened(builder: Any, half: Any) -> Any:
    return builder.bitcast(builder.shl(builder.zext(half, _I32), _all(16)), _F32)


def _narrowed(builder: Any, value: Any) -> Any:
    """To the nearest bfloat16, half to even."""
    bits = builder.bitcast(value, _I32)
    odd = builder.and_(builder.lshr(bits, _all(16)), _all(1))
    return builder.trunc(builder.lshr(builder.add(bits, builder.add(odd, _all(0x7FFF))), _all(16)), _I16)


@intrinsic
def load(typing: Any, array: Any, position: Any, channel: Any) -> Any:
    """array[position, channel : channel + 16], float32 or bfloat16, as floats."""
    half = array.dtype == _HALF

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = builder.load(_address(context, builder, signature.args, values, _I16 if half else _F32), align=2 if half else 4)
        return _widened(builder, loaded) if half else loaded

    return vector(array, types.intp, types.intp), code


@intrinsic
def constants(typing: Any, array: Any, channel: Any) -> Any:
    """array[channel : channel + 16] of float32."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_address(context, builder, signature.args, values, _F32), align=4)

    return vector(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, position: Any, channel: Any, value: Any) -> Any:
    """array[position, channel : channel + 16] = value, rounded where the array holds bfloat16."""
    half = array.dtype == _HALF

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = _address(context, builder, signature.args, values, _I16 if half else _F32)
        builder.store(_narrowed(builder, values[3]) if half else values[3], address, align=2 if half else 4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), code


@intrinsic
def spread(typing: Any, value: Any) -> Any:
    """One float32, sixteen times."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        one = builder.insert_element(ir.Constant(_F32, ir.Undefined), values[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, ir.Constant(_F32, ir.Undefined), ir.Constant(_I32, [0] * WIDTH))

    return vector(types.float32), code


@intrinsic
def muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once or twice, whichever the processor does faster."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _Sums(builder).muladd(*values)

    return vector(vector, vector, vector), code


def _two(name: str) -> Any:
    @intrinsic
    def combined(typing: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return getattr(builder, name)(*values)

        return vector(vector, vector), code

    return combined


plus, times = _two("fadd"), _two("fmul")


@intrinsic
def smaller(typing: Any, a: Any, b: Any) -> Any:
    """The smaller of each two numbers."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", values[1], values[0]), values[1], values[0])

    return vector(vector, vector), code


@intrinsic
def where_smaller(typing: Any, a: Any, b: Any) -> Any:
    """uint16: bit n is set where number n of b is smaller than that of a."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(builder.fcmp_ordered("<", values[1], values[0]), ir.IntType(16))

    return types.uint16(vector, vector), code


@intrinsic
def leaky(typing: Any, value: Any) -> Any:
    """The larger of value and SLOPE value."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        less = builder.fmul(values[0], ir.Constant(_F32, [SLOPE] * WIDTH))
        return builder.select(builder.fcmp_ordered(">", values[0], less), values[0], less)

    return vector(vector), code


class _Sums:
    """Shorter names for what a formula in registers is made of."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def number(self, value: float) -> Any:
        return ir.Constant(_F32, [value] * WIDTH)

    def polynomial(self, x: Any, coefficients: tuple[float, ...]) -> Any:
        """By Horner's rule, the highest power first."""
        total = self.number(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.muladd(total, x, self.number(coefficient))
        return total

    def muladd(self, a: Any, b: Any, c: Any) -> Any:
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(_F32, [_F32] * 3), f"llvm.fmuladd.v{WIDTH}f32")
        return self.builder.call(function, (a, b, c))

    def root(self, x: Any) -> Any:
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(_F32, [_F32]), f"llvm.sqrt.v{WIDTH}f32")
        return self.builder.call(function, (x,))

    def between(self, x: Any, low: float, high: float) -> Any:
        x = self.builder.select(self.builder.fcmp_ordered(">", x, self.number(low)), x, self.number(low))
        return self.builder.select(self.builder.fcmp_ordered("<", x, self.number(high)), x, self.number(high))

    def exp(self, x: Any) -> Any:
        """2^n times a polynomial on what is left, at most half of log 2."""
        x, shift = self.between(x, -87.0, 88.0), 1.5 * 2**23  # adding the shift rounds to an integer, which the lowest bits then hold
        shifted = self.muladd(x, self.number(1.4426950408889634), self.number(shift))
        n = self.builder.fsub(shifted, self.number(shift))
        rest = self.muladd(n, self.number(-0.693359375), x)
        rest = self.muladd(n, self.number(2.12194440e-4), rest)
        value = self.polynomial(rest, (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0))
        power = self.builder.shl(self.builder.bitcast(shifted, _I32), _all(23))  # the shift itself has zeros there
        return self.builder.bitcast(self.builder.add(self.builder.bitcast(value, _I32), power), _F32)

    def log(self, x: Any) -> Any:
        """Of a positive number: its exponent, and log(1 + f) for -0.3 < f < 0.42 by the series of 2 artanh(f / (2 + f))."""
        bits = self.builder.sub(self.builder.bitcast(x, _I32), _all(0x3F3504F3))  # of the root of 1/2
        exponent = self.builder.ashr(bits, _all(23))
        part = self.builder.sub(self.builder.bitcast(x, _I32), self.builder.shl(exponent, _all(23)))
        f = self.builder.fsub(self.builder.bitcast(part, _F32), self.number(1.0))
        s = self.builder.fdiv(f, self.builder.fadd(f, self.number(2.0)))
        series = self.polynomial(self.builder.fmul(s, s), (2 / 9, 2 / 7, 2 / 5, 2 / 3, 2.0))
        return self.muladd(self.builder.sitofp(exponent, _F32), self.number(0.6931471805599453), self.builder.fmul(s, series))


def _one(formula: Any) -> Any:
    @intrinsic
    def computed(typing: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return formula(_Sums(builder), values[0])

        return vector(vector), code

    return computed


def _asinh(sums: _Sums, x: Any) -> Any:
    """log(|x| + sqrt(x^2 + 1)) with the sign of x."""
    builder = sums.builder
    bits = builder.bitcast(x, _I32)
    sign = builder.and_(bits, _all(-(1 << 31)))
    size = builder.bitcast(builder.xor(bits, sign), _F32)
    found = sums.log(builder.fadd(size, sums.root(sums.muladd(x, x, sums.number(1.0)))))
    return builder.bitcast(builder.or_(builder.bitcast(found, _I32), sign), _F32)


def _step(sums: _Sums, x: Any) -> Any:
    """exp(0.7 tanh x); tanh x = 1 - 2 / (exp(2 x) + 1)."""
    builder = sums.builder
    part = builder.fdiv(sums.number(-1.4), builder.fadd(sums.exp(builder.fadd(x, x)), sums.number(1.0)))
    return sums.exp(builder.fadd(part, sums.number(0.7)))


asinh = _one(_asinh)
"""Off by no more than 1e-6."""

step = _one(_step)
"""exp(0.7 tanh x), off by no more than 1e-6 of itself."""


@intrinsic
def integers(typing: Any, array: Any, position: Any, channel: Any) -> Any:
    """array[position, channel : channel + 16] of int32, as floats."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.sitofp(builder.load(_address(context, builder, signature.args, values, _I32), align=4), _F32)

    return vector(array, types.intp, types.intp), code


@intrinsic
def every_second(typing: Any, value: Any, first: Any) -> Any:
    """The numbers at even places where `first` is 0, at odd ones where it is 1; 0 elsewhere."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        zero = ir.Constant(_F32, [0.0] * WIDTH)
        kept = [builder.select(ir.Constant(ir.VectorType(ir.IntType(1), WIDTH), [n % 2 == part for n in range(WIDTH)]), values[0], zero)
                for part in (0, 1)]  # fmt: skip
        return builder.select(builder.icmp_signed("==", values[1], values[1].type(0)), kept[0], kept[1])

    return vector(vector, types.intp), code


@intrinsic
def store_levels(typing: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """array[row, column : column + 16] of uint8 = value, rounded half to even and clipped to 0..255."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums = _Sums(builder)
        shifted = builder.fadd(sums.between(values[3], 0.0, 255.0), sums.number(1.5 * 2**23))  # rounds; the lowest bits hold the integer
        levels = builder.trunc(builder.bitcast(shifted, _I32), _I8)
        builder.store(levels, _address(context, builder, signature.args, values, _I8), align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), code


@intrinsic
def copy_twelve(typing: Any, source: Any, row: Any, column: Any, target: Any, to_row: Any, to_column: Any) -> Any:
    """target[to_row, to_column : to_column + 12] = source[row, column : column + 12], of uint8."""
    eight, four = ir.IntType(64), ir.IntType(32)

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        for kind, skipped in ((eight, 0), (four, 8)):
            read, write = (
                builder.bitcast(
                    builder.gep(
                        _address(context, builder, signature.args[at : at + 3], values[at : at + 3], ir.IntType(8)), [_at(skipped)]
                    ),
                    kind.as_pointer(),
                )
                for at in (0, 3)
            )
            builder.store(builder.load(read, align=1), write, align=1)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), code


def _at(offset: int) -> Any:
    return ir.Constant(ir.IntType(64), offset)
