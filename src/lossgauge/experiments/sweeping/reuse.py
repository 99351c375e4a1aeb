"""Which settings of a plan have to be run, and which run stands for each of the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.laws.orbits import Place, place
from lossgauge.records.sweep import Plan

BITS, ROUNDING = "bits", "rounding"
"""How a reused result agrees with a run of its own."""


@dataclass(frozen=True)
class Share:
    """What a setting is to the sweep.

    Args:
        number: The setting's number in the plan.
        run: The number of the setting whose run gives the result: its own where it is run.
        kind: `bits` or `rounding` where the run of another stands for it, else empty.
        key: The optimizer, format and seed, and the dimensionless groups.
        family: Settings whose symmetry is in doubt: those on one side, in α, of the run that would stand for them. A
            format ends on one side, so that the farthest of them speaks for all. Empty where there is no doubt.
    """

    number: int
    run: int
    kind: str
    key: str
    family: str = ""


def share_runs(plan: Plan, laws: LawLookup, rounding: bool, audited: bool) -> tuple[list[Share], dict[str, str]]:
    """Choose the run that stands for each setting: of those that train the same, the one with α nearest 1.

    Args:
        plan: The plan.
        laws: Finds laws.
        rounding: Whether a run may stand for settings that differ from it by rounding.
        audited: Whether settings whose symmetry is in doubt may be proven by an audit.

    Returns:
        The share of each setting in order; and by label, why nothing stands for the settings of an optimizer.
    """
    places = [
        place(laws.find(setting), laws.settled(setting), setting.alpha, setting.precision) for setting in plan.settings
    ]
    obstacles = {label: there.obstacle for label, there in zip(plan.labels, places, strict=True) if there.obstacle}
    orbits: dict[tuple[object, ...], list[int]] = {}
    for number, (setting, there) in enumerate(zip(plan.settings, places, strict=True)):
        apart = (number,) if there.obstacle else () if rounding else there.bits
        orbits.setdefault((setting.optimizer, setting.precision, setting.seed, there.group, apart), []).append(number)
    shares = [share for orbit in orbits.values() for share in _share_orbit(plan, places, orbit, audited)]
    return sorted(shares, key=lambda share: share.number), obstacles


def _share_orbit(plan: Plan, places: Sequence[Place], orbit: list[int], audited: bool) -> Iterable[Share]:
    sure = [number for number in orbit if not places[number].doubt]
    chosen = min(sure or orbit, key=lambda number: (places[number].distance, plan.settings[number].alpha < 1, number))
    families = _families(plan, places, orbit, chosen) if audited else {}
    for number in orbit:
        setting, there = plan.settings[number], places[number]
        key = f"{setting.optimizer} {setting.precision} seed={setting.seed} {there.group}"
        if number in families:
            yield Share(number, chosen, BITS, key, families[number])
        elif number == chosen or there.obstacle or there.doubt:
            yield Share(number, number, "", key)
        else:
            yield Share(number, chosen, BITS if there.bits == places[chosen].bits else ROUNDING, key)


def _families(plan: Plan, places: Sequence[Place], orbit: Sequence[int], chosen: int) -> dict[int, str]:
    """The settings in doubt on either side of the one that is run, where a trial of the farthest saves some runs."""
    own = plan.settings[chosen].alpha
    families: dict[int, str] = {}
    for side in ("below", "above"):
        members = [
            number
            for number in orbit
            if places[number].doubt
            and places[number].bits == places[chosen].bits
            and (plan.settings[number].alpha < own if side == "below" else plan.settings[number].alpha > own)
        ]
        if len(members) > 1:
            families |= dict.fromkeys(members, f"{side} {chosen}")
    return families
