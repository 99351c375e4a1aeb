"""The verdict on an optimizer together with the clipping beside it, at given settings and a given α."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossgauge.laws.companions import COMPANIONS, companion_row
from lossgauge.laws.law import HiddenConstant, Law
from lossgauge.laws.spelling import spell_alpha, spell_value
from lossgauge.laws.verdict import Verdict

TOLERABLE = 1e-3
"""A constant that changes a clipped gradient by a smaller share leaves runs CLOSE; with a larger one nothing is left of
the law. The same bound above which a probe says that there is none."""

_FLOAT32_ULP = 2.0**-23
_ORDER = (Verdict.EXACT, Verdict.INERT, Verdict.CLOSE, Verdict.UNDECIDED, Verdict.BROKEN)


@dataclass(frozen=True)
class Judgement:
    """Whether the equivalent settings give the same training.

    Args:
        verdict: The worst verdict of the parts.
        inexact: What is not the same, in words.
        constants: Constants in the code with loss units.
    """

    verdict: Verdict
    inexact: tuple[str, ...] = ()
    constants: tuple[HiddenConstant, ...] = ()


def judge(law: Law, settings: Mapping[str, Any], alpha: Fraction) -> Judgement:
    """The verdict on one parameter group.

    Args:
        law: The optimizer's law.
        settings: The group's settings, companions included, in their own units.
        alpha: α.

    Returns:
        The judgement.
    """
    parts = [Judgement(law.verdict, (law.reason(),) if law.reason() else (), law.hidden_constants)]
    for name in COMPANIONS:
        row = companion_row(name) if name in settings and name not in law.defaults else None
        if row is not None and COMPANIONS[name].measure == "gradient" and row.law.hidden_constants:
            parts.append(_judge_clipping(row.law, name, float(settings[name]), alpha))
    return combine(parts)


def combine(parts: Sequence[Judgement]) -> Judgement:
    """Several judgements as one.

    Args:
        parts: At least one judgement.

    Returns:
        The worst verdict, and every reason and constant once.
    """
    return Judgement(
        max((part.verdict for part in parts), key=_ORDER.index),
        tuple(dict.fromkeys(text for part in parts for text in part.inexact)),
        tuple(dict.fromkeys(constant for part in parts for constant in part.constants)),
    )


def _judge_clipping(clip: Law, name: str, threshold: float, alpha: Fraction) -> Judgement:
    # Clipping divides by n + c; under αL and α·threshold it is as if c were c/α, which changes the result by the share
    # c·|1/α − 1|/n. Only norms n above the threshold are clipped, so the share is largest there.
    verdict, texts = Verdict.EXACT, list[str]()
    for constant in clip.hidden_constants:
        share = constant.value * abs(1 / float(alpha) - 1) / threshold if threshold else float("inf")
        verdict = Verdict.CLOSE if share <= TOLERABLE and verdict is not Verdict.BROKEN else Verdict.BROKEN
        size = f"by at most {spell_value(float(f'{share:.1g}'))} of their size"
        ulps = f", about {max(1, round(share / _FLOAT32_ULP))} float32 ulps" if share <= TOLERABLE else ""
        texts.append(
            f"{clip.title} adds {spell_value(constant.value)} to the norm ({constant.where}), which nobody can set: at "
            f"{name} = {spell_value(threshold)} and α = {spell_alpha(alpha)} clipped gradients change {size}{ulps}"
        )
    return Judgement(verdict, tuple(texts), clip.hidden_constants)
