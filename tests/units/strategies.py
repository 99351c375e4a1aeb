"""Random rationals, dimensions, units and linear systems for the property tests of this folder."""

from fractions import Fraction

from hypothesis import strategies as st

from lossgauge.units.dimension import Dimension
from lossgauge.units.linear import Row
from lossgauge.units.monomial import Monomial

NAMES: tuple[str, ...] = ("beta", "eps", "lr")
rationals = st.builds(Fraction, st.integers(-12, 12), st.integers(1, 7))
non_zero = rationals.filter(bool)
dimensions = st.builds(Dimension, rationals, rationals)
monomials = st.builds(Monomial, dimensions, st.dictionaries(st.sampled_from(NAMES), rationals))
small = st.sampled_from([Fraction(n, d) for n in (-2, -1, 0, 0, 0, 1, 2) for d in (1, 2)])
sparse_monomials = st.builds(
    Monomial, st.builds(Dimension, small, small), st.dictionaries(st.sampled_from(NAMES), small)
)


def times(row: Row, vector: Row) -> Fraction:
    """The sum of the products, written out."""
    total = Fraction(0)
    for name, entry in row.items():
        total = total + entry * vector.get(name, Fraction(0))
    return total


@st.composite
def rows_over(draw: st.DrawFn, unknowns: tuple[str, ...], most: int = 5) -> list[dict[str, Fraction]]:
    """Up to `most` rows; a third of their entries are zero, so that dependent rows are common."""
    return draw(st.lists(st.fixed_dictionaries(dict.fromkeys(unknowns, small)), max_size=most))
