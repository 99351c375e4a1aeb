"""Finding the law that applies to an object or a name."""

from fractions import Fraction

import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.verbs.discover import discover
from lossgauge.verbs.laws import law_of_name, law_of_optimizer
from tests.zoo.fractional import PartiallyAdaptive
from tests.zoo.sign import Lion


def weights() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(3))]


def test_a_live_torch_optimizer_takes_its_row_and_variant() -> None:
    assert law_of_optimizer(torch.optim.Adam(weights())).exponents["weight_decay"] == 1
    decoupled = torch.optim.Adam(weights(), decoupled_weight_decay=True)
    assert law_of_optimizer(decoupled).exponents["weight_decay"] == 0
    nesterov = torch.optim.SGD(weights(), lr=0.1, momentum=0.9, nesterov=True)
    assert law_of_optimizer(nesterov).exponents["lr"] == -1


def test_an_unknown_class_is_discovered_in_its_own_structure() -> None:
    assert not law_of_optimizer(Lion(weights())).carriers


@pytest.mark.parametrize(("partial", "rate"), [(0.125, Fraction(-3, 4)), (0.25, Fraction(-1, 2))])
def test_a_law_that_depends_on_a_number_is_looked_up_at_that_number(partial: float, rate: Fraction) -> None:
    name = next(n for n in PartiallyAdaptive(weights()).param_groups[0] if n in ("partial", "p", "power"))
    assert law_of_optimizer(PartiallyAdaptive(weights(), **{name: partial})).exponents["lr"] == rate


def test_a_rate_that_warms_up_from_zero_does_not_matter() -> None:
    optimizer = Lion(weights())
    optimizer.param_groups[0]["lr"] = 0.0
    assert law_of_optimizer(optimizer).exponents["lr"] == 0


def test_names_and_their_flags() -> None:
    assert law_of_name("adam", {"decoupled_weight_decay": True}).exponents["weight_decay"] == 0
    assert law_of_name("tests.zoo.sign:Lion").title == "Lion"
    with pytest.raises(InputError, match="did you mean 'nadam'"):
        law_of_name("nadm")


def test_a_live_optimizer_is_not_what_discover_takes() -> None:
    with pytest.raises(InputError, match="live Adam; give its class"):
        discover(torch.optim.Adam(weights()))
