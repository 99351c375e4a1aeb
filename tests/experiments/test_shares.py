"""Shares of a whole: they add up to 1 however large they are."""

from fractions import Fraction
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from lossgauge.experiments.shares import settle_shares
from lossgauge.records.attribution import Part

VALUES = st.lists(
    st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: abs(value) > 1e-12), min_size=1, max_size=6
)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.floats(1e-2, 1.0))
def test_shares_add_up_to_one_in_any_order(values: list[float], rest: float):
    exact = [Fraction(value) for value in values]
    exact.append(Fraction(rest) - sum(exact))  # they cancel, down to a small whole
    shares = [value / Fraction(rest) for value in exact]
    parts = settle_shares([Part(str(place), float(share), 0.0) for place, share in enumerate(shares)])
    largest = max(abs(share) for share in shares)
    for order in list(permutations(parts))[:24]:
        assert abs(sum(part.share for part in order) - 1.0) <= 1e-9
    for part, share in zip(parts, shares, strict=True):
        assert abs(Fraction(part.share) - share) <= 200 * largest * Fraction(2) ** -52


def test_nothing_has_no_shares():
    assert settle_shares([]) == []
