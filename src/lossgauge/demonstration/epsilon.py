"""Statements 4, 6 and 7: Nadam and Adam feel a factor through ε, and ε has several places."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossgauge.demonstration.numbers import spell, spell_share
from lossgauge.records.statement import Statement

ASKED, VISIBLE = 1e-4, 0.01
"""|g|/ε in the asker's early layers (statement 9 measures it), and a change of the weights' way that one would see."""
SINGLE = 2.0**-24
"""Half a unit in the last place of a float32 number at 1; smaller relative changes drown in rounding."""


def judge_nadam(evidence: Mapping[str, Any]) -> Statement:
    """Statement 4: a factor has no effect under Nadam.

    Args:
        evidence: What `measure_nadam` found.

    Returns:
        The statement; as made, it holds only if the factor is without effect at every size of the gradient.
    """
    changes = [(row["ratio"], row["change"]["100000"]) for row in evidence["decades"]]
    harmless = all(change == 0 for _, change in changes)
    exact = all(found["identical"] for found in evidence["bits"].values()) and evidence["decades_identical"]
    if harmless:
        verdict = "true"
    else:
        verdict = "true only with ε·α" if exact else "false, even with ε co-scaled so"
        verdict += "; false in the asker's regime" if exact and _near(changes, ASKED) > VISIBLE else ""
    quiet = next((ratio for ratio, change in changes if change < SINGLE), None)
    floor = f", under float32's rounding only above {spell(quiet)}" if quiet else ""
    return Statement(
        4,
        "the answer",
        "Under Nadam without regularisation, a factor on the loss has no effect.",
        verdict,
        harmless,
        f"ε·α: {'the same' if exact else 'other'} bits at 2**±17; ε untouched and α = 1e5: steps "
        f"{spell(_near(changes, ASKED) + 1)} times as long at |g|/ε = 1e-4, changed by "
        f"{spell_share(_near(changes, 1))} at 1, {spell_share(_near(changes, 1e3))} at 1000{floor}",
        evidence,
    )


def judge_placement(evidence: Mapping[str, Any]) -> Statement:
    """Statement 6: the answer's formula for Nadam has ε inside the root.

    Args:
        evidence: What `measure_placement` found.

    Returns:
        The statement; it holds only if torch's ε has the exponent of an ε inside the root, and is undecided where an
        exponent could not be pinned to one number.
    """
    found, first = evidence["exponents"], evidence["first_step"]
    powers = {name: f"+{powers[0]}" if len(powers) == 1 else "none" for name, powers in found.items()}
    pinned = "none" not in powers.values()
    same = powers["torch NAdam"] == powers["inside"]
    outside = ", where ε is outside" if powers["torch NAdam"] == powers["outside"] else ""
    return Statement(
        6,
        "the answer",
        "The formula of Nadam divides by √(v̂ + ε), with ε inside the root.",
        ("true of torch" if same else f"false for torch{outside}") if pinned else "not decided",
        same if pinned else None,
        f"exponent of ε by bits: inside {powers['inside']}, outside {powers['outside']} (torch's Adam "
        f"{powers['torch Adam']}, NAdam {powers['torch NAdam']}), Keras' ε-hat {powers['hat']}; the same ε = 1e-8 "
        f"at |g| = 1e-6 allows a first step of {first['inside']:.2f}, {first['outside']:.2f}, {first['hat']:.2f} lr",
        evidence,
    )


def judge_adam(evidence: Mapping[str, Any]) -> Statement:
    """Statement 7: in experiments with Adam the factor changes results.

    Args:
        evidence: What `measure_adam` found.

    Returns:
        The statement; it holds if the weights end elsewhere in any regime.
    """
    changed = [regime for regime in evidence["regimes"] if regime["total"] != 0]
    carriers = [_carrier(regime) for regime in changed]
    if not changed:
        verdict = "false here"
    elif len(set(carriers)) > 1:
        verdict = "true: through ε, else through rounding"
    else:
        verdict = f"true: through {carriers[0]}"
    exact = all(regime["bits_identical"] for regime in evidence["regimes"])
    parts = ", ".join(
        f"{_amount(regime['total'])} at |g|/ε = {spell(regime['ratio'])} ({_parts(_share(regime))})"
        for regime in changed
    )
    return Statement(
        7,
        "a later comment",
        "In my experiments with Adam, multiplying the loss does change the results.",
        verdict,
        bool(changed),
        f"α = {spell(evidence['alpha'])} moves the trained weights by {parts or 'nothing'}; with ε·α at 2**17: "
        f"{'the same' if exact else 'other'} bits",
        evidence,
    )


def _near(changes: Sequence[tuple[float, float]], ratio: float) -> float:
    return min(changes, key=lambda entry: abs(entry[0] / ratio - 1))[1]


def _share(regime: Mapping[str, float]) -> float:
    """The part of ε in what ε and rounding do, 0 to 1."""
    both = regime["epsilon"] + regime["rounding"]
    return regime["epsilon"] / both if both else 0.0


def _parts(share: float) -> str:
    """What ε and rounding contribute; a part under half a per cent is not worth a number."""
    if not 0.005 < share < 0.995:
        return "all ε" if share > 0.5 else "all rounding"
    return f"ε {share:.0%}, rounding {1 - share:.0%}"


def _carrier(regime: Mapping[str, float]) -> str:
    return "ε" if _share(regime) > 0.5 else "rounding"


def _amount(change: float) -> str:
    return f"{spell(change)} times their way" if change > 2 else spell_share(change)
