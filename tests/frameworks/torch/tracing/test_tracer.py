import gc
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lossgauge.frameworks.torch.tracing.mode import UnitMode
from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import ANY, LOST, NUMBER, Tag, literal
from lossgauge.frameworks.torch.tracing.tracer import CONFLICTS_PER_SITE, Tracer
from lossgauge.units.dimension import WEIGHT
from lossgauge.units.monomial import GRADIENT, ONE, Monomial

GRAD, LR = Tag(Monomial(GRADIENT)), Tag(Monomial.of("lr"))

OPTIMIZER = """
def mix(left, right):
    "line 3"
    return left + right


def spread(left, right, eps):
    denominator = torch.add(
        left,
        right,
    )
    return torch.maximum(denominator, right), 1e-8 + right


def again(left):
    for number in (2.0, 3.0, 4.0, 5.0):
        left = left * 1.0
        left + number
"""


def module(folder: Path) -> ModuleType:
    file = folder / "mine.py"
    file.write_text("import torch\n" + OPTIMIZER)
    spec = importlib.util.spec_from_file_location("mine", file)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def tracer() -> Tracer:
    books = Tracer()
    books.step = 0
    return books


def tensor(tracer: Tracer, unit: Monomial) -> torch.Tensor:
    made = torch.tensor([1.5, 2.5])
    tracer.set_tag(made, Tag(unit))
    return made


def test_an_equation_names_file_line_and_code(tracer: Tracer, tmp_path: Path):
    mine = module(tmp_path)
    with UnitMode(tracer):
        mine.mix(tensor(tracer, Monomial.of("lr")), tensor(tracer, Monomial(GRADIENT)))
    (equation,) = tracer.equations
    assert (equation.left, equation.right) == (Monomial.of("lr"), Monomial(GRADIENT))
    assert (Path(equation.site.file).name, equation.site.line) == ("mine.py", 5)
    assert (equation.site.code, equation.operation, equation.step) == ("return left + right", "add", 0)


def test_an_expression_on_several_lines_is_named_by_its_first(tracer: Tracer, tmp_path: Path):
    mine = module(tmp_path)
    with UnitMode(tracer):
        mine.spread(tensor(tracer, Monomial.of("v")), tensor(tracer, Monomial.of("eps")), 0.0)
    places = [(equation.site.line, equation.operation) for equation in tracer.equations]
    assert places == [(9, "add"), (13, "add")]
    assert tracer.equations[0].site.code == "denominator = torch.add(left, right)"
    assert tracer.equations[1].literal == 1e-8
    assert tracer.equations[1].size == 1.5, "the lower median of the other side"


def test_a_line_that_contradicts_in_every_step_is_recorded_twice(tracer: Tracer, tmp_path: Path):
    mine = module(tmp_path)
    with UnitMode(tracer):
        mine.again(tensor(tracer, Monomial(GRADIENT)))
    assert [equation.literal for equation in tracer.equations] == [2.0, 3.0]
    assert len(tracer.equations) == CONFLICTS_PER_SITE


def test_what_is_implied_is_not_recorded_again(tracer: Tracer):
    assert tracer.unify(LR, GRAD, "add").unit == LR.unit
    tracer.unify(LR.times(LR), GRAD.times(GRAD), "mul")
    assert len(tracer.equations) == 1
    tracer.unify(LR, Tag(), "add")
    assert len(tracer.equations) == 2


def test_the_literal_is_the_bare_side(tracer: Tracer):
    tracer.unify(GRAD, literal(1e-6), "add", (torch.tensor([2.0]), 1e-6))
    tracer.unify(literal(3.0), LR, "maximum", (3.0, Quantity(0.5, LR, tracer)))
    left, right = tracer.equations
    assert (left.literal, left.literal_on_left, left.size) == (1e-6, False, 2.0)
    assert (right.literal, right.literal_on_left, right.size) == (3.0, True, 0.5)


def test_zeros_and_lost_values_ask_for_nothing(tracer: Tracer):
    assert tracer.unify(ANY, GRAD, "add") == GRAD
    assert tracer.unify(LOST, GRAD, "add") == GRAD
    assert tracer.unify(GRAD, LOST, "add") == GRAD
    assert not tracer.equations


def test_comparisons_count_in_steps_only():
    tracer = Tracer()
    large, small = Quantity(2.0, LR, tracer), Quantity(1.0, GRAD, tracer)
    assert large > small
    assert not tracer.equations, "a check in a constructor is no part of the law"
    tracer.step = 3
    assert large > small
    (equation,) = tracer.equations
    assert equation.comparison
    assert equation.step == 3


def test_a_comparison_over_zero_says_nothing(tracer: Tracer):
    """No change of units turns `x > -1` for a positive x."""
    tracer.compare(Quantity(2.0, LR, tracer), -1, "gt")
    tracer.compare(tensor(tracer, LR.unit), -1, "gt")
    assert not tracer.equations
    tracer.compare(Quantity(2.0, LR, tracer), 1, "gt")
    assert tracer.equations


def test_tags_belong_to_memory(tracer: Tracer):
    whole = tensor(tracer, Monomial(GRADIENT))
    for view in (whole[1:], whole.view(1, 2), whole.data, whole.detach()):
        assert tracer.tag_of(view) == GRAD
    tracer.set_tag(whole[:1], LR)
    assert tracer.tag_of(whole) == LR
    assert tracer.tag_of(whole.clone()).kind == "lost"


def test_memory_is_not_mistaken_for_what_stood_there_before(tracer: Tracer):
    for _ in range(20):
        tensor(tracer, Monomial(GRADIENT))
    gc.collect()
    assert all(tracer.tag_of(torch.rand(2)).kind == "lost" for _ in range(20))


def test_tensors_of_unknown_origin_are_lost_and_named(tracer: Tracer):
    assert tracer.tag_of(torch.ones(2)) is LOST
    (text,) = tracer.unknown
    assert text.startswith("a tensor made outside the traced code at ")
    assert tracer.tag_of(torch.arange(3)) is NUMBER
    assert tracer.tag_of("text") is NUMBER
    assert tracer.tag_of(True) is NUMBER
    assert tracer.tag_of(7) == literal(7)


def test_a_weight_stays_a_weight(tracer: Tracer):
    weight = torch.ones(3)
    tracer.add_weight(weight)
    assert tracer.is_weight(weight[1:])
    assert not tracer.is_weight(torch.ones(3))
    tracer.assign(weight, LR, "mul")
    assert tracer.tag_of(weight).unit == Monomial(WEIGHT)
    assert tracer.equations[0].difference == Monomial(WEIGHT) / Monomial.of("lr")


def test_a_slice_with_another_unit_than_the_rest_is_named(tracer: Tracer):
    buffer = tensor(tracer, Monomial(GRADIENT))
    tracer.assign(buffer[:1], GRAD.times(Tag(Monomial.of("beta"))), "mul")
    (text,) = tracer.unknown
    assert text.startswith("mul on a slice at ")
    tracer.unify(Tag(Monomial.of("beta")), NUMBER, "rsub")
    assert not tracer.unknown, "it turned out to be a number"


def test_settled_units_are_known_to_be_numbers(tracer: Tracer):
    assert tracer.has_unit(Quantity(0.9, Tag(Monomial.of("beta")), tracer))
    tracer.unify(Tag(Monomial.of("beta")), Tag(ONE), "rsub")
    assert not tracer.has_unit(Quantity(0.9, Tag(Monomial.of("beta")), tracer))
    assert not tracer.has_unit(3.0)
    assert tracer.has_unit(tensor(tracer, Monomial(GRADIENT)))
