"""Equations to exponents: what is settled, what clashes, and who is to blame."""

from fractions import Fraction

from lossgauge.discovery.infer import infer
from lossgauge.frameworks.subject import Trace
from lossgauge.units.dimension import Dimension
from lossgauge.units.equation import Equation, Site
from lossgauge.units.monomial import GRADIENT, ONE, WEIGHT, Monomial

G, W = Monomial(GRADIENT), Monomial(WEIGHT)
LR, EPS, DECAY, FREE = (Monomial.of(n) for n in ("lr", "eps", "weight_decay", "free"))


def line(number: int, left: Monomial, right: Monomial, **more: object) -> Equation:
    return Equation(left, right, Site("mine.py", number, f"line {number}"), **more)  # type: ignore[arg-type]


ADAM = (line(1, G, W * DECAY), line(2, G, EPS), line(3, W, LR))


def test_adam_is_settled_on_both_axes() -> None:
    found = infer(Trace(ADAM), ["lr", "eps", "weight_decay", "free"])
    assert found.exponents == {"lr": 0, "eps": 1, "weight_decay": 1}
    assert found.dimensions["weight_decay"] == Dimension.parse("L/W^2")
    assert found.free == ("free",)
    assert found.consistent
    assert found.derived


def test_a_contradiction_names_both_lines_and_unsettles_its_hyperparameter_only() -> None:
    found = infer(Trace((*ADAM, line(9, W, G * LR))), ["lr", "eps", "weight_decay"])
    (clash,) = found.clashes
    assert (clash.where, clash.left, clash.right) == ("mine.py:9", "[lr]", "W^2/L")
    assert clash.others[0][0] == "mine.py:3"
    assert clash.hyperparameters == ("lr",)
    assert found.exponents == {"eps": 1, "weight_decay": 1}


def test_a_bare_number_is_blamed_and_the_rest_stands() -> None:
    found = infer(Trace((*ADAM, line(7, G, ONE, literal=1e-6, size=2e-3))), ["lr", "eps", "weight_decay"])
    (constant,) = found.hidden_constants
    assert (constant.value, constant.where, constant.unit) == (1e-6, "mine.py:7", "L/W")
    assert found.active_at == (5e-4,)
    assert found.exponents["lr"] == 0


def test_the_one_of_one_minus_x_is_not_blamed() -> None:
    both_ways = (line(1, G, W * DECAY), line(2, ONE, DECAY, literal=1.0, operation="subtract"))
    found = infer(Trace(both_ways), ["weight_decay"])
    assert not found.hidden_constants
    assert found.clashes[0].hyperparameters == ("weight_decay",)


def test_a_weight_clash_does_not_break_the_law() -> None:
    found = infer(Trace((line(1, W, LR), line(2, ONE, LR))), ["lr"])
    assert found.consistent
    assert found.exponents == {"lr": 0}
    assert found.weight_clashes == ("mine.py:2",)
    assert "lr" not in found.dimensions


def test_fractions_stay_exact() -> None:
    found = infer(Trace((line(1, W, LR * G ** Fraction(3, 4)),)), ["lr"])
    assert found.exponents == {"lr": Fraction(-3, 4)}


def test_what_could_not_be_followed_lowers_the_claim() -> None:
    assert not infer(Trace(ADAM, unknown=("fused at mine.py:3",)), ["lr", "eps", "weight_decay"]).derived


def test_a_factor_is_blamed_with_the_unit_it_would_need() -> None:
    """p ← p − 0.01·g: the rate is written in the code, and it would need W²/L."""
    found = infer(Trace((line(5, W, G, factor=(-0.01, None)),)), ["lr"])
    (constant,) = found.hidden_constants
    assert (constant.value, constant.unit) == (-0.01, "W^2/L")
