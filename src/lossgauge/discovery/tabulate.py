"""Generate the table of laws from the installed optimizers: `python -m lossgauge.discovery.tabulate`.

Every optimizer is studied in its default structure and once for every flag or text that may change its law; a schedule
on two carriers with different learning-rate units, to see which of its quantities follow the learning rate.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

from lossgauge.discovery.discover import discover
from lossgauge.frameworks.registry import installed_versions, known_targets, subject_named, subject_on
from lossgauge.frameworks.subject import Subject
from lossgauge.laws import table
from lossgauge.laws.law import Law
from lossgauge.laws.table import Row, Variant, write_table

NO_LAW_IN = frozenset(("foreach", "fused", "capturable", "differentiable", "maximize", "verbose", "error_if_nonfinite"))
"""Flags that choose an implementation or a sign, and leave the law as it is."""


def tabulate(report: Callable[[str], None] = lambda line: None) -> dict[str, Row]:
    """Discover every law of the installed frameworks.

    Args:
        report: Told the name of each target before it is studied.

    Returns:
        Target → row.
    """
    rows: dict[str, Row] = {}
    for target, kind in known_targets().items():
        report(target)
        rows[target] = tabulate_one(target, kind)
    return rows


def tabulate_one(target: str, kind: str) -> Row:
    """The row of one optimizer, clip function or schedule.

    Args:
        target: `module:name`.
        kind: `optimizer`, `clip` or `schedule`.

    Returns:
        Its law and the variants that differ from it.
    """
    subject = subject_named(target)
    law = _law(subject, target, kind, {})
    single = [(when, _law(subject, target, kind, when)) for when in _structures(subject)]
    changing = [Variant(when, other) for when, other in single if _differs(other, law)]
    pairs = [{**a.when, **b.when} for a, b in combinations(changing, 2) if not a.when.keys() & b.when.keys()]
    return Row(kind, law, (*changing, *(Variant(when, _law(subject, target, kind, when)) for when in pairs)))


def _law(subject: Subject, target: str, kind: str, when: Mapping[str, Any]) -> Law:
    law = discover(subject, when).law
    return _relative_to_rate(law, discover(subject_on(target, "Adam"), when).law) if kind == "schedule" else law


def _relative_to_rate(on_descent: Law, on_adam: Law) -> Law:
    """Quantities with exponent −1 where the rate has −1 and 0 where it has 0 follow the rate."""
    pairs = {n: (k, on_adam.exponents[n]) for n, k in on_descent.exponents.items() if n in on_adam.exponents}
    follows = {n: "lr" for n, pair in pairs.items() if pair == (Fraction(-1), Fraction(0))}
    own = {n: pair[0] for n, pair in pairs.items() if pair[0] == pair[1]}
    return replace(on_descent, exponents=own, follows=follows, states={}, dimensions={})


def _structures(subject: Subject) -> Iterator[dict[str, Any]]:
    for name, setting in subject.hyperparameters().items():
        if setting.kind == "flag" and name not in NO_LAW_IN:
            yield {name: not setting.default}
        for value in subject.choices().get(name, ()):
            yield {name: value}


def _differs(law: Law, other: Law) -> bool:
    return (law.verdict, law.exponents, law.states, law.follows) != (
        other.verdict, other.exponents, other.states, other.follows)  # fmt: skip


def main() -> int:
    """Write `laws/table.json` beside the code.

    Returns:
        The exit code 0.
    """
    rows = tabulate(lambda line: print(line, file=sys.stderr))
    path = Path(table.__file__).with_name("table.json")
    path.write_text(write_table(rows, installed_versions()), encoding="utf-8")
    print(f"{len(rows)} laws written to {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
