"""Values at which every hyperparameter matters."""

import pytest

from lossgauge.discovery.values import choose_values
from lossgauge.errors import InputError, ObservationError
from lossgauge.frameworks.registry import subject_named


def test_defaults_without_trace_are_moved_and_the_rest_is_kept() -> None:
    choice = choose_values(subject_named("adam"), {})
    assert set(choice.moved) == {"eps", "weight_decay"}
    assert choice.settings["betas[1]"] == 0.999
    assert not choice.inert


def test_what_needs_another_setting_wakes_up_with_it() -> None:
    choice = choose_values(subject_named("sgd"), {})
    assert choice.settings["momentum"]
    assert choice.settings["dampening"]


def test_zeros_flags_and_texts_of_the_user_are_kept() -> None:
    choice = choose_values(subject_named("sgd"), {"weight_decay": 0, "nesterov": True})
    assert choice.settings["weight_decay"] == 0
    assert choice.settings["nesterov"] is True
    assert "weight_decay" in choice.inert


def test_whole_numbers_are_not_moved() -> None:
    choice = choose_values(subject_named("tests.zoo.conflicting:WarmupThenAdam"), {"warmup": 5})
    assert choice.settings["warmup"] == 5


def test_the_same_choice_every_time() -> None:
    assert choose_values(subject_named("muon"), {}) == choose_values(subject_named("muon"), {})


def test_refusals_are_clear() -> None:
    with pytest.raises(InputError, match="no setting 'epsilon'; it has lr, betas"):
        choose_values(subject_named("adam"), {"epsilon": 1e-8})
    with pytest.raises(InputError, match="needs 'horizon', which has no default; give it with --set horizon=VALUE"):
        choose_values(subject_named("tests.zoo.bad:NeedsArgument"), {})
    with pytest.raises(ObservationError, match="moves nothing"):
        choose_values(subject_named("tests.zoo.bad:Motionless"), {})
    with pytest.raises(InputError, match="Invalid learning rate"):
        choose_values(subject_named("adam"), {"lr": -1.0, "weight_decay": 0, "betas": (0, 0)})
