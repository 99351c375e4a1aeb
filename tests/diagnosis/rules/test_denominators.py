"""Rules of what stands beside √v̂: epsilon, and where accumulators begin."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.denominators import EpsDominates, EpsPlacement, InitialAccumulator, LateBlowup
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import CLIMBED, DIVERGED, FELL, FLAT, SLOW, falling, seen, train


def ruled(losses=FLAT, eps=1e-3, root=1e-6):
    return train(losses, (seen(root, root, eps=eps),), settings={"eps": eps})


def misplaced(losses=DIVERGED, relative=0.3):
    return train(losses, (seen(1e-2, 1e-2, relative=relative),), optimizer="rmsprop", settings={"eps": 1e-3})


def accumulated(losses=FLAT, start=0.1, gradient=1e-4):
    root = math.sqrt(start + gradient**2)
    return train(
        losses, (seen(gradient, [root] * 4),), optimizer="adagrad", settings={"initial_accumulator_value": start}
    )


def vanished(losses=CLIMBED, last=1e-5, eps=1e-12):
    return train(losses, lambda step: (seen(0.1, 0.1 if step < 10 else last),), settings={"eps": eps})


EXHIBITS = [
    Exhibit(EpsDominates(), ruled, lambda: ruled(FELL), lambda: ruled(eps=1e-9)),
    Exhibit(EpsPlacement(), misplaced, lambda: misplaced(FELL), lambda: misplaced(relative=1e-4), "warning"),
    Exhibit(
        InitialAccumulator(), accumulated, lambda: accumulated(FELL), lambda: accumulated(start=1e-9, gradient=1.0)
    ),
    Exhibit(
        LateBlowup(),
        vanished,
        lambda: vanished([*falling(1.0, 1e-8, 30), *falling(1e-8, 1e-6, 30)]),
        lambda: vanished(FLAT),
    ),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_new_epsilon_is_well_below_every_root():
    session = train(FLAT, (seen(1e-4, 1e-4, eps=1.0), seen(1e-7, 1e-7, eps=1.0, tensor=1)), settings={"eps": 1.0})
    finding = EXHIBITS[0].find(session)
    factor = finding.treatments[0].factor
    assert factor is not None
    assert 1e-11 <= factor * 1.0 <= 1e-8
    assert finding.treatments[0].name == "eps"
    assert finding.where == "layer0.weight and layer1.weight"


def test_where_the_rate_carries_units_too_both_are_changed_at_once():
    session = train(FLAT, (seen(1e-6, 1e-6, dominated=1.0),), settings={"eps": 1e-6})
    law = session.optimizers[0].law
    assert law is not None
    exponents = {**law.exponents, "eps": Fraction(2), "lr": Fraction(-1)}
    session.optimizers[0] = replace(session.optimizers[0], law=replace(law, exponents=exponents))
    finding = EXHIBITS[0].find(session)
    assert [treatment.kind for treatment in finding.treatments] == ["loss", "loss"]
    factor = finding.treatments[0].factor
    assert factor is not None
    assert factor == 1e5  # √ε = 1e-3 is a thousand times √v̂, and a hundredth of room
    assert "eps = 1e-16 together with lr = 100:" in finding.remedy.text
    assert "is plain SGD there" in finding.message


def test_epsilon_inside_the_root_is_changed_by_the_square():
    session = train(FLAT, (seen(1e-6, 1e-6, dominated=1.0),), settings={"eps": 1e-6})
    outside = EXHIBITS[0].find(session).treatments[0].factor
    law = session.optimizers[0].law
    assert law is not None
    inside_the_root = replace(law, exponents={**law.exponents, "eps": Fraction(2)})
    session.optimizers[0] = replace(session.optimizers[0], law=inside_the_root)
    inside = EXHIBITS[0].find(session).treatments[0].factor
    assert outside is not None
    assert inside is not None
    # Outside, ε = √v̂: a hundredth of room. Inside, √ε = 1e-3 is a thousand times √v̂: (1e-3 · 1e-2)².
    assert math.log10(outside) == pytest.approx(-2, abs=1)
    assert math.log10(inside) == pytest.approx(-10, abs=1)


def test_no_epsilon_and_no_second_moment_is_not_applicable():
    assert EpsDominates().check(Case(ruled(eps=0.0))) is None
    assert EpsDominates().check(Case(train(FLAT, optimizer="sgd"))) is None


def test_the_accumulator_is_divided_by_the_square_of_what_the_loss_lacks():
    finding = EXHIBITS[2].find(accumulated())
    factor = finding.treatments[0].factor
    assert factor is not None
    assert 0.1 * factor < 1e-8  # below g² = 1e-8
    assert finding.treatments[0].name == "initial_accumulator_value"


def test_a_loss_that_climbs_while_epsilon_rules_is_no_late_blowup():
    assert LateBlowup().check(Case(vanished(eps=1e-3))) is None


def test_a_loss_that_climbs_with_an_unmoved_root_is_no_late_blowup():
    assert LateBlowup().check(Case(vanished(last=0.1))) is None


def test_a_loss_that_only_came_down_has_not_climbed():
    assert LateBlowup().check(Case(vanished(FELL))) is None


def test_raising_epsilon_is_what_a_late_blowup_asks_for():
    treatments = EXHIBITS[3].find(vanished()).treatments
    assert treatments
    assert all(t.name == "eps" and t.factor is not None and t.factor > 1 for t in treatments)


def test_a_training_that_was_still_coming_down_is_warned_and_not_accused():
    assert EXHIBITS[0].find(ruled(SLOW)).severity == "warning"


def test_what_a_learning_rate_can_do_is_read_off_the_layers():
    within = EXHIBITS[0].find(ruled()).remedy.text
    assert "only as long as √v̂ stays below ε in every layer" in within
    look = (seen(1e-4, 1e-4, eps=1.0), seen(1e-4, 1e-4, eps=1.0, tensor=1), seen(3.0, 3.0, eps=1.0, tensor=2))
    across = EXHIBITS[0].find(train(FLAT, look, settings={"eps": 1.0})).remedy.text
    assert "no learning rate replaces it: √v̂ is from 9e-05 to 3 times ε" in across


@pytest.mark.parametrize(("eps", "found"), [(1e-3, True), (1e-5, False)])
def test_of_an_optimizer_whose_second_moment_nobody_knows_the_whole_gradient_is_held_against_epsilon(eps, found):
    finding = EpsDominates().check(Case(train(FLAT, (seen(1e-5),), settings={"eps": eps})))
    assert (finding is not None) == found
    assert finding is None or "larger than the gradient" in finding.message


def test_what_the_root_was_before_the_weights_were_thrown_decides_on_the_placement():
    def look(step):
        return (seen(1e-4, 1e-4 if step == 1 else 1e4, relative=0.5),)

    session = train(DIVERGED, look, optimizer="rmsprop", settings={"eps": 1e-3})
    assert EXHIBITS[1].find(session).evidence["median_ratio"] < 1
