"""Laws written by hand, so that these tests do not depend on the table."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Clash, HiddenConstant, Law
from lossgauge.laws.verdict import Verdict


def law(target: str, verdict: Verdict = Verdict.EXACT, states: dict[str, int] | None = None, **powers: int) -> Law:
    own = {name.replace("_0", "[0]").replace("_1", "[1]"): Fraction(power) for name, power in powers.items()}
    kept = {name: Fraction(power) for name, power in (states or {}).items()}
    return Law(f"torch.optim:{target}", verdict, own, kept)


ADAM: dict[str, Any] = {"lr": 0, "eps": 1, "weight_decay": 1, "betas_0": 0, "betas_1": 0}
LAWS = {
    "SGD": law("SGD", lr=-1, momentum=0, dampening=0, weight_decay=1),
    "Adam": law("Adam", states={"exp_avg": 1, "exp_avg_sq": 2}, **ADAM),
    "NAdam": law("NAdam", **ADAM, momentum_decay=0),
    "AdamW": law("AdamW", **{**ADAM, "weight_decay": 0}),
    "Adagrad": law("Adagrad", states={"sum": 2}, lr=0, eps=1, weight_decay=1, lr_decay=0, initial_accumulator_value=2),
    "Rprop": law("Rprop", lr=0),
    "LBFGS": replace(
        law("LBFGS", Verdict.BROKEN, tolerance_grad=1),
        clashes=(Clash("lbfgs.py:400", "ys > 1e-10", "L", "1"),),
    ),
}
CLIP_NORM = Law(
    "torch.nn.utils:clip_grad_norm_",
    Verdict.BROKEN,
    {"max_norm": Fraction(1)},
    hidden_constants=(HiddenConstant(1e-6, "clip_grad.py:155", "clip_coef = max_norm / (total_norm + 1e-6)", "L/W"),),
)
CLIP_VALUE = Law("torch.nn.utils:clip_grad_value_", Verdict.EXACT, {"clip_value": Fraction(1)})
CLIPS = {"max_norm": CLIP_NORM, "clip_value": CLIP_VALUE}


def law_of(optimizer: Any) -> Law:
    return LAWS[type(optimizer).__name__]


def wrong_law_of(optimizer: Any) -> Law:
    """As if epsilon carried no units."""
    known = law_of(optimizer)
    return replace(known, exponents={**known.exponents, "eps": Fraction(0)})
