"""Rules of the second moment: what it remembers, and what its format cannot hold."""

import math
from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.moments import (
    EpsUnderflowsInHalf,
    SecondMomentOverflow,
    SecondMomentSpike,
    SecondMomentUnderflow,
    UnnormalisedWarmup,
)
from lossgauge.records.session import Event
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import BROKEN, DIVERGED, FELL, FLAT, falling, flat, seen, train


def spiked(losses=FLAT, spike=1e3, root=1.0, eps=1e-8):
    return train(losses, lambda step: (seen(spike if step == 2 else 1e-2, root, relative=1e-6, eps=eps),))


def overflown(losses=FLAT, roots=(math.inf, math.inf, math.inf, 1e18)):
    return train(losses, (seen(1e20, roots, relative=0.0),))


def underflown(losses=FLAT, unsquared=0.9):
    return train(losses, (seen(1e-25, [0.0] * 4, unsquared=unsquared),))


def halved(losses=BROKEN, form="float16", eps=1e-8):
    events = [Event("non-finite", 6, "the weights are not finite")] if losses is BROKEN else []
    return train(losses, (seen(1e-3, 1e-3),), form=form, settings={"eps": eps}, events=events)


def warmed(losses=FLAT, first=5.0, elasticity=1.0):
    def look(step):
        early = step <= 5
        return (seen(1e2, 1e2, relative=first if early else 1e-3, elasticity=elasticity if early else 0.0),)

    return train(losses, look, optimizer="radam")


EXHIBITS = [
    Exhibit(SecondMomentSpike(), spiked, lambda: spiked(FELL), lambda: spiked(spike=1e-2, root=1e-2)),
    Exhibit(SecondMomentOverflow(), overflown, lambda: overflown(FELL), lambda: overflown(roots=(1e18,) * 4),
            absolute=True),
    Exhibit(SecondMomentUnderflow(), underflown, lambda: underflown(FELL), lambda: underflown(unsquared=0.0),
            absolute=True),
    Exhibit(EpsUnderflowsInHalf(), halved, lambda: halved(FELL), lambda: halved(form="float32"), absolute=True),
    Exhibit(UnnormalisedWarmup(), warmed, lambda: warmed(FELL), lambda: warmed(first=1e-3)),
]  # fmt: skip


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", [exhibit for exhibit in EXHIBITS if not exhibit.absolute], ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_clip_for_a_spike_is_about_the_usual_norm():
    finding = EXHIBITS[0].find(spiked())
    assert finding.evidence["spike_step"] == 2
    treatment = finding.treatments[0]
    assert treatment.kind == "added-clip"
    assert treatment.value == pytest.approx(2.5e-2, rel=0.3)  # ‖(0.5, 0.9, 1.1, 2)·1e-2‖


def test_large_roots_without_a_spike_are_another_matter():
    assert SecondMomentSpike().check(Case(spiked(spike=1e-2))) is None


def test_where_epsilon_rules_no_memory_does():
    assert SecondMomentSpike().check(Case(spiked(eps=10.0))) is None


def test_a_gradient_that_shrinks_step_by_step_is_no_spike():
    session = train(FLAT, lambda step: (seen(1e3 * 0.7**step + 1e-2, 1.0, relative=1e-6),))
    assert SecondMomentSpike().check(Case(session)) is None


def test_a_loss_factor_that_lets_squares_fit_again():
    up = EXHIBITS[2].find(underflown()).treatments[0].factor
    down = EXHIBITS[1].find(overflown()).treatments[0].factor
    assert up is not None
    assert down is not None
    assert 2.0**-126 < (1e-25 * up) ** 2 < 1.0
    assert (1e20 * down) ** 2 < 3e38


def test_a_few_infinities_in_the_second_moment_are_enough_but_none_is_not():
    assert EXHIBITS[1].find(overflown(roots=(math.inf, 1.0, 1.0, 1.0))).evidence["share_of_weights"] == 0.25


def test_an_epsilon_that_float16_can_hold_is_fine():
    assert EpsUnderflowsInHalf().check(Case(halved(eps=1e-4))) is None


def test_a_healthy_epsilon_in_float16_says_when_it_broke():
    finding = EXHIBITS[3].find(halved())
    assert finding.evidence["broken_at"] == 6
    assert finding.treatments[0].choice == "float32"


def test_a_run_that_broke_at_once_has_no_later_steps_to_compare_with():
    session = warmed(BROKEN)
    session.samples = session.samples[:5]
    assert EXHIBITS[4].find(session).severity == "fault"


def test_violent_first_steps_that_do_not_grow_with_the_loss_are_another_matter():
    assert UnnormalisedWarmup().check(Case(warmed(elasticity=0.0))) is None


def test_a_gradient_that_came_of_thrown_weights_is_no_spike():
    def look(step):
        return (seen(1e3 if step == 3 else 1e-2, 1.0, relative=0.5 if step == 2 else 1e-6),)

    assert SecondMomentSpike().check(Case(train(FLAT, look))) is None


def test_what_underflowed_before_the_weights_were_thrown_is_the_cause():
    def look(step):
        early = step == 1
        return (seen(1e-25 if early else 1.0, [0.0] * 4 if early else 1.0, unsquared=float(early), relative=20.0),)

    finding = SecondMomentUnderflow().check(Case(train(DIVERGED, look)))
    assert finding is not None
    assert finding.severity == "fault"
    assert finding.evidence["gradient"] < 1e-24


def test_half_precision_asks_for_a_gradient_of_one():
    session = train(FLAT, (seen(1e-5, [0.0] * 4, unsquared=0.9),))
    half = replace(session.optimizers[0], state_formats={"exp_avg_sq": "float16"})
    plain, other = (SecondMomentUnderflow().check(Case(s)) for s in (session, replace(session, optimizers=[half])))
    assert plain is not None
    assert other is not None
    factors = [finding.treatments[0].factor or 0.0 for finding in (plain, other)]
    assert 1e2 <= factors[0] <= 1e3
    assert factors[1] == 100 * factors[0]


def test_a_run_that_got_somewhere_under_a_spike_may_have_a_floor_of_noise():
    half = [*falling(1.0, 0.7, 10), *flat(0.7, 50)]
    assert Case(spiked(half)).progress.state == "fell"
    assert EXHIBITS[0].find(spiked(half)).severity == "warning"
    assert EXHIBITS[0].find(spiked(FLAT)).severity == "fault"


def test_the_loss_is_divided_by_what_the_first_step_asks_for():
    def look(step):
        size = 10.0**step if step <= 5 else 1e-3
        return (seen(1e2, 1e2, relative=size, elasticity=1.0 if step <= 5 else 0.0),)

    factors = [t.factor for t in EXHIBITS[4].find(train(BROKEN, look, optimizer="radam")).treatments]
    assert factors == pytest.approx([1e-3, 1e-6])  # not 1e-7, for later steps act on thrown weights
