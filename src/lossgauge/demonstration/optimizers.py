"""Statement 10: it depends on the optimizer; the laws of all of them, from the table."""

from collections.abc import Mapping
from typing import Any

from lossgauge.laws.equivalence import dimensionless_groups
from lossgauge.laws.table import Row, read_table
from lossgauge.records.statement import Statement


def collect_laws(rows: Mapping[str, Row] | None = None) -> dict[str, Any]:
    """The laws of torch's optimizers, as the generated table has them.

    Args:
        rows: Target → row; the table of this version unless given.

    Returns:
        `optimizers`: for each, `name`, `verdict`, `exponents` (as text) and `groups` (`lr·α`, `eps/α`): with nothing
        else touched, α acts as if those settings had been changed so.
    """
    table = read_table() if rows is None else rows
    laws = [row.law for row in table.values() if row.kind == "optimizer" and row.law.target.startswith("torch.optim")]
    return {
        "optimizers": [
            {
                "name": law.title,
                "verdict": str(law.verdict),
                "exponents": {name: str(power) for name, power in law.carriers.items()},
                "groups": dimensionless_groups(law),
            }
            for law in laws
        ]
    }


def judge_optimizers(evidence: Mapping[str, Any]) -> Statement:
    """Statement 10: which optimizer was it?

    Args:
        evidence: What `collect_laws` found.

    Returns:
        The statement; it holds if the laws differ, and is not tested while the table is empty.
    """
    optimizers = evidence["optimizers"]
    lawful = [entry for entry in optimizers if entry["verdict"] in ("EXACT", "CLOSE")]
    by_rate = [entry["name"] for entry in lawful if "lr" in entry["exponents"]]
    by_epsilon = [entry["name"] for entry in lawful if "lr" not in entry["exponents"] and _has_epsilon(entry)]
    free = [entry["name"] for entry in lawful if not entry["exponents"]]
    lawless = [entry["name"] for entry in optimizers if entry not in lawful]
    kinds = {tuple(sorted(entry["exponents"].items())) for entry in lawful}
    differ = len(kinds) + bool(lawless) > 1
    parts = [
        f"{title}: {', '.join(names)}"
        for title, names in (
            ("α is a factor on lr", by_rate),
            ("only ε (and coupled decay) feels it", by_epsilon),
            ("nothing feels it", free),
            ("no law", lawless),
        )
        if names
    ]
    return Statement(
        10,
        "a comment",
        "Which optimizer was it: vanilla SGD, with momentum, or an adaptive one?",
        ("the right question: it decides" if differ else "it makes no difference") if optimizers else "not tested",
        differ if optimizers else None,
        ". ".join(parts) or "the table of laws is empty; `make laws` fills it",
        evidence,
    )


def _has_epsilon(entry: Mapping[str, Any]) -> bool:
    return any(name.startswith("eps") for name in entry["exponents"])
