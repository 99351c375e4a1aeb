"""What every native source starts with: the number format, vectors, and functions of numbers."""

from decimal import Context, Decimal
from math import factorial

LANES = {
    "avx512": {"float32": 16, "float64": 8},
    "avx2": {"float32": 8, "float64": 4},
    "plain": {"float32": 4, "float64": 2},
}
"""Numbers in a vector, for each kind of processor."""

_HEADER = """
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef {real} real;
typedef real vec __attribute__((vector_size({bytes}), aligned({size}), may_alias));
typedef {whole} iint;
typedef iint ivec __attribute__((vector_size({bytes}), may_alias));
#define LANES {lanes}
static inline vec load(const real *p) {{ return *(const vec *)p; }}
static inline void store(real *p, vec v) {{ *(vec *)p = v; }}
static inline vec splat(real x) {{ return x - (vec){{0}}; }}
static inline real root(real x) {{ return {sqrt}(x); }}
static inline real magnitude(real x) {{ return {fabs}(x); }}
static inline real exponential(real x) {{ return {exp}(x); }}
static inline real logarithm(real x) {{ return {log}(x); }}
static inline real logarithm1p(real x) {{ return {log1p}(x); }}
static inline real error_function(real x) {{ return {erf}(x); }}
static inline real exponential_less_1(real x) {{ return {expm1}(x); }}
static inline real rounded(real x) {{ return {rint}(x); }}
static inline real hyperbolic(real x) {{ return {tanh}(x); }}
static inline real power(real x, real y) {{ return {pow}(x, y); }}
static inline real lerp(real a, real b, real w) {{
    return {fabs}(w) < (real)0.5 ? a + w * (b - a) : b - (b - a) * (1 - w);
}}
static inline real larger(real a, real b) {{ return a != a ? a : b != b ? b : a > b ? a : b; }}
static inline real smaller(real a, real b) {{ return a != a ? a : b != b ? b : a < b ? a : b; }}
static inline real total(vec v) {{ real s = 0; for (int l = 0; l < LANES; l++) s += v[l]; return s; }}
"""

_FUSED = {
    ("avx512", "float32"): "_mm512_fmadd_ps", ("avx512", "float64"): "_mm512_fmadd_pd",
    ("avx2", "float32"): "_mm256_fmadd_ps", ("avx2", "float64"): "_mm256_fmadd_pd",
}  # fmt: skip
_REGISTER = {
    ("avx512", "float32"): "__m512", ("avx512", "float64"): "__m512d",
    ("avx2", "float32"): "__m256", ("avx2", "float64"): "__m256d",
}  # fmt: skip


def prelude(processor: str, precision: str) -> str:
    """The beginning of a source.

    Args:
        processor: A row of `LANES`.
        precision: `float32` or `float64`.

    Returns:
        C text.
    """
    lanes, single = LANES[processor][precision], precision == "float32"
    names = {
        name: name + ("f" if single else "")
        for name in ("sqrt", "fabs", "exp", "log", "tanh", "pow", "log1p", "rint", "erf", "expm1")
    }
    header = _numbers(single) + _HEADER.format(
        real="float" if single else "double", whole="int32_t" if single else "int64_t",
        bytes=lanes * (4 if single else 8), size=4 if single else 8, lanes=lanes, **names
    )  # fmt: skip
    return header + _fused(processor, precision) + _turn(lanes) + _ARRAYS


def _numbers(single: bool) -> str:
    """The numbers of the vector functions: log 2 in two parts, the terms 1/k! of e^r from the smallest on."""
    ln2 = Decimal(2).ln(Context(prec=60))
    bits = 12 if single else 32
    high = Decimal(int(ln2 * 2**bits)) / 2**bits
    mantissa, last = (23, 7) if single else (52, 13)
    terms = ", ".join(repr(1 / factorial(k)) for k in range(last, 1, -1))
    values = {
        "LOG2_E": repr(float(1 / ln2)), "ROUNDER": repr(1.5 * 2.0**mantissa), "LN2_HIGH": repr(float(high)),
        "LN2_LOW": repr(float(ln2 - high)), "MANTISSA": mantissa, "ONE_BITS": (127 if single else 1023) << mantissa,
        "SIGN_BIT": "0x80000000" if single else "0x8000000000000000", "TANH_END": 10 if single else 20,
        "EXP_LOW": -105.0 if single else -746.0, "EXP_HIGH": 89.0 if single else 710.0, "TERM_COUNT": last - 1,
    }  # fmt: skip
    lines = [f"#define {name} {value}" for name, value in values.items()]
    kind = "float" if single else "double"
    return "\n".join([*lines, f"static const {kind} TERMS[] = {{{terms}}};"])


