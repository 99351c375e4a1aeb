"""Statements 4, 6 and 7: Nadam and Adam feel a factor through ε, and ε has several places."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lossgauge.demonstration.numbers import spell, spell_share
from lossgauge.experiments.attribution import Request, attribute_change
from lossgauge.experiments.outcomes import outcome_named
from lossgauge.frameworks.torch.demonstrations.epsilon import adam_training
from lossgauge.laws.law import Law
from lossgauge.laws.table import row_of
from lossgauge.records.statement import Statement
from lossgauge.trainings.recorder import LawOf
from lossgauge.trainings.training import Function

ASKED, VISIBLE = 1e-4, 0.01
"""|g|/ε in the asker's early layers (statement 9 measures it), and a change of the weights' way that one would see."""
SEEN = 0.005
"""The share of a part that is worth a number."""
FACTOR = 1e5
"""The loss multiplier the question is about."""
SINGLE = 2.0**-24
"""Half a unit in the last place of a float32 number at 1; smaller relative changes drown in rounding."""


def measure_adam(
    ratios: Sequence[float] = (1e-2, 1e7, 1e10), alpha: float = FACTOR, law_of: LawOf | None = None
) -> dict[str, Any]:
    """Ask `why` what α does to a float32 training with Adam, in several regimes.

    Args:
        ratios: Regimes: typical |g|/ε at the start, dimensionless.
        alpha: α, dimensionless; at a power of two rounding has no part.
        law_of: Finds the law of the optimizer; the table is asked unless given.

    Returns:
        `regimes`: for each, `ratio`, `total` (how far the weights are moved, relative to the way they went), the shares
        `epsilon` and `rounding` of it (and `rest`), the `floor` below which a change is rounding, and whether the bits
        are the same at the power of two next to α with everything co-scaled (`bits_identical`).
    """
    regimes: list[dict[str, Any]] = []
    for ratio in ratios:
        request = Request(Fraction(alpha), outcome_named("weights"), law_of or _law_of_table)
        found = attribute_change(Function(adam_training(ratio), "Adam"), request)
        epsilon, rounding = found.share("eps"), found.share("rounding")
        regimes.append(
            {
                "ratio": ratio,
                "total": found.total,
                "epsilon": epsilon,
                "rounding": rounding,
                "rest": sum(part.share for part in found.parts if part.name not in ("eps", "rounding")),
                "floor": found.rounding_floor,
                "bits_identical": found.co_scaled_identical,
            }
        )
    return {"alpha": alpha, "regimes": regimes}


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
        f"{_amount(regime['total'])} at |g|/ε = {spell(regime['ratio'])} ({_parts(regime)})" for regime in changed
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


def _law_of_table(optimizer: Any) -> Law:
    return row_of(type(optimizer).__name__).law_for(optimizer.param_groups[0])


def _near(changes: Sequence[tuple[float, float]], ratio: float) -> float:
    return min(changes, key=lambda entry: abs(entry[0] / ratio - 1))[1]


def _parts(regime: Mapping[str, float]) -> str:
    """What ε and rounding contribute; a part under half a per cent is not worth a number."""
    named = [("ε", regime["epsilon"]), ("rounding", regime["rounding"]), ("the rest", regime["rest"])]
    seen = [(name, share) for name, share in named if abs(share) >= SEEN]
    return f"all {seen[0][0]}" if len(seen) == 1 else ", ".join(f"{name} {100 * share:.0f} %" for name, share in seen)


def _carrier(regime: Mapping[str, float]) -> str:
    return max(("ε", "epsilon"), ("rounding", "rounding"), key=lambda entry: regime[entry[1]])[0]


def _amount(change: float) -> str:
    return f"{spell(change)} times their way" if change > 2 else spell_share(change)
