from hypothesis import given

from lossgauge.units.equation import Equation, Site
from lossgauge.units.monomial import GRADIENT, ONE, Monomial
from tests.units.strategies import monomials

SITE = Site("torch/optim/adam.py", 12, "denom.add_(eps)")


@given(monomials, monomials)
def test_the_difference_is_one_exactly_where_the_sides_agree(left: Monomial, right: Monomial):
    equation = Equation(left, right, SITE)
    assert (equation.difference == ONE) == (left == right)
    assert equation.difference * right == left


def test_a_site_is_its_place_and_not_its_text():
    assert str(SITE) == "torch/optim/adam.py:12"
    assert Site("torch/optim/adam.py", 12) == SITE
    assert hash(Site("torch/optim/adam.py", 12)) == hash(SITE)
    assert Site("torch/optim/adam.py", 13, SITE.code) != SITE


def test_equations_are_equal_where_sides_and_site_are():
    gradient = Monomial(GRADIENT)
    equation = Equation(gradient, ONE, SITE, "add", step=0, literal=1e-6)
    assert equation == Equation(gradient, ONE, SITE, "sub", step=3)
    assert len({equation, Equation(gradient, ONE, SITE, comparison=True)}) == 1
    assert equation != Equation(ONE, gradient, SITE)
    assert equation != Equation(gradient, ONE, Site("torch/optim/adam.py", 13))
