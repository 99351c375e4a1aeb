from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.lookup import MOST_STUDIED, LawLookup
from lossgauge.laws.law import Law
from lossgauge.laws.verdict import Verdict
from lossgauge.records.sweep import Setting
from tests.experiments.sweeping.sweeps import table_law

PADAM = "tests.zoo.fractional:QuarterRoot"


class Studies:
    """Notes which structures were asked for."""

    def __init__(self, carriers: Mapping[str, Fraction] | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.exponents = dict(carriers or {"lr": Fraction(-1)})

    def __call__(self, target: str, settings: Mapping[str, Any]) -> Law:
        self.asked.append(dict(settings))
        return Law(target, Verdict.EXACT, self.exponents)


def test_settings_are_completed_by_the_defaults_of_the_constructor():
    settled = LawLookup(table_law).settled(Setting("torch.optim:Adam", {"lr": 0.5, "betas": (0.1, 0.2)}))
    assert (settled["lr"], settled["betas[1]"], settled["eps"]) == (0.5, 0.2, 1e-8)


def test_flags_choose_the_structure():
    laws = LawLookup(table_law)
    coupled = laws.find(Setting("torch.optim:Adam", {"weight_decay": 0.1}))
    decoupled = laws.find(Setting("torch.optim:Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}))
    assert (coupled.exponents["weight_decay"], decoupled.exponents["weight_decay"]) == (1, 0)


def test_the_learning_rate_and_what_carries_a_unit_do_not_lead_to_another_study():
    studies = Studies()
    laws = LawLookup(studies)
    for rate in (0.1, 0.2, 0.3):
        laws.find(Setting(PADAM, {"lr": rate}))
    assert studies.asked == [{}]


def test_a_number_without_a_unit_may_be_a_power_and_leads_to_one(monkeypatch: Any):
    studies = Studies()
    laws = LawLookup(studies)
    names = [name for name in laws.settled(Setting(PADAM, {})) if name != "lr"]
    values = [Setting(PADAM, {names[0]: value}) for value in (0.3, 0.4, 0.3)]
    for setting in values:
        laws.find(setting)
    assert [asked.get(names[0]) for asked in studies.asked] == [None, 0.3, 0.4]
    for step in range(2 * MOST_STUDIED):
        last = laws.find(Setting(PADAM, {names[0]: 0.5 + step / 1000}))
    assert last.verdict == Verdict.UNDECIDED  # pyright: ignore[reportPossiblyUnboundVariable]
    assert len(studies.asked) == MOST_STUDIED


def test_what_cannot_be_studied_has_no_law():
    def refuse(target: str, settings: Mapping[str, Any]) -> Law:
        raise InputError("it does not move")

    assert LawLookup(refuse).find(Setting(PADAM, {})).verdict == Verdict.UNDECIDED
