"""Discovery against optimizers it was not written for, with laws derived by hand."""

from fractions import Fraction
from typing import Any

import pytest

from lossgauge.verbs.discover import discover
from tests.zoo.catalogue import BAD, ZOO, BadRow, ZooRow

ACCEPTED = {"EXACT": {"EXACT"}, "CLOSE_OR_EXACT": {"EXACT", "CLOSE"}, "BROKEN": {"BROKEN"}}


def name_of(row: ZooRow | BadRow) -> str:
    place = row.target.rpartition(".")[2]
    settings = ",".join(f"{n}={v}" for n, v in getattr(row, "set", {}).items() if isinstance(v, (int, float)))
    return f"{place}({settings})"


def complaints(row: ZooRow, found: dict[str, Any]) -> list[str]:
    """Everything in which a discovery differs from the row; empty when it is right."""
    wrong = [] if found["verdict"] in ACCEPTED[row.verdict] else [f"verdict {found['verdict']}, not {row.verdict}"]
    if row.verdict == "BROKEN":
        return wrong + complaints_about_reasons(row, found)
    if not matches(row, found["exponents"]):
        wrong.append(f"exponents {found['exponents']}, not {row.exponents}")
    for slot, power in row.states.items():
        if found["states"].get(slot) != str(Fraction(power)):
            wrong.append(f"state {slot}: {found['states'].get(slot)}, not {power}")
    switched_off = {n for n in row.inert if row.set.get(n) == 0}
    return wrong + [f"{n} is switched off but not inert" for n in switched_off if n not in found["inert"]]


def matches(row: ZooRow, exponents: dict[str, str]) -> bool:
    """Equal to the row's exponents, up to the directions along which its law is free."""
    wanted = {n: Fraction(k) for n, k in row.exponents.items()}
    got = {n: Fraction(exponents[n]) if n in exponents else None for n in wanted}
    if None in got.values():
        return False
    shifts: list[dict[str, Fraction]] = [{}]
    for direction in row.freedom:
        steps = [Fraction(i, 2) for i in range(-6, 7)]
        shifts += [{n: step * Fraction(k) for n, k in direction.items()} for step in steps]
    return any(all(got[n] == k + shift.get(n, 0) for n, k in wanted.items()) for shift in shifts)


def complaints_about_reasons(row: ZooRow, found: dict[str, Any]) -> list[str]:
    wrong: list[str] = []
    values = [abs(h["value"]) for h in found["hidden_constants"]]
    if row.hidden is not None and not any(v == pytest.approx(row.hidden, rel=1e-9) for v in values):
        wrong.append(f"hidden constants {values}, not {row.hidden}")
    named = [h["code"] for h in found["hidden_constants"]]
    for clash in found["clashes"]:
        named += [clash["code"], *(other[1] for other in clash["others"])]
    wanted = [row.hidden_line_contains, *row.conflict_lines]
    squeezed = " ".join(named).replace(" ", "")
    wrong += [f"{line!r} is not named in {named}" for line in wanted if line and line.replace(" ", "") not in squeezed]
    return wrong


@pytest.mark.parametrize("row", ZOO, ids=name_of)
def test_discovery_finds_the_law_derived_by_hand(row: ZooRow) -> None:
    found = discover(row.target, dict(row.set)).to_dict()
    assert not complaints(row, found), found["advice"]


def test_a_wrong_row_is_noticed() -> None:
    row = next(r for r in ZOO if r.target.endswith(":InsideRoot") and r.set["eps"])
    found = discover(row.target, dict(row.set)).to_dict()
    assert not complaints(row, found)
    for wrong in (
        {**found, "exponents": {**found["exponents"], "eps": "1"}},
        {**found, "verdict": "BROKEN"},
        {**found, "states": {}},
    ):
        assert complaints(row, wrong)


@pytest.mark.parametrize("row", [r for r in BAD if r.reason in ("motionless", "needs-argument", "raises")], ids=name_of)
def test_bad_input_is_one_clear_line(row: BadRow) -> None:
    from lossgauge.errors import LossgaugeError

    with pytest.raises(LossgaugeError) as caught:
        discover(row.target)
    assert "\n" not in str(caught.value)
    assert row.target.rpartition(":")[2] in str(caught.value)


@pytest.mark.parametrize("row", [r for r in BAD if r.reason == "unrepeatable"], ids=name_of)
def test_an_unrepeatable_optimizer_is_undecided(row: BadRow) -> None:
    found = discover(row.target)
    assert found.verdict == "UNDECIDED"
    assert not found.evidence["certify"]["repeatable"]
    assert "seed" in found.advice
