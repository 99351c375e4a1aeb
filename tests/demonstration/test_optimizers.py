"""Statement 10: the table of laws."""

from fractions import Fraction
from typing import Any

from lossgauge.demonstration.optimizers import collect_laws, judge_optimizers
from lossgauge.laws.law import Law
from lossgauge.laws.table import Row, read_table
from lossgauge.laws.verdict import Verdict


def row(target: str, verdict: Verdict = Verdict.EXACT, kind: str = "optimizer", **exponents: Any) -> tuple[str, Row]:
    law = Law(target, verdict, {name: Fraction(power) for name, power in exponents.items()})
    return target, Row(kind, law)


ROWS = dict(
    [
        row("torch.optim:SGD", lr=-1, momentum=0, weight_decay=1),
        row("torch.optim:NAdam", lr=0, eps=1, weight_decay=1),
        row("torch.optim:Rprop", lr=0),
        row("torch.optim:RAdam", Verdict.BROKEN, eps=1),
        row("torch.nn.utils:clip_grad_value_", kind="clip", clip_value=1),
        row("mine:Optimizer", lr=-1),
    ]
)


def test_optimizers_differ():
    statement = judge_optimizers(collect_laws(ROWS))
    assert statement.holds is True
    assert statement.measured == (
        "α is a factor on lr: SGD. only ε (and coupled decay) feels it: NAdam. nothing feels it: Rprop. no law: RAdam"
    )
    groups = {entry["name"]: entry["groups"] for entry in statement.evidence["optimizers"]}
    assert groups["SGD"] == ["lr·α", "weight_decay/α"]
    assert groups["NAdam"] == ["eps/α", "weight_decay/α"]


def test_equal_laws_make_no_difference():
    rows = dict([row("torch.optim:SGD", lr=-1), row("torch.optim:Other", lr=-1)])
    statement = judge_optimizers(collect_laws(rows))
    assert statement.holds is False
    assert statement.verdict == "it makes no difference"


def test_an_empty_table_is_not_tested():
    statement = judge_optimizers(collect_laws({}))
    assert statement.holds is None
    assert statement.verdict == "not tested"


def test_the_shipped_table_is_read():
    optimizers = collect_laws()["optimizers"]
    assert len(optimizers) == sum(target.startswith("torch.optim:") for target in read_table())
