"""Statements as a session leaves them, with a few points each."""

from typing import Any

from lossgauge.records.statement import Statement


def nadam(identical: bool = True) -> Statement:
    decades = [{"ratio": 10.0**d, "change": {"10": 10.0**-d, "100000": 2 * 10.0**-d}} for d in range(-6, 10)]
    evidence = {"bits": {}, "decades": decades, "decades_identical": identical}
    return Statement(4, "the answer", "Nothing changes.", "false", False, "measured", evidence)


def asker(bits: bool = True) -> Statement:
    names = ("as it was", "loss × 1e5", "ε / 1e5", "lr × 10", "lr × 100", "lr × 1000")
    runs: dict[str, Any] = {name: {"curve": [[1, 1.2], [10, 1.0], [100, None], [1200, 0.01]]} for name in names}
    layers = [{"layer": n, "untouched": 10.0 ** (n - 6), "multiplied": 10.0 ** (n - 1)} for n in range(1, 8)]
    evidence = {"runs": runs, "layers": layers, "bits": bits}
    return Statement(9, "the question", "My mistake?", "no: it is ε", True, "measured", evidence)


def optimizers() -> Statement:
    rows = [
        {"name": "SGD", "verdict": "EXACT", "exponents": {"lr": "-1"}, "groups": ["lr·α"]},
        {"name": "Rprop", "verdict": "EXACT", "exponents": {}, "groups": []},
        {"name": "RAdam", "verdict": "BROKEN", "exponents": {"eps": "1"}, "groups": ["eps/α"]},
    ]
    return Statement(10, "a comment", "Which one?", "the right question", True, "laws differ", {"optimizers": rows})


def untested() -> Statement:
    return Statement(10, "a comment", "Which one?", "not tested", None, "the table is empty", {"optimizers": []})
