"""The canonical form of a setting: α taken out of every hyperparameter, so that settings that train the same are equal.

If multiplying the loss by α and every hyperparameter h by α^(k_h) changes nothing, the training depends on α and h only
through the groups h/α^(k_h). Settings with equal groups form an orbit, and one run of it stands for all:

- to rounding for any α;
- bit for bit where their α differ by a power of two and the hyperparameters agree exactly, since a binary
  floating-point number then only changes its exponent, as long as that stays in the range of the format.

>>> from lossgauge.laws.verdict import Verdict
>>> law = Law("torch.optim:SGD", Verdict.EXACT, {"lr": Fraction(-1)})
>>> here = place(law, {"lr": 0.5}, Fraction(1), "float32")
>>> there = place(law, {"lr": 0.25}, Fraction(2), "float32")
>>> here.group == there.group, here.bits == there.bits
(True, True)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from lossgauge.laws.equivalence import LARGEST
from lossgauge.laws.formats import SMALLEST_NORMAL
from lossgauge.laws.law import Law
from lossgauge.laws.settings import flatten
from lossgauge.laws.spelling import spell_power
from lossgauge.laws.verdict import Verdict

DIGITS = 12
"""Decimal digits of a group; two that agree in all of them differ by rounding only."""
CERTIFIED_SHIFT = 12
"""Laws are certified at α = 2^±12: there every root up to the fourth of α is a power of two as well."""
REACH = {"float64": 320, "float32": 40}
"""How many powers of two gradients may be moved before rare elements are lost below the smallest normal number."""

_CONTEXT = Context(prec=DIGITS)


@dataclass(frozen=True)
class Place:
    """Where a setting lies among all settings of its optimizer.

    Args:
        group: Its dimensionless groups as text; equal texts mean the same training, to rounding. Flags that are off by
            default and off here are left out.
        bits: What has to be equal as well for the same training bit for bit.
        distance: |log2 α|: how far the loss is from its own unit.
        doubt: Why the symmetry may end before this setting; empty where it surely holds.
        obstacle: Why nothing can stand for this setting: its optimizer has no law. Empty where it has one.
    """

    group: str
    bits: tuple[object, ...]
    distance: float
    doubt: str = ""
    obstacle: str = ""


def place(law: Law, settings: Mapping[str, Any], alpha: Fraction, precision: str) -> Place:
    """Take α out of a setting.

    Args:
        law: The law of its optimizer, in the structure of these settings.
        settings: All hyperparameters by name, defaults included, in their own units; tuples whole or by entry.
        alpha: α.
        precision: The number format of the training: `float64`, `float32`, or autocast to `bfloat16` or `float16`.

    Returns:
        Its place.
    """
    flat = flatten(settings)
    distance = abs(_log2(alpha))
    obstacle = _obstacle(law, flat)
    if obstacle:
        group = [f"α={alpha}", *(f"{name}={value!r}" for name, value in flat.items())]
        return Place(" ".join(group), (), distance, obstacle=obstacle)
    parts = {name: _part(name, value, law.exponents.get(name, Fraction(0)), alpha) for name, value in flat.items()}
    bits = (*(exact for _, exact in parts.values()), *_residue(law, alpha))
    defaults = flatten(law.defaults)
    silent = {name for name, value in flat.items() if (value is None or value is False) and value == defaults.get(name)}
    group = " ".join(text for name, (text, _) in parts.items() if name not in silent)
    return Place(group, bits, distance, _doubt(law, flat, alpha, precision))


def reach(law: Law, precision: str) -> float:
    """How far α may be from 1, in powers of two, so that no gradient that matters leaves the range of the format.

    Args:
        law: The law; a state with the degree d moves by α^d.
        precision: `float64` or `float32`.

    Returns:
        The largest |log2 α|.
    """
    degrees = [abs(k) for k in (*law.states.values(), *law.exponents.values())]
    return REACH[precision] / float(max(degrees, default=Fraction(1)) or 1)


def _obstacle(law: Law, flat: Mapping[str, Any]) -> str:
    """Why the settings of this optimizer do not form orbits."""
    if law.verdict != Verdict.EXACT:
        reason = law.reason()
        return f"the law of {law.title} is {law.verdict}" + (f": {reason}" if reason else "")
    defaults = flatten(law.defaults)
    for name, value in flat.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or name in law.exponents:
            continue
        whole = isinstance(value, int) and not isinstance(defaults.get(name), float)
        if value != defaults.get(name) and not (whole and name not in law.inert):
            return f"the law of {law.title} does not know the exponent of {name}"
    return ""


def _part(name: str, value: Any, exponent: Fraction, alpha: Fraction) -> tuple[str, object]:
    """One group as text, and exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"{name}={value!r}", (name, repr(value))
    # (h/α^k)^q for k = p/q is rational where h/α^k may not be, and as good: h never changes its sign.
    degree = exponent.denominator
    exact = Fraction(abs(value)) ** degree * alpha**-exponent.numerator
    rounded = _CONTEXT.divide(Decimal(exact.numerator), Decimal(exact.denominator)).normalize(_CONTEXT)
    sign = "-" if value < 0 else ""
    return f"{_spell_group(name, exponent)}={sign}{rounded}", (name, sign, exact)


def _spell_group(name: str, exponent: Fraction) -> str:
    if not exponent:
        return name
    if exponent.denominator != 1:
        name = f"{name}^{exponent.denominator}"
    power = spell_power("α", Fraction(abs(exponent.numerator)))
    return f"{name}{'/' if exponent > 0 else '·'}{power}"


def _residue(law: Law, alpha: Fraction) -> tuple[int, ...]:
    """What of α no power of two can change: its odd part; with fractional exponents also the rest of its power."""
    power = _twos(alpha.numerator) - _twos(alpha.denominator)
    odd = alpha / Fraction(2) ** power
    degrees = [k.denominator for k in (*law.exponents.values(), *law.states.values())]
    period = math.lcm(*degrees)
    return odd.numerator, odd.denominator, power % (1 if period == 1 else math.lcm(period, CERTIFIED_SHIFT))


def _doubt(law: Law, flat: Mapping[str, Any], alpha: Fraction, precision: str) -> str:
    if precision not in REACH:
        return f"autocast to {precision}"
    if abs(_log2(alpha)) > reach(law, precision):
        return f"α beyond 2^±{reach(law, precision):.0f} in {precision}"
    for name in law.carriers:
        value = flat.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value:
            continue
        if not SMALLEST_NORMAL[precision] <= abs(value) <= LARGEST[precision]:
            return f"{name} beyond the range of {precision}"
    return ""


def _log2(alpha: Fraction) -> float:
    return math.log2(alpha.numerator) - math.log2(alpha.denominator)


def _twos(number: int) -> int:
    """How often 2 divides a positive number."""
    return (number & -number).bit_length() - 1
