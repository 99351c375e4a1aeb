"""The plan of the demonstration of `sweep`."""

from collections import Counter
from fractions import Fraction

from lossgauge.demonstration.question import CONTENDERS, EPSILON, FAR, POWERS, plan_question
from lossgauge.laws.multiplier import power_of_two
from lossgauge.records.sweep import Setting

PLAN = plan_question()
FIVE = ["SGD", "momentum", "Adam", "NAdam", "AdamW"]


def of(label: str, **wanted: float) -> list[Setting]:
    return [
        setting
        for setting, name in zip(PLAN.settings, PLAN.labels, strict=True)
        if name == label and all(setting.hyperparameters.get(key) == value for key, value in wanted.items())
    ]


def test_the_seeds_question_is_in_it():
    assert list(dict.fromkeys(PLAN.labels)) == FIVE
    assert len(POWERS) == 41
    for one in CONTENDERS:
        for decay in (0.0, 2.0**one.decay):
            alphas = {setting.alpha for setting in of(one.label, weight_decay=decay, lr=2.0**one.rate)}
            assert alphas >= {Fraction(2) ** power for power in POWERS}, one.label


def test_no_setting_is_there_twice():
    keys = Counter(str(setting.to_dict()) for setting in PLAN.settings)
    assert max(keys.values()) == 1


def test_every_number_is_a_power_of_two():
    for setting in PLAN.settings:
        magnitudes = [
            setting.hyperparameters[name] for name in ("lr", "eps", "weight_decay") if name in setting.hyperparameters
        ]
        assert all(value == 0 or power_of_two(Fraction(value)) for value in magnitudes if isinstance(value, float))
        assert power_of_two(setting.alpha)


def test_formats_are_compared_at_equal_groups():
    groups = {
        (setting.hyperparameters["eps"], setting.alpha)
        for setting in PLAN.settings
        if setting.precision == "float16" and isinstance(setting.hyperparameters["eps"], float)
    }
    assert len(groups) == len(FAR)
    assert {Fraction(eps) / alpha for eps, alpha in groups if isinstance(eps, float)} == {Fraction(2) ** EPSILON}
