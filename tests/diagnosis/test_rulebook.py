"""All rules together: their codes and names, and that each has its exhibit."""

from importlib import import_module
from pathlib import Path

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rule import NOT_SCALE, SCALE
from lossgauge.diagnosis.rulebook import RULES, find_rule
from lossgauge.errors import InputError
from tests.diagnosis.sessions import FELL, seen, train

NAMES = [
    "eps-dominates",
    "eps-placement",
    "initial-accumulator",
    "eps-too-small-late-blowup",
    "second-moment-spike",
    "second-moment-overflow",
    "second-moment-underflow",
    "eps-underflows-in-half",
    "unnormalised-warmup",
    "fp16-gradient-underflow",
    "weight-ulp-stagnation",
    "clip-saturated",
    "clip-before-unscale",
    "clip-hidden-constant",
    "l2-dominates",
    "lr-too-small-for-loss",
    "lr-too-large-for-loss",
    "accumulation-not-divided",
    "mean-of-means",
    "weighted-mean-cancels",
    "grad-output-ignored",
    "term-imbalance",
    "elbo-reduction-mismatch",
    "reward-scale",
    "clip-then-eps",
    "absolute-stop-threshold",
    "loss-knee-unit",
    "target-unit",
    "vanishing-gradient",
    "dead-units",
    "missing-zero-grad",
    "labels-unrelated",
    "lr-too-high",
    "params-not-in-optimizer",
]
"""The findings in the order of their codes; things outside the repository rely on them."""
FILES = sorted(path.stem for path in (Path(__file__).parent / "rules").glob("test_*.py"))


def test_codes_and_names_are_fixed():
    assert [rule.name for rule in RULES] == NAMES
    assert [rule.code for rule in RULES] == [f"LG{number:03d}" for number in range(1, len(NAMES) + 1)]


def test_the_last_six_only_look_like_scale():
    assert [rule.group for rule in RULES] == [SCALE] * 28 + [NOT_SCALE] * 6


def test_every_rule_has_an_exhibit():
    exhibits = [exhibit for file in FILES for exhibit in import_module(f"tests.diagnosis.rules.{file}").EXHIBITS]
    assert {exhibit.rule.name for exhibit in exhibits} == set(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_its_page(rule):
    assert rule.title
    for part in ("what", "why", "evidence", "remedy"):
        assert getattr(rule.page, part).endswith("."), part


def test_every_rank_is_a_place_of_its_own():
    assert len({rule.rank for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "radam"])
def test_a_healthy_training_has_no_finding(rule, optimizer):
    roots = None if optimizer == "sgd" else 1e-2
    look = [seen(1e-2, roots, eps=1e-8, elasticity=float(roots is None), tensor=i, signal=0.3) for i in range(3)]
    assert rule.check(Case(train(FELL, look, optimizer=optimizer, stale=False))) is None


@pytest.mark.parametrize("text", ["LG001", "lg001", " eps-dominates ", "EPS-dominates"])
def test_a_rule_is_found_by_code_and_by_name(text):
    assert find_rule(text).name == "eps-dominates"


def test_an_unknown_rule_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean LG012, clip-saturated"):
        find_rule("clip-saturate")
    with pytest.raises(InputError, match="expected one of the 34"):
        find_rule("zzzzzz")
