import copy
import math
import operator
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossgauge.frameworks.torch.tracing.quantity import Quantity, exact_exponent, plain, power_tag, wrap
from lossgauge.frameworks.torch.tracing.tags import ANY, NUMBER, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import ONE, Monomial

A, B = Monomial.of("a"), Monomial.of("b")
HALF = Fraction(1, 2)


def quantities(*values: float) -> tuple[Tracer, list[Any]]:
    tracer = Tracer()
    tracer.step = 0
    return tracer, [Quantity(v, Tag(Monomial.of(n)), tracer) for v, n in zip(values, "ab", strict=False)]


def unit(value: Any) -> Monomial:
    return value.tag.unit if isinstance(value, Quantity) else ONE


def asked(tracer: Tracer) -> list[tuple[str, Monomial]]:
    return [(equation.operation, equation.difference) for equation in tracer.equations]


@pytest.mark.parametrize(
    ("compute", "result", "equations"),
    [
        (lambda a, b: a * b, A * B, []),
        (lambda a, b: a / b, A / B, []),
        (lambda a, b: 2 * a, A, []),
        (lambda a, b: 2.0 / a, A**-1, []),
        (lambda a, b: a + b, A, [("add", A / B)]),
        (lambda a, b: a - b, A, [("subtract", A / B)]),
        (lambda a, b: 1 - a, ONE, [("subtract", A**-1)]),
        (lambda a, b: a + 0, A, []),
        (lambda a, b: a % b, A, [("fmod", A / B)]),
        (lambda a, b: a // b, ONE, [("floor_divide", A / B)]),
        (lambda a, b: 3 // a, ONE, [("floor_divide", A**-1)]),
        (lambda a, b: divmod(a, b)[1], ONE, []),
        (lambda a, b: a**0.5, A**HALF, []),
        (lambda a, b: a**3, A**3, []),
        (lambda a, b: a ** (1 / 3), A ** Fraction(1, 3), []),
        (lambda a, b: a**b, A ** Fraction(3, 2), [("power", B**-1)]),
        (lambda a, b: 2**a, ONE, [("power", A**-1)]),
        (lambda a, b: -abs(+a), A, []),
        (lambda a, b: round(a), ONE, [("round", A)]),
        (lambda a, b: round(a, 1), ONE, [("round", A)]),
        (lambda a, b: math.floor(a), ONE, [("round", A)]),
        (lambda a, b: math.ceil(a), ONE, [("round", A)]),
        (lambda a, b: math.trunc(a), ONE, [("round", A)]),
        (lambda a, b: sum([a, b]), A, [("add", A / B)]),
        (lambda a, b: min(a, b), A, [("lt", B / A)]),
        (lambda a, b: max(a, b), B, [("gt", B / A)]),
        (lambda a, b: max(a, 1e-3), A, [("lt", A)]),
        (lambda a, b: sorted([b, a])[0], A, [("lt", A / B)]),
        (lambda a, b: a if a < b else b, A, [("lt", A / B)]),
        (lambda a, b: abs(a), A, []),
        (lambda a, b: np.sqrt(a), A**HALF, []),
        (lambda a, b: np.square(a), A**2, []),
        (lambda a, b: np.add(a, b), A, [("add", A / B)]),
        (lambda a, b: np.float64(2.0) * a, A, []),
        (lambda a, b: a * np.float64(2.0), A, []),
        (lambda a, b: np.float64(2.0) / a, A**-1, []),
        (lambda a, b: np.maximum(a, b), A, [("maximum", A / B)]),
        (lambda a, b: np.clip(a, 0.1, b), ONE, [("clip", A), ("clip", B)]),
        (lambda a, b: np.round(a, 1), ONE, [("round", A)]),
        (lambda a, b: np.exp(a), ONE, [("exp", A)]),
        (lambda a, b: np.copysign(a, b), A, []),
        (lambda a, b: np.sign(a), ONE, []),
    ],
)
def test_python_and_numpy_keep_the_unit(compute: Callable[[Any, Any], Any], result: Monomial, equations: list[Any]):
    tracer, (a, b) = quantities(0.75, 1.5)
    found = compute(a, b)
    assert plain(found) == compute(0.75, 1.5)
    if not equations or equations[0][0] != "power":
        assert unit(found) == result
    differences = {(name, max(ratio, ratio**-1, key=str)) for name, ratio in asked(tracer)}
    expected = {(name, max(ratio, ratio**-1, key=str)) for name, ratio in equations}
    assert differences == expected or (not equations and differences <= {("floor_divide", A / B), ("fmod", A / B)})
    assert not tracer.unknown


def test_the_exponent_of_a_power_counts_as_the_number_it_is():
    _, (a, b) = quantities(0.75, 1.5)
    assert unit(a**b) == A ** Fraction(3, 2)
    assert unit(2**a) == ONE


@pytest.mark.parametrize(
    ("convert", "name"),
    [
        (float, "float()"),
        (int, "int()"),
        (lambda a: np.array([1.0, 2.0]) * a, "numpy.multiply"),
        (np.arctan, "arctan"),
        (lambda a: np.clip(a, a_min=0.1, a_max=None), "numpy.clip"),
        (lambda a: np.broadcast_to(a, 3), "numpy.broadcast_to"),
    ],
)
def test_a_unit_that_is_lost_is_named(convert: Callable[[Any], Any], name: str):
    tracer, (a,) = quantities(0.75)
    convert(a)
    assert [text.split(" at ")[0] for text in tracer.unknown] == [name]


@pytest.mark.parametrize("test", [math.isfinite, np.isnan, bool, hash, repr, lambda a: f"{a:.3g}", lambda a: a == 0.75])
def test_a_question_loses_nothing(test: Callable[[Any], Any]):
    tracer, (a,) = quantities(0.75)
    assert test(a) == test(0.75)
    assert not tracer.unknown
    assert not tracer.equations


@given(st.floats())
def test_the_plain_number_has_the_same_bits(value: float):
    bare = plain(Quantity(value, NUMBER, Tracer()))
    assert type(bare) is float
    assert np.float64(bare).tobytes() == np.float64(value).tobytes()


def test_plain_reaches_into_arguments():
    _, (a, b) = quantities(0.75, 1.5)
    assert plain([a, (b, 3), {"k": a}, None]) == [0.75, (1.5, 3), {"k": 0.75}, None]
    assert type(plain((a,))[0]) is float
    shape = torch.Size([2])
    assert plain(shape) is shape


def test_copies_keep_the_unit_and_pickles_are_plain():
    _, (a,) = quantities(0.75)
    assert copy.deepcopy({"lr": a})["lr"] is a
    assert copy.copy(a) is a
    assert type(pickle.loads(pickle.dumps(a))) is float


def test_only_what_has_a_unit_is_wrapped():
    tracer = Tracer()
    assert type(wrap(tracer, 0.5, NUMBER)) is float
    assert wrap(tracer, 3, Tag(A)) == 3
    assert unit(wrap(tracer, 0.5, Tag(A))) == A
    assert wrap(tracer, 0.0, ANY).tag is ANY


@pytest.mark.parametrize(
    ("value", "exact"),
    [(0.5, HALF), (1 / 3, Fraction(1, 3)), (-0.75, Fraction(-3, 4)), (2, Fraction(2)), (5 / 7, Fraction(5, 7))],
)
def test_exponents_are_the_fractions_they_were_meant_to_be(value: float, exact: Fraction):
    assert exact_exponent(value) == exact


def test_a_tensor_as_exponent_needs_a_number_as_base():
    tracer, (a,) = quantities(0.9)
    step = torch.tensor(3.0)
    tracer.set_tag(step, NUMBER)
    power_tag(tracer, a.tag, step, "pow")
    assert asked(tracer) == [("pow", A)]


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_every_comparison_asks_for_equal_units(compare: Callable[[Any, Any], bool]):
    tracer, (a, b) = quantities(0.75, 1.5)
    assert compare(a, b) == compare(0.75, 1.5)
    assert asked(tracer) == [(compare.__name__, A / B)]
    assert tracer.equations[0].comparison