def _fused(processor: str, precision: str) -> str:
    name, register = _FUSED.get((processor, precision)), _REGISTER.get((processor, precision))
    if name is None:
        return "static inline vec multiply_add(vec a, vec b, vec c) { return a * b + c; }\n"
    body = f"return (vec){name}(({register})a, ({register})b, ({register})c);"
    return f"#include <immintrin.h>\nstatic inline vec multiply_add(vec a, vec b, vec c) {{ {body} }}\n"


def _turn(lanes: int) -> str:
    """A square of numbers mirrored at its diagonal: neighbours change places at growing distances."""
    lines = [
        "static inline void turn(const real *from, long from_row, real *to, long to_row) {",
        f"vec r[{lanes}];",
        f"for (int i = 0; i < {lanes}; i++) r[i] = load(from + i * from_row);",
    ]
    distance = 1
    while distance < lanes:
        low = ", ".join(str(x if not x & distance else lanes + x - distance) for x in range(lanes))
        high = ", ".join(str(x + distance if not x & distance else lanes + x) for x in range(lanes))
        for i in range(lanes):
            if not i & distance:
                a, b = f"r[{i}]", f"r[{i + distance}]"
                lines.append(
                    f"{{ const vec a = {a}, b = {b}; {a} = __builtin_shuffle(a, b, (ivec){{{low}}}); "
                    f"{b} = __builtin_shuffle(a, b, (ivec){{{high}}}); }}"
                )
        distance *= 2
    lines += [f"for (int i = 0; i < {lanes}; i++) store(to + i * to_row, r[i]);", "}", ""]
    return "\n".join(lines)


_ARRAYS = """
/* 2^n·e^r − 2^n for y = n·log 2 + r: whole parts by adding and taking away a number that leaves no room for others. */
static inline vec exponential_part(vec y, vec *power) {
    const vec whole = multiply_add(y, splat(LOG2_E), splat(ROUNDER));
    const vec n = whole - splat(ROUNDER);
    const vec r = multiply_add(n, splat(-LN2_LOW), multiply_add(n, splat(-LN2_HIGH), y));
    vec p = splat(TERMS[0]);
    for (int k = 1; k < TERM_COUNT; k++) p = multiply_add(p, r, splat(TERMS[k]));
    *power = (vec)(((ivec)whole << MANTISSA) + (iint)ONE_BITS);
    return multiply_add(p * r, r, r);
}
static inline vec choose(ivec where, vec yes, vec no) { return (vec)(((ivec)yes & where) | ((ivec)no & ~where)); }
static inline vec vector_tanh(vec x) {
    const ivec sign = (ivec)x & (iint)SIGN_BIT;
    vec size = (vec)((ivec)x ^ sign), power;
    size = choose(size > splat(TANH_END), splat(TANH_END), size);
    const vec p = exponential_part(size * -2, &power);
    const vec t = multiply_add(p, power, power - 1);
    return (vec)((ivec)((splat(0) - t) / (t + 2)) | sign);
}
static inline vec vector_exp(vec x) {
    vec power;
    x = choose(x < splat(EXP_LOW), splat(EXP_LOW), choose(x > splat(EXP_HIGH), splat(EXP_HIGH), x));
    const vec p = exponential_part(x * (real)0.5, &power); /* twice half of it: no power of two is out of range */
    const vec half = multiply_add(p, power, power);
    return half * half;
}
static void tanh_all(real *to, const real *from, long count) {
    for (long i = 0; i < count; i += LANES) store(to + i, vector_tanh(load(from + i)));
}
static void exp_all(real *to, const real *from, long count) {
    for (long i = 0; i < count; i += LANES) store(to + i, vector_exp(load(from + i)));
}
static real sum_all(const real *from, long count) {
    vec sum = splat(0);
    real rest = 0;
    long i = 0;
    for (; i + LANES <= count; i += LANES) sum += load(from + i);
    for (; i < count; i++) rest += from[i];
    return total(sum) + rest;
}
"""
