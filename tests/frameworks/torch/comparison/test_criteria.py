import functools
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lossgauge.errors import InputError, ScriptError
from lossgauge.frameworks.torch.comparison.criteria import find_criterion, settle_kind
from lossgauge.frameworks.torch.comparison.losses import FORMULAS

OUTPUT, LABELS = torch.ones(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize("name", FORMULAS)
def test_every_name_is_found(name: str):
    criterion = find_criterion(name)
    assert criterion.kind == FORMULAS[name].kind
    assert criterion.name.split(":")[0] == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("focal", "focal:gamma=2"),
        ("Focal:gamma=0.5", "focal:gamma=0.5"),
        ("cross_entropy", "cross-entropy"),
        (" huber : delta = 3 ", "huber:delta=3"),
        ("weighted-cross-entropy:weights=1,2.5,4", "weighted-cross-entropy:weights=1,2.5,4"),
        ("weighted-cross-entropy", "weighted-cross-entropy"),
        ("torch.nn.functional:mse_loss", "torch.nn.functional:mse_loss"),
    ],
)
def test_how_names_are_read(text: str, shown: str):
    assert find_criterion(text).name == shown


def test_a_parameter_reaches_the_formula():
    value = [float(find_criterion(f"huber:delta={d}").evaluate(OUTPUT, 0 * OUTPUT, "b").detach()) for d in (0.5, 2)]
    assert value == [0.375, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("focl", "did you mean 'focal'?"),
        ("nothing-like-it", "expected mse, mse-sum"),
        ("focal:gama=2", "did you mean 'gamma'?"),
        ("mse:delta=2", "mse has no parameter 'delta'; expected none"),
        ("focal:2", "focal has no parameter '2'"),
        ("huber:delta", "delta of huber has no value, expected huber:delta=…"),
        ("focal:gamma=-1", "gamma of focal is -1, expected a number of at least 0"),
        ("focal:gamma=two", "gamma of focal is 'two'"),
        ("focal:gamma=inf", "expected a finite number"),
        ("focal:gamma=1,2", "gamma of focal is 1,2"),
        ("focal:gamma=1,gamma=2", "twice"),
        ("huber:delta=0", "a number above 0"),
        ("label-smoothing:smoothing=1", "from 0 to below 1"),
        ("weighted-cross-entropy:weights=1,-1", "numbers of at least 0"),
        ("nowhere_at_all:loss", "cannot be imported"),
        ("torch.nn.functional:mse_los", "did you mean 'mse_loss'?"),
        ("math:pi", "expected a function"),
    ],
)
def test_what_is_no_loss(text: str, message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        find_criterion(text)


def test_functions_and_modules_of_the_user():
    assert find_criterion(torch.nn.functional.mse_loss).name == "mse_loss"
    assert find_criterion(functools.partial(torch.nn.functional.huber_loss, delta=2)).name == "huber_loss"
    own = nn.CrossEntropyLoss()
    criterion = find_criterion(own)
    assert criterion.name == "CrossEntropyLoss"
    assert criterion.function is not own, "a module may keep numbers of its own, which stay as they are"
    assert find_criterion("torch.nn:MSELoss").evaluate(OUTPUT, 0 * OUTPUT, "b") == 1
    with pytest.raises(InputError, match="int, expected a function"):
        find_criterion(3)


@pytest.mark.parametrize(
    ("loss", "output", "target", "message"),
    [
        ("mse", torch.ones(4, 1), torch.ones(4), "output (4, 1) and target (4,)"),
        ("bce", torch.ones(4, 1), torch.ones(4), "expected the same shape"),
        ("focal", OUTPUT, torch.ones(4), "whole numbers (n,)"),
        ("focal", OUTPUT, LABELS[:, None], "target (4, 1) of int64"),
        ("focal", OUTPUT, LABELS + 1, "classes from 1 to 3 on batch 1, expected 0 to 2"),
        ("mse", {"logits": OUTPUT}, LABELS, "output dict and target (4,) of int64"),
        (lambda z, y: (z**2).mean(1), OUTPUT, LABELS, "shape (4,) on batch 1, expected one number"),
        (lambda z, y: 1.0, OUTPUT, LABELS, "returns float"),
        (lambda z, y: None, OUTPUT, LABELS, "returns nothing"),
        (lambda z, y: z.detach().mean(), OUTPUT, LABELS, "no gradient"),
        (lambda z, y: (y.mul_(2), z.mean())[1], OUTPUT, LABELS.clone(), "in place"),
        (lambda z, y: z.mul_(2).mean(), OUTPUT * 1, LABELS, "in place"),
    ],
)
def test_what_is_wrong_with_a_loss_is_said(loss: Any, output: Any, target: Tensor, message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        find_criterion(loss).evaluate(output, target, "batch 1")


def test_a_failure_of_the_users_own_loss_keeps_its_traceback():
    def fails(output: Tensor, target: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ScriptError, match=r"fails failed on batch 2 with output \(4, 3\)") as caught:
        find_criterion(fails).evaluate(OUTPUT, LABELS, "batch 2")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_one_number_may_have_any_number_of_dimensions():
    def wide(output: Tensor, target: Tensor) -> Tensor:
        return output.mean().reshape(1, 1)

    assert find_criterion(wide).evaluate(OUTPUT, LABELS, "batch 1").shape == ()


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("mse", "huber", "regression"),
        ("focal", max, "classification"),
        ("bce", "mse", "binary"),
        ("bce", "bce", "binary"),
    ],
)
def test_which_problem_suits(one: Any, other: Any, kind: str):
    assert settle_kind((find_criterion(one), find_criterion(other))) == kind


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("mse", "focal", "expected two losses for the same output"),
        (max, min, "nothing is known of what max and min take"),
    ],
)
def test_which_does_not(one: Any, other: Any, message: str):
    with pytest.raises(InputError, match=message):
        settle_kind((find_criterion(one), find_criterion(other)))
