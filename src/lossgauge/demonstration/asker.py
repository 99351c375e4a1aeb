"""Statement 9: the asker's own case."""

from collections.abc import Mapping
from typing import Any

from lossgauge.demonstration.numbers import spell
from lossgauge.records.statement import Statement

CURED, STUCK = 0.05, 0.9
"""Mean squared error in units of the targets' variance below which a network has learned, above which it has not."""


def judge_asker(evidence: Mapping[str, Any]) -> Statement:
    """Statement 9: × 1e5 helps through the early layers, a higher learning rate does not; or is it a mistake?

    Args:
        evidence: What `measure_asker` found.

    Returns:
        The statement; it holds if every part of the asker's story is seen again and ε explains it by bits.
    """
    seen = observe(evidence)
    missing = [name for name, found in seen.items() if not found]
    runs, layers = evidence["runs"], evidence["layers"]
    raised = runs["lr × 1000"]
    verdict = f"not confirmed: {', '.join(missing)}" if missing else "true, and no mistake: it is ε"
    same = "the same bits" if evidence["bits"] else "other bits"
    return Statement(
        9,
        "the question",
        "× 1e5 makes my Nadam train, as if early gradients had vanished; a higher learning rate diverges. My mistake?",
        verdict,
        not missing,
        f"error {_error(runs['as it was']['final'])} as it was, {_error(runs['loss × 1e5']['final'])} with loss × 1e5, "
        f"{_error(runs['ε / 1e5']['final'])} with ε / 1e5; 2**17: {same}; lr × 10, × 100: "
        f"{_error(runs['lr × 10']['final'])}, {_error(runs['lr × 100']['final'])}, × 1000: {_error(raised['final'])}; "
        f"√v̂/ε from {spell(layers[0]['untouched'])} in the first layer to {spell(layers[-1]['untouched'])} in the last",
        evidence,
    )


def observe(evidence: Mapping[str, Any]) -> dict[str, bool]:
    """The parts of the asker's story.

    Args:
        evidence: What `measure_asker` found.

    Returns:
        Part → whether it was seen.
    """
    runs, layers = evidence["runs"], evidence["layers"]
    raised = [runs[name] for name in runs if name.startswith("lr")]
    ratios = [layer["untouched"] for layer in layers]
    return {
        "stuck as it was": runs["as it was"]["final"] > STUCK,
        "loss × 1e5 cures": runs["loss × 1e5"]["final"] < CURED,
        "ε / 1e5 cures": runs["ε / 1e5"]["final"] < CURED,
        "loss × 2**17 equals ε / 2**17 by bits": bool(evidence["bits"]),
        "a higher learning rate does not cure": all(not run["final"] < STUCK for run in raised),
        "the highest diverges": not raised[-1]["late"] <= raised[-1]["start"],
        "ε dominates the early layers": max(ratios[: len(ratios) // 2]) < 0.1,
        "ε does not dominate the last": ratios[-1] > 1,
    }


def _error(value: float) -> str:
    return f"{value:.3g}" if value < 1e6 else "diverged"  # NaN is not below anything
