"""Shares of a whole, with what is known of the quantity behind each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from lossgauge.errors import InputError
from lossgauge.experiments.quantities import Quantity, shown
from lossgauge.experiments.shapley import Contribution
from lossgauge.laws.equivalence import scaled
from lossgauge.records.attribution import Part
from lossgauge.records.injection import STATES


def describe_parts(
    players: Sequence[Quantity],
    found: Mapping[str, Contribution],
    total: Fraction,
    alpha: Fraction,
    known: Sequence[Quantity],
) -> list[Part]:
    """One part for each quantity.

    Args:
        players: The quantities.
        found: What each contributes, by its full name.
        total: The whole; not 0.
        alpha: α.
        known: All quantities of the training, so that a name is short only where it is plain whose it is.

    Returns:
        The parts, in the order of the players.
    """
    names = shown([player.key for player in players], known)
    return [
        _describe(player, name, found[player.key], total, alpha) for player, name in zip(players, names, strict=True)
    ]


def single_part(name: str, reason: str, value: Fraction, total: Fraction) -> Part:
    """A part that is no quantity.

    Args:
        name: What it is called.
        reason: What is known of it.
        value: The part, in the unit of the outcome.
        total: The whole.

    Returns:
        The part.
    """
    return Part(name, float(value / total), float(value), reason=reason)


def _describe(player: Quantity, name: str, one: Contribution, total: Fraction, alpha: Fraction) -> Part:
    ends = sorted((one.low / float(total), one.high / float(total)))
    low, high = ends if one.low != one.high else (None, None)
    several = len(set(player.values)) > 1 or player.key == STATES
    own = None if several else float(player.values[0])
    return Part(
        name,
        float(one.value / total),
        float(one.value),
        player.key,
        player.exponent,
        own,
        _equivalent(own, player.exponent, alpha),
        low,
        high,
    )


def _equivalent(own: float | None, exponent: Fraction, alpha: Fraction) -> float | None:
    """h·α^(−k); None where no number can hold it."""
    try:
        return None if own is None else scaled(own, -exponent, alpha)
    except InputError:
        return None


def settle_shares(parts: Sequence[Part]) -> list[Part]:
    """Shares that add up to 1 to the last digit, in whatever order they are added, however large they are.

    Each is rounded to a multiple of one spacing, a few times that of floating-point numbers at the largest, and the
    largest takes what that leaves: sums of such multiples are exact, as long as the largest is below 2^48.

    Args:
        parts: The parts; their shares add up to 1 but for rounding.

    Returns:
        The same parts with shares that do.
    """
    if not parts:
        return []
    room = 2.0 ** (len(parts).bit_length() + 1)  # for sums on the way, which may be larger than any one of them
    spacing = min(room * math.ulp(max(abs(part.share) for part in parts)), 1.0)
    shares = [round(Fraction(part.share) / Fraction(spacing)) for part in parts]
    largest = max(range(len(parts)), key=lambda place: abs(shares[place]))
    shares[largest] += round(Fraction(1) / Fraction(spacing)) - sum(shares)
    return [replace(part, share=share * spacing) for part, share in zip(parts, shares, strict=True)]
