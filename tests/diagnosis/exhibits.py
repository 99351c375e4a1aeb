"""What every rule is held to: it sees its fault, keeps quiet where training is fine, and does not care for units."""

from collections.abc import Callable
from dataclasses import dataclass

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rule import Rule
from lossgauge.records.diagnosis import Finding
from lossgauge.records.session import Session
from tests.diagnosis.sessions import multiplied

POWERS = (-20, 13)
"""Changes of the loss's unit, as powers of two."""


@dataclass(frozen=True)
class Exhibit:
    """A rule and three trainings.

    Args:
        rule: The rule.
        sick: The fault is there, and training suffers from it.
        harmless: The signal is there, and training is fine.
        absent: The signal is not there.
        severity: How bad `sick` is.
        absolute: Whether the rule compares with a number that has no unit to go along: the limit of a number format,
            or a constant in somebody's code.
        label: What tells it from other exhibits of its rule.
    """

    rule: Rule
    sick: Callable[[], Session]
    harmless: Callable[[], Session]
    absent: Callable[[], Session]
    severity: str = "fault"
    absolute: bool = False
    label: str = ""

    def __str__(self) -> str:
        return f"{self.rule.name}{'-' if self.label else ''}{self.label}"

    def find(self, session: Session) -> Finding:
        """The finding that has to be there."""
        finding = self.rule.check(Case(session))
        assert finding is not None, f"{self}: nothing found"
        return finding


def show(exhibit: Exhibit) -> None:
    """Fail where a rule does not tell its three trainings apart."""
    finding = exhibit.find(exhibit.sick())
    assert (finding.code, finding.name) == (exhibit.rule.code, exhibit.rule.name)
    assert finding.severity == exhibit.severity
    assert finding.message.strip()
    assert finding.evidence
    assert finding.treatments or finding.remedy.text, "neither something to try nor advice"
    harmless = exhibit.rule.check(Case(exhibit.harmless()))
    assert harmless is None or harmless.severity == "info", harmless
    absent = exhibit.rule.check(Case(exhibit.absent()))
    assert absent is None, absent


def change_units(exhibit: Exhibit) -> None:
    """Fail where the unit of the loss changes what a rule says, how bad it is, or by what factor to change what."""
    for make in (exhibit.sick, exhibit.harmless, exhibit.absent):
        plain = _verdict(exhibit.rule.check(Case(make())))
        for power in POWERS:
            assert _verdict(exhibit.rule.check(Case(multiplied(make(), power)))) == plain, (make, power)


def _verdict(finding: Finding | None) -> object:
    if finding is None:
        return None
    changes = [(t.kind, t.name, t.factor and f"{t.factor:.6g}", t.choice, t.index) for t in finding.treatments]
    return finding.code, finding.severity, finding.where, finding.measure, changes
