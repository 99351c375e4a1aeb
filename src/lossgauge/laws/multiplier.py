"""The loss multiplier α: read from text, or computed from the everyday change that hides it.

>>> multiplier("2**17"), multiplier("1/256"), multiplier("1e5")
(Fraction(131072, 1), Fraction(1, 256), Fraction(100000, 1))
>>> multiplier_of_cause(before="sum", after="mean", items=256)
Fraction(1, 256)
"""

import re
from fractions import Fraction

from lossgauge.errors import InputError
from lossgauge.units.rational import rational

_POWER = re.compile(r"^(?P<base>[^*^/-][^*^/]*)(?:\*\*|\^)\(?(?P<exponent>[+-]?\d+)\)?$")
REDUCTIONS = ("sum", "mean")
MOST_BITS = 13_000
"""The longest α: about 3900 digits, so that it can still be written out."""


def multiplier(value: "str | float | int | Fraction") -> Fraction:
    """The loss multiplier α a person wrote.

    Args:
        value: A positive number, or text: `1e5`, `2**17`, `2^-12`, `1/256`.

    Returns:
        α, exactly as written.

    Raises:
        InputError: When `value` is not a positive finite number of reasonable size.
    """
    try:
        alpha = _read(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise InputError(
            f"alpha {str(value)!r} is not a number; expected a positive number such as 1e5, 2**17 or 1/256"
        ) from None
    if max(abs(alpha.numerator), alpha.denominator).bit_length() > MOST_BITS:
        raise InputError("alpha has more digits than any training can use; give a number such as 1e5, 2**17 or 1/256")
    if alpha <= 0:
        raise InputError(
            f"alpha is {value}, expected a number above 0; a loss multiplied by it would be "
            f"{'lost' if alpha == 0 else 'maximised'}; give for example 1e5 or 1/256"
        )
    return alpha


def multiplier_of_cause(
    before: str | None = None,
    after: str | None = None,
    items: int | None = None,
    accumulate: int | None = None,
    world_size: int | None = None,
) -> Fraction:
    """The multiplier hidden in a change of reduction, accumulation or world size; several causes multiply.

    α = N for mean → sum over N items, 1/N for sum → mean; K for K micro-batches whose gradients are added and not
    averaged; 1/W for W ranks whose gradients are averaged where they were added before (or were one process).

    Args:
        before: The old reduction, `sum` or `mean`.
        after: The new reduction, `sum` or `mean`.
        items: N, the number of items one reduction runs over, a count.
        accumulate: K, micro-batches per step, a count.
        world_size: W, ranks, a count.

    Returns:
        α.

    Raises:
        InputError: When a count is below 1, a reduction is unknown, or only part of a reduction change is given.
    """
    alpha = Fraction(1)
    for name, count in (("items", items), ("accumulate", accumulate), ("world-size", world_size)):
        if count is not None and count < 1:
            raise InputError(f"{name} is {count}, expected a whole number of at least 1")
    if before is not None or after is not None or items is not None:
        for name, reduction in (("from", before), ("to", after)):
            if reduction not in REDUCTIONS:
                raise InputError(
                    f"{name} is {reduction!r}, expected 'sum' or 'mean'; write --from sum --to mean --items 256"
                )
        if items is None:
            raise InputError("items is missing: how many items does the reduction run over? write --items 256")
        if before != after:
            alpha *= items if after == "sum" else Fraction(1, items)
    return alpha * (accumulate or 1) / (world_size or 1)


def spell(alpha: Fraction) -> str:
    """α as a person would write it: `2**17`, `1/256`, `1e+06`.

    Args:
        alpha: The multiplier.

    Returns:
        Text that `multiplier` reads back.
    """
    over, under = alpha.numerator, alpha.denominator
    if over.bit_count() == 1 and under.bit_count() == 1 and max(over, under) >= 1024:
        return f"2**{over.bit_length() - under.bit_length()}"
    if under == 1 and over < 10**5:
        return str(over)
    if over == 1 and under < 10**5:
        return f"1/{under}"
    text = _scientific(over) if under == 1 else _scientific(under, "-") if over == 1 else None
    if text is not None:
        return text
    short = f"{float(alpha):g}" if max(over, under) < 2**1000 else ""
    return short if short and rational(short) == alpha else str(alpha)


def power_of_two(alpha: Fraction) -> bool:
    """Whether α = 2^m, the multipliers under which binary floating point only shifts exponents.

    Args:
        alpha: The multiplier.

    Returns:
        True for 2^m with integer m.
    """
    return alpha.numerator.bit_count() == 1 and alpha.denominator.bit_count() == 1


def _scientific(number: int, sign: str = "") -> str | None:
    """A power of ten beyond what a float holds; None for any other number."""
    zeros = len(str(number)) - 1
    return f"1e{sign}{zeros}" if zeros > 300 and number == 10**zeros else None


def _read(value: "str | float | int | Fraction") -> Fraction:
    if not isinstance(value, str):
        return rational(value)
    text = value.strip().replace(" ", "")
    match = _POWER.match(text)
    if match:
        exponent = int(match["exponent"])
        base = rational(match["base"])
        if abs(exponent) * max(abs(base.numerator), base.denominator).bit_length() > 2 * MOST_BITS:
            raise ValueError(text)
        return base**exponent
    over, slash, under = text.rpartition("/")
    return _read(over) / _read(under) if slash else rational(text)
