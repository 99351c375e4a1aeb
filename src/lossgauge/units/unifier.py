"""Solving equations between units while they arrive, so that what is already implied is not asked twice."""

from fractions import Fraction

from lossgauge.units.monomial import ONE, Monomial


class Unifier:
    """What is known so far of the unknown units: each solved symbol as a monomial in the unsolved ones.

    >>> known = Unifier()
    >>> known.add(Monomial.of("lr") * Monomial.of("beta"))
    'new'
    >>> known.add(Monomial.of("beta"))
    'new'
    >>> known.add(Monomial.of("lr"))
    'implied'
    """

    def __init__(self) -> None:
        """Start with nothing solved."""
        self._solved: dict[str, Monomial] = {}

    def add(self, difference: Monomial) -> str:
        """Take in the equation `difference` = 1.

        Args:
            difference: The quotient of two units that must be equal.

        Returns:
            `implied` when it follows from the earlier ones, `new` when it settles another symbol, `conflict` when it
            contradicts them (it is then not taken in).
        """
        rest = self.reduce(difference)
        if rest.trivial:
            return "implied"
        if not rest.powers:
            return "conflict"
        symbol, power = min(rest.powers.items(), key=lambda item: (abs(item[1]) != 1, item[0]))
        value = (rest / Monomial.of(symbol) ** power) ** (Fraction(-1) / power)
        self._solved = {name: _substitute(unit, {symbol: value}) for name, unit in self._solved.items()}
        self._solved[symbol] = value
        return "new"

    def reduce(self, unit: Monomial) -> Monomial:
        """The unit with every solved symbol replaced.

        Args:
            unit: Any unit.

        Returns:
            The same unit in terms of unsolved symbols.
        """
        return _substitute(unit, self._solved)

    def without_numbers(self, unit: Monomial) -> Monomial:
        """The unit with only those symbols dropped that are known to be dimensionless.

        Args:
            unit: Any unit.

        Returns:
            A shorter text for the same unit; symbols with dimensions stay visible.
        """
        kept = {name: power for name, power in unit.powers.items() if self._solved.get(name) != ONE}
        return Monomial(unit.dimension, kept)


def _substitute(unit: Monomial, known: dict[str, Monomial]) -> Monomial:
    result = Monomial(unit.dimension, {n: p for n, p in unit.powers.items() if n not in known})
    for name, power in unit.powers.items():
        if name in known:
            result = result * known[name] ** power
    return result
