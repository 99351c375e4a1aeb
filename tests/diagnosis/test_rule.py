"""What all rules share, and that the exhibits catch a rule that breaks the house's law."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rule import Page, Rule, blame, names, percent, round_down
from lossgauge.records.diagnosis import Finding
from lossgauge.records.treatment import Treatment
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, seen, train


class Absolute(Rule):
    """A rule as it must not be: it compares a gradient with a number."""

    code, name, title = "LG900", "planted", "a planted violation"
    page = Page("", "", "", "", "")

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`."""
        size = case.typical(case.gradient_norm)
        return None if size is None or size > 1e-3 else self.finding(blame(case), "small", {"g": size}, advice="none")


class Alarmist(Absolute):
    """A rule that takes the signal for a fault."""

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`."""
        return super().check(case) and self.finding("fault", "small", {"g": 0.0}, advice="none")


class Dimensional(Absolute):
    """A rule whose remedy depends on the unit of the loss."""

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`."""
        size = case.typical(case.gradient_norm) or 1.0
        return self.finding("info", "", {"g": size}, treatments=[Treatment("loss", factor=round_down(1 / size))])


def exhibit(rule):
    return Exhibit(rule, lambda: small(), lambda: small(FELL), lambda: small(FLAT, 1.0))


def small(losses=FLAT, gradient=1e-5):
    return train(losses, (seen(gradient),))


def test_absolute_numbers_are_caught():
    show(exhibit(Absolute()))
    with pytest.raises(AssertionError):
        change_units(exhibit(Absolute()))


def test_a_signal_taken_for_a_fault_is_caught():
    with pytest.raises(AssertionError):
        show(exhibit(Alarmist()))


def test_a_remedy_that_depends_on_the_unit_is_caught():
    with pytest.raises(AssertionError):
        change_units(exhibit(Dimensional()))


def test_a_finding_carries_its_rule_and_only_what_is_known():
    finding = Absolute().finding("info", "m", {"known": 1.0, "unknown": None}, where="w", advice="a", measure="term 1")
    assert (finding.code, finding.name, finding.rank) == ("LG900", "planted", 50.0)
    assert finding.evidence == {"known": 1.0}
    assert (finding.where, finding.remedy.text, finding.measure) == ("w", "a", "term 1")
    assert finding.treatments == ()


def test_a_signal_is_a_fault_only_where_training_suffers():
    assert blame(Case(train(FLAT))) == "fault"
    assert blame(Case(train(FELL))) == "info"
    assert blame(Case(train(FELL)), True) == "fault"
    assert blame(Case(train(FLAT)), False) == "info"


@pytest.mark.parametrize(
    ("factor", "below"), [(1.0, 1.0), (9.99, 1.0), (1e-5, 1e-5), (1e-3 * (1 - 1e-12), 1e-3), (5e-324, 1e-300)]
)
def test_round_down_to_powers_of_ten(factor, below):
    assert round_down(factor) == below


@pytest.mark.parametrize(
    ("tensors", "text"),
    [([], ""), (["a"], "a"), (list("abcd"), "a, b, c and d"), (list("abcdef"), "a, b, c and 3 more")],
)
def test_names_of_tensors(tensors, text):
    assert names(tensors) == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "?"), (0.0, "0 %"), (0.123, "12 %"), (0.9999, "over 99 %"), (1.0, "100 %")]
)
def test_shares_for_people(share, text):
    assert percent(share) == text
