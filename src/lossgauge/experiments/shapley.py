"""Shapley values: what each player contributes to a whole, on average over all orders in which they may come.

All sums are of exact fractions, so that the contributions add up to the whole without any correction.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

Coalition = frozenset[str]
"""Players that have come."""
Worth = Callable[[Coalition], Fraction]
"""What a coalition brings about."""
PAIRS = 3
"""The fewest pairs of orders: the spread of two says too little."""
CONFIDENT = 1.959964
"""Standard errors on either side of a mean that hold 95 % of a normal distribution."""
FEW = (4.302653, 3.182446, 2.776445, 2.570582, 2.446912)
"""The same where the spread itself is estimated from three pairs, four, five, six, seven: Student's t."""


@dataclass(frozen=True)
class Contribution:
    """What one player contributes.

    Args:
        value: The Shapley value, in the unit of the worth; exact, or the mean over the orders that were drawn.
        low: The lower end of its 95 % interval; `value` itself where that is exact.
        high: The upper end.
    """

    value: Fraction
    low: float
    high: float


def coalitions_of(players: Sequence[str]) -> list[Coalition]:
    """Every coalition.

    Args:
        players: Their names.

    Returns:
        2^n sets, the empty one first.
    """
    return [frozenset(some) for size in range(len(players) + 1) for some in combinations(players, size)]


def contributions(players: Sequence[str], worth: Worth) -> dict[str, Contribution]:
    """The exact Shapley values: φ_i = Σ_S |S|!(n−|S|−1)!/n! · (v(S + i) − v(S)).

    Args:
        players: Their names.
        worth: v, defined on every coalition.

    Returns:
        One value per player; they add up to v(all) − v(none).
    """
    count = len(players)
    found: dict[str, Contribution] = {}
    for player in players:
        others = [other for other in players if other != player]
        value = sum(
            (
                Fraction(math.factorial(len(some)) * math.factorial(count - len(some) - 1), math.factorial(count))
                * (worth(some | {player}) - worth(some))
                for some in coalitions_of(others)
            ),
            Fraction(0),
        )
        found[player] = Contribution(value, float(value), float(value))
    return found


def interactions(players: Sequence[str], worth: Worth) -> dict[tuple[str, str], Fraction]:
    """What two players bring about together beyond what each does alone, whoever else has come.

    The interaction index of Grabisch and Roubens (1999):
    I_ij = Σ_S |S|!(n−|S|−2)!/(n−1)! · (v(S + ij) − v(S + i) − v(S + j) + v(S)).

    Args:
        players: Their names.
        worth: v, defined on every coalition.

    Returns:
        One value per pair: above 0 they need each other, below 0 they stand in for each other.
    """
    count = len(players)
    found: dict[tuple[str, str], Fraction] = {}
    for one, other in combinations(players, 2):
        rest = [player for player in players if player not in (one, other)]
        found[one, other] = sum(
            (
                Fraction(math.factorial(len(some)) * math.factorial(count - len(some) - 2), math.factorial(count - 1))
                * (worth(some | {one, other}) - worth(some | {one}) - worth(some | {other}) + worth(some))
                for some in coalitions_of(rest)
            ),
            Fraction(0),
        )
    return found


def draw_orders(players: Sequence[str], most: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Orders in pairs, each with its reverse (antithetic), as many as so many coalitions allow.

    Args:
        players: Their names.
        most: How many different coalitions may occur at most; the pairs are never fewer than three.
        seed: Of the generator.

    Returns:
        An even number of orders.
    """
    generator = random.Random(seed)
    orders: list[tuple[str, ...]] = []
    met: set[Coalition] = set()
    while True:
        forth = tuple(generator.sample(players, len(players)))
        pair = [forth, forth[::-1]]
        grown = met | {coalition for order in pair for coalition in steps_of(order)}
        enough = len(orders) >= 2 * PAIRS
        if enough and (len(grown) > most or grown == met or len(orders) >= 4 * most):
            return orders
        met = grown
        orders += pair


def steps_of(order: Sequence[str]) -> list[Coalition]:
    """The coalitions that form when players come in an order.

    Args:
        order: The players.

    Returns:
        One coalition more than there are players, from nobody to everybody.
    """
    return [frozenset(order[:place]) for place in range(len(order) + 1)]


def estimated_contributions(orders: Sequence[Sequence[str]], worth: Worth) -> dict[str, Contribution]:
    """The mean of what each player adds when it comes, over drawn orders.

    Args:
        orders: As `draw_orders` gives them: each with its reverse beside it.
        worth: v, defined on every coalition that occurs.

    Returns:
        One value per player; they add up to v(all) − v(none) as the exact ones do.
    """
    added: dict[str, list[Fraction]] = {player: [] for player in orders[0]}
    for order in orders:
        for player, (before, after) in zip(order, pairwise(steps_of(order)), strict=True):
            added[player].append(worth(after) - worth(before))
    return {player: _mean(values) for player, values in added.items()}


def _mean(values: Sequence[Fraction]) -> Contribution:
    """The mean, with an interval from the spread of the pairs: the two of a pair are not independent."""
    pairs = [(one + other) / 2 for one, other in zip(values[::2], values[1::2], strict=True)]
    mean = sum(pairs, Fraction(0)) / len(pairs)
    variance = float(sum(((pair - mean) ** 2 for pair in pairs), Fraction(0)) / (len(pairs) - 1))
    reach = quantile(len(pairs)) * math.sqrt(variance / len(pairs))
    return Contribution(mean, float(mean) - reach, float(mean) + reach)


def quantile(count: int) -> float:
    """How many standard errors around the mean of some draws hold 95 %: Student's t.

    >>> [round(quantile(count), 2) for count in (3, 7, 11, 31)]
    [4.3, 2.45, 2.23, 2.04]

    Args:
        count: How many draws, at least three.

    Returns:
        From 4.3 for three down to 1.96; for more than seven by the series of Fisher and Cornish (1960).
    """
    if count - PAIRS < len(FEW):
        return FEW[count - PAIRS]
    z, freedom = CONFIDENT, count - 1
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
