import copy
import math

import numpy as np
import pytest

from lossgauge.frameworks.torch.stacking.replicated import Divided, Replicated, agreed, each, replicated_math

RATES = (1e-3, 3e-3, 0.1)


def values(number: object) -> list[float]:
    assert isinstance(number, Replicated)
    return number.values.tolist()


@pytest.mark.parametrize("formula", [
    lambda lr: 1 - lr * 0.3, lambda lr: lr / (1 - 0.9**7.0), lambda lr: (lr + 2) ** 0.5, lambda lr: 0.96 ** (lr * 3),
    lambda lr: -lr / 7 - +lr, lambda lr: abs(-lr) % 0.01, lambda lr: 5 // lr, lambda lr: lr**3.7 - lr,
])  # fmt: skip
def test_it_calculates_bit_for_bit_as_python_does(formula):
    assert values(formula(Replicated(RATES))) == [formula(rate) for rate in RATES]


def test_a_number_that_is_the_same_for_all_is_kept_once_and_meets_others():
    alike = Replicated.joined([0.9, 0.9, 0.9])
    assert len(alike.values) == 1
    assert values(alike * Replicated(RATES)) == [0.9 * rate for rate in RATES]
    assert values(alike**3.0) == [0.9**3.0]
    assert len(Replicated.joined(RATES).values) == 3


def test_zeros_of_both_signs_are_not_the_same_number():
    assert len(Replicated.joined([0.0, -0.0]).values) == 2


def test_what_all_replicas_agree_on_is_a_plain_answer():
    number = Replicated(RATES)
    assert number > 0
    assert not number >= 1
    assert number
    assert number != 0.5
    assert not Replicated([0.0, 0.0])


def test_where_replicas_disagree_it_says_which():
    with pytest.raises(Divided) as caught:
        assert Replicated(RATES) > 0.01
    assert caught.value.mask.tolist() == [False, False, True]


def test_the_number_underneath_is_nan_so_that_a_leak_is_noticed():
    assert math.isnan(float.__add__(Replicated(RATES), 0.0))


def test_functions_of_math_act_on_each_replica_and_are_put_back():
    before = math.sqrt
    with replicated_math():
        assert values(math.sqrt(Replicated(RATES))) == [before(rate) for rate in RATES]
        assert math.isfinite(Replicated(RATES))
        assert math.sqrt(4.0) == 2.0
    assert math.sqrt is before
    assert math.isnan(math.sqrt(Replicated(RATES)))


def test_numpy_functions_act_on_each_replica():
    assert values(np.sqrt(Replicated(RATES))) == np.sqrt(RATES).tolist()


def test_python_errors_stay_errors():
    with pytest.raises(ZeroDivisionError):
        _ = 1.0 / Replicated([1.0, 0.0])
    with pytest.raises(OverflowError):
        _ = Replicated([1.0, 10.0]) ** 1e6
    with pytest.raises(TypeError):
        _ = Replicated([-1.0, 2.0]) ** 0.5


def test_copies_are_the_number_itself():
    number = Replicated(RATES)
    assert copy.deepcopy({"lr": number})["lr"] is number
    assert copy.copy(number) is number


def test_each_computes_equal_operands_once():
    asked: list[float] = []

    def function(x: float) -> float:
        asked.append(x)
        return x + 1

    assert values(each(function, Replicated([1.0, 2.0, 1.0]))) == [2.0, 3.0, 2.0]
    assert asked == [1.0, 2.0]


def test_agreement():
    assert agreed(np.array([True, True]))
    assert not agreed(np.array([False]))
