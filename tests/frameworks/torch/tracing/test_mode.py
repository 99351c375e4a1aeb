"""Memory shared, memory overwritten, and the ways out of the tensors."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lossgauge.frameworks.torch.tracing.mode import UnitMode, canonical_name
from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.dimension import WEIGHT
from lossgauge.units.monomial import GRADIENT, Monomial

A, B = Monomial.of("a"), Monomial.of("b")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (torch.add, "add"), (torch.Tensor.add_, "add"), (torch.Tensor.__iadd__, "add"), (torch.Tensor.__rsub__, "rsub"),
        (torch.linalg.norm, "linalg_norm"), (torch.linalg.solve, "linalg_solve"), (torch.Tensor.__getitem__, "getitem"),
        (torch.Tensor.__invert__, "invert"), (torch.Tensor.__int__, "int"), (torch.Tensor.__float__, "float"),
        (torch._foreach_add_, "_foreach_add"), (torch._foreach_add, "_foreach_add"), (torch.Tensor.__index__, "index"),
        (torch.Tensor.__ipow__, "pow"), (torch.Tensor.__setitem__, "setitem"), (torch.nn.functional.relu_, "relu"),
    ],
)  # fmt: skip
def test_every_spelling_has_one_name(function: Callable[..., Any], name: str):
    assert canonical_name(function) == (name, "")


def test_attributes_are_told_apart_from_functions():
    assert canonical_name(vars(torch._C.TensorBase)["grad"].__get__) == ("grad", "__get__")
    assert canonical_name(vars(torch._C.TensorBase)["data"].__set__) == ("data", "__set__")


@pytest.fixture
def tracer() -> Tracer:
    books = Tracer()
    books.step = 0
    return books


def tensor(tracer: Tracer, unit: Monomial, *shape: int) -> torch.Tensor:
    made = 0.5 + torch.rand(*(shape or (4,)), dtype=torch.float64)
    tracer.set_tag(made, Tag(unit))
    return made


def unit(tracer: Tracer, value: Any) -> Monomial:
    tag = tracer.tag_of(value)
    assert tag.kind == "known"
    return tag.unit


@pytest.mark.parametrize(
    "change",
    [
        lambda a, b: a.mul_(b),
        lambda a, b: a.view(2, 2).mul_(b.view(2, 2)),
        lambda a, b: a.data.mul_(b),
        lambda a, b: a.detach()[:].mul_(b),
        lambda a, b: a.unsqueeze(0).squeeze().mul_(b),
        lambda a, b: torch.mul(a, b, out=a),
        lambda a, b: torch._foreach_mul_([a], [b]),
        lambda a, b: a.copy_(a * b),
        lambda a, b: setattr(a, "data", a * b),
    ],
)
def test_a_view_changed_in_place_changes_the_whole(tracer: Tracer, change: Callable[[Any, Any], Any]):
    a, b = tensor(tracer, A), tensor(tracer, B)
    with UnitMode(tracer):
        change(a, b)
    assert unit(tracer, a) == A * B
    assert unit(tracer, b) == B
    assert not tracer.equations
    assert not tracer.unknown


@pytest.mark.parametrize(
    "change",
    [
        lambda a, b: a.__setitem__(0, b[0]),
        lambda a, b: a.__setitem__(slice(1, 3), b[1:3]),
        lambda a, b: a[1:3].add_(b[1:3]),
        lambda a, b: a.add_(b),
        lambda a, b: a.__setitem__(a > a.mean(), b[0].item()),
    ],
)
def test_what_is_put_into_a_part_must_have_the_unit_of_the_rest(tracer: Tracer, change: Callable[[Any, Any], Any]):
    a, b = tensor(tracer, A), tensor(tracer, B)
    with UnitMode(tracer):
        change(a, b)
    assert [equation.difference for equation in tracer.equations] == [A / B]
    assert unit(tracer, a) == A


def test_a_weight_may_only_be_changed_by_weights(tracer: Tracer):
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    tracer.add_weight(weight)
    step = tensor(tracer, Monomial.of("lr") * Monomial(GRADIENT))
    with torch.no_grad(), UnitMode(tracer):
        weight.data[:2].sub_(step[:2])
    (equation,) = tracer.equations
    assert equation.difference == Monomial(WEIGHT) / (Monomial.of("lr") * Monomial(GRADIENT))
    with torch.no_grad(), UnitMode(tracer):
        weight.data = weight - step
        weight.mul_(2.0)
    assert len(tracer.equations) == 1
    assert tracer.is_weight(weight)
    assert unit(tracer, weight) == Monomial(WEIGHT)


def test_a_weight_replaced_by_something_else_is_noticed(tracer: Tracer):
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    tracer.add_weight(weight)
    with UnitMode(tracer):
        weight.data = tensor(tracer, A)
    assert [equation.operation for equation in tracer.equations] == ["data"]


def test_sparse_values_carry_the_unit(tracer: Tracer):
    a, b = tensor(tracer, A), tensor(tracer, B)
    rows = torch.tensor([[0, 2]])
    with UnitMode(tracer):
        gradient = torch.sparse_coo_tensor(rows, a[:2], (4,), check_invariants=True).coalesce()
        values, places = gradient._values(), gradient._indices()
        squared = values.pow(2)
        again = torch.sparse_coo_tensor(places, squared, (4,), check_invariants=True)
        b.add_(again)
    assert unit(tracer, gradient) == A
    assert unit(tracer, again) == A**2
    assert [equation.difference for equation in tracer.equations] == [B / A**2]


def test_numbers_that_leave_the_tensors_keep_their_unit(tracer: Tracer):
    a = tensor(tracer, A)
    with UnitMode(tracer):
        largest = a.max().item()
        entries = a.tolist()
        ratio = a.sum().item() / a.max().item()
    assert isinstance(largest, Quantity)
    assert unit(tracer, largest) == A
    assert [unit(tracer, entry) for entry in entries] == [A] * 4
    assert not isinstance(ratio, Quantity) or ratio.tag.unit.trivial
    assert not tracer.unknown


def test_counts_leave_without_one(tracer: Tracer):
    a = tensor(tracer, A)
    with UnitMode(tracer):
        places = a.argmax().item(), a.sort().indices[0].item(), torch.max(a, 0).indices.item(), a.numel()
        step = torch.zeros(())
        step += 1
        count = int(step)
    assert all(type(place) is int for place in (*places, count))
    assert not tracer.unknown


def test_gradients_and_other_attributes(tracer: Tracer):
    weight = torch.nn.Parameter(torch.ones(2, 2, dtype=torch.float64))
    tracer.add_weight(weight)
    weight.grad = tensor(tracer, Monomial(GRADIENT), 2, 2)
    with torch.no_grad(), UnitMode(tracer):
        gradient = weight.grad
        assert gradient is not None
        assert unit(tracer, gradient.T) == unit(tracer, gradient.mT) == Monomial(GRADIENT)
        assert gradient.T.T.shape == (2, 2)
        weight.grad = gradient * 2
        assert unit(tracer, weight.grad) == Monomial(GRADIENT)
        weight.grad.zero_()
        assert tracer.tag_of(weight.grad).kind == "any"


def test_a_failing_call_leaves_the_mode(tracer: Tracer):
    a = tensor(tracer, A)
    with pytest.raises(RuntimeError), UnitMode(tracer):
        torch.add(a, torch.ones(3))
    assert (a + torch.ones(4)).shape == (4,)
    assert not tracer.equations


def test_results_have_the_bits_they_have_without_units(tracer: Tracer):
    a, b = tensor(tracer, A), tensor(tracer, B)
    eps = Quantity(1e-3, Tag(Monomial.of("eps")), tracer)
    beta = Quantity(0.9, Tag(Monomial.of("beta")), tracer)

    def step(eps: float, beta: float) -> torch.Tensor:
        return a.lerp(b, 1 - beta).addcdiv(a, b.sqrt() + eps, value=-eps * beta**3)

    with UnitMode(tracer):
        traced = step(eps, beta)
    assert torch.equal(traced, step(1e-3, 0.9))
